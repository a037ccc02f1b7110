"""`hipflask.Session` and real Flask-Session on one store."""

import datetime
import decimal
import pathlib
import pickle
import subprocess
import sys
import threading
import uuid

import flask
import markupsafe
import msgspec
import pytest
from flask import flash, get_flashed_messages
from werkzeug.exceptions import ServiceUnavailable

import hipflask
from stores import Files, Memcached, Redis, Sqlite, ours, peek, redis_server, sid_of, stock, visit, with_id

WEEK = datetime.timedelta(days=7)


def test_both_sides_read_change_and_delete_sessions(store):
    there, here = stock(store), ours(store)
    for first, second in [(here, there), (there, here)]:
        one = first.test_client()
        assert "session=" in visit(one, lambda session: session.update(user="ada", n=1)).headers["Set-Cookie"]
        two = with_id(second, sid_of(one))
        assert peek(two) == {"user": "ada", "n": 1}
        visit(two, lambda session: session.__setitem__("n", 2))
        assert peek(one) == {"user": "ada", "n": 2}
        visit(two, lambda session: session.clear())
        assert peek(one) == {} and store.record(sid_of(one)) is None


SESSIONS = {
    "plain": {"text": "Zoë", "int": 1, "big": 2**63, "float": 1.5, "true": True, "none": None, "list": [1, [2]], "dict": {"a": {}}},
    "bytes": {"b": b"\x00\xff", "array": bytearray(b"x")},
    "sequences": {"tuple": (1, (2,)), "nested": {"t": ((),)}},
    "aware": {"at": datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)},
    "naive": {"at": datetime.datetime(2024, 1, 2, 3, 4, 5, 6), "day": datetime.date(2024, 1, 2), "time": datetime.time(3, 4)},
    "numbers": {"d": decimal.Decimal("1.10"), "u": uuid.UUID(int=1), "delta": datetime.timedelta(days=1, microseconds=5)},
    "sets": {"one": {1}},
    "keys": {"d": {1: "a", None: "b"}},
}


@pytest.mark.parametrize("name", SESSIONS)
def test_records_hold_what_real_flask_session_writes(redis_store, name):
    sides = []
    for make in (stock, ours):
        client = make(redis_store).test_client()
        visit(client, lambda session: session.update(SESSIONS[name]))
        sides.append((redis_store.record(sid_of(client)), peek(client)))
    assert sides[0] == sides[1]


MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5)
LOOK_ALIKES = [
    (1, True),
    (0, False),
    (1, 1.0),
    (0.0, -0.0),
    ("", None),
    ("1", b"1"),
    ([], {}),
    ([1, 2], [1, 3]),
    ([1], [1, 1]),
    ({"a": 1}, {"b": 1}),
    ({"a": 1, "b": 2}, {"a": 1, "b": 3}),
    ({"a": 1}, {"a": 1, "b": 1}),
    (2**63, 2**63 + 1),
    (MOMENT.replace(tzinfo=datetime.timezone.utc), MOMENT),
    (MOMENT.replace(tzinfo=datetime.timezone.utc), MOMENT.replace(tzinfo=datetime.timezone.utc, microsecond=1)),
    (MOMENT.replace(tzinfo=datetime.timezone.utc), "2024-01-02T03:04:05Z"),
]


@pytest.mark.parametrize("one, other", LOOK_ALIKES + [pair[::-1] for pair in LOOK_ALIKES], ids=repr)
def test_inner_changes_match_real_flask_session(redis_store, one, other):
    def change(session):
        session["box"][0] = other
        if not isinstance(session, hipflask.ServerSideSession):
            session.modified = True

    records = []
    for make in (stock, ours):
        client = make(redis_store).test_client()
        visit(client, lambda session: session.update(box=[one], end=1))
        visit(client, change)
        records.append(redis_store.record(sid_of(client)))
    assert records[1] == records[0]
    assert records[1] == msgspec.msgpack.encode({"_permanent": True, "box": [other], "end": 1})


