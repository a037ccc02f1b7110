"""Rare keys, values and flags, compared with real Flask-Session and real Flask: the same record and the same data, or an error
that names the key where it is set.
"""

import copy
import datetime
import enum
import pickle
import threading

import flask
import flask_session.base
import msgspec
import pytest
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from markupsafe import Markup
from werkzeug.datastructures import CallbackDict

import hipflask
from stores import ours, peek, sid_of, stock, visit, with_id


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    pass


def zone(hours):
    return datetime.timezone(datetime.timedelta(hours=hours))


KEYS = [Colour.RED, Number.ONE, Text("t"), Markup("<b>"), 1, -1, 1.5, b"x", True, None, (1, 2), datetime.date(2024, 1, 2)]
VALUES = [
    datetime.datetime.min.replace(tzinfo=datetime.timezone.utc),
    datetime.datetime.min.replace(tzinfo=zone(5)),
    datetime.datetime.max.replace(tzinfo=zone(-5)),
    datetime.datetime.max.replace(tzinfo=datetime.timezone.utc),
    datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=zone(5.5)),
    datetime.time(3, 4, tzinfo=datetime.timezone.utc),
    datetime.timedelta(days=-1, seconds=1),
    Colour.RED, Number.ONE, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**4000, 10**5000, float("nan"), float("-inf"),
    "\ud800", Text("t"), Markup("<b>"), {1, 2}, frozenset(), range(3), 1j, bytearray(b"x"), memoryview(b"x"),
]  # fmt: skip


def shown(value):
    try:
        return repr(value)[:40]
    except ValueError:
        return "a number of many digits"


def outcome(make, store, form, key, value):
    """Returns the record and the data of the next request, or the type of the exception."""
    client = make(store, TESTING=True, SESSION_SERIALIZATION_FORMAT=form).test_client()
    try:
        visit(client, lambda session: session.__setitem__(key, value))
    except Exception as error:
        return type(error)
    return store.record(sid_of(client)), repr(peek(client))


@pytest.mark.parametrize("form", ["msgpack", "json"])
@pytest.mark.parametrize("key", KEYS, ids=shown)
def test_odd_keys_are_stored_as_by_flask_session(redis_store, form, key):
    for new in [(key, "v"), ("inside", {key: "v"})]:
        theirs, mine = (outcome(make, redis_store, form, *new) for make in (stock, ours))
        assert mine == theirs


@pytest.mark.parametrize("form", ["msgpack", "json"])
@pytest.mark.parametrize("value", VALUES, ids=shown)
def test_odd_values_are_stored_as_by_flask_session(redis_store, form, value):
    for new in [("v", value), ("v", [value]), ("v", {"inside": value})]:
        theirs, mine = (outcome(make, redis_store, form, *new) for make in (stock, ours))
        assert mine == theirs


@pytest.mark.parametrize("key", [Text("t"), Markup("<b>"), Colour.RED], ids=shown)
def test_keys_of_str_subclasses_work_in_cookies_too(key):
    answers = []
    for interface in (SecureCookieSessionInterface(), hipflask.SecureCookieSessionInterface()):
        app = flask.Flask("twin")
        app.secret_key, app.session_interface, app.acts = "a secret key of the tests", interface, {}
        app.add_url_rule("/<act>", "view", lambda act, app=app: app.acts[act](flask.session) or "")
        client = app.test_client()
        status = visit(client, lambda session: session.update({key: "v", "d": {key: 1}})).status_code
        answers.append((status, peek(client)))
    assert answers[0] == answers[1] and answers[0][0] == 200


@pytest.mark.parametrize("digits", [4300, 4301])
def test_cookies_hold_no_integer_that_flask_refuses(digits):
    number, answers = 10 ** (digits - 1), []
    for interface in (SecureCookieSessionInterface(), hipflask.SecureCookieSessionInterface()):
        app = flask.Flask("twin")
        app.secret_key, app.session_interface = "a secret key of the tests", interface
        app.add_url_rule("/", "view", lambda: flask.session.update(n=number, d=[{"n": number}]) or "")
        app.add_url_rule("/read", "read", lambda: str(flask.session["n"] == number))
        client = app.test_client()
        answers.append((client.get("/").status_code, client.get("/read").text if digits == 4300 else ""))
    assert answers[0] == answers[1] == ((200, "True") if digits == 4300 else (500, ""))


