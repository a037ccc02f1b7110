"""Overlapping requests of one session on a real Redis. Stock Flask-Session loses updates in the same test, so ours could."""

import shutil
import socket
import subprocess
import threading
import time

import flask
import flask_session
import pytest
import redis

import hipflask

WRITERS, TRIALS, LOGOUTS = 5, 30, 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    program = shutil.which("redis-server")
    assert program, "redis-server is missing; install the package redis-server"
    place = tmp_path_factory.mktemp("redis")
    path = place / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(place)]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(path))
                break
            except OSError:
                time.sleep(0.01)
        yield redis.Redis(unix_socket_path=str(path))
    finally:
        process.kill()
        process.wait()


def app_on(server, package):
    app = flask.Flask(__name__)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=server)
    package.Session(app)
    gate = threading.Barrier(WRITERS)
    app.read, app.logged_out = threading.Semaphore(0), threading.Event()

    @app.get("/login")
    def login():
        flask.session["user"] = "ada"
        return ""

    @app.get("/logout")
    def logout():
        flask.session.clear()
        return ""

    @app.get("/write/<key>")
    def write(key):
        gate.wait()
        flask.session[key] = True
        return ""

    @app.get("/slow/<kind>")
    def slow(kind):
        assert flask.session["user"] == "ada"
        if kind == "writer":
            flask.session["late"] = True
        app.read.release()
        assert app.logged_out.wait(60)
        return ""

    @app.get("/held")
    def held():
        return list(flask.session)

    return app


def visit(app, path, cookie=None):
    client = app.test_client()
    if cookie is not None:
        client.set_cookie("session", cookie)
    response = client.get(path)
    assert response.status_code == 200
    return response, client


def log_in(app):
    return visit(app, "/login")[1].get_cookie("session").value


def at_once(app, visits):
    threads = [threading.Thread(target=visit, args=(app, path, cookie)) for path, cookie in visits]
    for thread in threads:
        thread.start()
    return threads


def lost_updates(app):
    lost = 0
    for _ in range(TRIALS):
        cookie = log_in(app)
        for thread in at_once(app, [(f"/write/{key}", cookie) for key in range(WRITERS)]):
            thread.join()
        held = visit(app, "/held", cookie)[0].json
        lost += sum(str(key) not in held for key in range(WRITERS))
    return lost


def undone_logouts(app, kind):
    cookies = [log_in(app) for _ in range(LOGOUTS)]
    threads = at_once(app, [(f"/slow/{kind}", cookie) for cookie in cookies])
    for _ in cookies:
        assert app.read.acquire(timeout=60)
    for cookie in cookies:
        visit(app, "/logout", cookie)
    app.logged_out.set()
    for thread in threads:
        thread.join()
    return sum("user" in visit(app, "/held", cookie)[0].json for cookie in cookies)


def test_parallel_writers_lose_nothing_real_server(server):
    assert lost_updates(app_on(server, hipflask)) == 0
    assert lost_updates(app_on(server, flask_session)) > 0


@pytest.mark.parametrize("kind", ["writer", "reader"])
def test_slow_requests_undo_no_logout_real_server(server, kind):
    assert undone_logouts(app_on(server, hipflask), kind) == 0
    assert undone_logouts(app_on(server, flask_session), kind) == LOGOUTS
