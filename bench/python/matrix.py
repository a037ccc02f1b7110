"""Counts lost, hung and failed requests of real servers under load, reload and kill, compared with Flask-Session.

    cargo xtask wheel && target/wheel-venv/bin/python bench/python/matrix.py
    target/wheel-venv/bin/python bench/python/matrix.py --short     # seconds; only ours

For each server, store and event a few clients increment one session. An increment is lost if its answer was 200 and the session
does not contain it at the end. A request hangs if it has no answer for 20 seconds, a server if it does not stop. A connection that a
killed worker drops does not count. The table goes to the standard output; the exit code is 1 if ours lost, hung or failed.
"""

import argparse
import collections
import contextlib
import http.client
import importlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__)
PYTHON = [sys.executable, "-m"]
UWSGI = [str(pathlib.Path(sys.executable).with_name("uwsgi")), "--master", "--need-app", "--disable-logging", "--die-on-term", "--processes", "2"]
SERVERS = {
    "gunicorn sync": [*PYTHON, "gunicorn", "--workers", "2", "--bind", "127.0.0.1:{port}", "matrix:app"],
    "gunicorn gthread": [*PYTHON, "gunicorn", "--workers", "2", "--threads", "4", "--bind", "127.0.0.1:{port}", "matrix:app"],
    "gunicorn gevent": [*PYTHON, "gunicorn", "--workers", "2", "-k", "gevent", "--bind", "127.0.0.1:{port}", "matrix:app"],
    "gunicorn preload": [*PYTHON, "gunicorn", "--workers", "2", "--threads", "4", "--preload", "--bind", "127.0.0.1:{port}", "matrix:app"],
    "uWSGI": [*UWSGI, "--http-socket", "127.0.0.1:{port}", "--module", "matrix:app"],
    "uWSGI threads": [*UWSGI, "--threads", "4", "--enable-threads", "--http-socket", "127.0.0.1:{port}", "--module", "matrix:app"],
    "waitress": [*PYTHON, "waitress", "--listen", "127.0.0.1:{port}", "--threads", "4", "matrix:app"],
    "granian": [*PYTHON, "granian", "--interface", "wsgi", "--workers", "2", "--respawn-failed-workers", "--port", "{port}", "matrix:app"],
}
#: waitress has one process and cannot reload.
EVENTS = {"waitress": ["load"]}
CLIENTS, PATIENCE = 4, 20


def app_from_environment():
    import flask

    package = importlib.import_module(os.environ["MATRIX_PACKAGE"])
    app = flask.Flask("matrix")
    app.secret_key = "a secret key of the matrix, long enough"
    store = os.environ["MATRIX_STORE"]
    if store.isdigit():
        import redis

        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis(port=int(store)))
    else:
        app.config.update(SESSION_TYPE="sqlalchemy", SQLALCHEMY_DATABASE_URI=f"sqlite:///{store}")
        if package.__name__ == "flask_session":
            from flask_sqlalchemy import SQLAlchemy

            app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
    package.Session(app)

    @app.get("/login")
    def login():
        flask.session["n"] = 0
        return ""

    @app.get("/increment")
    def increment():
        if hasattr(flask.session, "increment"):
            flask.session.increment("n")
        else:
            flask.session["n"] += 1
        return str(os.getpid())

    @app.get("/read")
    def read():
        return str(flask.session["n"])

    return app


if "MATRIX_PACKAGE" in os.environ:
    app = app_from_environment()


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port, until):
    while time.monotonic() < until:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def ask(port, path, cookie=None):
    """Returns status, body and cookie."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace"), (response.getheader("Set-Cookie") or "").partition(";")[0]


class Load:
    """Clients that increment one session until this stops them."""

    def __init__(self, port, cookie):
        self.port, self.cookie, self.stop = port, cookie, threading.Event()
        self.seen, self.workers = collections.Counter(), set()
        self.threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def _run(self):
        while not self.stop.is_set():
            try:
                status, body, _ = ask(self.port, "/increment", self.cookie)
            except TimeoutError:
                self.seen["hung"] += 1
            except (OSError, http.client.HTTPException):
                self.seen["dropped"] += 1
                time.sleep(0.01)
            else:
                self.seen[status] += 1
                if status == 200:
                    self.workers.add(int(body))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def trial(name, store, event, package, seconds):
    """Returns the counts of one server under load, as a dict."""
    port, found = free_port(), {}
    environment = {**os.environ, "MATRIX_PACKAGE": package, "MATRIX_STORE": store, "PYTHONWARNINGS": "ignore"}
    command = [part.format(port=port) for part in SERVERS[name]]
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, cwd=HERE.parent, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            if not listens(port, time.monotonic() + 60):
                said.seek(0)
                raise SystemExit(f"{name} did not start to listen:\n{said.read().decode(errors='replace')}")
            cookie = ask(port, "/login")[2]
            with Load(port, cookie) as load:
                time.sleep(seconds / 2)
                if event == "HUP":
                    child.send_signal(signal.SIGHUP)
                elif event == "kill -9":
                    os.kill(load.workers.pop(), signal.SIGKILL)
                time.sleep(seconds / 2 if event == "load" else seconds + 1)
            _, number, _ = ask(port, "/read", cookie)
            found = {"good": load.seen[200], "failed": sum(count for status, count in load.seen.items() if type(status) is int and status >= 500)}
            found["hung"], found["lost"] = load.seen["hung"], max(0, load.seen[200] - int(number))
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                found["hung"] = found.get("hung", 0) + 1
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return found


@contextlib.contextmanager
def stores():
    """A Redis and a SQLite file, as values of `MATRIX_STORE`."""
    port, directory = free_port(), tempfile.mkdtemp()
    server = subprocess.Popen(["redis-server", "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        assert listens(port, time.monotonic() + 30), "redis-server did not start"
        yield {"Redis": str(port), "SQLite": f"{directory}/app.db"}
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="only ours, half a second each, and one store per server")
    parser.add_argument("--seconds", type=float, default=4, help="duration of the load (%(default)s)")
    parser.add_argument("--server", action="append", choices=SERVERS, help="only this server; repeat it for several")
    options = parser.parse_args()
    packages = ["hipflask"] if options.short else ["flask_session", "hipflask"]
    seconds, bad = 1 if options.short else options.seconds, []
    print("| server | store | event | " + " | ".join(f"{package}: good, lost, hung, 5xx" for package in packages) + " |")
    print("|---|---|---|" + "---|" * len(packages))
    with stores() as urls:
        for at, name in enumerate(options.server or SERVERS):
            kinds = EVENTS.get(name, ["load", "HUP", "kill -9"])
            for number, (store, url) in enumerate(urls.items()):
                for turn, event in enumerate(kinds):
                    if options.short and ((at + number) % 2 or turn != (at // 2) % len(kinds)):
                        continue
                    cells = []
                    for package in packages:
                        found = trial(name, url, event, package, seconds)
                        cells.append(", ".join(str(found[key]) for key in ("good", "lost", "hung", "failed")))
                        if package == "hipflask" and (found["lost"] or found["hung"] or found["failed"] or not found["good"]):
                            bad.append(f"{name}, {store}, {event}: {json.dumps(found)}")
                    print(f"| {name} | {store} | {event} | {' | '.join(cells)} |", flush=True)
    print("\n".join(["", *(bad or ["ours: no request was lost, hung or failed"])]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
