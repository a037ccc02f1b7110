"""Errors of sessions in a store, and of the package itself."""

from __future__ import annotations

from werkzeug.exceptions import ServiceUnavailable

__all__ = ["ConfigurationError", "InternalError", "SessionContended", "SessionEnded", "SessionStoreError"]


class ConfigurationError(ValueError):
    """The configuration names a store that cannot be used. The text says what to set instead."""


class SessionStoreError(ServiceUnavailable):
    """The session store failed: network, disk, permission. The user gets a plain 503; ``str()`` says what happened."""

    def __init__(self, what: str = "the session store failed") -> None:
        super().__init__()
        self.what = what

    def __str__(self) -> str:
        return self.what


class InternalError(RuntimeError):
    """A bug in hipflask: its Rust half panicked. The message of the panic is also on stderr."""


class SessionContended(SessionStoreError):
    """Other requests kept changing the session while this one was saving it."""


class SessionEnded(RuntimeError):
    """The session was deleted meanwhile: logged out, expired, or moved to a new id. Nothing was saved."""
