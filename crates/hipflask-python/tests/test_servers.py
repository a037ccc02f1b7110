"""Apps in real servers: gunicorn with a preloaded app, gunicorn's gevent worker, and a short run of each server of
`bench/python/matrix.py`.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import uuid

import pytest
import redis

from stores import free_port, server

VISITORS = 50


@contextlib.contextmanager
def gunicorn(redis_port, *options):
    """Serves `served_app` and yields the port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--timeout", "90", "--log-level", "warning"]
    place = {"cwd": pathlib.Path(__file__).parent, "env": {**os.environ, "REDIS_PORT": str(redis_port)}}
    with server(*command, *options, "served_app:app", port=port, stderr=None, **place) as child:
        yield port
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0


def get(port, path, cookie=None):
    """Returns the body of the response, decoded if it is JSON, and the id in its cookie."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("GET", path, headers={"Cookie": f"session={cookie}"} if cookie else {})
        response = connection.getresponse()
        body = response.read()
    assert response.status == 200, (path, response.status, body)
    set_cookie = response.getheader("Set-Cookie", "")
    return json.loads(body) if body.startswith(b"{") else body, set_cookie.partition("=")[2].partition(";")[0]


def meet(port, cookie, keys):
    """Sends a request for each of `keys` at once, all with one session. Each writes its key."""
    place = uuid.uuid4().hex
    with concurrent.futures.ThreadPoolExecutor(len(keys)) as pool:
        return [body for body, _ in pool.map(lambda key: get(port, f"/meet/{place}/{len(keys)}/{key}", cookie), keys)]


def log_in(port):
    return get(port, "/login")[1]


@pytest.fixture(scope="module")
def prefork(redis_port):
    with gunicorn(redis_port, "--preload", "--workers", "3") as port:
        yield port


def test_preloaded_gunicorn_workers_lose_nothing_real_server(prefork):
    cookie, processes = log_in(prefork), set()
    for turn in range(10):
        # A worker serves one request at a time, so three requests in the view are in three workers.
        met = meet(prefork, cookie, [f"{turn}-{number}" for number in range(3)])
        processes.update(one["process"] for one in met)
    assert len(processes) == 3
    for one in meet(prefork, cookie, ["none"] * 3):
        assert one["found"].pop("meetings") == 30
        assert set(one["found"]) == {"_permanent", "user", *(f"{turn}-{number}" for turn in range(10) for number in range(3))}


def test_a_logout_reaches_all_gunicorn_workers_real_server(prefork, redis_port):
    for kind in ("reader", "writer"):
        cookie, place, client = log_in(prefork), uuid.uuid4().hex, redis.Redis(port=redis_port)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(get, prefork, f"/overtaken/{place}/{kind}", cookie)
            while not client.get(f"{place}-read"):
                assert not slow.done(), slow.result()
            get(prefork, "/logout", cookie)
            client.incr(f"{place}-go")
            slow.result()
        assert [one["found"] for one in meet(prefork, cookie, ["none"] * 3)] == [{"_permanent": True}] * 3
        assert client.get(f"session:{cookie}") is None


def test_gevent_greenlets_lose_nothing_real_server(redis_port):
    with gunicorn(redis_port, "--worker-class", "gevent") as port:
        cookie = log_in(port)
        for turn in range(4):
            # All of them are in the view at once, in one thread: no open session blocks another request.
            met = meet(port, cookie, [f"{turn}-{number}" for number in range(VISITORS)])
            assert len({one["process"] for one in met}) == 1
        [one] = meet(port, cookie, ["none"])
        assert one["found"].pop("meetings") == 4 * VISITORS and len(one["found"]) == 2 + 4 * VISITORS
        with concurrent.futures.ThreadPoolExecutor(VISITORS) as pool:
            cookies = list(pool.map(lambda _: log_in(port), range(VISITORS)))
            assert len(set(cookies)) == VISITORS
            found = pool.map(lambda cookie: meet(port, cookie, ["own"]) + meet(port, cookie, ["none"]), cookies)
            assert all(second["found"]["meetings"] == 1 for _, second in found)


def test_loaded_and_killed_servers_lose_nothing_real_server():
    matrix = pathlib.Path(__file__).parents[3] / "bench" / "python" / "matrix.py"
    said = subprocess.run([sys.executable, matrix, "--short"], capture_output=True, text=True, timeout=600)
    assert said.returncode == 0, said.stdout + said.stderr
