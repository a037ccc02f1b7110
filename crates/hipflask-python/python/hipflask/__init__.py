"""Flask's sessions on Hipflask's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors
from ._native import __version__
from .server_side import ServerSideSession, ServerSideSessionInterface, Session
from .sessions import SecureCookieSession, SecureCookieSessionInterface

if TYPE_CHECKING:
    #: ``flask.session``, typed for mypy and pyright.
    session: ServerSideSession | SecureCookieSession
else:
    from flask import session

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
