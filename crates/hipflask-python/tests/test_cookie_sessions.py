"""Two apps that differ only in the session interface give the same responses."""

import concurrent.futures
import datetime
import decimal
import hashlib
import random
import uuid
import warnings

import flask
import freezegun
import pytest
from flask.json.provider import DefaultJSONProvider
from flask.json.tag import JSONTag, TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from markupsafe import Markup

import hipflask
import stores
from stores import Cookies, ours

KEY = "a secret key of the tests"
NOW = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc)


def make_app(interface, config=(), compression="flask"):
    app = flask.Flask("twin")
    app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_COMPRESSION=compression, SESSION_COOKIE_LEEWAY=0)
    app.config.update(config)
    app.session_interface = interface
    app.steps = []

    @app.route("/")
    def view():
        answers = []
        response = flask.make_response()
        for step in app.steps:
            try:
                answers.append(repr(step(response)))
            except Exception as error:
                answers.append(f"{type(error).__name__}: {error}")
        response.set_data("\n".join(answers))
        return response

    return app


def visit(app, steps, cookie=None):
    app.steps = steps
    headers = {"Cookie": cookie} if cookie else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        response = app.test_client(use_cookies=False).get("/", headers=headers)
    return (
        response.status,
        # A frozen clock changes only how a datetime prints that Python has created.
        response.get_data(as_text=True).replace("FakeDatetime(", "datetime.datetime("),
        [header for header in response.headers if header[0] in ("Set-Cookie", "Vary")],
        [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)],
    )


def twins(config=(), theirs=SecureCookieSessionInterface, ours=hipflask.SecureCookieSessionInterface):
    return make_app(theirs(), config), make_app(ours(), config)


def cookie_of(answer):
    for name, value in answer[2]:
        if name == "Set-Cookie":
            return value.partition(";")[0]
    return None


def write(**values):
    return [lambda response: flask.session.update(values)]


# -- random sequences -------------------------------------------------------------------------------------------------

LEAVES = [
    None, True, 0, -1, 2**70, 1.5, 1e-7, float("inf"), "", "plain", "é\U0001f600\u2028", "a lone \ud800", b"\x00\xff",
    Markup("<b>"), uuid.UUID(int=7), NOW, datetime.datetime(2024, 1, 2, 3, 4, 5, 678), datetime.date(2024, 1, 2),
    decimal.Decimal("1.10"), "x" * 300, "long " * 500,
]


