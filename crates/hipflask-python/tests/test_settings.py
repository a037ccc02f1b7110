"""A wrong setting is an error that names it, when the app is set up or at its first request."""

import datetime

import flask
import pytest
from flask_sqlalchemy import SQLAlchemy

import hipflask

KEY = "a secret key of the tests"


def app_with(**config):
    app = flask.Flask("settings")
    app.config.update({"SECRET_KEY": KEY, "TESTING": True, **config})
    app.add_url_rule("/", "view", lambda: "page")
    return app


WRONG_LIFETIMES = [-1, 0, datetime.timedelta(seconds=-1), datetime.timedelta(), datetime.timedelta(milliseconds=999)]

WRONG_IN_COOKIES = {
    "SESSION_COOKIE_LEEWAY": [-1, "5", None, 2.5, 2**64],
    "SESSION_COOKIE_COMPRESSION": ["always", 9, None, b"never"],
    "PERMANENT_SESSION_LIFETIME": [*WRONG_LIFETIMES, "a week"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG_IN_COOKIES.items() for value in values])
def test_wrong_cookie_settings_fail_at_the_first_request(key, value):
    class Own(hipflask.SecureCookieSessionInterface):
        def get_signing_serializer(self, app):
            return super().get_signing_serializer(app)

    for interface in (hipflask.SecureCookieSessionInterface(), Own()):
        for cookie in (None, "session=nonsense"):
            app = app_with(**{key: value})
            app.session_interface = interface
            with pytest.raises(ValueError) as caught:
                app.test_client(use_cookies=False).get("/", headers={"Cookie": cookie} if cookie else {})
            said = str(caught.value)
            assert said.startswith(f"{key} must be ") and said.endswith(f", but is {value!r}"), said


def test_cookie_settings_on_the_interface_are_checked():
    app = app_with()
    app.session_interface = hipflask.SecureCookieSessionInterface()
    app.session_interface.leeway = -7
    with pytest.raises(ValueError, match="SESSION_COOKIE_LEEWAY must be .* but is -7"):
        app.test_client().get("/")


WRONG_IN_STORES = {
    "SESSION_TYPE": ["sqlserver", "reddis://127.0.0.1", 7],
    "SESSION_KEY_PREFIX": [7, None, "two words", "x" * 101],
    "SESSION_ID_LENGTH": [0, -1, 7, 97, "32", None, True],
    "SESSION_CLEANUP_N_REQUESTS": [-1, "10", 0.5],
    "SESSION_SERIALIZATION_FORMAT": ["xml", 7, ""],
    "SESSION_FILE_MODE": [600, -1, "600", None],
    "SESSION_FILE_DIR": [7, None, b"directory"],
}
OF_OTHER_TYPES = {
    "SESSION_REDIS": [7],
    "SESSION_MEMCACHED": [7],
    "SESSION_CACHELIB": [7],
    "SESSION_SQLALCHEMY": [7],
    "SESSION_SQLALCHEMY_TABLE": [7, ""],
    "SESSION_SQLALCHEMY_SCHEMA": [7],
    "SESSION_SQLALCHEMY_SEQUENCE": [7],
    "SESSION_MONGODB": [7],
    "SESSION_MONGODB_DB": [7, ""],
    "SESSION_MONGODB_COLLECT": [7],
    "SESSION_DYNAMODB": [7],
    "SESSION_DYNAMODB_TABLE": [7],
}
WRONG = [
    *((key, value, "filesystem") for key, values in WRONG_IN_STORES.items() for value in values),
    *((key, value, key.split("_")[1].lower()) for key, values in OF_OTHER_TYPES.items() for value in values),
]


@pytest.mark.parametrize(("key", "value", "kind"), WRONG)
def test_wrong_store_settings_fail_at_setup(key, value, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {"SESSION_TYPE": kind, "SQLALCHEMY_DATABASE_URI": "sqlite:///sessions.db"}
    with pytest.raises(hipflask.errors.ConfigurationError) as caught:
        hipflask.Session(app_with(**{**known, key: value}))
    said = str(caught.value)
    assert key in said or said.startswith(("Unsupported serialization format", "session store: unknown store scheme `reddis:`")), said


def test_an_unknown_bind_key_fails_at_setup(tmp_path):
    app = app_with(SESSION_TYPE="sqlalchemy", SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/app.db")
    app.config.update(SESSION_SQLALCHEMY=SQLAlchemy(app), SESSION_SQLALCHEMY_BIND_KEY="sessions")
    with pytest.raises(hipflask.errors.ConfigurationError, match="SESSION_SQLALCHEMY_BIND_KEY must be .* but is 'sessions'"):
        hipflask.Session(app)


@pytest.mark.parametrize("length", [8, 16, 96])
@pytest.mark.filterwarnings("ignore:SESSION_ID_LENGTH is 8")
def test_ids_of_another_length_still_find_their_sessions(length, tmp_path):
    apps = []
    for session_id_length in (length, 32, 48):
        app = app_with(SESSION_TYPE=f"file:{tmp_path}", SESSION_ID_LENGTH=session_id_length)
        hipflask.Session(app)
        app.add_url_rule("/count", "count", lambda: str(flask.session.increment("n")))
        apps.append(app)
    first = apps[0].test_client()
    assert first.get("/count").text == "1"
    cookie = first.get_cookie("session").value
    assert len(cookie) == -(-length * 4 // 3)
    for number, app in enumerate(apps, 2):
        client = app.test_client()
        client.set_cookie("session", cookie)
        assert client.get("/count").text == str(number) and client.get_cookie("session").value == cookie


def test_short_ids_cause_a_warning(tmp_path):
    with pytest.warns(RuntimeWarning, match="SESSION_ID_LENGTH is 8: ids of fewer than 16 bytes can be guessed"):
        hipflask.Session(app_with(SESSION_TYPE=f"file:{tmp_path}", SESSION_ID_LENGTH=8))


WRONG_LATER = {
    "PERMANENT_SESSION_LIFETIME": [*WRONG_LIFETIMES, "a week"],
    "SECRET_KEY_FALLBACKS": ["a text", [""], [7]],
    "SECRET_KEY": [7, None, ""],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG_LATER.items() for value in values])
@pytest.mark.filterwarnings("ignore:SESSION_USE_SIGNER is deprecated")
def test_wrong_changed_settings_fail_at_the_next_request(key, value, tmp_path):
    for cookie in (None, "session=nonsense", f"session={'A' * 43}"):
        app = app_with(SESSION_TYPE=f"file:{tmp_path}", SESSION_USE_SIGNER=True, **{key: value})
        hipflask.Session(app)
        with pytest.raises((ValueError, TypeError, KeyError), match=key) as caught:
            app.test_client(use_cookies=False).get("/", headers={"Cookie": cookie} if cookie else {})
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", ["postgres://127.0.0.1/db", "mariadb://127.0.0.1/db", "mongodb://127.0.0.1", "dynamodb://Sessions"])
def test_a_missing_store_says_how_to_build_it(url):
    with pytest.raises(hipflask.errors.ConfigurationError) as caught:
        hipflask.Session(app_with(SESSION_TYPE=url))
    assert "MATURIN_PEP517_ARGS='--features full' pip install" in str(caught.value)
    assert "not compiled in" not in str(caught.value)
