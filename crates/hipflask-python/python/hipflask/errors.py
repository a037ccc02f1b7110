"""What can go wrong with sessions in a store."""

from __future__ import annotations

from werkzeug.exceptions import ServiceUnavailable

__all__ = ["ConfigurationError", "InternalError", "SessionContended", "SessionEnded", "SessionStoreError"]


class ConfigurationError(ValueError):
    """The configuration names a store that cannot be had; says what to set instead."""


class SessionStoreError(ServiceUnavailable):
    """The session store failed: network, disk, permission. For the visitor a plain 503; ``str()`` says what happened."""

    def __init__(self, what: str = "the session store failed") -> None:
        super().__init__()
        self.what = what

    def __str__(self) -> str:
        return self.what


class InternalError(RuntimeError):
    """A bug in hipflask: its Rust half panicked. The message of the panic is on stderr as well."""


class SessionContended(SessionStoreError):
    """Other requests changed the session again and again while this one was saving."""


class SessionEnded(RuntimeError):
    """The session has ended meanwhile: logged out, expired, or moved to a new id. Nothing was saved."""
