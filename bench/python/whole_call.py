"""Times whole WSGI calls of a Flask view with a session: with Flask's interface, ours, the least work, and none.

    cargo xtask wheel && target/wheel-venv/bin/python bench/python/whole_call.py

The interfaces take turns in each round. The numbers are medians of the CPU time of a call; the ratios compare calls in the
same round. Every answer is checked.
"""

import argparse
import importlib.metadata
import pathlib
import platform
import statistics
import time
import zlib

import flask
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, TaggedJSONSerializer
from itsdangerous import URLSafeTimedSerializer

import hipflask

PAYLOADS = {
    name: pathlib.Path(__file__).parents[1].joinpath("payloads", f"{name.lower()}.json").read_text() for name in "SML"
}
KEYS = {"S": "username", "M": "user_id", "L": "user_id"}
#: The targets: how many times faster than Flask a call must be.
TARGETS = {("S", "read"): 2.1, ("M", "read"): 2.4, ("S", "write"): 3.0, ("M", "write"): 3.9, ("L", "write"): 4.0}
#: The target for S read, relative to a session that costs nothing.
SHARE = 1.12


class Free(SecureCookieSessionInterface):
    """A session that exists already and is never saved. No other interface can be faster."""

    def __init__(self, data):
        self.session = SecureCookieSession(data)

    def open_session(self, app, request):
        return self.session

    def save_session(self, app, session, response):
        pass


class Floor(SecureCookieSessionInterface):
    """The least work of any interface: an object for each request, `Vary`, and a prepared `Set-Cookie`. The cookie is as long as
    Flask's, because Werkzeug reads it. Nothing is verified, read, written or signed.
    """

    def __init__(self, data):
        self.data = data
        value = URLSafeTimedSerializer("any", serializer=TaggedJSONSerializer()).dumps(data)
        self.cookie = ("Set-Cookie", f"session={value}; HttpOnly; Path=/")

    def open_session(self, app, request):
        return SecureCookieSession(self.data)

    def save_session(self, app, session, response):
        if session.accessed:
            response.headers._list.append(("Vary", "Cookie"))
        if session.modified:
            response.headers._list.append(self.cookie)


class Visit:
    """A view of one app and a request for it."""

    def __init__(self, interface, payload, act):
        self.key = KEYS[payload]
        self.act = act
        data = TaggedJSONSerializer().loads(PAYLOADS[payload])
        self.value = data[self.key]
        app = self.app = flask.Flask("bench")
        app.secret_key = "a secret key of the bench, long enough"
        app.session_interface = interface(data)
        app.add_url_rule("/", "view", getattr(self, act))
        with app.app_context():
            cookie = SecureCookieSessionInterface().get_signing_serializer(app).dumps(data)
        with app.test_request_context("/", headers={"Cookie": f"session={cookie}"}) as context:
            self.environ = {key: value for key, value in context.request.environ.items() if "werkzeug" not in key}
        self.saved = {**data, self.key: "changed"}
        self.check()

    def untouched(self):
        return "untouched"

    def read(self):
        return flask.session[self.key]

    def write(self):
        flask.session[self.key] = "changed"
        return "changed"

    def call(self):
        answer = {}

        def start_response(status, headers):
            answer.update(status=status, headers=headers)

        body = b"".join(self.app(self.environ.copy(), start_response))
        return answer["status"], answer["headers"], body

    def check(self):
        """Checks that the session was read and saved."""
        status, headers, body = self.call()
        expected = {"untouched": "untouched", "read": self.value, "write": "changed"}[self.act]
        assert status == "200 OK" and body.decode() == expected
        if isinstance(self.app.session_interface, (Free, Floor)):
            return
        assert [value for name, value in headers if name == "Vary"] == ["Cookie"] * (self.act != "untouched")
        cookies = [value for name, value in headers if name == "Set-Cookie"]
        assert len(cookies) == (self.act == "write")
        for cookie in cookies:
            value = cookie.partition("=")[2].partition(";")[0]
            with self.app.app_context():
                read = SecureCookieSessionInterface().get_signing_serializer(self.app).loads(value, max_age=60)
            assert read == self.saved

    def time(self, times):
        expected = {"untouched": b"untouched", "read": self.value.encode(), "write": b"changed"}[self.act]
        app, environ = self.app, self.environ

        def start_response(status, headers):
            assert status == "200 OK"

        start = time.process_time_ns()
        for _ in range(times):
            assert next(iter(app(environ.copy(), start_response))) == expected
        return (time.process_time_ns() - start) / times / 1000


