"""The benchmark's app in real Flask with Flask-Session on Redis; granian serves it."""

import json
import os
import pathlib

from flask import Flask, session
from flask_session import Session
from redis import Redis

app = Flask(__name__)
app.config.update(SESSION_TYPE="redis", SESSION_REDIS=Redis.from_url(os.environ["BENCH_REDIS"]))
Session(app)

payloads = pathlib.Path(__file__).parent.with_name("payloads")
last_key = {"S": "username", "M": "user_id", "L": "user_id"}


@app.get("/untouched")
def untouched():
    return "untouched"


@app.get("/read/<name>")
def read(name):
    return session[last_key[name]]


@app.get("/write")
def write():
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])


@app.get("/fill/<name>")
def fill(name):
    # Flask-Session's msgpack has no tags; it stores the members as they are in JSON.
    session.update(json.loads((payloads / f"{name.lower()}.json").read_text()))
    return ""
