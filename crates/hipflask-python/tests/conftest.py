"""Fixtures: the wheel that is tested, and real servers, started once for all tests."""

import email
import importlib.metadata
import logging
import secrets

import pytest

from databases import DATABASES, SERVERS
from stores import Cached, Files, Memcached, Redis, Sqlite, free_port, redis_server, server

#: The stores that every wheel has.
STORES = ["redis", "memcached", "sqlalchemy", "filesystem"]


def pytest_addoption(parser):
    known = ",".join([*STORES, *DATABASES])
    parser.addoption("--stores", default=",".join(STORES), help=f"which stores the tests of all stores run on: {known}")


def pytest_report_header():
    return f"hipflask {importlib.metadata.version('hipflask')}: {_wheel_tag()}"


def _wheel_tag():
    return email.message_from_string(importlib.metadata.distribution("hipflask").read_text("WHEEL"))["Tag"]


@pytest.fixture
def wheel_tag():
    """The Python, interface and platform of the installed wheel: `cp39-abi3-linux_x86_64`."""
    return _wheel_tag()


def pytest_generate_tests(metafunc):
    stores = [*metafunc.config.getoption("stores").split(","), *getattr(metafunc.module, "MORE_STORES", [])]
    for name in {"store", "store_name"}.intersection(metafunc.fixturenames):
        metafunc.parametrize(name, stores, indirect=name == "store")


@pytest.fixture(autouse=True)
def enabled_loggers():
    """Enables the loggers again that a test has disabled: apps of the same name share one."""
    yield
    for logger in logging.root.manager.loggerDict.values():
        logger.disabled = False


@pytest.fixture(scope="session")
def redis_port():
    with redis_server() as (port, _):
        yield port


@pytest.fixture(scope="session")
def memcached_port():
    port = free_port()
    with server("memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(port), "-U", "0", port=port):
        yield port


def _port_of(name):
    @pytest.fixture(scope="session", name=f"{name}_port")
    def port():
        with SERVERS[name]() as port:
            yield port

    return port


postgres_port, mariadb_port, mongodb_port, dynamodb_port = map(_port_of, SERVERS)


@pytest.fixture
def redis_store(redis_port):
    return Redis(redis_port)


@pytest.fixture
def store(request, tmp_path):
    name = request.param
    if name in DATABASES:
        return DATABASES[name](request.getfixturevalue(f"{name}_port"), f"sessions_{secrets.token_hex(4)}")
    if name == "redis":
        return Redis(request.getfixturevalue("redis_port"))
    if name == "memcached":
        return Memcached(request.getfixturevalue("memcached_port"))
    return {"sqlalchemy": Sqlite, "filesystem": Files, "cachelib": Cached}[name](tmp_path)
