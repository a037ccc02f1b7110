"""Processes that are forked after stores were used, each in a separate program."""

import pathlib
import subprocess
import sys

#: A child that does not end prints its stack, and fails the test.
FORKS = """
import faulthandler, gc, os, signal, sys, tempfile, time
from stores import Files, Memcached, Redis, Sqlite, ours, visit

redis_port, memcached_port = map(int, sys.argv[1:])


def fork(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            faulthandler.register(signal.SIGUSR1)
            work()
            code = 0
        except BaseException as error:
            print("in the child:", repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return child


def wait(child):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, status
            return
        time.sleep(0.001)
    os.kill(child, signal.SIGUSR1)
    time.sleep(1)
    os.kill(child, signal.SIGKILL)
    raise SystemExit("a child did not end")
"""

UNREACHABLE = FORKS + """
places = [Redis(redis_port), Memcached(memcached_port), Sqlite(tempfile.mkdtemp()), Files(tempfile.mkdtemp())]
gc.disable()
for place in places:
    app = ours(place)
    visit(app.test_client(), lambda session: session.update(a=1))
    del app
# The reference cycles of those apps hold stores whose threads exist only in the parent.
for _ in range(10):
    wait(fork(gc.collect))
gc.collect()
"""

#: Threads that increment all the time, and children that are forked meanwhile and do the same.
AMONG_THREADS = FORKS + """
import threading, flask


def increments(client, times):
    for _ in range(times):
        assert client.get("/increment").status_code == 200
        if done.is_set():
            break


done = threading.Event()
for place in [Redis(redis_port), Memcached(memcached_port), Sqlite(tempfile.mkdtemp()), Files(tempfile.mkdtemp())]:
    app = ours(place)
    app.add_url_rule("/increment", "increment", lambda: str(flask.session.increment("n")))
    done.clear()
    # At its first request Flask imports modules under locks of Python.
    increments(app.test_client(), 1)
    failed = []
    threading.excepthook = failed.append
    threads = [threading.Thread(target=increments, args=(app.test_client(), 10**9), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    client = app.test_client()
    for _ in range(50):
        wait(fork(lambda: increments(client, 2)))
    done.set()
    for thread in threads:
        thread.join()
    assert not failed, failed
"""


def run(program, *ports):
    command = [sys.executable, "-c", program, *map(str, ports)]
    said = subprocess.run(command, cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stdout + said.stderr


def test_forked_processes_wait_for_no_thread_real_server(redis_port, memcached_port):
    run(UNREACHABLE, redis_port, memcached_port)


def test_forks_among_threads_keep_sessions_real_server(redis_port, memcached_port):
    run(AMONG_THREADS, redis_port, memcached_port)
