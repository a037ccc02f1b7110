"""Hypothesis plays the same story on a stock app and on one of ours, request by request: odd types, keys and time zones, settings
that change between requests, threads. After each request both have given the same response and left the same session.

Differences on purpose are left out by name, each with its row in COMPATIBILITY.md.
"""

import copy
import datetime
import decimal
import enum
import os
import secrets
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor

import flask
import flask_session
import freezegun
import msgspec
import pytest
import redis
from flask.sessions import SecureCookieSessionInterface
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

import hipflask

#: The number of examples of each of the two tests.
EXAMPLES = int(os.environ.get("HIPFLASK_TWINS", "300"))
RUN = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    pass


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 12, 31), timezones=st.none() | ZONES)
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.binary(max_size=20)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | MOMENTS | st.dates() | st.uuids().map(lambda one: uuid.UUID(int=one.int))
    | st.decimals(allow_nan=False, allow_infinity=False, places=2) | st.sampled_from([Number.ONE, Colour.RED])
)  # fmt: skip
KEYS = st.sampled_from(["a", "b", "é", " t", " x", "", "long " * 9]) | st.sampled_from([Text("t"), Markup("<b>"), Colour.RED])


def nested(leaves, keys):
    return st.recursive(
        leaves, lambda inside: st.lists(inside, max_size=3) | st.lists(inside, max_size=3).map(tuple) | st.dictionaries(keys, inside, max_size=3), max_leaves=8
    )


#: Only values that Flask's JSON and msgpack can write. Others are errors at different times (COMPATIBILITY.md, "setting a value that
#: the record format cannot store"): see `test_odd_values.py`.
IN_COOKIES = nested(PLAIN | st.just(Markup("<b>")) | st.integers(), KEYS)
IN_STORES = nested(PLAIN | st.timedeltas(datetime.timedelta(-999), datetime.timedelta(999)) | st.frozensets(st.integers(0, 9), max_size=1), KEYS)

ACTS = {
    "set": lambda session, key, value: session.__setitem__(key, value),
    "update": lambda session, key, value: session.update({key: value}),
    "default": lambda session, key, value: session.setdefault(key, value),
    "get": lambda session, key, value: session.get(key),
    "item": lambda session, key, value: session[key],
    "pop": lambda session, key, value: session.pop(key, None),
    "delete": lambda session, key, value: session.__delitem__(key),
    "clear": lambda session, key, value: session.clear(),
    "in": lambda session, key, value: key in session,
    "all": lambda session, key, value: sorted(map(repr, session.items())),
    "copy": lambda session, key, value: copy.deepcopy(dict(session)),
    "permanent": lambda session, key, value: setattr(session, "permanent", bool(value)),
    # Not `modified = False`: here a change inside a value counts even then.
    "modified": lambda session, key, value: setattr(session, "modified", 1),
    "flash": lambda session, key, value: flask.flash(str(key), "category"),
    "flashed": lambda session, key, value: flask.get_flashed_messages(with_categories=True),
    "flags": lambda session, key, value: (session.modified, session.accessed, session.permanent, bool(session)),
    "nothing": lambda session, key, value: None,
}
CHANGES = st.sampled_from(
    [
        {}, {}, {}, {"SESSION_REFRESH_EACH_REQUEST": False}, {"SESSION_REFRESH_EACH_REQUEST": True},
        {"PERMANENT_SESSION_LIFETIME": datetime.timedelta(hours=1)}, {"PERMANENT_SESSION_LIFETIME": 90},
        {"SESSION_COOKIE_SAMESITE": "Lax"}, {"SESSION_COOKIE_SECURE": True}, {"SESSION_COOKIE_PATH": "/"}, {"SESSION_COOKIE_HTTPONLY": False},
    ]
)  # fmt: skip


def stories(values):
    step = st.tuples(st.sampled_from(sorted(ACTS)), KEYS, values)
    return st.lists(st.tuples(CHANGES, st.lists(step, max_size=4)), min_size=1, max_size=4)


