"""Stores for tests, each with an app of real Flask-Session and one of ours on it."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import socket
import sqlite3
import subprocess
import time
import warnings

import flask
import flask_session
import pymemcache
import redis
from cachelib import FileSystemCache
from flask_sqlalchemy import SQLAlchemy

import hipflask


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(*command, port, **options):
    """Starts a process and waits until it listens on ``port``."""
    options.setdefault("stderr", subprocess.DEVNULL)
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        for _ in range(1200):
            with contextlib.closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"{command[0]} does not listen on port {port}")
        yield child
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def redis_server(port=None, kept_in=None):
    """Starts Redis. With ``kept_in``, a directory, the data is there again after the server was killed."""
    port = port or free_port()
    kept = ["--appendonly", "no"]
    if kept_in is not None:
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(kept_in)]
    with server("redis-server", "--port", str(port), "--save", "", *kept, port=port) as child:
        yield port, child


class Store:
    """Finds the record of an id."""

    #: ``SESSION_KEY_PREFIX`` of the app whose records are read.
    prefix = "session:"

    def key(self, sid):
        return self.prefix + sid


class Cookies(Store):
    """Without ``SESSION_TYPE``: Flask's signed cookie."""

    config = {}


class Redis(Store):
    """``SESSION_TYPE = "redis"``."""

    def __init__(self, port):
        self.client = redis.Redis(port=port)
        self.client.flushall()
        self.port = port
        self.config = {"SESSION_TYPE": "redis", "SESSION_REDIS": self.client}

    def rename(self, _):
        """Its databases are numbered."""
        self.client = self.config["SESSION_REDIS"] = redis.Redis(port=self.port, db=1)

    def record(self, sid):
        return self.client.get(self.key(sid))

    def put(self, sid, record):
        self.client.set(self.key(sid), record, ex=1000)

    def seconds_left(self, sid):
        return self.client.ttl(self.key(sid))

    def count(self):
        return self.client.dbsize()


class Memcached(Store):
    """``SESSION_TYPE = "memcached"``."""

    def __init__(self, port):
        # By default the client does not wait for the reply of the server.
        self.client = pymemcache.Client(("127.0.0.1", port), default_noreply=False)
        self.config = {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": self.client}

    def record(self, sid):
        return self.client.get(self.key(sid))

    def put(self, sid, record):
        self.client.set(self.key(sid), record, expire=1000)


class Sqlite(Store):
    """``SESSION_TYPE = "sqlalchemy"`` with a SQLite file."""

    def __init__(self, directory):
        self.path, self.table = pathlib.Path(directory, "app.db"), "sessions"
        self.config = {"SESSION_TYPE": "sqlalchemy", "SQLALCHEMY_DATABASE_URI": f"sqlite:///{self.path}"}

    def rename(self, name):
        self.table = self.config["SESSION_SQLALCHEMY_TABLE"] = name

    def _execute(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement.format(self.table), values).fetchone()

    def record(self, sid):
        found = self._execute("SELECT data FROM {} WHERE session_id = ?", self.key(sid))
        return found and bytes(found[0])

    def put(self, sid, record):
        row = (self.key(sid), record, "2099-01-01 00:00:00.000000")
        self._execute("INSERT OR REPLACE INTO {} (session_id, data, expiry) VALUES (?, ?, ?)", *row)

    def expire(self, sid):
        self._execute("UPDATE {} SET expiry = '2020-01-01 00:00:00.000000' WHERE session_id = ?", self.key(sid))


class Files(Store):
    """``SESSION_TYPE = "filesystem"``."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory, "flask_session")
        self.config = {"SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": str(self.path)}

    def rename(self, name):
        self.path = self.path.with_name(name)
        self.config["SESSION_FILE_DIR"] = str(self.path)

    def _file(self, sid):
        return self.path / hashlib.sha256(self.key(sid).encode()).hexdigest()

    def record(self, sid):
        with contextlib.suppress(FileNotFoundError):
            return self._file(sid).read_bytes()[4:]

    def put(self, sid, record):
        expires = int(time.time()) + 1000
        self._file(sid).write_bytes(expires.to_bytes(4, "little") + record)

    def seconds_left(self, sid):
        return int.from_bytes(self._file(sid).read_bytes()[:4], "little") - int(time.time())


class Cached(Files):
    """``SESSION_TYPE = "cachelib"`` with its directory."""

    def __init__(self, directory):
        super().__init__(directory)
        self._set_config()

    def rename(self, name):
        super().rename(name)
        self._set_config()

    def _set_config(self):
        self.config = {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": FileSystemCache(str(self.path))}


def app_on(store, extension, **config):
    """Creates an app whose only view runs a function of the test: ``visit(client, lambda session: ...)``."""
    app = flask.Flask("twin")
    app.secret_key = "a secret key of the tests, long enough"
    app.config.update(store.config, **config)
    app.acts = {}
    if "SQLALCHEMY_DATABASE_URI" in store.config:
        app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        extension(app)

    @app.route("/<act>")
    def view(act):
        answer = app.acts[act](flask.session)
        return answer if isinstance(answer, str) else ""

    return app


def ours(store, **config):
    return app_on(store, hipflask.Session, **config)


def stock(store, **config):
    return app_on(store, flask_session.Session, **config)


def visit(client, act):
    """Sends a request that calls ``act(session)``. Returns the response."""
    name = f"act{id(act)}"
    client.application.acts[name] = act
    try:
        return client.get(f"/{name}")
    finally:
        del client.application.acts[name]


def peek(client):
    """Returns the data of the session in a new request."""
    found = {}
    visit(client, lambda session: found.update(session) or "")
    found.pop("_permanent", None)
    return found


def sid_of(client):
    cookie = client.get_cookie("session")
    return cookie and cookie.value


def with_id(app, sid):
    client = app.test_client()
    client.set_cookie("session", sid)
    return client
