"""`SESSION_TYPE = "sqlalchemy"` finds the database that Flask-Session finds through Flask-SQLAlchemy."""

import contextlib
import pathlib
import sqlite3
import warnings

import flask
import flask_session
import pytest
import sqlalchemy
from flask_sqlalchemy import SQLAlchemy

import hipflask
from hipflask import _sqlalchemy
from stores import peek, sid_of, visit, with_id


def app_on(extension, place, **config):
    app = flask.Flask("found", instance_path=str(place / "instance"))
    app.acts = {}
    app.config.update(SESSION_TYPE="sqlalchemy", SECRET_KEY="a secret key of the tests", **config)
    app.add_url_rule("/<act>", "view", lambda act: app.acts[act](flask.session) or "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extension(app)
    return app


CONFIGS = {
    "relative": {"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db"},
    "in a folder": {"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db?timeout=2.5"},
    "with a driver": {"SQLALCHEMY_DATABASE_URI": "sqlite+pysqlite:///app.db"},
    "URL object": {"SQLALCHEMY_DATABASE_URI": sqlalchemy.URL.create("sqlite", database="app.db")},
    "uri": {"SQLALCHEMY_DATABASE_URI": "sqlite:///file:app.db?uri=true&mode=rwc&cache=private"},
    "bind": {
        "SQLALCHEMY_DATABASE_URI": "sqlite:///other.db",
        "SQLALCHEMY_BINDS": {"sessions": "sqlite:///app.db"},
        "SESSION_SQLALCHEMY_BIND_KEY": "sessions",
    },
    "bind with options": {
        "SQLALCHEMY_BINDS": {"sessions": {"url": "sqlite:///app.db", "echo": False}},
        "SESSION_SQLALCHEMY_BIND_KEY": "sessions",
    },
    "engine options": {"SQLALCHEMY_ENGINE_OPTIONS": {"url": "sqlite:///app.db"}},
    "table": {"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db", "SESSION_SQLALCHEMY_TABLE": "my sessions-é.1"},
}


def sessions_in(path, table="sessions"):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("with_object", [False, True])
def test_the_database_is_that_of_flask_sqlalchemy(config, with_object, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def extended(extension):
        def extend(app):
            if with_object:
                app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
            extension(app)

        return extend

    if "SESSION_SQLALCHEMY_BIND_KEY" in config:
        # Flask-Session 0.8 gets a bound engine by a function that Flask-SQLAlchemy 3.1 no longer has.
        extensions = [hipflask.Session]
    else:
        extensions = [flask_session.Session, hipflask.Session]
    clients = [app_on(extended(extension), tmp_path, **config).test_client() for extension in extensions]
    for number, client in enumerate(clients, 1):
        visit(client, lambda session: session.update(user="ada"))
        path = tmp_path / "instance" / "app.db"
        assert sessions_in(path, config.get("SESSION_SQLALCHEMY_TABLE", "sessions")) == number
        assert [peek(with_id(other.application, sid_of(client))) for other in clients] == [{"user": "ada"}] * len(clients)
    assert {file.name for file in tmp_path.iterdir()} == {"instance"}


def test_absolute_paths_are_taken_as_they_are(tmp_path):
    app = flask.Flask("found", instance_path=str(tmp_path / "instance"))
    assert _sqlalchemy.resolved(app, f"sqlite:///{tmp_path}/app.db") == f"sqlite:{tmp_path}/app.db"
    assert not pathlib.Path(app.instance_path).exists()


def test_passwords_of_url_objects_are_kept():
    url = sqlalchemy.URL.create("postgresql+psycopg2", "app", "s3cret@", "db", 5432, "web")
    assert _sqlalchemy.resolved(flask.Flask("found"), url) == "postgresql+psycopg2://app:s3cret%40@db:5432/web"


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
@pytest.mark.parametrize("with_object", [False, True])
def test_sqlite_in_memory_becomes_the_memory_store(uri, with_object, tmp_path):
    def extend(app):
        if with_object:
            app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
        hipflask.Session(app)

    client = app_on(extend, tmp_path, SQLALCHEMY_DATABASE_URI=uri).test_client()
    visit(client, lambda session: session.update(a=1))
    assert peek(client) == {"a": 1}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "SQLALCHEMY_DATABASE_URI"),
        ({"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db", "SESSION_SQLALCHEMY_BIND_KEY": "none"}, "SESSION_SQLALCHEMY_BIND_KEY"),
        ({"SQLALCHEMY_DATABASE_URI": "sqlite:///file:app.db?uri=true&mode=ro"}, "mode=ro"),
        ({"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db?vfs=own"}, "vfs=own"),
        ({"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db", "SESSION_SQLALCHEMY_TABLE": 'a"b'}, "cannot be the name of a table"),
        ({"SQLALCHEMY_DATABASE_URI": "oracle://db"}, "SESSION_SQLALCHEMY"),
    ],
)
def test_unusable_databases_are_refused(config, said, tmp_path):
    with pytest.raises(hipflask.errors.ConfigurationError, match=said):
        app_on(hipflask.Session, tmp_path, **config)
