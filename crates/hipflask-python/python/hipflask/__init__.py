"""Flask's sessions on Hipflask's engine."""

from __future__ import annotations

from . import errors
from ._native import __version__
from ._proxy import session
from .server_side import ServerSideSession, ServerSideSessionInterface, Session
from .sessions import SecureCookieSessionInterface

__all__ = [
    "SecureCookieSessionInterface",
    "ServerSideSession",
    "ServerSideSessionInterface",
    "Session",
    "__version__",
    "errors",
    "session",
]
