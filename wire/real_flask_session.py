"""Real Flask-Session on a store, answering one line of JSON with one line of JSON.

    real_flask_session.py sqlalchemy URL [TABLE [SCHEMA]]
    real_flask_session.py mongodb URL
    real_flask_session.py dynamodb URL
    real_flask_session.py redis URL [FORMAT]
    real_flask_session.py memcached HOST:PORT,HOST:PORT

Commands are lists; records travel in hex, as the store has them:

    ["login", {"user": "ada"}]       a new session; answers with its id
    ["show", "ID"]                   what the visitor with that id has; null if that is a new session
    ["update", "ID", {"n": 1}]       the visitor's next request changes the session
    ["logout", "ID"]                 the session is cleared
    ["record", {"user": "ada"}]      the bytes that Flask-Session would store, in hex
    ["cleanup"]                      `flask session_cleanup`
"""

import datetime
import json
import sys
import warnings

from flask import Flask, request, session
from flask_session import Session

warnings.simplefilter("ignore")


def configure(app, kind, url, *names):
    if kind == "sqlalchemy":
        from flask_sqlalchemy import SQLAlchemy

        app.config["SQLALCHEMY_DATABASE_URI"] = url
        app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
        for key, name in zip(("SESSION_SQLALCHEMY_TABLE", "SESSION_SQLALCHEMY_SCHEMA"), names):
            app.config[key] = name
    elif kind == "mongodb":
        from pymongo import MongoClient

        app.config["SESSION_MONGODB"] = MongoClient(url)
    elif kind == "dynamodb":
        import boto3

        app.config["SESSION_DYNAMODB"] = boto3.resource(
            "dynamodb",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
    elif kind == "redis":
        from redis import Redis

        app.config["SESSION_REDIS"] = Redis.from_url(url)
        if names:
            app.config["SESSION_SERIALIZATION_FORMAT"] = names[0]
    elif kind == "memcached":
        from pymemcache.client.base import Client
        from pymemcache.client.hash import HashClient

        nodes = url.split(",")
        app.config["SESSION_MEMCACHED"] = Client(nodes[0]) if len(nodes) == 1 else HashClient(nodes)


def make(kind, *arguments):
    app = Flask(__name__)
    app.config.update(
        SESSION_TYPE=kind, SECRET_KEY="k", PERMANENT_SESSION_LIFETIME=datetime.timedelta(hours=1)
    )
    configure(app, kind, *arguments)
    Session(app)

    @app.get("/")
    def show():
        return {"id": session.sid, "session": json.loads(json.dumps(dict(session), default=repr))}

    @app.post("/")
    def update():
        session.update(request.get_json())
        return show()

    @app.delete("/")
    def logout():
        session.clear()
        return {}

    return app


def answer(app, command, id=None, values=None):
    if command in ("login", "record"):
        id, values = None, id
    if command == "record":
        return app.session_interface.serializer.encode(values).hex()
    if command == "cleanup":
        return app.test_cli_runner().invoke(args=["session_cleanup"]).exit_code
    client = app.test_client()
    if id is not None:
        client.set_cookie("session", id)
    if command == "logout":
        return client.delete("/").status_code
    said = client.get("/") if command == "show" else client.post("/", json=values)
    assert said.status_code == 200, said.text
    if command == "login":
        return said.json["id"]
    return said.json["session"] if said.json["id"] == id else None


def main():
    app = make(*sys.argv[1:])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(app, *json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