class Twin:
    """An app, and the result of its last request."""

    def __init__(self, extend, **config):
        self.app = app = flask.Flask("hypothesis")
        app.secret_key = "a secret key of the tests, long enough"
        app.config.update(config)
        app.logger.disabled = True
        extend(app)
        app.add_url_rule("/", "view", self._view)

    def begin(self):
        self.client = self.app.test_client()
        self.app.config.update(
            SESSION_REFRESH_EACH_REQUEST=True, PERMANENT_SESSION_LIFETIME=datetime.timedelta(days=31), SESSION_COOKIE_SAMESITE=None,
            SESSION_COOKIE_SECURE=False, SESSION_COOKIE_PATH=None, SESSION_COOKIE_HTTPONLY=True,
        )  # fmt: skip

    def _view(self):
        answers = []
        for name, key, value in self.acts:
            try:
                answers.append(repr(ACTS[name](flask.session, key, copy.deepcopy(value))).replace("FakeDatetime", "datetime.datetime"))
            except Exception as error:
                answers.append(f"{type(error).__name__}: {error}")
        return "\n".join(answers)

    def visit(self, changes, acts):
        self.acts = acts
        self.app.config.update(changes)
        response = self.client.get("/", base_url="https://localhost/")
        cookies = response.headers.getlist("Set-Cookie")
        return response.status, response.get_data(as_text=True), response.headers.getlist("Vary"), cookies

    def sid(self):
        cookie = self.client.get_cookie("session")
        return cookie and cookie.value


def with_interface(interface):
    return lambda app: setattr(app, "session_interface", interface)


@pytest.fixture(scope="module")
def cookie_twins():
    return Twin(with_interface(SecureCookieSessionInterface())), Twin(with_interface(hipflask.SecureCookieSessionInterface()))


@RUN
@given(story=stories(IN_COOKIES))
def test_cookie_session_stories_match_real_flask(cookie_twins, story):
    with freezegun.freeze_time("2024-05-06 07:08:09"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for twin in cookie_twins:
            twin.begin()
        for changes, acts in story:
            theirs, mine = (twin.visit(changes, acts) for twin in cookie_twins)
            assert mine[:3] == theirs[:3]
            assert [plain(cookie) for cookie in mine[3]] == [plain(cookie) for cookie in theirs[3]]


def plain(set_cookie):
    """Replaces the cookie's value by its content, because it is deflated at another length here (COMPATIBILITY.md)."""
    pair, *attributes = set_cookie.split("; ")
    value = pair.partition("=")[2]
    if not value:
        return set_cookie
    serializer = SecureCookieSessionInterface().get_signing_serializer(Twin(lambda app: None).app)
    return repr(serializer.loads(value)), attributes


@pytest.fixture(scope="module")
def store_twins(redis_port):
    client, pairs = redis.Redis(port=redis_port), []
    for kind in ("msgpack", "json"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pairs.append(
                [
                    Twin(
                        extension, SESSION_TYPE="redis", SESSION_REDIS=client, SESSION_KEY_PREFIX=f"{secrets.token_hex(4)}:",
                        SESSION_SERIALIZATION_FORMAT=kind,
                    )
                    for extension in (flask_session.Session, hipflask.Session)
                ]
            )  # fmt: skip
    return client, pairs


FORMS = {0: msgspec.msgpack.decode, 1: msgspec.json.decode}


@RUN
@given(story=stories(IN_STORES), form=st.sampled_from(sorted(FORMS)))
def test_stored_session_stories_match_real_flask_session(store_twins, story, form):
    client, twins = store_twins[0], store_twins[1][form]
    for twin in twins:
        twin.begin()
    for changes, acts in story:
        theirs, mine = (twin.visit(changes, acts) for twin in twins)
        # A request that does nothing with its session does not refresh the cookie (COMPATIBILITY.md).
        assert mine[:3] == theirs[:3]
        records = []
        for twin in twins:
            data = twin.sid() and client.get(twin.app.config["SESSION_KEY_PREFIX"] + twin.sid())
            records.append(repr(data and FORMS[form](data)))
        assert records[1] == records[0]


def test_stories_in_threads_never_meet(store_twins):
    """One app, many clients at once: each has the session that it would have alone."""
    interface, prefix = hipflask.Session, secrets.token_hex(4)
    app = Twin(interface, SESSION_TYPE="redis", SESSION_REDIS=store_twins[0], SESSION_KEY_PREFIX=prefix).app
    app.add_url_rule("/put/<name>/<int:turn>", "put", lambda name, turn: flask.session.update(name=name, box=[turn, {"n": name}]) or "")
    app.add_url_rule("/all", "all", lambda: repr((flask.session["name"], flask.session["box"])))

    def visitor(name):
        client = app.test_client()
        for turn in range(20):
            client.get(f"/put/{name}/{turn}")
            assert client.get("/all").text == repr((str(name), [turn, {"n": str(name)}]))
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(visitor, range(16)))


def test_decimals_are_texts_in_records_of_both(store_twins):
    for twin in store_twins[1][0]:
        twin.begin()
        twin.visit({}, [("set", "a", decimal.Decimal("1.10"))])
        assert "1.10" in twin.visit({}, [("get", "a", None)])[1]
