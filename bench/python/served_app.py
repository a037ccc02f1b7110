"""The apps that `served.py` runs under granian; the variable SERVED selects one."""

import os
import pathlib
import socket
import threading
import warnings

import flask
import flask_session
import redis
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, TaggedJSONSerializer

import hipflask
from whole_call import Floor

kind, store, payload = os.environ["SERVED"].split()
text = pathlib.Path(__file__).parents[1].joinpath("payloads", f"{payload.lower()}.json").read_text()
data = TaggedJSONSerializer().loads(text)
key = "username" if payload == "S" else "user_id"

app = flask.Flask("served")
app.secret_key = "a secret key of the bench, long enough"


class Free(SecureCookieSessionInterface):
    """A session that exists already and is never saved."""

    def open_session(self, app, request):
        return SecureCookieSession(data)

    def save_session(self, app, session, response):
        pass


class Bare(Free):
    """The same, plus the least work of a Redis client: writes the commands to a socket and ignores the answers."""

    #: Each thread of granian has its own connection.
    own = threading.local()

    def ask(self, *words):
        if not hasattr(self.own, "socket"):
            self.own.socket = socket.create_connection(("127.0.0.1", int(os.environ["REDIS_PORT"])))
            self.own.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.own.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        return self.own.socket.recv(65536)

    def open_session(self, app, request):
        self.ask(b"GET", b"bare")
        return super().open_session(app, request)

    def save_session(self, app, session, response):
        if session.modified:
            self.ask(b"SET", b"bare", text.encode())


class RedisFloor(Bare):
    """The least work that loses no update: a GET, and a script that replaces the record if it is still the one that was read.
    Nothing is decoded, compared or put into the response.
    """

    SCRIPT = (
        b"local now = redis.call('GET', KEYS[1]) if now ~= ARGV[1] then return 0 end"
        b" redis.call('SET', KEYS[1], ARGV[2], 'EX', 2678400) return 1"
    )

    def open_session(self, app, request):
        session = super(Bare, self).open_session(app, request)
        session.place = request.environ.get("HTTP_COOKIE", "=first").partition("=")[2].encode()
        answer = self.ask(b"GET", session.place)
        head, _, rest = answer.partition(b"\r\n")
        session.record = rest[: int(head[1:])] if head != b"$-1" else None
        return session

    def save_session(self, app, session, response):
        if session.record is None:
            place = os.urandom(32).hex().encode()
            self.ask(b"SET", place, text.encode())
            response.headers["Set-Cookie"] = f"session={place.decode()}"
        elif session.modified:
            if not hasattr(self.own, "sha"):
                self.own.sha = self.ask(b"SCRIPT", b"LOAD", self.SCRIPT).split(b"\r\n")[1]
            # A record of the same length with a change.
            record = text.encode()[:-8] + os.urandom(4).hex().encode()
            self.ask(b"EVALSHA", self.own.sha, b"1", session.place, session.record, record)


if store == "redis" and kind == "without":
    app.session_interface = Bare()
elif store == "redis" and kind == "floor":
    app.session_interface = RedisFloor()
elif store == "redis":
    warnings.simplefilter("ignore")
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis(port=int(os.environ["REDIS_PORT"])))
    {"stock": flask_session, "ours": hipflask}[kind].Session(app)
elif kind == "ours":
    app.session_interface = hipflask.SecureCookieSessionInterface()
elif kind == "floor":
    app.session_interface = Floor(data)
elif kind == "without":
    app.session_interface = Free()


@app.get("/begin")
def begin():
    flask.session.update(data)
    return ""


@app.get("/read")
def read():
    return str(flask.session[key])


@app.get("/write")
def write():
    # A new value each time, because an unchanged session need not be written.
    flask.session["n"] = os.urandom(4).hex()
    return "written"
