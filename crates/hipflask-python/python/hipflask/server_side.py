"""Sessions in a store: Flask-Session's configuration, records and session object on Hipflask's save protocol."""

from __future__ import annotations

import random
import time
import warnings
from typing import Any, Callable, Mapping, TypeVar

import flask
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import CallbackDict

from . import _settings, _stores
from ._native import SessionCookies, StoredSession, StoredSessions
from .errors import SessionContended, SessionEnded, SessionStoreError
from .sessions import SecureCookieSessionInterface

__all__ = ["ServerSideSession", "ServerSideSessionInterface", "Session"]

T = TypeVar("T")


class Session:
    """Flask-Session's ``Session``: puts an app's sessions where its configuration says.

    ::

        import flask
        import hipflask

        app = flask.Flask(__name__)
        app.config["SESSION_TYPE"] = "sqlite:sessions.db"
        hipflask.Session(app)

    ``SESSION_TYPE`` is one of Flask-Session's names (``redis``, ``memcached``, ``filesystem``, ``cachelib``, ``mongodb``,
    ``sqlalchemy``, ``dynamodb``) with its settings beside it, or the URL of a store. Without ``SESSION_TYPE`` the sessions
    stay in Flask's signed cookie.
    """

    def __init__(self, app: flask.Flask | None = None) -> None:
        self.app = app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Sets up one more app, as an application factory does."""
        app.session_interface = self._get_interface(app)

    def _get_interface(self, app: flask.Flask) -> SessionInterface:
        if app.config.get("SESSION_TYPE") is None:
            return SecureCookieSessionInterface()
        return ServerSideSessionInterface(app)


class ServerSideSession(CallbackDict, SessionMixin):  # type: ignore[type-arg]
    """The session of a request: a dict that behaves as Flask-Session's, and says more.

    A change inside a value is noticed when the session is saved; nobody has to say ``session.modified = True``.
    """

    #: Whether no session came with the request.
    new = False
    modified = False
    accessed = False
    #: Whether it could not be saved, and the response says so.
    _failed = False
    _origin: StoredSession | None = None
    _store: ServerSideSessionInterface | None = None
    # What is meant for the record.
    _changed = False
    _cleared = False
    _regenerate = False
    _destroy = False
    _added: Mapping[str, int] = {}

    def __init__(
        self,
        initial: Mapping[str, Any] | None = None,
        sid: str | None = None,
        permanent: bool | None = None,
    ) -> None:
        super().__init__(initial, _on_update)
        self.sid = sid
        if permanent:
            self.permanent = permanent
            self.modified = self.accessed = self._changed = False

    def __getstate__(self) -> dict[str, Any]:
        """A copy belongs to no request: nothing that is done to it is saved."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_origin", "_store")}

    def __reduce__(self) -> Any:
        return _copied, (type(self), dict(self), self.__getstate__())

    def _forget(self) -> None:
        """What was meant for the record has been done."""
        if self._changed or self._cleared or self._regenerate or self._destroy:
            self._changed = self._cleared = self._regenerate = self._destroy = False
            self._added = {}

    def __bool__(self) -> bool:
        return len(self) > 1 or (len(self) == 1 and "_permanent" not in self)

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        return super().__getitem__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._check(key, value)
        super().__setitem__(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        self.accessed = True
        return super().get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self.accessed = True
        if key not in self:
            self._check(key, default)
        return super().setdefault(key, default)

    def update(self, *arguments: Any, **members: Any) -> None:
        new = dict(*arguments, **members)
        for key, value in new.items():
            self._check(key, value)
        super().update(new)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def _check(self, key: Any, value: Any) -> None:
        """Raises an exception that names the key if the record cannot hold this."""
        if self._store is not None and type(value) not in _ALWAYS_HELD:
            self._store._sessions.check_value(key, value)

    def clear(self) -> None:
        """Removes everything but ``_permanent``, and what another request adds meanwhile."""
        permanent = self.get("_permanent", False)
        super().clear()
        self["_permanent"] = permanent
        self._cleared = True
        self._added = {}

    def increment(self, key: str, by: int = 1) -> int:
        """Adds ``by`` to a number, 0 if the key is not there, and returns the sum. Requests that overlap add up."""
        now = self.get(key, 0)
        if type(now) is not int or type(by) is not int:
            raise TypeError(f"session key {key!r} holds {type(now).__name__}, and only an int can be added to an int")
        self[key] = now + by
        self._added = {**self._added, key: self._added.get(key, 0) + by}
        return now + by

    def regenerate(self) -> None:
        """Gives the session a new id with the response: at login, and wherever rights change. Works on an empty one, too."""
        self.sid = self._interface().new_sid()
        self._regenerate = True
        self.modified = self._changed = True

    def destroy(self) -> None:
        """Ends the session: the record goes, whatever other requests do with it, and the cookie is removed."""
        self.clear()
        self._destroy = True

    def transact(self, change: Callable[[ServerSideSession], T]) -> T:
        """Calls ``change(session)`` and saves at once. Should another request be first, it is called again on what that one
        left, so that a decision ("is one left?") is never made on old data. What it raises undoes what it did.
        """
        return self._interface().transact(self, change)

    def _interface(self) -> ServerSideSessionInterface:
        if self._store is None:
            raise RuntimeError("this session was not opened by hipflask's session interface, and has no store")
        return self._store


#: Types whose every value is held by every record.
_ALWAYS_HELD = frozenset((type(None), bool, float, bytes))


def _copied(kind: type[ServerSideSession], data: dict[str, Any], state: dict[str, Any]) -> ServerSideSession:
    """A session as :mod:`copy` and :mod:`pickle` make it."""
    session = kind(data)
    session.__dict__.update(state)
    session.modified = session.accessed = True
    return session


def _on_update(session: ServerSideSession) -> None:
    session.modified = session.accessed = session._changed = True


class UnavailableSession(ServerSideSession):
    """What a request gets whose session could not be read. Any use of it raises the error, a 503; nothing is saved."""

    def __init__(self, error: SessionStoreError) -> None:
        super().__init__()
        self._error = error

    def _fail(self, *_args: Any, **_kwargs: Any) -> Any:
        raise self._error

    __bool__ = __contains__ = __delitem__ = __eq__ = __getitem__ = __ior__ = __iter__ = __len__ = __or__ = _fail
    __repr__ = __reversed__ = __setitem__ = clear = copy = get = increment = items = keys = pop = popitem = _fail
    regenerate = setdefault = transact = update = values = destroy = _fail
    __hash__ = None  # type: ignore[assignment]


class ServerSideSessionInterface(SessionInterface):
    """Opens and saves the sessions of an app in a store. :class:`Session` makes it from the app's configuration."""

    session_class = ServerSideSession

    def __init__(self, app: flask.Flask) -> None:
        config = app.config
        self.app = app
        self.use_signer = bool(config.get("SESSION_USE_SIGNER", False))
        self.permanent = config.get("SESSION_PERMANENT", True)
        self.key_prefix = config.get("SESSION_KEY_PREFIX", "session:")
        if not isinstance(self.key_prefix, str):
            raise _settings.wrong("SESSION_KEY_PREFIX", self.key_prefix, "a text")
        self.sid_length = _settings.number(config, "SESSION_ID_LENGTH", 32, 8, 96)
        if self.sid_length < 16:
            warnings.warn(
                f"SESSION_ID_LENGTH is {self.sid_length}: ids of fewer than 16 bytes can be guessed",
                RuntimeWarning,
                stacklevel=4,
            )
        self.cleanup_n_requests = config.get("SESSION_CLEANUP_N_REQUESTS")
        if self.cleanup_n_requests is not None:
            _settings.number(config, "SESSION_CLEANUP_N_REQUESTS", 0, 0, 2**63 - 1)
        form = _settings.text(config, "SESSION_SERIALIZATION_FORMAT", "msgpack")
        self._cookies = SessionCookies()
        place = _stores.find(app)
        #: The client object that the configuration named, if any; sessions do not go through it.
        self.client = place.client
        self._sessions = StoredSessions(
            place.url,
            prefix=self.key_prefix,
            id_length=self.sid_length,
            format=form,
            ready=place.ready,
        )
        if self.use_signer:
            warnings.warn(
                "SESSION_USE_SIGNER is deprecated in Flask-Session: an id of 32 random bytes needs no signature",
                DeprecationWarning,
                stacklevel=4,
            )
        if self.cleanup_n_requests:
            app.before_request(self._cleanup_now_and_then)
        app.cli.command("session_cleanup", help="Delete the sessions that have expired.")(self.cleanup)

    def new_sid(self) -> str:
        """An id for a new session."""
        return self._sessions.fresh_id()

    def regenerate(self, session: ServerSideSession) -> None:
        """Flask-Session's name for :meth:`ServerSideSession.regenerate`."""
        session.regenerate()

    def load(self, sid: str) -> dict[str, Any] | None:
        """What the session of this id holds; None if it has none. Its life is not extended."""
        found = self._sessions.open([self._sessions.cookie(sid, self, self.app).encode()], time.time(), self, self.app)
        return None if found is None else found[1]

    def delete(self, sid: str) -> None:
        """Ends the session of this id, whatever requests are doing with it."""
        self._sessions.destroy(sid, time.time(), self, self.app)

    def cleanup(self) -> None:
        """Deletes the records that have expired, where the store does not do so by itself."""
        self._sessions.purge(time.time())

    def _cleanup_now_and_then(self) -> None:
        if random.randint(0, self.cleanup_n_requests or 0) == 0:
            self.cleanup()

    def _get_store_id(self, sid: str) -> str:
        return str(self.key_prefix) + sid

    def should_set_storage(self, app: flask.Flask, session: ServerSideSession) -> bool:
        """Whether the record is to be kept alive, and written if it changed."""
        return session.modified or app.config["SESSION_REFRESH_EACH_REQUEST"]

    def open_session(self, app: flask.Flask, request: flask.Request) -> ServerSideSession:
        """The session whose id is in the cookie; else a new one, under an id of its own."""
        cookies = SessionCookies.read(self, app, request)
        if cookies:
            try:
                found = self._sessions.open(cookies, time.time(), self, app)
            except SessionStoreError as error:
                app.logger.error("The session could not be read: %s", error)
                return UnavailableSession(error)
            if found is not None:
                origin, data, sid = found
                session = self.session_class(data, sid=sid)
                session._origin, session._store = origin, self
                return session
        else:
            # Whoever has a cookie would be told by the store.
            self._sessions.check(self, app)
        session = self.session_class(sid=self.new_sid(), permanent=self.permanent)
        session._origin, session._store, session.new = StoredSession(), self, True
        session._changed = False
        return session

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        """Saves what changed, and puts into the response what it must say about the session."""
        # What could not be read is not written, and there is nothing to say about it.
        if not isinstance(session, ServerSideSession) or isinstance(session, UnavailableSession):
            return
        accessed, has_content, modified = session.accessed, bool(session), session.modified
        if accessed:
            SessionCookies.vary(response)
        if session._failed:
            return
        if not has_content and not modified and not session._destroy and not session._regenerate:
            return
        # Flask-Session's `modified = False` by hand.
        if not modified and session._changed and not self.should_set_storage(app, session):
            return
        try:
            what, cookie = self._save(app, session, modified)
        except SessionStoreError as error:
            self._answer_that_it_failed(app, session, response, error)
            return
        if what == "gone":
            return
        if what == "deleted" or (modified and not has_content and what != "merged"):
            self._cookies.remove(self, app, response)
        elif has_content and cookie and (what in ("created", "regenerated") or self.should_set_cookie(app, session)):
            self._cookies.set(self, app, session, response, cookie)
        else:
            return
        SessionCookies.vary(response)

    def _answer_that_it_failed(
        self, app: flask.Flask, session: ServerSideSession, response: flask.Response, error: SessionStoreError
    ) -> None:
        """Puts the answer to ``error``, as if the view had raised it, in place of one that says that all went well. To raise
        it here would be a 500, whatever it is: Flask takes it for a fault of the program.
        """
        if not flask.has_request_context() or flask.session._get_current_object() is not session:  # type: ignore[attr-defined]
            # No response of a request: somebody saves by hand, and must know.
            raise error
        app.logger.error("The session could not be saved: %s", error)
        session._failed = True
        answer = app.process_response(app.make_response(app.handle_user_exception(error)))
        close = getattr(response.response, "close", None)
        if close is not None:
            close()
        response.status = answer.status
        response.headers.clear()
        response.headers.extend(answer.headers)
        response.response, response.direct_passthrough = answer.response, answer.direct_passthrough
        response.call_on_close(answer.close)

    def _save(self, app: flask.Flask, session: ServerSideSession, modified: bool, alone: bool = False) -> tuple[str, str | None]:
        if session._origin is None:
            session._origin, session._store = StoredSession(), self
        what, sid, cookie = self._sessions.save(
            session._origin,
            session,
            session.sid,
            time.time(),
            self,
            app,
            cleared=session._cleared,
            added=session._added,
            modified=bool(modified),
            regenerate=session._regenerate,
            destroy=session._destroy,
            alone=alone,
        )
        session._forget()
        if sid is not None:
            session.sid = sid
        return what, cookie

    def transact(self, session: ServerSideSession, change: Callable[[ServerSideSession], T]) -> T:
        """:meth:`ServerSideSession.transact`."""
        app = flask.current_app._get_current_object()  # type: ignore[attr-defined]
        while True:
            before, flags = dict(session), (session.modified, session._changed, dict(session._added))
            try:
                answer = change(session)
            except BaseException:
                self._put_back(session, before, flags)
                raise
            try:
                what, _ = self._save(app, session, True, alone=True)
            except SessionContended:
                self._put_back(session, before, flags)
                self._rebase(app, session)
                continue
            if what == "gone":
                raise SessionEnded("the session has ended, so nothing can be changed in it; ask the visitor to log in again")
            session.modified = session.accessed = True
            return answer

    def _put_back(self, session: ServerSideSession, data: dict[str, Any], flags: tuple[bool, bool, dict[str, int]]) -> None:
        dict.clear(session)
        dict.update(session, data)
        session.modified, session._changed, session._added = flags

    def _rebase(self, app: flask.Flask, session: ServerSideSession) -> None:
        """What the session had been changed, on what another request has left."""
        cookie = self._sessions.cookie(session.sid or "", self, app).encode()
        found = self._sessions.open([cookie], time.time(), self, app)
        if found is None:
            raise SessionEnded("the session has ended, so nothing can be changed in it; ask the visitor to log in again")
        origin, newest, _ = found
        base = session._origin.dict() if session._origin is not None else {}
        ours = {key: value for key, value in session.items() if key not in base or base[key] != value}
        gone = [key for key in base if key not in session]
        for key, by in session._added.items():
            if key in ours and ours[key] == base.get(key, 0) + by and type(newest.get(key, 0)) is int:
                ours[key] = newest.get(key, 0) + by
        dict.clear(session)
        dict.update(session, {} if session._cleared else newest, **ours)
        for key in gone:
            dict.pop(session, key, None)
        session._origin = origin

    def _keys(self, app: flask.Flask) -> list[bytes]:
        if not app.secret_key:
            raise KeyError("SECRET_KEY must be set when SESSION_USE_SIGNER=True")
        fallbacks = app.config["SECRET_KEY_FALLBACKS"] or ()
        if isinstance(fallbacks, (str, bytes)):
            raise TypeError("SECRET_KEY_FALLBACKS is text, of which each letter would be a key; make it a list of keys")
        keys = [key.encode() if isinstance(key, str) else key for key in (app.secret_key, *fallbacks)]
        if not isinstance(keys[0], bytes):
            raise TypeError(f"SECRET_KEY must be text or bytes, but is of the type {type(keys[0]).__name__}")
        if not all(isinstance(key, bytes) and key for key in keys):
            raise TypeError("SECRET_KEY_FALLBACKS must be a list of texts or bytes, none of them empty")
        return keys
