"""The app that gunicorn serves for `test_servers.py`. Its processes share a Redis."""

import os
import time

import flask
import redis

import hipflask

SERVER = redis.Redis(port=int(os.environ["REDIS_PORT"]))

app = flask.Flask("served")
app.config.update(SESSION_TYPE="redis", SESSION_REDIS=SERVER)
hipflask.Session(app)


def wait_for(key, number):
    """Waits until `key` has been counted up to `number`."""
    until = time.monotonic() + 60
    while int(SERVER.get(key) or 0) < number:
        assert time.monotonic() < until, f"{key} did not reach {number}"
        time.sleep(0.002)


@app.get("/login")
def login():
    flask.session["user"] = "ada"
    return ""


@app.get("/logout")
def logout():
    flask.session.clear()
    return ""


@app.get("/meet/<place>/<int:number>/<key>")
def meet(place, number, key):
    """Reads the session, waits until `number` requests are in this view at once, and writes."""
    found = dict(flask.session)
    SERVER.incr(place)
    wait_for(place, number)
    if key != "none":
        flask.session[key] = True
        flask.session.increment("meetings")
    return {"process": os.getpid(), "found": found}


@app.get("/overtaken/<place>/<kind>")
def overtaken(place, kind):
    """Reports that it has read the session, and waits for a signal to end."""
    assert flask.session["user"] == "ada"
    if kind == "writer":
        flask.session["late"] = True
    SERVER.incr(f"{place}-read")
    wait_for(f"{place}-go", 1)
    return ""


# A server that loads the app before it forks may have served a request.
with app.test_client() as client:
    client.get("/login")