def test_cookie_sessions_too_long_to_read_back_fail():
    app = flask.Flask("long")
    app.secret_key, app.session_interface = "a secret key of the tests", hipflask.SecureCookieSessionInterface()
    app.testing = True
    app.add_url_rule("/<int:length>", "view", lambda length: flask.session.update(user="ada", essay="a" * length) or "")
    client = app.test_client()
    assert client.get("/1000000").status_code == 200
    with pytest.raises(ValueError, match="essay"):
        client.get("/1100000")
    with client.session_transaction() as session:
        assert session["user"] == "ada" and len(session["essay"]) == 1_000_000


@pytest.mark.parametrize("value", [2**64, "\ud800", {1: object()}, [range(3)], {"a": Markup("<b>")}, 1j], ids=shown)
@pytest.mark.parametrize("way", ["set", "update", "default", "merge"])
def test_unsupported_values_fail_where_they_are_set(redis_store, value, way):
    ways = {
        "set": lambda session: session.__setitem__("basket", value),
        "update": lambda session: session.update(basket=value),
        "default": lambda session: session.setdefault("basket", value),
        "merge": lambda session: session.__ior__({"basket": value}),
    }
    client = ours(redis_store, TESTING=True).test_client()

    def act(session):
        with pytest.raises((TypeError, ValueError, OverflowError), match="basket"):
            ways[way](session)
        assert "basket" not in session
        session["good"] = 1

    assert visit(client, act).status_code == 200
    assert peek(client) == {"good": 1}


def test_values_changed_inside_are_named_at_save(redis_store):
    client = ours(redis_store, TESTING=True).test_client()
    visit(client, lambda session: session.update(basket=[]))
    with pytest.raises(TypeError, match="session key 'basket': "):
        visit(client, lambda session: session["basket"].append(object()))


@pytest.mark.parametrize("modified", [1, 0, "yes", None, [1]], ids=repr)
def test_modified_may_be_any_object(redis_store, modified):
    records = []
    for make in (stock, ours):
        client = make(redis_store, SESSION_REFRESH_EACH_REQUEST=False).test_client()

        def act(session):
            session["a"] = 1
            session.modified = modified

        assert visit(client, act).status_code == 200
        records.append(sid_of(client) and redis_store.record(sid_of(client)))
    assert records[0] == records[1]


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda session: pickle.loads(pickle.dumps(session))}


@pytest.mark.parametrize("way", COPIES)
def test_copies_of_sessions_save_nothing(redis_store, way):
    for make in (stock, ours):
        client = make(redis_store).test_client()
        visit(client, lambda session: session.update(box=[1]))

        def act(session):
            session = session._get_current_object()
            made = COPIES[way](session)
            made["more"] = 1
            assert (type(made), made["box"], made.sid, made.permanent) == (type(session), [1], session.sid, True)
            assert made.modified and (made["box"] is session["box"]) == (way == "copy")

        if not (way == "pickle" and make is stock):
            visit(client, act)
            assert peek(client) == {"box": [1]}


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda interface: pickle.loads(pickle.dumps(interface))])
def test_an_interface_of_cookies_can_be_copied(way):
    for made in (SecureCookieSessionInterface(), hipflask.SecureCookieSessionInterface()):
        made.salt = "own"
        assert way(made).salt == "own" and type(way(made)) is type(made)


def test_clear_that_is_taken_back_ends_nothing(redis_store):
    for make in (stock, ours):
        client = make(redis_store).test_client()
        visit(client, lambda session: session.update(a=1))

        def act(session):
            session.clear()
            session.modified = False

        assert "Set-Cookie" not in visit(client, act).headers
        assert peek(client) == {"a": 1}


def test_an_empty_list_of_flashes_is_stored(redis_store):
    for make in (stock, ours):
        client = make(redis_store).test_client()
        visit(client, lambda session: session.__setitem__("_flashes", []))
        assert msgspec.msgpack.decode(redis_store.record(sid_of(client))) == {"_permanent": True, "_flashes": []}


# -- changes during the save -----------------------------------------------------------------------------------------