@pytest.mark.parametrize("name", SESSIONS)
def test_pickles_hold_what_real_flask_session_pickles(tmp_path, name):
    store, sides = Files(tmp_path), []
    for make in (stock, ours):
        client = make(store).test_client()
        visit(client, lambda session: session.update(SESSIONS[name]))
        sides.append((pickle.loads(store.record(sid_of(client))), peek(client)))
    assert sides[0] == sides[1]


@pytest.mark.parametrize("value", [markupsafe.Markup("<b>"), 2**64, "\ud800", range(3), object()], ids=repr)
def test_unsupported_values_fail_as_in_real_flask_session(redis_store, value):
    errors = []
    for make in (stock, ours):
        app = make(redis_store, TESTING=True)
        with pytest.raises(Exception) as caught:
            visit(app.test_client(), lambda session: session.__setitem__("v", value))
        errors.append(caught.value)
    assert isinstance(errors[1], type(errors[0])), errors
    assert redis_store.count() == 0


def test_json_records_are_real_flask_sessions(redis_store):
    sides = []
    for make in (stock, ours):
        client = make(redis_store, SESSION_SERIALIZATION_FORMAT="json").test_client()
        visit(client, lambda session: session.update(a=[1, (2,)], b=b"\xff", at=SESSIONS["aware"]["at"]))
        sides.append((redis_store.record(sid_of(client)), peek(client)))
    assert sides[0] == sides[1]
    with pytest.raises(ValueError, match="Unsupported serialization format: xml"):
        ours(redis_store, SESSION_SERIALIZATION_FORMAT="xml")


@pytest.mark.parametrize("kind", [Redis, Files])
def test_records_expire_as_in_real_flask_session(kind, redis_port, tmp_path):
    store, left = kind(redis_port if kind is Redis else tmp_path), []
    for make in (stock, ours):
        client = make(store, PERMANENT_SESSION_LIFETIME=WEEK).test_client()
        visit(client, lambda session: session.update(a=1))
        left.append(store.seconds_left(sid_of(client)))
    assert abs(left[0] - left[1]) <= 1 and abs(left[1] - WEEK.total_seconds()) <= 1


@pytest.mark.parametrize("permanent", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_cookies_are_those_of_real_flask_session(redis_store, permanent, signed):
    config = {
        "SESSION_PERMANENT": permanent,
        "SESSION_USE_SIGNER": signed,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_PATH": "/",
    }
    sides, cookies = [stock(redis_store, **config), ours(redis_store, **config)], []
    for app in sides:
        client = app.test_client()
        response = visit(client, lambda session: session.update(a=1))
        name, _, rest = response.headers["Set-Cookie"].partition(";")
        again = visit(client, lambda session: session.get("a"))
        other = sides[1 - len(cookies)].test_client()
        other.set_cookie("session", sid_of(client))
        assert peek(other) == {"a": 1}
        cookies.append((len(name), rest[:-4], "Set-Cookie" in again.headers, response.headers["Vary"]))
    # Their seconds may differ.
    assert [(n, r.split("Expires")[0], c, v) for n, r, c, v in cookies][0] == [
        (n, r.split("Expires")[0], c, v) for n, r, c, v in cookies
    ][1]


def test_a_removal_names_every_attribute(redis_store):
    client = ours(redis_store, SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Strict").test_client()
    visit(client, lambda session: session.update(a=1))
    removal = with_id(client.application, sid_of(client))
    said = visit(removal, lambda session: session.clear()).headers["Set-Cookie"]
    assert "Max-Age=0" in said and "Secure" in said and "HttpOnly" in said and "SameSite=Strict" in said


def test_changes_inside_values_are_noticed(store):
    for refresh in (True, False):
        client = ours(store, SESSION_REFRESH_EACH_REQUEST=refresh).test_client()
        visit(client, lambda session: session.update(cart={"items": [1]}))
        visit(client, lambda session: session["cart"]["items"].append(2))
        assert peek(client) == {"cart": {"items": [1, 2]}}


def test_flashed_messages_come_once_and_from_either_side(redis_store):
    here, there = ours(redis_store).test_client(), None
    visit(here, lambda session: flash("one", "info"))
    there = with_id(stock(redis_store), sid_of(here))
    seen = []
    visit(there, lambda session: seen.extend(get_flashed_messages(with_categories=True)))
    visit(here, lambda session: seen.extend(get_flashed_messages(with_categories=True)))
    assert [list(pair) for pair in seen] == [["info", "one"]]


def commands(store):
    calls = store.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): calls[name]["calls"] for name in calls if "config" not in name and "info" not in name}


