"""Flask's sessions on Hipflask's engine."""

from __future__ import annotations

from . import errors
from ._native import __version__
from ._session import session
from .server_side import ServerSideSession, ServerSideSessionInterface, Session
from .sessions import SecureCookieSession, SecureCookieSessionInterface

__all__ = [
    "SecureCookieSession",
    "SecureCookieSessionInterface",
    "ServerSideSession",
    "ServerSideSessionInterface",
    "Session",
    "__version__",
    "errors",
    "session",
]
