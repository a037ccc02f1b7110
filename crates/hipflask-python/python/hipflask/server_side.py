"""Sessions in a store: Flask-Session's configuration, records and session object on Hipflask's save protocol."""

from __future__ import annotations

import copy
import random
import time
import warnings
from typing import Any, Callable, Mapping, TypeVar

import flask
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import CallbackDict

from . import _settings, _stores
from ._native import SessionChanges, SessionCookies, StoredSession, StoredSessions
from .errors import SessionContended, SessionEnded, SessionStoreError
from .sessions import SecureCookieSessionInterface, increased

__all__ = ["ServerSideSession", "ServerSideSessionInterface", "Session"]

T = TypeVar("T")


class Session:
    """Flask-Session's ``Session``: keeps an app's sessions where its configuration says.

    ::

        import flask
        import hipflask

        app = flask.Flask(__name__)
        app.config["SESSION_TYPE"] = "sqlite:sessions.db"
        hipflask.Session(app)

    ``SESSION_TYPE`` is one of Flask-Session's names (``redis``, ``memcached``, ``filesystem``, ``cachelib``, ``mongodb``,
    ``sqlalchemy``, ``dynamodb``) with its settings, or the URL of a store. Without ``SESSION_TYPE`` the sessions stay in
    Flask's signed cookie.
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
    """The session of a request: Flask-Session's dict, with methods that are safe when requests overlap.

    A change inside a value is noticed when the session is saved, so ``session.modified = True`` is not needed.
    """

    #: True if no session came with the request.
    new = False
    modified = False
    accessed = False
    #: True if a save failed and the response already says so.
    _failed = False
    _origin: StoredSession | None = None
    _store: ServerSideSessionInterface | None = None
    #: Changes that are not saved yet. The native save resets them, so that no interrupt can have them saved twice.
    _changes: SessionChanges

    def __init__(
        self,
        initial: Mapping[str, Any] | None = None,
        sid: str | None = None,
        permanent: bool | None = None,
    ) -> None:
        super().__init__(initial, _on_update)
        self.sid = sid
        self._changes = SessionChanges()
        if permanent:
            self.permanent = permanent
            self.modified = self.accessed = self._changes.changed = False

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the link to the store: a copy does not belong to a request, and its changes are not saved."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_origin", "_store", "_changes")}

    def __reduce__(self) -> Any:
        return _copied, (type(self), dict(self), self.__getstate__())

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
        """Raises an exception that names the key if a record cannot hold the value."""
        if self._store is not None and type(value) not in _ALWAYS_HELD:
            self._store._sessions.check_value(key, value)

    def clear(self) -> None:
        """Removes everything but ``_permanent``, including keys that another request adds meanwhile."""
        permanent = self.get("_permanent", False)
        super().clear()
        self["_permanent"] = permanent
        self._changes.clear()

    def increment(self, key: str, by: int = 1) -> int:
        """Adds ``by`` to a number, 0 if the key is missing, and returns the sum. Increments of concurrent requests add up."""
        self[key] = new = increased(self, key, by)
        self._changes.add(key, by)
        return new

    def regenerate(self) -> None:
        """Gives the session a new id with the response. Call it at login and wherever rights change."""
        self.sid = self._interface().new_sid()
        self._changes.regenerate = True
        self.modified = self._changes.changed = True

    def destroy(self) -> None:
        """Deletes the record with the response, whatever other requests do with it, and removes the cookie."""
        self.clear()
        self._changes.destroy = True

    def transact(self, change: Callable[[ServerSideSession], T]) -> T:
        """Calls ``change(session)``, saves at once, and returns its result.

        If another request saves first, ``change`` is called again with the session that this one left, so that a decision
        ("is one left?") is never made on old data. If ``change`` raises, the session is as it was before.
        """
        return self._interface().transact(self, change)

    def _interface(self) -> ServerSideSessionInterface:
        if self._store is None:
            raise RuntimeError("this session was not opened by hipflask's session interface, so it does not have a store")
        return self._store


#: Types all of whose values fit into every record.
_ALWAYS_HELD = frozenset((type(None), bool, float, bytes))


def _copied(kind: type[ServerSideSession], data: dict[str, Any], state: dict[str, Any]) -> ServerSideSession:
    """The session that :mod:`copy` and :mod:`pickle` create."""
    session = kind(data)
    session.__dict__.update(state)
    session.modified = session.accessed = True
    return session


def _on_update(session: ServerSideSession) -> None:
    session.modified = session.accessed = session._changes.changed = True


class UnavailableSession(ServerSideSession):
    """The session of a request whose record could not be read. Any use of it raises the error, a 503; nothing is saved."""

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
    """Opens and saves the sessions of an app in a store. :class:`Session` builds it from the app's configuration."""

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
        address = _stores.find(app)
        #: The client object that the configuration names, if any. Only its address is used.
        self.client = address.client
        self._sessions = StoredSessions(
            address.url,
            prefix=self.key_prefix,
            id_length=self.sid_length,
            format=form,
            ready=address.ready,
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
        """Returns an id for a new session."""
        return self._sessions.fresh_id()

    def regenerate(self, session: ServerSideSession) -> None:
        """Flask-Session's name for :meth:`ServerSideSession.regenerate`."""
        session.regenerate()

    def load(self, sid: str) -> dict[str, Any] | None:
        """Returns the data of the session with this id, or None if there is none. Does not extend its lifetime."""
        found = self._sessions.open([self._sessions.cookie(sid, self, self.app).encode()], time.time(), self, self.app)
        return None if found is None else found[1]

    def delete(self, sid: str) -> None:
        """Deletes the session with this id, even while requests are using it."""
        self._sessions.destroy(sid, time.time(), self, self.app)

    def cleanup(self) -> None:
        """Deletes expired records from a store that does not do so by itself."""
        self._sessions.purge(time.time())

    def _cleanup_now_and_then(self) -> None:
        if random.randint(0, self.cleanup_n_requests or 0) == 0:
            self.cleanup()

    def _get_store_id(self, sid: str) -> str:
        return str(self.key_prefix) + sid

    def should_set_storage(self, app: flask.Flask, session: ServerSideSession) -> bool:
        """Returns True if the record is to be saved, or its lifetime extended."""
        return session.modified or app.config["SESSION_REFRESH_EACH_REQUEST"]

    def open_session(self, app: flask.Flask, request: flask.Request) -> ServerSideSession:
        """Returns the session whose id is in the cookie, or a new one with a new id."""
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
            # Reports wrong settings. With a cookie `open` does so.
            self._sessions.check(self, app)
        session = self.session_class(sid=self.new_sid(), permanent=self.permanent)
        session._origin, session._store, session.new = StoredSession(), self, True
        session._changes.changed = False
        return session

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        """Saves what changed, and adds the headers of the session to the response."""
        # A session that could not be read is not written, and gets no headers.
        if not isinstance(session, ServerSideSession) or isinstance(session, UnavailableSession):
            return
        accessed, has_content, modified = session.accessed, bool(session), session.modified
        if accessed:
            SessionCookies.vary(response)
        if session._failed:
            return
        changes = session._changes
        if not has_content and not modified and not changes.destroy and not changes.regenerate:
            return
        # The app has set `modified` to False, as it can with Flask-Session.
        if not modified and changes.changed and not self.should_set_storage(app, session):
            return
        try:
            what, cookie = self._save(app, session, modified)
        except SessionStoreError as error:
            self._replace_response(app, session, response, error)
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

    def _replace_response(
        self, app: flask.Flask, session: ServerSideSession, response: flask.Response, error: SessionStoreError
    ) -> None:
        """Replaces a response that claims success by the one that the app gives if a view raises ``error``.

        Raising the error here would always be a 500, because Flask takes it for a bug in the app.
        """
        if not flask.has_request_context() or flask.session._get_current_object() is not session:  # type: ignore[attr-defined]
            # Not the response of this request: the caller saves by hand, and needs the error.
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

    def _save(
        self, app: flask.Flask, session: ServerSideSession, modified: bool, if_unchanged: bool = False
    ) -> tuple[str, str | None]:
        if session._origin is None:
            session._origin, session._store = StoredSession(), self
        return self._sessions.save(session, time.time(), self, app, modified=bool(modified), if_unchanged=if_unchanged)

    def transact(self, session: ServerSideSession, change: Callable[[ServerSideSession], T]) -> T:
        """Implements :meth:`ServerSideSession.transact`."""
        app = flask.current_app._get_current_object()  # type: ignore[attr-defined]
        while True:
            before = _Snapshot(session)
            try:
                answer = change(session)
            except BaseException:
                before.restore(session)
                raise
            try:
                what, _ = self._save(app, session, True, if_unchanged=True)
            except SessionContended:
                before.restore(session)
                self._rebase(app, session)
                continue
            if what == "gone":
                raise SessionEnded(_ENDED)
            session.modified = session.accessed = True
            return answer

    def _rebase(self, app: flask.Flask, session: ServerSideSession) -> None:
        """Applies the changes of this request to the record that another request has saved."""
        cookie = self._sessions.cookie(session.sid or "", self, app).encode()
        found = self._sessions.open([cookie], time.time(), self, app)
        if found is None:
            raise SessionEnded(_ENDED)
        origin, newest, _ = found
        base = session._origin.dict() if session._origin is not None else {}
        ours = {key: value for key, value in session.items() if key not in base or base[key] != value}
        removed = [key for key in base if key not in session]
        for key, by in session._changes.added.items():
            if key in ours and ours[key] == base.get(key, 0) + by and type(newest.get(key, 0)) is int:
                ours[key] = newest.get(key, 0) + by
        dict.clear(session)
        dict.update(session, {} if session._changes.cleared else newest, **ours)
        for key in removed:
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


_ENDED = "the session was deleted meanwhile, so it cannot be changed; ask the user to log in again"


class _Snapshot:
    """The state of a session before a transaction. Values are copied in depth, because a change may be inside one."""

    def __init__(self, session: ServerSideSession) -> None:
        self._data = copy.deepcopy(dict(session))
        self._flags = session.sid, session.modified, session._changes.copy()

    def restore(self, session: ServerSideSession) -> None:
        dict.clear(session)
        dict.update(session, self._data)
        session.sid, session.modified, session._changes = self._flags
