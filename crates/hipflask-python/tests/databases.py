"""Databases for tests: real servers, and the place of one test's sessions in them.

PostgreSQL and MariaDB are real. `wire/mongo_front.py` and `wire/moto_server.py` replace MongoDB and DynamoDB, which cannot be
installed from Debian.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import glob
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import boto3
import pymongo
import sqlalchemy

from stores import Store, free_port, server

WIRE = pathlib.Path(__file__).parents[3] / "wire"
IS_ROOT = os.geteuid() == 0


@contextlib.contextmanager
def postgres_server():
    """Starts PostgreSQL and yields its port. The user `postgres` does not need a password."""
    programs = pathlib.Path(max(glob.glob("/usr/lib/postgresql/*/bin"), default=os.path.dirname(shutil.which("postgres") or "")))
    # PostgreSQL refuses to run as root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if IS_ROOT else []
    with tempfile.TemporaryDirectory(prefix="hipflask-postgres-") as place:
        if IS_ROOT:
            shutil.chown(place, "postgres")
        init = ["initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-locale", "-D", f"{place}/data"]
        subprocess.run([*user, programs / init[0], *init[1:]], cwd=place, check=True, capture_output=True)
        port = free_port()
        options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        options += ["-c", "max_connections=300", "-c", "fsync=off"]
        with server(*user, str(programs / "postgres"), "-D", f"{place}/data", *options, port=port, cwd=place):
            until_it_answers(f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres")
            yield port


@contextlib.contextmanager
def mariadb_server():
    """Starts MariaDB and yields its port. The user `root` does not need a password, and the database `test` exists."""
    user = ["--user=root"] if IS_ROOT else []
    with tempfile.TemporaryDirectory(prefix="hipflask-mariadb-") as place:
        # In a shared directory, servers that start delete the temporary tables of the others.
        environment = {**os.environ, "TMPDIR": place}
        init = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", f"--datadir={place}/data"]
        subprocess.run(["mariadb-install-db", *init, *user], env=environment, check=True, capture_output=True)
        port = free_port()
        options = [f"--datadir={place}/data", f"--socket={place}/socket", f"--pid-file={place}/pid", f"--port={port}"]
        options += ["--innodb-flush-log-at-trx-commit=0", "--max-connections=300", "--skip-name-resolve"]
        program = shutil.which("mariadbd", path=f"/usr/sbin{os.pathsep}{os.environ['PATH']}") or "mariadbd"
        command = [program, "--no-defaults", "--bind-address=127.0.0.1", *options, *user]
        with server(*command, port=port, env=environment):
            until_it_answers(f"mysql+pymysql://root@127.0.0.1:{port}", "CREATE DATABASE test")
            yield port


def until_it_answers(url, statement="SELECT 1"):
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    for tries_left in reversed(range(600)):
        try:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text(statement))
            return
        except sqlalchemy.exc.OperationalError:
            if not tries_left:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def python_server(program):
    port = free_port()
    with server(sys.executable, "-B", str(WIRE / program), str(port), port=port):
        yield port


SERVERS = {
    "postgres": postgres_server,
    "mariadb": mariadb_server,
    "mongodb": lambda: python_server("mongo_front.py"),
    "dynamodb": lambda: python_server("moto_server.py"),
}


class Sql(Store):
    """``SESSION_TYPE = "sqlalchemy"`` with the URL of a database, and its own table."""

    def __init__(self, url, name):
        self.engine, self.table = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT"), name
        self.config = {"SESSION_TYPE": "sqlalchemy", "SQLALCHEMY_DATABASE_URI": url, "SESSION_SQLALCHEMY_TABLE": name}

    def rename(self, name):
        self.table = self.config["SESSION_SQLALCHEMY_TABLE"] = name

    def _execute(self, query, **values):
        with self.engine.connect() as connection:
            return connection.execute(sqlalchemy.text(query.format(self.table)), values)

    def _ask(self, query, **values):
        with self.engine.connect() as connection:
            return connection.execute(sqlalchemy.text(query.format(self.table)), values).all()

    def put(self, sid, record):
        row = {"id": self.key(sid), "data": record, "expiry": datetime.datetime(2037, 1, 1)}
        self._execute("DELETE FROM {} WHERE session_id = :id", id=row["id"])
        self._execute("INSERT INTO {} (session_id, data, expiry) VALUES (:id, :data, :expiry)", **row)

    def expire(self, sid):
        values = {"id": self.key(sid), "expiry": datetime.datetime(2020, 1, 1)}
        self._execute("UPDATE {} SET expiry = :expiry WHERE session_id = :id", **values)

    def record(self, sid):
        for (data,) in self._ask("SELECT data FROM {} WHERE session_id = :id", id=self.key(sid)):
            return bytes(data)

    def expires(self, sid):
        ((time,),) = self._ask("SELECT expiry FROM {} WHERE session_id = :id", id=self.key(sid))
        return time.replace(tzinfo=datetime.timezone.utc).timestamp()

    def keys(self):
        return {key for (key,) in self._ask("SELECT session_id FROM {}")}


class Postgres(Sql):
    def __init__(self, port, name):
        super().__init__(f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres", name)


class MariaDb(Sql):
    def __init__(self, port, name):
        super().__init__(f"mysql+pymysql://root@127.0.0.1:{port}/test", name)


class MongoDb(Store):
    """``SESSION_TYPE = "mongodb"`` with its own collection."""

    def __init__(self, port, name):
        self.client = pymongo.MongoClient("127.0.0.1", port)
        self.collection = self.client["flask_session"][name]
        self.config = {"SESSION_TYPE": "mongodb", "SESSION_MONGODB": self.client, "SESSION_MONGODB_COLLECT": name}

    def rename(self, name):
        self.collection = self.client[f"database_of_{name}"][name]
        self.config.update(SESSION_MONGODB_DB=f"database_of_{name}", SESSION_MONGODB_COLLECT=name)

    def put(self, sid, record):
        row = {"id": self.key(sid), "val": record, "expiration": datetime.datetime(2037, 1, 1)}
        self.collection.delete_many({"id": row["id"]})
        self.collection.insert_one(row)

    def _find(self, sid):
        return self.collection.find_one({"id": self.key(sid)})

    def record(self, sid):
        found = self._find(sid)
        return found and bytes(found["val"])

    def expires(self, sid):
        return self._find(sid)["expiration"].replace(tzinfo=datetime.timezone.utc).timestamp()

    def keys(self):
        return {one["id"] for one in self.collection.find()}


class DynamoDb(Store):
    """``SESSION_TYPE = "dynamodb"`` with its own table."""

    def __init__(self, port, name):
        account = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        place = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
        self.client = boto3.resource("dynamodb", **place, **account)
        self.table = self.client.Table(name)
        self.config = {"SESSION_TYPE": "dynamodb", "SESSION_DYNAMODB": self.client, "SESSION_DYNAMODB_TABLE": name}

    def rename(self, name):
        self.table = self.client.Table(name)
        self.config["SESSION_DYNAMODB_TABLE"] = name

    def put(self, sid, record):
        expiration = decimal.Decimal(int(time.time()) + 1000)
        self.table.put_item(Item={"id": self.key(sid), "val": record, "expiration": expiration})

    def _find(self, sid):
        return self.table.get_item(Key={"id": self.key(sid)}, ConsistentRead=True).get("Item")

    def record(self, sid):
        found = self._find(sid)
        return found and bytes(found["val"])

    def expires(self, sid):
        return float(self._find(sid)["expiration"])

    def keys(self):
        return {one["id"] for one in self.table.scan(ConsistentRead=True)["Items"]}


DATABASES = {"postgres": Postgres, "mariadb": MariaDb, "mongodb": MongoDb, "dynamodb": DynamoDb}
