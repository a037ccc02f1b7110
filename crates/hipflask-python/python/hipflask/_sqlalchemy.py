"""The database of Flask-SQLAlchemy as the URL of a store."""

from __future__ import annotations

import math
import os
from typing import Any

import flask

from . import _settings
from .errors import ConfigurationError

__all__ = ["MEMORY", "url_of_config", "url_of_client"]

#: The store for a SQLite database in memory: one process sees it, as it does that database.
MEMORY = "memory:"


def url_of_config(app: flask.Flask) -> str:
    """Returns the URL of the database that ``SQLALCHEMY_DATABASE_URI`` and ``SQLALCHEMY_BINDS`` name."""
    config = app.config
    given: dict[Any, Any] = {key: _in(value, "url") for key, value in (config.get("SQLALCHEMY_BINDS") or {}).items()}
    default = config.get("SQLALCHEMY_DATABASE_URI") or (config.get("SQLALCHEMY_ENGINE_OPTIONS") or {}).get("url")
    if default:
        given[None] = default
    if not given:
        raise ConfigurationError(
            "SESSION_TYPE sqlalchemy needs the database: a Flask-SQLAlchemy object or a URL in SESSION_SQLALCHEMY, or"
            " the URL in SQLALCHEMY_DATABASE_URI"
        )
    return resolved(app, _of_bind(app, given))


def url_of_client(app: flask.Flask, client: Any) -> str | None:
    """Returns the URL of a Flask-SQLAlchemy object, an engine or a URL object; None for anything else."""
    if isinstance(client, str) or hasattr(client, "render_as_string"):
        return resolved(app, client)
    if hasattr(client, "url"):
        return resolved(app, client.url)
    with app.app_context():
        engines = getattr(client, "engines", None)
    return None if engines is None else resolved(app, _of_bind(app, engines).url)


def resolved(app: flask.Flask, url: Any) -> str:
    """Returns the URL as text. As in Flask-SQLAlchemy, the relative path of a SQLite file starts in the instance folder."""
    url = _parsed(url)
    if isinstance(url, str) or url.drivername.partition("+")[0] != "sqlite":
        return url if isinstance(url, str) else str(url.render_as_string(hide_password=False))
    file, options = url.database or "", dict(url.query)
    if file in ("", ":memory:") or options.get("mode") == "memory":
        return MEMORY
    if options.pop("uri", ""):
        file = file[len("file:") :]
    if not os.path.isabs(file):
        os.makedirs(app.instance_path, exist_ok=True)
        file = os.path.join(app.instance_path, file)
    if "?" in file:
        raise ConfigurationError(f"the SQLite file of the sessions cannot have a `?` in its name: {file}")
    return f"sqlite:{file}{_sqlite_options(options)}"


def _parsed(url: Any) -> Any:
    """Returns SQLAlchemy's URL object; the text itself if SQLAlchemy is not installed, or for one of our own URLs."""
    if not isinstance(url, str) or "://" not in url:
        return url
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError:
        return url
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        return url


def _sqlite_options(options: dict[str, str]) -> str:
    """Returns the options for our URL. Options that change how SQLite reads its file must have their default values."""
    for name, value in options.items():
        if name not in _WITHOUT_MEANING and value not in _DEFAULTS.get(name, ()):
            raise ConfigurationError(
                f"the SQLite option {name}={value} is not supported; set SESSION_TYPE to a URL without it, such as"
                " sqlite:/srv/app.db"
            )
    return f"?timeout={max(1, math.ceil(float(options['timeout'])))}" if "timeout" in options else ""


#: Options of Python's module ``sqlite3``, without meaning elsewhere.
_WITHOUT_MEANING = {"timeout", "check_same_thread", "isolation_level", "detect_types", "cached_statements", "autocommit"}
_DEFAULTS = {"mode": ("rw", "rwc"), "cache": ("shared", "private"), "nolock": ("0",), "immutable": ("0",), "psow": ("0", "1")}


def _of_bind(app: flask.Flask, given: Any) -> Any:
    key = app.config.get("SESSION_SQLALCHEMY_BIND_KEY")
    if key not in given:
        raise _settings.wrong("SESSION_SQLALCHEMY_BIND_KEY", key, f"the name of one of the databases, {list(given)}")
    return given[key]


def _in(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else value
