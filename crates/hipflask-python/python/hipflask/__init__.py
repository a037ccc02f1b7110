"""Flask's sessions on Hipflask's engine."""

from __future__ import annotations

from ._native import __version__
from .sessions import SecureCookieSessionInterface

__all__ = ["SecureCookieSessionInterface", "__version__"]