class Meddling(datetime.tzinfo):
    """A time zone that changes the session whenever its offset is read."""

    def __init__(self, act):
        self.act = act

    def utcoffset(self, moment):
        self.act()
        return datetime.timedelta(hours=1)

    def dst(self, moment):
        return None

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("form", ["msgpack", "json"])
def test_changes_during_the_save_never_panic(redis_store, form):
    client = ours(redis_store, SESSION_SERIALIZATION_FORMAT=form, TESTING=True).test_client()
    count = iter(range(10**6))

    def act(session):
        inside = {"a": 1}
        session["inside"], session["items"] = inside, [1]

        def change():
            name = f"new{next(count)}"
            dict.__setitem__(session._get_current_object(), name, 1)
            inside[name] = 1
            session["items"].append(1)
            for one in (session._get_current_object(), inside):
                dict.pop(one, "a", None)

        moment = datetime.datetime(2024, 1, 2, tzinfo=Meddling(change))
        inside["moment"] = moment
        dict.update(session._get_current_object(), moment=moment, last=[moment, 1])
        session.modified = True

    assert visit(client, act).status_code == 200
    assert visit(client, lambda session: session["inside"]["moment"]).status_code == 200


def test_threads_that_change_a_saved_session_never_panic(redis_store):
    client = ours(redis_store, TESTING=True).test_client()
    client.application.logger.disabled = True

    def act(session):
        session, done = session._get_current_object(), threading.Event()

        def meddle():
            number = 0
            while not done.is_set():
                number += 1
                dict.__setitem__(session, f"k{number % 500}", {"n": [number]})
                dict.pop(session, f"k{(number * 7) % 500}", None)

        threads = [threading.Thread(target=meddle) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(15):
                session.transact(lambda session: session.__setitem__("mine", 1))
        finally:
            done.set()
            for thread in threads:
                thread.join()

    assert visit(client, act).status_code == 200
    assert peek(with_id(client.application, sid_of(client)))["mine"] == 1


# -- hipflask.session -------------------------------------------------------------------------------------------------


def test_the_typed_session_is_flasks(redis_store):
    client = ours(redis_store, TESTING=True).test_client()

    def act(session):
        assert hipflask.session._get_current_object() is session._get_current_object()
        hipflask.session["a"] = 1
        assert hipflask.session.increment("n", 2) == 2 and hipflask.session.transact(lambda session: session.pop("a")) == 1
        hipflask.session.regenerate()

    assert visit(client, act).status_code == 200 and peek(client) == {"n": 2}
    visit(client, lambda session: hipflask.session.destroy())
    assert redis_store.count() == 0


@pytest.mark.filterwarnings("ignore:SESSION_USE_SIGNER is deprecated")
@pytest.mark.parametrize("signed", [False, True])
def test_sessions_are_loaded_and_deleted_by_id(store, signed):
    client = ours(store, SESSION_USE_SIGNER=signed).test_client()
    visit(client, lambda session: session.update(user="ada"))
    interface, sid = client.application.session_interface, sid_of(client).partition(".")[0]
    assert interface.load(sid) == {"_permanent": True, "user": "ada"}
    interface.delete(sid)
    assert interface.load(sid) is None and peek(client) == {}
    with pytest.raises(ValueError, match="form of an id"):
        interface.load("../../etc/passwd")


def test_sessions_are_of_a_class_of_our_own(redis_store):
    def act(session):
        session = session._get_current_object()
        assert isinstance(session, (dict, SessionMixin, CallbackDict))
        return str(isinstance(session, flask_session.base.ServerSideSession))

    assert [visit(make(redis_store).test_client(), act).text for make in (stock, ours)] == ["True", "False"]


def test_fakeredis_is_an_error_that_names_memory():
    fake = type("FakeRedis", (), {"__module__": "fakeredis._connection"})
    app = flask.Flask("fake")
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=fake())
    with pytest.raises(hipflask.errors.ConfigurationError, match="fakeredis.*set SESSION_TYPE to memory:"):
        hipflask.Session(app)


def test_the_log_names_a_failed_stores_address(caplog):
    app = flask.Flask("down")
    app.config["SESSION_TYPE"] = "redis://:secret@127.0.0.1:9/0"
    hipflask.Session(app)
    app.add_url_rule("/write", "write", lambda: flask.session.update(a=1) or "")
    app.add_url_rule("/read", "read", lambda: flask.session.get("a", ""))
    assert app.test_client().get("/write").status_code == 503
    assert with_id(app, "A" * 43).get("/read").status_code == 503
    assert caplog.text.count("redis://127.0.0.1:9/0") == 2 and "secret" not in caplog.text
