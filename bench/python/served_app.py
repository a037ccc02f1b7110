"""The apps that `served.py` has granian serve; which one is told by SERVED."""

import os
import pathlib
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


if store == "redis":
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
