"""Flask's ``session`` with the types of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
from werkzeug.local import LocalProxy

from .server_side import ServerSideSession
from .sessions import SecureCookieSession

__all__ = ["session"]


class _Session(LocalProxy[Any]):
    """A proxy of the same session as ``flask.session``."""

    __slots__ = ()
    #: Tools that inspect modules read it outside of requests.
    __name__ = "session"


if TYPE_CHECKING:
    session: ServerSideSession | SecureCookieSession
else:
    #: ``flask.session`` for type checkers: ``from hipflask import session``.
    session = _Session(lambda: flask.session._get_current_object())