def test_idle_requests_do_not_use_the_store(redis_store):
    client = ours(redis_store).test_client()
    visit(client, lambda session: session.update(a=1))
    redis_store.client.config_resetstat()
    for _ in range(10):
        visit(client, lambda session: session.get("a"))
    counted = commands(redis_store)
    assert counted.pop("get") == 10 and "set" not in counted and "eval" not in str(counted), counted
    redis_store.client.config_resetstat()
    for _ in range(10):
        visit(ours(redis_store).test_client(), lambda session: session.get("a"))
    assert "get" not in commands(redis_store) and redis_store.count() == 1


@pytest.mark.parametrize("sid", ["planted", "A" * 43, "../../etc/passwd", "a b", "x" * 5000, '"\\015\\012set"', "ü"])
def test_unknown_ids_are_never_adopted(store, sid):
    client = ours(store).test_client()
    response = client.get("/nothing", headers={"Cookie": f"session={sid}"}) if "ü" in sid else None
    client.application.acts["write"] = lambda session: session.__setitem__("a", 1)
    response = client.get("/write", headers={"Cookie": f"session={sid}".encode("latin-1").decode("latin-1")})
    assert response.status_code == 200
    given = response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    assert given != sid and len(given) == 43


def test_a_new_id_deletes_the_old_record(store):
    client = ours(store).test_client()
    visit(client, lambda session: session.update(a=1))
    old = sid_of(client)

    def login(session):
        session.clear()
        session.regenerate()
        session["user"] = "ada"

    visit(client, login)
    assert sid_of(client) != old and peek(client) == {"user": "ada"}
    assert peek(with_id(client.application, old)) == {} and store.record(old) is None
    before = sid_of(client)
    visit(client, lambda session: client.application.session_interface.regenerate(session))
    assert sid_of(client) != before and peek(client) == {"user": "ada"}


class Evil:
    def __reduce__(self):
        return exec, ("import builtins; builtins.hipflask_was_here = True",)


def test_old_pickles_are_read_without_running_code(redis_store):
    old = {"_permanent": True, "at": datetime.datetime(2020, 1, 1), "m": markupsafe.Markup("<b>"), "s": {1, 2}, "t": (1,)}
    app = ours(redis_store)
    for protocol in range(6):
        redis_store.put("A" * 43, pickle.dumps(old, protocol=protocol))
        assert peek(with_id(app, "A" * 43)) == {key: old[key] for key in ("at", "m", "s", "t")}, protocol
    for protocol in range(6):
        redis_store.put("Q" * 43, pickle.dumps({"x": Evil()}, protocol=protocol))
        assert peek(with_id(app, "Q" * 43)) == {}
        import builtins

        assert not hasattr(builtins, "hipflask_was_here")


def test_an_unreachable_store_is_a_503_without_writes(tmp_path):
    with redis_server() as (port, child):
        store = Redis(port)
        client = ours(store, TESTING=False).test_client()
        visit(client, lambda session: session.update(a=1))
        child.kill()
        child.wait()
        assert visit(client, lambda session: session.__setitem__("b", 2)).status_code == 503
        # A request that does not use a session is served.
        assert visit(client.application.test_client(), lambda session: "page").status_code == 200
        with redis_server(port):
            assert store.count() == 0
            visit(client, lambda session: session.update(c=3))
            assert peek(client) == {"c": 3}
    assert issubclass(hipflask.errors.SessionStoreError, ServiceUnavailable)


class Incrementing(threading.Thread):
    """Sends requests that increment a number of one session until it is stopped. Returns the statuses, and the number of successes."""

    def __init__(self, app, cookie):
        super().__init__()
        self.client, self.stop = with_id(app, cookie), threading.Event()
        self.good, self.others = 0, set()

    def run(self):
        while not self.stop.is_set():
            status = self.client.get("/increment").status_code
            if status == 200:
                self.good += 1
            else:
                self.others.add(status)

    def until(self, is_reached):
        while not is_reached(self):
            assert self.is_alive()
            threading.Event().wait(0.002)


