"""The facts that the test suite of Flask-Session checks, for each store, with real Flask-Session and with hipflask."""

import datetime
import pickle
import warnings

import flask_session
import itsdangerous
import msgspec
import pytest

import hipflask
from stores import Files, app_on, peek, sid_of, visit, with_id

#: In addition to the stores that pytest is started with.
MORE_STORES = ["cachelib"]
KEY = "a secret key of the tests, long enough"
DUMPS = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}


@pytest.fixture(params=[flask_session.Session, hipflask.Session], ids=["stock", "ours"])
def extension(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield request.param


def loads(store, record, form="msgpack"):
    """Returns the session in a record."""
    if isinstance(store, Files):
        return pickle.loads(record)
    return {"json": msgspec.json, "msgpack": msgspec.msgpack}[form].decode(record)


def started(app, **members):
    """Returns a client whose session has ``members``."""
    client = app.test_client()
    visit(client, lambda session: session.update(members))
    return client


def set_cookie(response):
    return response.headers.get("Set-Cookie", "")


def test_a_session_is_set_read_and_deleted(store, extension):
    app = app_on(store, extension)
    client = started(app, value="42")
    sid = sid_of(client)
    assert loads(store, store.record(sid)) == {"_permanent": True, "value": "42"}
    assert peek(client) == {"value": "42"}
    visit(client, lambda session: session.update(value="43", more=[1, {"a": None}]))
    assert sid_of(client) == sid and peek(client) == {"value": "43", "more": [1, {"a": None}]}
    visit(client, lambda session: session.pop("more"))
    assert loads(store, store.record(sid)) == {"_permanent": True, "value": "43"}
    assert "session=;" in set_cookie(visit(client, lambda session: session.pop("value")))
    assert store.record(sid) is None and sid_of(client) is None and peek(client) == {}


def test_sessions_of_two_clients_are_apart(store, extension):
    app = app_on(store, extension)
    one, other = started(app, value=1), started(app, value=2)
    assert sid_of(one) != sid_of(other)
    assert (peek(one), peek(other)) == ({"value": 1}, {"value": 2})
    visit(one, lambda session: session.clear())
    assert (peek(one), peek(other)) == ({}, {"value": 2})


def test_an_empty_session_leaves_no_record(store, extension):
    client = app_on(store, extension).test_client()
    sids = []
    for act in (lambda session: sids.append(session.sid), lambda session: session.get("value")):
        assert set_cookie(visit(client, act)) == ""
    assert store.record(sids[0]) is None


@pytest.mark.parametrize("permanent", [True, False])
def test_only_permanent_cookies_have_an_expiry(store, extension, permanent):
    app = app_on(store, extension, SESSION_PERMANENT=permanent, PERMANENT_SESSION_LIFETIME=datetime.timedelta(hours=1))
    client, found = app.test_client(), []
    response = visit(client, lambda session: (session.update(value=1), found.append(session.permanent)))
    assert ("Expires=" in set_cookie(response)) is permanent and found == [permanent]
    assert peek(client) == {"value": 1}
    changed = visit(client, lambda session: setattr(session, "permanent", not permanent))
    assert ("Expires=" in set_cookie(changed)) is not permanent


def test_a_signed_id_is_verified_and_stripped(store, extension):
    app = app_on(store, extension, SESSION_USE_SIGNER=True)
    client = started(app, value=1)
    cookie = sid_of(client)
    sid = itsdangerous.Signer(KEY, salt="flask-session", key_derivation="hmac").unsign(cookie).decode()
    assert loads(store, store.record(sid))["value"] == 1 and peek(client) == {"value": 1}
    for forged in (sid, cookie[:-1] + ("A" if cookie[-1] != "A" else "E"), f"{sid}.{'A' * 27}"):
        assert peek(with_id(app, forged)) == {}
    assert loads(store, store.record(sid))["value"] == 1


def test_keys_of_records_begin_with_the_prefix(store, extension):
    client = started(app_on(store, extension, SESSION_KEY_PREFIX="other:"), value=1)
    assert store.record(sid_of(client)) is None
    store.prefix = "other:"
    assert loads(store, store.record(sid_of(client)))["value"] == 1
    assert peek(with_id(app_on(store, extension), sid_of(client))) == {}


@pytest.mark.parametrize("length", [16, 64])
def test_ids_have_the_configured_length(store, extension, length):
    client = started(app_on(store, extension, SESSION_ID_LENGTH=length), value=1)
    assert len(sid_of(client)) == -(-length * 4 // 3) and peek(client) == {"value": 1}


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_records_of_the_other_format_are_read(store, extension, form):
    client = started(app_on(store, extension, SESSION_SERIALIZATION_FORMAT=form), value="Zoë")
    sid, content = sid_of(client), {"_permanent": True, "value": "Zoë"}
    assert loads(store, store.record(sid), form) == content
    if not isinstance(store, Files):
        assert store.record(sid) == DUMPS[form](content)
        other = next(name for name in DUMPS if name != form)
        store.put(sid, DUMPS[other]({**content, "value": 2}))
        assert peek(client) == {"value": 2}
        visit(client, lambda session: session.update(value=3))
        assert loads(store, store.record(sid), form)["value"] == 3


@pytest.mark.parametrize("protocol", [2, 5])
def test_pickled_records_of_old_versions_are_read(store, extension, protocol):
    client = started(app_on(store, extension), value=1)
    old = {"_permanent": True, "value": (1, "é", datetime.datetime(2020, 1, 1))}
    store.put(sid_of(client), pickle.dumps(old, protocol=protocol))
    assert peek(client) == {"value": old["value"]}
    visit(client, lambda session: session.update(value=2))
    assert loads(store, store.record(sid_of(client))) == {"_permanent": True, "value": 2}


def test_clear_deletes_the_record_and_the_cookie(store, extension):
    client = started(app_on(store, extension), value=1)
    sid = sid_of(client)
    response = visit(client, lambda session: session.clear())
    assert set_cookie(response).startswith("session=;") and "Expires=Thu, 01 Jan 1970" in set_cookie(response)
    assert response.headers["Vary"] == "Cookie" and store.record(sid) is None
    assert peek(with_id(client.application, sid)) == {}


def test_destroy_deletes_the_record_and_the_cookie(store):
    client = started(app_on(store, hipflask.Session), value=1)
    sid = sid_of(client)
    assert set_cookie(visit(client, lambda session: session.destroy())).startswith("session=;")
    assert store.record(sid) is None and peek(with_id(client.application, sid)) == {}


def test_regenerate_moves_the_record_to_a_new_id(store, extension):
    app = app_on(store, extension)
    client = started(app, value=1)
    before = sid_of(client)
    visit(client, lambda session: app.session_interface.regenerate(session))
    assert sid_of(client) != before and store.record(before) is None
    assert loads(store, store.record(sid_of(client)))["value"] == 1 and peek(client) == {"value": 1}
    assert peek(with_id(app, before)) == {}


@pytest.mark.parametrize("refresh", [True, False])
def test_the_cookie_is_refreshed_only_if_configured(store, extension, refresh):
    client = started(app_on(store, extension, SESSION_REFRESH_EACH_REQUEST=refresh), value=1)
    response = visit(client, lambda session: session.get("value"))
    assert set_cookie(response).partition(";")[0] == (f"session={sid_of(client)}" if refresh else "")
    assert response.headers["Vary"] == "Cookie"


def test_a_session_only_read_is_not_saved(store, extension):
    app = app_on(store, extension, SESSION_REFRESH_EACH_REQUEST=False)
    client = started(app, value=1)
    dumps = pickle.dumps if isinstance(store, Files) else msgspec.msgpack.encode
    other = dumps({"_permanent": True, "value": "of another request"})

    def read(session):
        assert session["value"] == 1 and session.accessed and not session.modified
        store.put(sid_of(client), other)

    assert visit(client, read).status_code == 200
    assert store.record(sid_of(client)) == other and peek(client) == {"value": "of another request"}


def test_modified_says_whether_the_session_changed(store, extension):
    client, found = started(app_on(store, extension), value=1, inside=[1]), []
    visit(client, lambda session: found.append((session.modified, session.get("value"), session.modified)))
    visit(client, lambda session: (session.update(value=2), found.append(session.modified)))

    def change_inside(session):
        session["inside"].append(2)
        found.append(session.modified)
        session.modified = True

    visit(client, change_inside)
    assert found == [(False, 1, False), True, False] and peek(client) == {"value": 2, "inside": [1, 2]}


def test_records_are_in_the_place_that_is_named(store, extension):
    if not hasattr(store, "rename"):
        pytest.skip("a memcached server is one place")
    elsewhere = started(app_on(store, extension), value="elsewhere")
    store.rename("other_sessions")
    app = app_on(store, extension)
    assert peek(with_id(app, sid_of(elsewhere))) == {}
    client = started(app, value=1)
    assert store.record(sid_of(elsewhere)) is None
    assert loads(store, store.record(sid_of(client)))["value"] == 1 and peek(client) == {"value": 1}


def expired_and_live(store, app):
    """Returns the ids of an expired session and of a current one."""
    if not hasattr(store, "expire"):
        pytest.skip("this store deletes what has expired by itself")
    clients = [started(app, value=n) for n in range(2)]
    expired, live = map(sid_of, clients)
    store.expire(expired)
    assert store.record(expired) is not None and peek(with_id(app, sid_of(clients[1]))) == {"value": 1}
    return expired, live


def test_the_command_deletes_only_expired_records(store, extension):
    app = app_on(store, extension)
    expired, live = expired_and_live(store, app)
    result = app.test_cli_runner().invoke(args=["session_cleanup"])
    assert result.exit_code == 0, result.output
    assert store.record(expired) is None and store.record(live) is not None


def test_one_of_n_requests_deletes_expired_records(store, extension, monkeypatch):
    app = app_on(store, extension, SESSION_CLEANUP_N_REQUESTS=10)
    monkeypatch.setattr("random.randint", lambda least, most: 10)
    expired, live = expired_and_live(store, app)
    assert store.record(expired) is not None
    monkeypatch.setattr("random.randint", lambda least, most: 0 if (least, most) == (0, 10) else 10)
    visit(app.test_client(), lambda session: None)
    assert store.record(expired) is None and store.record(live) is not None


def test_an_expired_record_is_an_empty_session(store, extension):
    app = app_on(store, extension)
    expired, live = expired_and_live(store, app)
    assert peek(with_id(app, expired)) == {} and peek(with_id(app, live)) == {"value": 1}
