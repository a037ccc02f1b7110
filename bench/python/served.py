"""Flask under granian, one worker on one core, with wrk on the other: requests per second with a session and without.

"Without" is a session that exists already. For Redis, it sends a GET, and a SET to save, and ignores the answers. "Floor" is the
least work that does the job: for cookies it sends prepared headers, for Redis it runs the script that replaces the record that
was read.

    cargo xtask wheel && target/wheel-venv/bin/python bench/python/served.py

Needs wrk, taskset and Redis (packages wrk, util-linux, redis-server). The servers take turns in each round. The numbers
are medians; the ratios compare servers in the same round.
"""

import argparse
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import redis

from whole_call import ratio

HERE = pathlib.Path(__file__).parent
#: Store, payload, path, servers, and the target for ours.
ROWS = [
    ("cookie", "S", "read", ("without", "floor", "stock", "ours"), ("of without", 0.9)),
    ("cookie", "M", "read", ("without", "floor", "stock", "ours"), None),
    ("cookie", "S", "write", ("without", "floor", "stock", "ours"), None),
    ("cookie", "M", "write", ("without", "floor", "stock", "ours"), ("of stock", 3.0)),
    ("redis", "S", "read", ("without", "stock", "ours"), ("of stock", 2.0)),
    ("redis", "S", "write", ("without", "floor", "stock", "ours"), ("of stock", 2.0)),
    ("redis", "M", "read", ("without", "stock", "ours"), ("of stock", 2.0)),
    ("redis", "M", "write", ("without", "floor", "stock", "ours"), ("of stock", 2.0)),
]


HEAD = """\
| | without | floor | stock | **hipflask** | of without | floor of stock | **of stock** | target | Redis per request: stock / hipflask |
|---|---|---|---|---|---|---|---|---|---|"""


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(port, path, cookie=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, (path, response.status, body)
    return body, response.getheader("Set-Cookie", "").partition(";")[0]


@contextlib.contextmanager
def served(kind, store, payload, redis_port):
    port = free_port()
    environment = {**os.environ, "SERVED": f"{kind} {store} {payload}", "REDIS_PORT": str(redis_port)}
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1", "--port", str(port)]
    quiet = ["--no-access-log", "--log-level", "error", "served_app:app"]
    server = subprocess.Popen(
        ["taskset", "-c", "0", *granian, *quiet], cwd=HERE, env=environment, start_new_session=True
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, cookie = get(port, "/begin")
                break
            time.sleep(0.05)
        else:
            raise SystemExit("granian did not answer")
        expected = {"S": "alice", "M": None}[payload]
        body, _ = get(port, "/read", cookie)
        assert body and (expected is None or body == expected), body
        yield port, [cookie, *(get(port, "/begin")[1] for _ in range(VISITORS - 1))]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


#: Users who take turns, so that two requests of one session rarely overlap.
VISITORS = 64
SCRIPT = """
local cookies, at = {%s}, 0
request = function()
  at = at %% #cookies + 1
  return wrk.format(nil, nil, {Cookie = cookies[at]})
end
"""


def load(port, path, cookies, seconds):
    """Returns requests per second. Every answer must be a 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % ", ".join(f'"{cookie}"' for cookie in cookies))
        script.flush()
        wrk = ["taskset", "-c", "1", "wrk", "-t1", "-c8", f"-d{seconds}s", "-s", script.name]
        wrk.append(f"http://127.0.0.1:{port}/{path}")
        said = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))


def commands_of(client, port, path, cookie):
    """Returns the commands to Redis per request, from ten requests."""
    client.config_resetstat()
    for _ in range(10):
        get(port, f"/{path}", cookie)
    stats = client.info("commandstats")
    return ", ".join(
        f"{name.removeprefix('cmdstat_').upper()} {stats[name]['calls'] / 10:g}"
        for name in sorted(stats)
        if "config" not in name and "info" not in name
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (%(default)s)")
    parser.add_argument("--store", choices=["cookie", "redis"], help="only the rows of this store")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of a turn (%(default)s)")
    options = parser.parse_args()
    redis_port = free_port()
    store_server = subprocess.Popen(
        ["taskset", "-c", "1", "redis-server", "--port", str(redis_port), "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        client = redis.Redis(port=redis_port)
        print(HEAD)
        for store, payload, path, kinds, target in ROWS:
            if options.store not in (None, store):
                continue
            with contextlib.ExitStack() as stack:
                servers = {kind: stack.enter_context(served(kind, store, payload, redis_port)) for kind in kinds}
                samples = {kind: [] for kind in kinds}
                for _ in range(options.rounds):
                    for kind, (port, cookies) in servers.items():
                        samples[kind].append(load(port, path, cookies, options.seconds))
                told = ""
                if store == "redis":
                    told = " / ".join(commands_of(client, servers[kind][0], path, servers[kind][1][0]) for kind in ("stock", "ours"))
            print(line(store, payload, path, samples, target, told))
    finally:
        store_server.kill()
        store_server.wait()


def line(store, payload, path, samples, target, told):
    ours, stock, without = samples["ours"], samples["stock"], samples["without"]
    floor = samples.get("floor", without)
    shares = {"of without": ratio(ours, without), "of stock": ratio(ours, stock)}
    verdict = ""
    if target:
        name, wanted = target
        verdict = f"{wanted:g} {name} {'**yes**' if shares[name] >= wanted else 'no'}"
    cells = [
        f"{store}, {payload} {path}",
        f"{statistics.median(without):,.0f}",
        f"{statistics.median(floor):,.0f}",
        f"{statistics.median(stock):,.0f}",
        f"**{statistics.median(ours):,.0f}**",
        f"{shares['of without']:.2f}",
        f"{ratio(floor, stock):.2f}",
        f"**{shares['of stock']:.2f}**",
        verdict,
        told,
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