def test_a_killed_store_keeps_acknowledged_saves_real_server(tmp_path):
    with redis_server(kept_in=tmp_path) as (port, child):
        app = ours(Redis(port), TESTING=False)
        app.logger.disabled = True
        app.add_url_rule("/increment", "increment", lambda: str(flask.session.increment("n")))
        client = app.test_client()
        client.get("/increment")
        threads = [Incrementing(app, sid_of(client)) for _ in range(3)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.until(lambda it: it.good >= 10)
            child.kill()
            child.wait()
            for thread in threads:
                thread.until(lambda it: it.others)
            with redis_server(port, kept_in=tmp_path):
                before = [thread.good for thread in threads]
                for thread, good in zip(threads, before):
                    thread.until(lambda it, good=good: it.good >= good + 10)
                for thread in threads:
                    thread.stop.set()
                    thread.join()
                acknowledged = 1 + sum(thread.good for thread in threads)
                # At most one write of each thread may be done without an acknowledgement.
                assert acknowledged <= peek(client)["n"] <= acknowledged + len(threads)
        finally:
            for thread in threads:
                thread.stop.set()
        assert set().union(*(thread.others for thread in threads)) == {503}


def lost(child):
    """Returns a view during which the store stops, and the list that its response fills when it is closed."""
    closed = []

    def view():
        child.kill()
        child.wait()
        flask.session["a"] = 2
        response = flask.make_response("saved!", {"Location": "/done", "Set-Cookie": "other=1"})
        response.call_on_close(lambda: closed.append(True))
        return response

    return view, closed


def test_a_failed_save_replaces_the_response_by_503():
    with redis_server() as (port, child):
        app = ours(Redis(port), TESTING=False)
        view, closed = lost(child)
        app.add_url_rule("/lost", "lost", view)

        @app.after_request
        def mark(response):
            response.headers["Marked"] = str(response.status_code)
            return response

        client = app.test_client()
        visit(client, lambda session: session.update(a=1))
        response = client.get("/lost")
        response.close()
        assert response.status_code == 503 and b"saved!" not in response.data and closed == [True]
        assert "Location" not in response.headers and "Set-Cookie" not in response.headers
        assert response.headers["Marked"] == "503" and response.headers["Vary"] == "Cookie"
        assert int(response.headers["Content-Length"]) == len(response.data)


def test_a_failed_save_uses_the_apps_error_handler():
    with redis_server() as (port, child):
        app = ours(Redis(port), TESTING=False)
        app.register_error_handler(503, lambda error: (f"own page: {error.what}", 503))
        app.add_url_rule("/lost", "lost", lost(child)[0])
        client = app.test_client()
        assert client.get("/lost").text.startswith("own page: ")
        with pytest.raises(hipflask.errors.SessionStoreError), client.session_transaction() as session:
            session["by hand"] = 1


def test_slow_requests_never_restore_a_deleted_session(store):
    app = ours(store)
    for slow in (lambda session: session.get("a"), lambda session: session.__setitem__("late", 1)):
        client = app.test_client()
        visit(client, lambda session: session.update(a=1))
        sid = sid_of(client)

        def overtaken(session, slow=slow, sid=sid):
            slow(session)
            visit(with_id(app, sid), lambda other: other.clear())

        visit(with_id(app, sid), overtaken)
        assert store.record(sid) is None and peek(with_id(app, sid)) == {}


def test_overlapping_writers_keep_each_others_keys(store):
    def lost(make):
        app = make(store)
        client = app.test_client()
        visit(client, lambda session: session.update(a=1))
        both = threading.Barrier(5)

        def write(name):
            def act(session):
                session.get("a")
                both.wait(20)
                session[name] = 1

            visit(with_id(app, sid_of(client)), act)

        threads = [threading.Thread(target=write, args=[f"k{n}"]) for n in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 5 - sum(name.startswith("k") for name in peek(client))

    rounds = 5 if isinstance(store, (Redis, Memcached)) else 2
    assert sum(lost(ours) for _ in range(rounds)) == 0
    if not isinstance(store, (Memcached, Sqlite, Files)):
        assert sum(lost(stock) for _ in range(rounds)) > 0


def test_fifty_increments_that_overlap_end_at_fifty(store):
    app = ours(store)
    client = app.test_client()
    visit(client, lambda session: session.update(a=1))
    start = threading.Barrier(10)

    def count():
        start.wait(20)
        for _ in range(5):
            visit(with_id(app, sid_of(client)), lambda session: session.increment("visits"))

    threads = [threading.Thread(target=count) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert peek(client)["visits"] == 50


def test_a_transaction_is_repeated_after_a_conflict(redis_store):
    app = ours(redis_store)
    client = app.test_client()
    visit(client, lambda session: session.update(left=1))
    calls = []

    def buy(session):
        def decide(session):
            calls.append(session["left"])
            if len(calls) == 1:
                visit(with_id(app, sid_of(client)), lambda other: other.update(left=0))
            if session["left"] == 0:
                return False
            session["left"] -= 1
            return True

        return str(session.transact(decide))

    assert visit(with_id(app, sid_of(client)), buy).text == "False"
    assert calls == [1, 0] and peek(client) == {"left": 0}


def test_a_repeated_transaction_changes_nested_values_once(redis_store):
    app = ours(redis_store, TESTING=True)
    client = app.test_client()
    visit(client, lambda session: session.update(cart=["a"], other=1))
    calls = []

    def add(session):
        calls.append(1)
        if len(calls) == 1:
            visit(with_id(app, sid_of(client)), lambda other: other.update(other=2))
        session["cart"].append("b")

    visit(with_id(app, sid_of(client)), lambda session: session.transact(add))
    assert len(calls) == 2 and peek(client) == {"cart": ["a", "b"], "other": 2}


def test_a_transaction_that_raises_changes_nothing(redis_store):
    app = ours(redis_store, TESTING=True)
    client = app.test_client()
    visit(client, lambda session: session.update(cart=["a"], n=1))
    sid = sid_of(client)

    def fail(session):
        session["cart"].append("b")
        session.increment("n")
        session.clear()
        session.regenerate()
        raise KeyboardInterrupt

    def act(session):
        session["mine"] = 1
        with pytest.raises(KeyboardInterrupt):
            session.transact(fail)
        visit(with_id(app, sid), lambda other: other.update(theirs=1))

    visit(client, act)
    assert sid_of(client) == sid and peek(client) == {"cart": ["a"], "n": 1, "mine": 1, "theirs": 1}


class Interrupting:
    """Sessions whose save is interrupted after it is done, as by Ctrl-C."""

    def __init__(self, sessions):
        self._sessions, self.interrupts = sessions, 1

    def __getattr__(self, name):
        return getattr(self._sessions, name)

    def save(self, *arguments, **options):
        saved = self._sessions.save(*arguments, **options)
        self.interrupts -= 1
        if self.interrupts == 0:
            raise KeyboardInterrupt
        return saved


def test_an_interrupted_save_repeats_no_increment(redis_store):
    app = ours(redis_store, TESTING=True)
    client = app.test_client()
    visit(client, lambda session: session.update(n=1))
    app.session_interface._sessions = Interrupting(app.session_interface._sessions)

    def act(session):
        session.increment("n")
        with pytest.raises(KeyboardInterrupt):
            session.transact(lambda session: session.update(a=1))
        visit(with_id(app, sid_of(client)), lambda other: other.increment("n"))
        session.increment("n")

    assert visit(client, act).status_code == 200
    assert peek(client) == {"n": 4, "a": 1}


def test_an_interrupted_save_clears_nothing_twice(redis_store):
    app = ours(redis_store, TESTING=True)
    client = app.test_client()
    visit(client, lambda session: session.update(n=1))
    app.session_interface._sessions = Interrupting(app.session_interface._sessions)

    def act(session):
        session.clear()
        with pytest.raises(KeyboardInterrupt):
            session.transact(lambda session: session.update(a=1))
        visit(with_id(app, sid_of(client)), lambda other: other.update(theirs=1))
        session["mine"] = 1

    assert visit(client, act).status_code == 200
    assert peek(client) == {"a": 1, "theirs": 1, "mine": 1}


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from stores import Sqlite, ours, peek, visit

client = ours(Sqlite(sys.argv[1]), TESTING=True).test_client()

def act(session):
    session.increment("n")
    with gevent.Timeout(0, False):
        session.transact(lambda session: session.update(a=1))
        raise AssertionError("not interrupted")

for visits in (1, 2):
    assert visit(client, act).status_code == 200
    assert peek(client) == {"n": visits, "a": 1}, peek(client)
"""


def test_a_gevent_timeout_repeats_no_increment(tmp_path):
    command = [sys.executable, "-c", GEVENT, str(tmp_path)]
    said = subprocess.run(command, cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stdout + said.stderr


FORKING = """
import multiprocessing, sys
from stores import Redis, ours, peek, sid_of, visit, with_id

app = ours(Redis(int(sys.argv[1])))
client = app.test_client()
visit(client, lambda session: session.update(a=1))
context = multiprocessing.get_context("fork")
start = context.Barrier(4)

def work():
    start.wait(20)
    for _ in range(20):
        visit(with_id(app, sid_of(client)), lambda session: session.increment("n"))

workers = [context.Process(target=work, daemon=True) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join(60)
    assert worker.exitcode == 0, worker.exitcode
visit(client, lambda session: session.increment("n"))
assert peek(client) == {"a": 1, "n": 81}, peek(client)
"""


def test_a_forked_worker_opens_its_own_connections(redis_port):
    """In a separate program, as a server that loads the app before it forks."""
    command = [sys.executable, "-c", FORKING, str(redis_port)]
    said = subprocess.run(command, cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_session_is_flask_sessions_dict(redis_store):
    import flask
    import flask_session.base

    def act(session):
        inner = session._get_current_object()
        assert isinstance(inner, (dict, flask.sessions.SessionMixin)) and len(inner.sid) == 43
        assert not session and session.permanent and not session.modified
        session["a"] = 1
        assert session and session.modified and dict(session) == {"_permanent": True, "a": 1}
        session.clear()
        assert dict(session) == {"_permanent": True} and not session

    for make in (stock, ours):
        assert visit(make(redis_store).test_client(), act).status_code == 200
    assert issubclass(flask_session.base.ServerSideSession, hipflask.ServerSideSession.__mro__[1])


def test_the_configuration_is_flask_sessions(redis_store):
    import flask

    for named in ("null", "nonsense"):
        app = flask.Flask("x")
        app.config["SESSION_TYPE"] = named
        with pytest.raises(ValueError, match=f"Unrecognized value for SESSION_TYPE: {named}"):
            hipflask.Session(app)
    app = flask.Flask("x")
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=object())
    with pytest.raises(hipflask.errors.ConfigurationError, match="set SESSION_TYPE to the URL"):
        hipflask.Session(app)
    app = flask.Flask("x")
    hipflask.Session(app)
    assert isinstance(app.session_interface, hipflask.SecureCookieSessionInterface)


def test_expired_records_are_dropped_by_the_command(tmp_path):
    store = Sqlite(tmp_path)
    app = ours(store, PERMANENT_SESSION_LIFETIME=datetime.timedelta(seconds=1))
    client = app.test_client()
    visit(client, lambda session: session.update(a=1))
    sid = sid_of(client)
    import time

    time.sleep(2.1)
    assert store.record(sid) is not None
    result = app.test_cli_runner().invoke(args=["session_cleanup"])
    assert result.exit_code == 0 and store.record(sid) is None


def test_records_are_read_whatever_wrote_them(redis_store):
    app = ours(redis_store)
    for record in (msgspec.msgpack.encode({"a": 1}), msgspec.json.encode({"a": 1}), pickle.dumps({"a": 1})):
        redis_store.put("E" * 43, record)
        assert peek(with_id(app, "E" * 43)) == {"a": 1}
    for garbage in (b"", b"\xc0", b"\x01", b"garbage", b"\xff" * 100):
        redis_store.put("I" * 43, garbage)
        assert visit(with_id(app, "I" * 43), lambda session: session.get("a")).status_code == 200
