"""A Flask app with our interface and a Rust service, the example `beside_flask`, on one Redis with one key.

Their requests overlap for certain, without a clock. A view of Flask waits at a barrier or an event once it has read the session.
The service requests the body of an upload (`100 Continue`) when it has read the session, and writes when it has the body.
"""

import concurrent.futures
import os
import pathlib
import socket
import threading

import flask
import pytest
import redis

import hipflask
from stores import free_port, server

TRIALS, IN_FLASK, IN_RUST, LOGOUTS = 30, 3, 2, 20
KEY = "the key that both sides know"
SERVICE = pathlib.Path(__file__).parents[3] / "target/debug/examples/beside_flask"
TIMEOUT = 60
pytestmark = pytest.mark.filterwarnings("ignore:SESSION_USE_SIGNER is deprecated")


@pytest.fixture(scope="module")
def service(redis_port):
    """Starts the Rust service and yields its port."""
    assert SERVICE.exists(), f"{SERVICE} is missing; run `cargo xtask wheel`"
    port = free_port()
    environment = {**os.environ, "SECRET_KEY": KEY, "SESSION_REDIS": f"redis://127.0.0.1:{redis_port}/0"}
    with server(str(SERVICE), "--port", str(port), port=port, stderr=None, env=environment):
        yield port


@pytest.fixture
def app(redis_port):
    app = flask.Flask("beside_rust")
    app.secret_key = KEY
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis(port=redis_port), SESSION_USE_SIGNER=True)
    hipflask.Session(app)
    app.all_have_read = threading.Barrier(IN_FLASK + 1)
    app.has_read, app.may_end = threading.Semaphore(0), threading.Event()

    @app.post("/login")
    def login():
        flask.session["user"] = flask.request.form["user"]
        return ""

    @app.get("/logout")
    def logout():
        flask.session.clear()
        return ""

    @app.get("/write/<key>")
    def write(key):
        assert flask.session["user"] == "ada"
        app.all_have_read.wait(TIMEOUT)
        flask.session[key] = True
        flask.session.increment("uploads")
        return ""

    @app.get("/overtaken/<kind>")
    def overtaken(kind):
        assert flask.session["user"] == "ada"
        app.has_read.release()
        assert app.may_end.wait(TIMEOUT)
        if kind == "writer":
            flask.session["late"] = True
        return ""

    @app.get("/held")
    def held():
        return dict(flask.session)

    return app


def in_flask(app, path, cookie=None, **options):
    client = app.test_client()
    if cookie is not None:
        client.set_cookie("session", cookie)
    response = client.open(path, **options)
    assert response.status_code == 200
    return response, client


def log_in(app):
    return in_flask(app, "/login", method="POST", data={"user": "ada"})[1].get_cookie("session").value


class InRust:
    """A request to the service. If it has a body, the session was read, and the body is not sent yet."""

    def __init__(self, port, request, cookie, body=b""):
        self.body = body
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.answer = self.socket.makefile("rb")
        lines = [f"{request} HTTP/1.1", "Host: localhost", f"Cookie: session={cookie}", "Connection: close"]
        if body:
            lines += [f"Content-Length: {len(body)}", "Expect: 100-continue"]
        self.socket.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        if body:
            assert self.answer.readline().split()[1] == b"100"
            assert self.answer.readline() == b"\r\n"

    def end(self):
        """Returns the response from its status on."""
        with self.socket, self.answer:
            self.socket.sendall(self.body)
            status, _, rest = self.answer.read().partition(b"\r\n")
        return int(status.split()[1]), rest.decode()


def test_flask_and_rust_writers_lose_nothing_real_server(app, service):
    lost, counted = 0, 0
    with concurrent.futures.ThreadPoolExecutor(IN_FLASK) as pool:
        for _ in range(TRIALS):
            cookie = log_in(app)
            uploads = [InRust(service, f"POST /uploads/rust-{number}", cookie, b"body") for number in range(IN_RUST)]
            keys = [f"flask-{number}" for number in range(IN_FLASK)]
            writes = [pool.submit(in_flask, app, f"/write/{key}", cookie) for key in keys]
            app.all_have_read.wait(TIMEOUT)
            assert [upload.end()[0] for upload in uploads] == [204] * IN_RUST
            for write in writes:
                write.result(TIMEOUT)
            held = in_flask(app, "/held", cookie)[0].json
            lost += sum(key not in held for key in [*keys, *(f"rust-{number}" for number in range(IN_RUST))])
            counted += held["uploads"]
    assert (lost, counted) == (0, TRIALS * (IN_FLASK + IN_RUST))


def held_by(app, service, cookie):
    """Returns the login as the store, Rust and Flask know it."""
    record = app.config["SESSION_REDIS"].exists(f"session:{cookie.partition('.')[0]}")
    in_rust = InRust(service, "GET /", cookie).end()[1].endswith("Logged in as ada")
    return [bool(record), in_rust, "user" in in_flask(app, "/held", cookie)[0].json]


@pytest.mark.parametrize("path", ["/uploads/late", "/measure"])
def test_rust_undoes_no_logout_in_flask_real_server(app, service, path):
    undone = 0
    for _ in range(LOGOUTS):
        cookie = log_in(app)
        assert held_by(app, service, cookie) == [True] * 3
        slow = InRust(service, f"POST {path}", cookie, b"body")
        in_flask(app, "/logout", cookie)
        # If it read the session only now, it would find no user: 401.
        assert slow.end()[0] in (200, 204)
        undone += any(held_by(app, service, cookie))
    assert undone == 0


@pytest.mark.parametrize("kind", ["writer", "reader"])
def test_flask_undoes_no_logout_in_rust_real_server(app, service, kind):
    undone = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for _ in range(LOGOUTS):
            cookie = log_in(app)
            assert held_by(app, service, cookie) == [True] * 3
            app.may_end.clear()
            slow = pool.submit(in_flask, app, f"/overtaken/{kind}", cookie)
            assert app.has_read.acquire(timeout=TIMEOUT)
            assert InRust(service, "GET /logout", cookie).end()[0] in (302, 303)
            app.may_end.set()
            slow.result(TIMEOUT)
            undone += any(held_by(app, service, cookie))
    assert undone == 0