INTERFACES = {
    "Flask": lambda data: SecureCookieSessionInterface(),
    "hipflask": lambda data: hipflask.SecureCookieSessionInterface(),
    "floor": Floor,
    "free": Free,
}


def measure(rounds, times):
    """Returns the microseconds of each call in each round; the interfaces take turns."""
    visits = {
        (payload, act, name): Visit(interface, payload, act)
        for payload in "SML"
        for act in ("untouched", "read", "write")
        for name, interface in INTERFACES.items()
    }
    samples = {key: [] for key in visits}
    for visit in visits.values():
        visit.time(times // 4)
    for _ in range(rounds):
        for key, visit in visits.items():
            samples[key].append(visit.time(times))
    return samples


def ratio(above, below):
    """Returns the median ratio of `above` to `below` per round, so that other load affects both."""
    return statistics.median(one / other for one, other in zip(above, below))


def report(samples):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("Flask", "Werkzeug", "hipflask"))
    print(f"{versions}, Python {platform.python_version()}; microseconds of CPU time per call\n")
    print("| | Flask | **hipflask** | floor | free | times faster | floor | of free | floor | target |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    missed = []
    for payload, act in dict.fromkeys(key[:2] for key in samples):
        theirs, ours, floor, free = all_four = [samples[payload, act, name] for name in INTERFACES]
        faster, share = ratio(theirs, ours), ratio(ours, free)
        wanted = [(f"{TARGETS[payload, act]}x", faster >= TARGETS[payload, act])] if (payload, act) in TARGETS else []
        if (payload, act) == ("S", "read"):
            wanted.append((f"{SHARE} of free", share <= SHARE))
        missed += [f"{payload} {act}: {text}" for text, met in wanted if not met]
        verdict = ", ".join(f"{text} {'**yes**' if met else 'no'}" for text, met in wanted)
        times = "{:.1f} | **{:.1f}** | {:.1f} | {:.1f}".format(*map(statistics.median, all_four))
        print(
            f"| {payload} {act} | {times} | {faster:.2f}x | {ratio(theirs, floor):.2f}x"
            f" | {share:.2f} | {ratio(floor, free):.2f} | {verdict} |"
        )
    return missed


def time_zlib(rounds, times):
    """Prints the microseconds that zlib alone takes for the content of a cookie."""
    for payload in "ML":
        text = TaggedJSONSerializer().dumps(TaggedJSONSerializer().loads(PAYLOADS[payload])).encode()
        deflated = zlib.compress(text)
        took = {"inflates": [], "deflates": []}
        for _ in range(rounds):
            for what, work, data in (("inflates", zlib.decompress, deflated), ("deflates", zlib.compress, text)):
                start = time.process_time_ns()
                for _ in range(times):
                    work(data)
                took[what].append((time.process_time_ns() - start) / times / 1000)
        print(f"zlib alone {' and '.join(f'{what} {payload} in {statistics.median(us):.1f} us' for what, us in took.items())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each interface (%(default)s)")
    parser.add_argument("--times", type=int, default=400, help="calls per turn (%(default)s)")
    options = parser.parse_args()
    missed = report(measure(options.rounds, options.times))
    print()
    time_zlib(options.rounds, options.times)
    print(f"\nmissed: {'; '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
