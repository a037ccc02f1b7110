"""Stores for tests, each with an app of real Flask-Session and one of ours on it."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import socket
import subprocess
import time
import warnings

import flask
import flask_session
import pymemcache
import redis
from flask_sqlalchemy import SQLAlchemy

import hipflask


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(*command, port, **options):
    """A child process that listens on ``port``."""
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
    """What ``kept_in``, a directory, is told of is there again after the server was killed."""
    port = port or free_port()
    kept = ["--appendonly", "no"]
    if kept_in is not None:
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(kept_in)]
    with server("redis-server", "--port", str(port), "--save", "", *kept, port=port) as child:
        yield port, child


class Redis:
    """``SESSION_TYPE = "redis"``."""

    def __init__(self, port):
        self.client = redis.Redis(port=port)
        self.client.flushall()
        self.config = {"SESSION_TYPE": "redis", "SESSION_REDIS": self.client}

    def record(self, sid):
        return self.client.get(f"session:{sid}")

    def put(self, sid, record):
        self.client.set(f"session:{sid}", record, ex=1000)

    def seconds_left(self, sid):
        return self.client.ttl(f"session:{sid}")

    def count(self):
        return self.client.dbsize()


class Memcached:
    """``SESSION_TYPE = "memcached"``."""

    def __init__(self, port):
        # Unless told otherwise it does not wait until the server has done what it was asked.
        self.client = pymemcache.Client(("127.0.0.1", port), default_noreply=False)
        self.config = {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": self.client}

    def record(self, sid):
        return self.client.get(f"session:{sid}")

    def put(self, sid, record):
        self.client.set(f"session:{sid}", record, expire=1000)


class Sqlite:
    """``SESSION_TYPE = "sqlalchemy"`` with a file of SQLite."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory, "app.db")
        self.config = {"SESSION_TYPE": "sqlalchemy", "SQLALCHEMY_DATABASE_URI": f"sqlite:///{self.path}"}

    def record(self, sid):
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute("SELECT data FROM sessions WHERE session_id = ?", [f"session:{sid}"]).fetchone()
        return found and bytes(found[0])


class Files:
    """``SESSION_TYPE = "filesystem"``."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory, "flask_session")
        self.config = {"SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": str(self.path)}

    def _file(self, sid):
        return self.path / hashlib.sha256(f"session:{sid}".encode()).hexdigest()

    def record(self, sid):
        with contextlib.suppress(FileNotFoundError):
            return self._file(sid).read_bytes()[4:]

    def put(self, sid, record):
        expires = int(time.time()) + 1000
        self._file(sid).write_bytes(expires.to_bytes(4, "little") + record)

    def seconds_left(self, sid):
        return int.from_bytes(self._file(sid).read_bytes()[:4], "little") - int(time.time())


def app_on(store, extension, **config):
    """An app whose one view does what the test says: ``visit(client, lambda session: ...)``."""
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
    """One request in which ``act(session)`` is done; its response."""
    name = f"act{id(act)}"
    client.application.acts[name] = act
    try:
        return client.get(f"/{name}")
    finally:
        del client.application.acts[name]


def peek(client):
    """What a request finds in the session."""
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
