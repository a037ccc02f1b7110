"""Real servers, started once for all tests."""

import pytest

from stores import Files, Memcached, Redis, Sqlite, free_port, redis_server, server


@pytest.fixture(scope="session")
def redis_port():
    with redis_server() as (port, _):
        yield port


@pytest.fixture(scope="session")
def memcached_port():
    port = free_port()
    with server("memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(port), "-U", "0", port=port):
        yield port


@pytest.fixture
def redis_store(redis_port):
    return Redis(redis_port)


@pytest.fixture(params=["redis", "memcached", "sqlalchemy", "filesystem"])
def store(request, tmp_path):
    if request.param == "redis":
        return Redis(request.getfixturevalue("redis_port"))
    if request.param == "memcached":
        return Memcached(request.getfixturevalue("memcached_port"))
    return Sqlite(tmp_path) if request.param == "sqlalchemy" else Files(tmp_path)
