"""Flask's ``session`` with the types and the methods of a session in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, TypeVar

import flask
from werkzeug.local import LocalProxy

from .server_side import ServerSideSession

__all__ = ["session"]

T = TypeVar("T")


def _of_request() -> Any:
    return flask.session._get_current_object()  # type: ignore[attr-defined]


class _Session(LocalProxy[Any]):
    """The session of the request. What only a store can do says what to set, if the session is in a cookie."""

    __slots__ = ()
    #: Tools that look at modules ask for it outside of requests.
    __name__ = "session"

    def increment(self, key: str, by: int = 1) -> int:
        return _in_store("increment").increment(key, by)

    def regenerate(self) -> None:
        _in_store("regenerate").regenerate()

    def destroy(self) -> None:
        _in_store("destroy").destroy()

    def transact(self, change: Callable[[ServerSideSession], T]) -> T:
        return _in_store("transact").transact(change)


def _in_store(method: str) -> ServerSideSession:
    session = _of_request()
    if isinstance(session, ServerSideSession):
        return session
    raise RuntimeError(
        f"session.{method} needs a session in a store, and this one is in a cookie: set SESSION_TYPE, for example to"
        " 'redis://127.0.0.1:6379/0' or 'sqlite:sessions.db', before hipflask.Session(app)"
    )


if TYPE_CHECKING:
    session: ServerSideSession
else:
    #: ``flask.session`` for type checkers: ``from hipflask import session``.
    session = _Session(_of_request)
