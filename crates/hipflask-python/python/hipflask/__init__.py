"""Flask's sessions on Hipflask's engine."""

from __future__ import annotations

from ._native import __version__

__all__ = ["__version__"]
