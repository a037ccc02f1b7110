"""Settings of an app, checked where they are read. An error names the setting, its value, and the values that are allowed."""

from __future__ import annotations

import os
from typing import Any, Mapping

from .errors import ConfigurationError

__all__ = ["number", "optional_text", "path", "text", "wrong"]


def wrong(key: str, value: Any, allowed: str) -> ConfigurationError:
    """The error of a setting whose value is not allowed."""
    return ConfigurationError(f"{key} must be {allowed}, but is {value!r}")


def text(config: Mapping[str, Any], key: str, default: str) -> str:
    """A text that is not empty."""
    value = config.get(key, default)
    if not isinstance(value, str) or not value:
        raise wrong(key, value, "a text that is not empty")
    return value


def optional_text(config: Mapping[str, Any], key: str) -> str | None:
    """A text, or None."""
    return None if config.get(key) is None else text(config, key, "")


def number(config: Mapping[str, Any], key: str, default: int, least: int, most: int, shown: str = "{}") -> int:
    """An int within bounds. ``shown`` formats the bounds in the error."""
    value = config.get(key, default)
    if type(value) is not int or not least <= value <= most:
        raise wrong(key, value, f"an int from {shown.format(least)} to {shown.format(most)}")
    return value


def path(config: Mapping[str, Any], key: str, default: str) -> str:
    """The absolute path of a directory."""
    value = config.get(key, default)
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise wrong(key, value, "the path of a directory")
    return os.path.abspath(os.fspath(value))
