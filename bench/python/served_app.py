"""The apps that `served.py` has granian serve; which one is told by SERVED."""

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

kind, store, payload = os.environ["SERVED"].split()
text = pathlib.Path(__file__).parents[1].joinpath("payloads", f"{payload.lower()}.json").read_text()
data = TaggedJSONSerializer().loads(text)
key = "username" if payload == "S" else "user_id"

app = flask.Flask("served")
app.secret_key = "a secret key of the bench, long enough"


class Free(SecureCookieSessionInterface):
    """A session that is there already and goes nowhere."""

    def open_session(self, app, request):
        return SecureCookieSession(data)

    def save_session(self, app, session, response):
        pass


class Bare(Free):
    """The same, and what no client of Redis can do without: the commands, written to a socket, and their answers, not read."""

    #: Each of granian's threads has a connection.
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


if store == "redis" and kind == "without":
    app.session_interface = Bare()
elif store == "redis":
    warnings.simplefilter("ignore")
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis(port=int(os.environ["REDIS_PORT"])))
    {"stock": flask_session, "ours": hipflask}[kind].Session(app)
elif kind == "ours":
    app.session_interface = hipflask.SecureCookieSessionInterface()
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
    # A new value each time: what is set to what it was need not be written.
    flask.session["n"] = os.urandom(4).hex()
    return "written"
