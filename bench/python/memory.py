"""Measures the memory that many requests leave in a process. Requests write and read the session in turn.

    cargo xtask wheel && target/wheel-venv/bin/python bench/python/memory.py --requests 1000000

With `--redis PORT` the sessions are in that Redis, otherwise in cookies. The exit code is 1 if more than `--bound` is left.
"""

import argparse
import gc
import pathlib
import sys
import time

import flask

import hipflask

#: Writes of a user, each followed by a read, before the logout and the next user.
STAY = 20


def make_app(redis_port):
    app = flask.Flask("memory")
    app.secret_key = "a secret key of the bench, long enough"
    if redis_port:
        app.config["SESSION_TYPE"] = f"redis://127.0.0.1:{redis_port}/0"
    hipflask.Session(app)

    @app.get("/write/<n>")
    def write(n):
        flask.session["n"] = n
        flask.session.setdefault("cart", {"items": []})["items"] = ["text", int(n), 1.5, {"nested": [None, True]}]
        return n

    @app.get("/read")
    def read():
        return flask.session["n"]

    @app.get("/logout")
    def logout():
        flask.session.clear()
        return ""

    return app


def environ(app, path):
    with app.test_request_context(path) as context:
        return {key: value for key, value in context.request.environ.items() if "werkzeug" not in key}


def call(app, environ, cookie):
    """Sends one request. Returns its text and the cookie for the next one."""
    answer = {}

    def start_response(status, headers, exc_info=None):
        answer.update(status=status, headers=headers)

    body = app({**environ, "HTTP_COOKIE": cookie}, start_response)
    try:
        text = b"".join(body).decode()
    finally:
        body.close()
    assert answer["status"] == "200 OK", answer
    return text, next((value.partition(";")[0] for name, value in answer["headers"] if name == "Set-Cookie"), cookie)


def visit(app, requests):
    """Sends at least this many requests and checks each. Returns how many it sent."""
    read, logout = environ(app, "/read"), environ(app, "/logout")
    writes = [(str(n), environ(app, f"/write/{n}")) for n in range(STAY)]
    done = 0
    while done < requests:
        cookie = ""
        for n, write in writes:
            text, cookie = call(app, write, cookie)
            assert text == n
            text, cookie = call(app, read, cookie)
            assert text == n
        text, cookie = call(app, logout, cookie)
        assert cookie == "session=", cookie
        done += 2 * STAY + 1
    return done


def resident():
    """Returns the resident memory of this process, in bytes."""
    gc.collect()
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status has no VmRSS; this needs Linux")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="number of measured requests (%(default)s)")
    parser.add_argument("--warm-up", type=int, default=5_000, help="number of requests before the measurement (%(default)s)")
    parser.add_argument("--bound", type=float, default=1.0, help="largest growth of memory in MiB (%(default)s)")
    parser.add_argument("--redis", type=int, metavar="PORT", help="store the sessions in the Redis on this port")
    options = parser.parse_args()
    app = make_app(options.redis)
    visit(app, options.warm_up)
    before, start = resident(), time.monotonic()
    done = visit(app, options.requests)
    took, left = time.monotonic() - start, (resident() - before) / 2**20
    where = "in Redis" if options.redis else "in cookies"
    print(
        f"{done:,} requests, sessions {where}: {before / 2**20:.2f} MiB before, {left:+.2f} MiB after,"
        f" {took:.0f} s"
    )
    if left > options.bound:
        sys.exit(f"more is left than {options.bound:g} MiB")


if __name__ == "__main__":
    main()
