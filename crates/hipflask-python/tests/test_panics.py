"""No panic of Rust reaches Python as `PanicException`, which is not an `Exception`, and would end the worker of a server.

The wheel of `cargo xtask step "every store"` can plant a panic in each entry point; every other wheel must not be able to.
"""

import contextlib
import datetime
import inspect

import flask
import pytest

import hipflask
from hipflask import _native
from stores import ours, peek, sid_of, visit

CAN_PLANT = hasattr(_native, "plant_panic")

#: The arguments of each entry point. Methods are called on an object of their class.
SIGNER = ([b"key"], b"salt", 46, "hmac", "sha1")
ARGUMENTS = {
    "dump_value": (1,),
    "dump_tagged": (1,),
    "load_tagged": ("1",),
    "NativeSigner": SIGNER,
    "NativeSigner.signature": (b"v",),
    "NativeSigner.verify": (b"v", b"s"),
    "NativeSigner.sign": (b"v",),
    "NativeSigner.unsign": (b"v",),
    "NativeSigner.sign_at": (b"v", 1),
    "NativeSigner.unsign_timed": (b"v",),
    "SecureCookieSessions": (),
    "SecureCookieSessions.open_session": (None, None),
    "SecureCookieSessions.save_session": (None, None, None),
    "SessionChanges": (),
    "SessionChanges.add": ("k", 1),
    "SessionChanges.clear": (),
    "SessionChanges.copy": (),
    "SessionCookies": (),
    "SessionCookies.read": (None, None, None),
    "SessionCookies.set": (None, None, None, None, "v"),
    "SessionCookies.remove": (None, None, None),
    "SessionCookies.vary": (None,),
    "StoredSession": (),
    "StoredSession.dict": (),
    "StoredSessions": ("memory:",),
    "StoredSessions.open": ([], 1.0, None, None),
    "StoredSessions.save": (hipflask.ServerSideSession(), 1.0, None, None),
    "StoredSessions.check": (None, None),
    "StoredSessions.check_value": ("k", 1),
    "StoredSessions.fresh_id": (),
    "StoredSessions.cookie": ("sid", None, None),
    "StoredSessions.purge": (1.0,),
    "StoredSessions.destroy": ("sid", 1.0, None, None),
}
KEYWORDS = {
    "StoredSessions": {"prefix": "p:", "id_length": 32},
    "StoredSessions.save": {"modified": False},
}


def entry_points():
    """Yields the names of everything in the module that can be called."""
    for name, found in vars(_native).items():
        if name.startswith("__") or name == "plant_panic" or not callable(found):
            continue
        yield name
        if inspect.isclass(found):
            methods = (method for method in vars(found) if not method.startswith("__"))
            # Attributes are read and set by PyO3.
            yield from (f"{name}.{method}" for method in methods if callable(getattr(found, method)))


def called(name):
    owner, _, method = name.partition(".")
    if not method:
        return lambda: getattr(_native, owner)(*ARGUMENTS[name], **KEYWORDS.get(name, {}))
    made = getattr(_native, owner)(*ARGUMENTS[owner], **KEYWORDS.get(owner, {}))
    return lambda: getattr(made, method)(*ARGUMENTS[name], **KEYWORDS.get(name, {}))


def test_every_entry_point_is_in_the_list():
    assert sorted(entry_points()) == sorted(ARGUMENTS)


def test_only_the_test_wheel_can_plant_panics(request):
    is_wheel_of_tests = "postgres" in request.config.getoption("stores")
    assert CAN_PLANT == is_wheel_of_tests


@pytest.mark.skipif(not CAN_PLANT, reason="this wheel cannot plant panics: see `cargo xtask step 'every store'`")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_panics_in_entry_points_are_exceptions(name):
    call = called(name)
    _native.plant_panic(name)
    try:
        with pytest.raises(Exception, match=f"hipflask panicked in {name}: planted") as raised:
            call()
    finally:
        _native.plant_panic(None)
    stored = name.startswith("StoredSession") and name != "StoredSession"
    assert type(raised.value) is (hipflask.errors.SessionStoreError if stored else hipflask.errors.InternalError)


@pytest.mark.skipif(not CAN_PLANT, reason="this wheel cannot plant panics: see `cargo xtask step 'every store'`")
@pytest.mark.parametrize("name", ["StoredSessions.open", "StoredSessions.save"])
def test_a_request_whose_session_panics_is_a_503(tmp_path, name):
    app = flask.Flask("app")
    app.config["SESSION_TYPE"] = f"sqlite:{tmp_path / 'app.db'}"
    hipflask.Session(app)
    app.add_url_rule("/", "view", lambda: str(flask.session.increment("n")))
    client = app.test_client()
    assert client.get("/").text == "1"
    _native.plant_panic(name)
    try:
        assert client.get("/").status_code == 503
    finally:
        _native.plant_panic(None)
    assert client.get("/").text == "2"


# -- a panic that comes through Python --------------------------------------------------------------------------------


class Zone(datetime.tzinfo):
    def __init__(self, error):
        self.error = error

    def utcoffset(self, moment):
        raise self.error


def moment_that_raises(kind):
    return datetime.datetime(2024, 1, 2, tzinfo=Zone(kind("planted in Python")))


@pytest.fixture(scope="module")
def panic():
    """The class in which our PyO3 raises panics, and which it turns back into panics. Other packages have one of the same
    name.
    """
    with pytest.raises(ValueError):
        _native.load_tagged("[")
    for kind in BaseException.__subclasses__():
        if kind.__name__ == "PanicException":
            with contextlib.suppress(kind):
                with pytest.raises(hipflask.errors.InternalError):
                    _native.dump_tagged(moment_that_raises(kind))
                return kind
    raise AssertionError("no panic became an exception of ours")


def test_a_panic_through_python_is_an_exception(panic):
    for dump in (_native.dump_tagged, _native.dump_value):
        with pytest.raises(hipflask.errors.InternalError, match="panicked in dump_.*: planted in Python"):
            dump([moment_that_raises(panic)])


@pytest.mark.parametrize("where", ["set", "save"])
def test_a_panic_during_the_save_is_a_503(redis_store, panic, where):
    client = ours(redis_store).test_client()
    client.application.logger.disabled = True
    visit(client, lambda session: session.update(a=1))
    put = hipflask.ServerSideSession.__setitem__ if where == "set" else dict.__setitem__

    def act(session):
        put(session._get_current_object(), "m", moment_that_raises(panic))
        session.modified = True

    assert visit(client, act).status_code == 503
    assert peek(client) == {"a": 1} and sid_of(client)


def test_cookie_interface_panics_reach_error_handlers(panic):
    class Interface(hipflask.SecureCookieSessionInterface):
        def get_cookie_name(self, app):
            raise panic("planted in a subclass")

    app = flask.Flask("app")
    app.secret_key, app.session_interface = "a secret key of the tests, long enough", Interface()
    handled = []

    @app.errorhandler(500)
    def failed(error):
        handled.append(error.original_exception)
        app.session_interface = hipflask.SecureCookieSessionInterface()
        return "a page of the app", 500

    assert app.test_client().get("/").text == "a page of the app"
    assert isinstance(handled[0], hipflask.errors.InternalError)
