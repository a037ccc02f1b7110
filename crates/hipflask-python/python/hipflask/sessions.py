"""Flask's signed cookie session, opened and saved by Rust."""

from __future__ import annotations

import copy
from typing import Any, Callable, MutableMapping, TypeVar

import flask.sessions

from ._native import SecureCookieSessions

__all__ = ["NullSession", "SecureCookieSession", "SecureCookieSessionInterface"]

T = TypeVar("T")


class SecureCookieSession(flask.sessions.SecureCookieSession):
    """Flask's :class:`~flask.sessions.SecureCookieSession` with the methods of :class:`hipflask.ServerSideSession`.

    A cookie cannot be locked, so the last writer wins if requests overlap. Set ``SESSION_TYPE`` to a store to have
    concurrent changes merged.
    """

    def increment(self, key: str, by: int = 1) -> int:
        """Adds ``by`` to a number, 0 if the key is missing, and returns the sum."""
        self[key] = new = increased(self, key, by)
        return new

    def regenerate(self) -> None:
        """Signs the cookie again with the response. A cookie session does not have an id that could change."""
        self.modified = True

    def destroy(self) -> None:
        """Empties the session, so that the response removes the cookie. Copies of the cookie stay valid until they expire."""
        self.clear()

    def transact(self, change: Callable[[SecureCookieSession], T]) -> T:
        """Calls ``change(session)`` and returns its result. If it raises, the session is as it was before."""
        before = copy.deepcopy(dict(self)), self.modified, self.accessed
        try:
            return change(self)
        except BaseException:
            data, self.modified, self.accessed = before
            dict.clear(self)
            dict.update(self, data)
            raise


class NullSession(flask.sessions.NullSession, SecureCookieSession):
    """The session of an app without a secret key: empty, and every change is an error."""

    def regenerate(self) -> None:
        """Raises the same error as every change."""
        self.clear()


class SecureCookieSessionInterface(SecureCookieSessions, flask.sessions.SecureCookieSessionInterface):
    """Flask's :class:`~flask.sessions.SecureCookieSessionInterface` with both halves of a request's work done natively.

    The cookies and headers are those of Flask::

        import flask
        import hipflask

        app = flask.Flask(__name__)
        app.secret_key = "a long text that nobody else knows"
        app.session_interface = hipflask.SecureCookieSessionInterface()

    Everything that Flask lets an app override is honoured: the attributes ``salt``, ``digest_method``,
    ``key_derivation``, ``serializer`` and ``session_class``, the methods ``get_cookie_name`` and its like,
    ``should_set_cookie`` and ``get_signing_serializer``, a JSON provider and the app's own tags. Flask's code does what
    Rust cannot do, such as calling another serializer.

    Two settings are new. They are read from ``app.config``, or from the interface if the app does not set them.
    """

    session_class = SecureCookieSession
    null_session_class = NullSession

    #: When to compress a payload (``SESSION_COOKIE_COMPRESSION``). ``"when-it-pays"``: from 1 KiB of JSON on, or if the
    #: cookie would be too large for a browser. ``"flask"``: whenever it saves two bytes, with the bytes that Flask would
    #: write. ``"never"``. Flask reads all of them.
    compression: str = "when-it-pays"

    #: The seconds that a cookie's time may be ahead of this clock (``SESSION_COOKIE_LEEWAY``), because the clocks of two
    #: servers differ. 0 is Flask's rule: such a cookie is refused.
    leeway: int = 5

    def __getstate__(self) -> dict[str, Any]:
        """The attributes that the app has set. Rust's half holds only caches."""
        return dict(self.__dict__)


def increased(session: MutableMapping[str, Any], key: str, by: int) -> int:
    """Returns the sum of a session's number and ``by``.

    Raises :exc:`TypeError` if one of the two is not an int, or the key not a text.
    """
    if not isinstance(key, str):
        raise TypeError(f"the key of an increment must be a text, but is {key!r}")
    now = session.get(key, 0)
    if type(now) is not int:
        raise TypeError(f"session key {key!r} holds {type(now).__name__}, and only an int can be incremented")
    if type(by) is not int:
        raise TypeError(f"session key {key!r} can only be incremented by an int, not by {type(by).__name__}")
    return now + by