def value(chance, depth=0):
    kind = chance.randrange(7 if depth < 3 else 4)
    if kind < 4:
        return chance.choice(LEAVES)
    items = [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 4:
        return items
    if kind == 5:
        return tuple(items)
    return {chance.choice(["b", "a", " t", " x", " di", "é", "z__"]): item for item in items}


def flasks_classes(session):
    """The classes of a session without those of hipflask."""
    return [kind for kind in type(session).__mro__ if not kind.__module__.startswith("hipflask")]


def step(chance):
    key, new = chance.choice(["a", "b", " t", "é", "_permanent"]), value(chance)
    vary = chance.choice(["Accept", "cookie", "*", "Accept, Cookie"])
    return chance.choice(
        [
            lambda response: flask.session.__setitem__(key, new),
            lambda response: flask.session.get(key),
            lambda response: key in flask.session,
            lambda response: flask.session.pop(key),
            lambda response: flask.session.pop(key, None),
            lambda response: flask.session.setdefault(key, new),
            lambda response: flask.session.update({key: new}),
            lambda response: flask.session.clear(),
            lambda response: dict(flask.session),
            lambda response: list(flask.session),
            lambda response: setattr(flask.session, "permanent", bool(new)),
            lambda response: setattr(flask.session, "modified", bool(new)),
            lambda response: flask.flash("hello", key),
            lambda response: flask.get_flashed_messages(with_categories=True),
            lambda response: response.headers.add("Vary", vary),
            lambda response: response.set_cookie("other", "value"),
            lambda response: flasks_classes(flask.session._get_current_object()),
            lambda response: (flask.session.new, flask.session.modified, flask.session.accessed, flask.session.permanent),
        ]
    )


CONFIGS = [
    {},
    {"SESSION_REFRESH_EACH_REQUEST": False},
    {"SESSION_COOKIE_SAMESITE": "lax", "SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_PARTITIONED": True},
    {"SESSION_COOKIE_DOMAIN": ".example.com:80", "SESSION_COOKIE_PATH": "/a b;c", "SESSION_COOKIE_HTTPONLY": False},
    {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_DOMAIN": "bücher.example", "APPLICATION_ROOT": "/app"},
    {"SESSION_COOKIE_NAME": "other", "MAX_COOKIE_SIZE": 100, "PERMANENT_SESSION_LIFETIME": 90},
    {"SECRET_KEY_FALLBACKS": ["old", b"older"]},
    {"SECRET_KEY": None},
]


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_random_steps_are_answered_as_by_real_flask(config):
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    stock, ours = twins(config)
    with freezegun.freeze_time(NOW) as clock:
        for _ in range(60):
            cookie = None
            for _ in range(6):
                steps = [step(chance) for _ in range(chance.randrange(5))]
                theirs, mine = visit(stock, steps, cookie), visit(ours, steps, cookie)
                assert mine == theirs, f"seed {seed}"
                cookie = cookie_of(theirs) or cookie
                clock.tick(chance.choice([0, 1, 40, 91]))


def damaged(cookie, chance):
    """Returns the cookie with another character somewhere in its value. Not in the last place: a signature does not use every
    bit of its last character, so Flask accepts several characters there.
    """
    name, _, value = cookie.partition("=")
    at = chance.randrange(len(value) - 1)
    other = chance.choice([letter for letter in "AZaz09-_." if letter != value[at]])
    return f"{name}={value[:at]}{other}{value[at + 1 :]}"


def test_random_cookies_are_read_as_by_real_flask():
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    stock, ours = twins({"SECRET_KEY_FALLBACKS": ["old", b"older"]})
    signers = [*twins(), *twins({"SECRET_KEY": "old"}), *twins({"SECRET_KEY": b"older"}), *twins({"SECRET_KEY": "foreign"})]
    with freezegun.freeze_time(NOW):
        for _ in range(100):
            new = {chance.choice("abc"): value(chance), "n": 1}
            cookie = cookie_of(visit(chance.choice(signers), write(**new)))
            for _ in range(3):
                if cookie is None:
                    break
                given = damaged(cookie, chance) if chance.randrange(3) == 0 else cookie
                steps = [lambda response: dict(flask.session), *(step(chance) for _ in range(chance.randrange(3)))]
                theirs, mine = visit(stock, steps, given), visit(ours, steps, given)
                assert mine == theirs, f"seed {seed}"
                cookie = cookie_of(chance.choice([theirs, mine])) or cookie
                if cookie.endswith("="):
                    break


# -- overridden parts of Flask --------------------------------------------------------------------------------------


def subclassed(**attributes):
    return [type("Custom", (base,), attributes) for base in (SecureCookieSessionInterface, hipflask.SecureCookieSessionInterface)]


class OtherSession(SecureCookieSession):
    pass


class Reversing:
    """A serializer that Flask does not have."""

    def dumps(self, value):
        return TaggedJSONSerializer().dumps(value)[::-1]

    def loads(self, text):
        return TaggedJSONSerializer().loads(text[::-1])


OVERRIDES = {
    "salt": {"salt": "other"},
    "bytes salt": {"salt": b"other"},
    "sha256": {"digest_method": staticmethod(hashlib.sha256)},
    "sha512": {"digest_method": hashlib.sha512},
    "a digest that Rust has not": {"digest_method": staticmethod(hashlib.sha384)},
    "concat": {"key_derivation": "concat"},
    "django-concat": {"key_derivation": "django-concat"},
    "none": {"key_derivation": "none"},
    "unknown derivation": {"key_derivation": "nonsense"},
    "session class": {"session_class": OtherSession},
    "serializer": {"serializer": Reversing()},
    "name": {"get_cookie_name": lambda self, app: "named"},
    "domain": {"get_cookie_domain": lambda self, app: "example.org"},
    "path": {"get_cookie_path": lambda self, app: "/there"},
    "secure": {"get_cookie_secure": lambda self, app: True},
    "samesite": {"get_cookie_samesite": lambda self, app: "Strict"},
    "httponly": {"get_cookie_httponly": lambda self, app: False},
    "partitioned": {"get_cookie_partitioned": lambda self, app: True},
    "expiration": {"get_expiration_time": lambda self, app, session: NOW},
    "always set": {"should_set_cookie": lambda self, app, session: True},
    "never set": {"should_set_cookie": lambda self, app, session: False},
    "signing serializer": {"get_signing_serializer": lambda self, app: None},
}


@pytest.mark.parametrize("attributes", OVERRIDES.values(), ids=OVERRIDES)
def test_overrides_are_honoured_as_in_real_flask(attributes):
    stock, ours = (make_app(interface()) for interface in subclassed(**attributes))
    look = [lambda response: (type(flask.session._get_current_object()).__name__, dict(flask.session))]
    with freezegun.freeze_time(NOW):
        cookie = None
        for steps in (write(a=1, _permanent=True), look, write(b=(2,)), [], [lambda response: flask.session.clear()]):
            theirs, mine = visit(stock, steps, cookie), visit(ours, steps, cookie)
            assert mine == theirs
            cookie = cookie_of(theirs) or cookie


def test_attributes_of_the_interface_are_honoured():
    stock, ours = twins()
    for app in (stock, ours):
        app.session_interface.salt = "of this one"
        app.session_interface.get_cookie_name = lambda app: "mine"
    with freezegun.freeze_time(NOW):
        assert visit(ours, write(a=1)) == visit(stock, write(a=1))


def test_keys_and_settings_are_read_with_every_request():
    _, app = twins()
    cookie = cookie_of(visit(app, write(a=1)))
    read = [lambda response: dict(flask.session)]
    app.config["SECRET_KEY"] = "another"
    assert visit(app, read, cookie)[1] == "{}"
    app.config["SECRET_KEY_FALLBACKS"] = [KEY]
    assert visit(app, read, cookie)[1] == "{'a': 1}"
    app.config["SECRET_KEY_FALLBACKS"].clear()
    assert visit(app, read, cookie)[1] == "{}"
    app.config["SESSION_COOKIE_NAME"] = "renamed"
    assert cookie_of(visit(app, write(a=1))).startswith("renamed=")


class NotAscii(DefaultJSONProvider):
    ensure_ascii = False
    sort_keys = False


class Shouting(DefaultJSONProvider):
    def dumps(self, value, **keywords):
        return super().dumps(value, **keywords).replace("quiet", "LOUD!")


@pytest.mark.parametrize("provider", [NotAscii, Shouting])
def test_json_providers_are_honoured_as_in_real_flask(provider):
    stock, ours = twins()
    for app in (stock, ours):
        app.json = provider(app)
    with freezegun.freeze_time(NOW):
        assert visit(ours, write(b="é quiet", a=1)) == visit(stock, write(b="é quiet", a=1))


def test_registered_tags_are_honoured_as_in_real_flask():
    class TagSet(JSONTag):
        __slots__ = ()
        key = " s"

        def check(self, value):
            return isinstance(value, set)

        def to_json(self, value):
            return sorted(value)

        def to_python(self, value):
            return set(value)

    stock, ours = (make_app(interface()) for interface in subclassed(serializer=TaggedJSONSerializer()))
    stock.session_interface.serializer.register(TagSet)
    if ours.session_interface.serializer is not stock.session_interface.serializer:
        ours.session_interface.serializer.register(TagSet)
    with freezegun.freeze_time(NOW):
        theirs = visit(stock, write(a={2, 1}))
        assert visit(ours, write(a={2, 1})) == theirs
        assert visit(ours, [lambda response: flask.session["a"]], cookie_of(theirs))[1] == "{1, 2}"


def test_unsupported_values_fail_as_in_real_flask():
    stock, ours = twins()
    assert visit(ours, write(a={1}))[0] == visit(stock, write(a={1}))[0] == "500 INTERNAL SERVER ERROR"


# -- differences on purpose -------------------------------------------------------------------------------------------


def signed(app, payload):
    with app.app_context():
        serializer = SecureCookieSessionInterface().get_signing_serializer(app)
        return "session=" + serializer.make_signer(serializer.salt).sign(payload).decode()


@pytest.mark.parametrize("payload", [b"!", b".AAAA", b"bm9wZQ", b"WzFd", b"MQ", b"eyJhIjp7IiBiIjoxfX0"], ids=repr)
def test_an_unreadable_signed_payload_is_an_empty_session(payload, caplog):
    stock, ours = twins()
    cookie = signed(ours, payload)
    read = [lambda response: dict(flask.session)]
    assert visit(stock, read, cookie)[0] == "500 INTERNAL SERVER ERROR"
    caplog.clear()
    assert visit(ours, read, cookie)[:2] == ("200 OK", "{}")
    assert "unreadable payload" in caplog.text


def test_the_first_valid_cookie_of_several_counts():
    _, ours = twins()
    good = cookie_of(visit(ours, write(a=1)))
    read = [lambda response: dict(flask.session)]
    assert visit(ours, read, f"session=stale; {good}")[1] == "{'a': 1}"
    assert visit(ours, read, "; ".join(["session=stale"] * 4 + [good]))[1] == "{}"


def test_a_cookie_from_the_future_passes_within_leeway():
    app = make_app(hipflask.SecureCookieSessionInterface(), {"SESSION_COOKIE_LEEWAY": 5})
    read = [lambda response: dict(flask.session)]
    with freezegun.freeze_time(NOW):
        cookie = cookie_of(visit(app, write(a=1)))
    for ahead, expected in [(5, "{'a': 1}"), (6, "{}")]:
        with freezegun.freeze_time(NOW - datetime.timedelta(seconds=ahead)):
            assert visit(app, read, cookie)[1] == expected


def test_a_small_payload_is_deflated_on_request():
    small = write(a="x" * 200)
    for compression, deflated in [("when-it-pays", False), ("flask", True), ("never", False)]:
        app = make_app(hipflask.SecureCookieSessionInterface(), compression=compression)
        assert cookie_of(visit(app, small)).startswith("session=.") == deflated


@pytest.mark.parametrize("fallbacks, error", [("old", TypeError), ([""], RuntimeError)])
def test_fallback_keys_that_anybody_knows_are_refused(fallbacks, error):
    app = make_app(hipflask.SecureCookieSessionInterface(), {"SECRET_KEY_FALLBACKS": fallbacks})
    context = app.test_request_context()
    with pytest.raises(error, match="SECRET_KEY_FALLBACKS"):
        context.push()
    context.pop()


# -- the methods of the session ---------------------------------------------------------------------------------------


@pytest.fixture
def client():
    return ours(Cookies(), TESTING=True).test_client()


def test_a_cookie_session_counts(client):
    assert [stores.visit(client, lambda session: str(session.increment("n", 2))).text for _ in range(2)] == ["2", "4"]
    assert stores.peek(client) == {"n": 4}


@pytest.mark.parametrize("arguments", [("text",), ("n", 1.5), ("n", True), (7,)], ids=repr)
def test_only_ints_are_incremented(client, redis_store, arguments):
    for client in (client, ours(redis_store, TESTING=True).test_client()):
        stores.visit(client, lambda session: session.update(text="a", n=1))
        with pytest.raises(TypeError):
            stores.visit(client, lambda session: session.increment(*arguments))
        assert stores.peek(client) == {"text": "a", "n": 1}


def test_a_cookie_transaction_that_raises_is_undone(client):
    stores.visit(client, lambda session: session.update(cart=["a"]))

    def fail(session):
        session["cart"].append("b")
        session["more"] = 1
        raise KeyboardInterrupt

    def act(session):
        with pytest.raises(KeyboardInterrupt):
            session.transact(fail)
        assert dict(session) == {"cart": ["a"]} and not session.modified

    assert "Set-Cookie" not in stores.visit(client, act).headers
    stores.visit(client, lambda session: session.transact(lambda session: session["cart"].append("c") or session.regenerate()))
    assert stores.peek(client) == {"cart": ["a", "c"]}


def test_regenerate_signs_a_cookie_session_again(client):
    with freezegun.freeze_time(NOW) as clock:
        stores.visit(client, lambda session: session.update(user="ada"))
        before = stores.sid_of(client)
        clock.tick(1)
        stores.visit(client, lambda session: session.regenerate())
        assert stores.sid_of(client) != before and stores.peek(client) == {"user": "ada"}


def test_destroy_removes_the_cookie(client):
    stores.visit(client, lambda session: session.update(user="ada"))
    stores.visit(client, lambda session: session.destroy())
    assert stores.sid_of(client) is None


def test_the_last_writer_of_a_cookie_session_wins(client):
    stores.visit(client, lambda session: session.update(n=1))
    other = stores.with_id(client.application, stores.sid_of(client))
    for one in (client, other):
        stores.visit(one, lambda session: session.increment("n"))
    assert stores.peek(client) == stores.peek(other) == {"n": 2}


@pytest.mark.parametrize("method", ["increment", "regenerate", "destroy", "transact"])
def test_methods_without_a_secret_key_raise_flasks_error(client, method):
    client.application.secret_key = None
    arguments = {"increment": ["n"], "transact": [lambda session: session.update(a=1)]}.get(method, [])
    with pytest.raises(RuntimeError, match="no secret key was set"):
        stores.visit(client, lambda session: getattr(session, method)(*arguments))


def test_flasks_own_session_class_still_works():
    app = make_app(type("Stock", (hipflask.SecureCookieSessionInterface,), {"session_class": SecureCookieSession})())
    assert visit(app, [lambda response: type(flask.session._get_current_object()) is SecureCookieSession])[1] == "True"


# -- warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:SESSION_USE_SIGNER is deprecated")
@pytest.mark.parametrize("signed_ids", [False, True])
def test_many_bad_signatures_are_one_warning_a_minute(signed_ids, redis_store, caplog):
    config = {"TESTING": True, **({"SESSION_USE_SIGNER": True} if signed_ids else {})}
    client = ours(redis_store if signed_ids else Cookies(), **config).test_client()
    app = client.application
    app.add_url_rule("/forged", "forged", lambda: "")
    stores.visit(client, lambda session: session.update(a=1))
    forged = damaged("session=" + stores.sid_of(client), random.Random(1))
    forged = f"{forged.rpartition('.')[0]}.{'A' * 27}"

    def send(times):
        for _ in range(times):
            app.test_client(use_cookies=False).get("/forged", headers={"Cookie": forged})
        return [record.getMessage() for record in caplog.records if "bad signatures" in record.getMessage()]

    with freezegun.freeze_time(NOW) as clock:
        assert send(19) == []
        [said] = send(30)
        assert "SECRET_KEY_FALLBACKS" in said and "count=20, cookie=session" in said
        clock.tick(60)
        assert len(send(1)) == 2
    assert forged.partition("=")[2] not in caplog.text


# -- threads ----------------------------------------------------------------------------------------------------------


def test_threads_share_an_interface_and_never_a_session():
    interface = hipflask.SecureCookieSessionInterface()
    apps = [make_app(interface, {"SECRET_KEY": f"key {n}" * 4}) for n in range(3)]
    for app in apps:
        app.add_url_rule("/set/<name>", "set", lambda name: flask.session.update(name=name, nested={"k": [name]}) or "")
        app.add_url_rule("/get", "get", lambda: flask.session["name"] + flask.session["nested"]["k"][0])

    def visitor(number):
        client = apps[number % 3].test_client()
        for turn in range(40):
            client.get(f"/set/{number}-{turn}")
            assert client.get("/get").text == f"{number}-{turn}" * 2
        return True

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert all(pool.map(visitor, range(24)))
