"""The store that an app's configuration names: Flask-Session's settings and client objects as the URL of a store.

No client is called. Only its address is read, because Rust opens its own connections. A client whose options do not fit into a
URL is an error, which names the URL to set instead.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from typing import Any, Mapping
from urllib.parse import quote, urlencode

import flask

from . import _settings
from . import _sqlalchemy as _sqlalchemy_urls
from .errors import ConfigurationError

__all__ = ["StoreAddress", "find"]


@dataclasses.dataclass(frozen=True)
class StoreAddress:
    """The address of a store."""

    url: str
    #: True if the store is prepared at once, as Flask-Session does: its table is created.
    ready: bool = False
    #: The client object that the address is from.
    client: Any = None


def find(app: flask.Flask) -> StoreAddress:
    """Returns the store that ``SESSION_TYPE`` and its further settings name."""
    named = app.config["SESSION_TYPE"]
    if not isinstance(named, str):
        raise ConfigurationError(f"SESSION_TYPE must be the name or the URL of a store, but is a {type(named).__name__}")
    if ":" in named:
        return StoreAddress(named, ready=named.partition(":")[0].partition("+")[0] in _MADE_AT_START)
    kind = named.lower()
    if kind not in _KINDS:
        raise ConfigurationError(
            f"Unrecognized value for SESSION_TYPE: {kind}; set it to the URL of a store, such as redis://host:6379/0, or to one of"
            f" {', '.join(_KINDS)}"
        )
    return _KINDS[kind](app)


_MADE_AT_START = {"sqlite", "postgres", "postgresql", "mysql", "mariadb", "mongodb", "dynamodb"}


def _redis(app: flask.Flask) -> StoreAddress:
    client = app.config.get("SESSION_REDIS")
    if client is None:
        return _on_this_machine("SESSION_REDIS", "redis://127.0.0.1:6379/0")
    if isinstance(client, str):
        return StoreAddress(client)
    if any(kind.__module__.partition(".")[0] == "fakeredis" for kind in type(client).__mro__):
        raise ConfigurationError(
            "SESSION_REDIS is a client of fakeredis, whose server exists in Python alone; set SESSION_TYPE to memory: in tests"
        )
    return StoreAddress(_url_of_redis(client), client=client)


def _url_of_redis(client: Any) -> str:
    nodes = getattr(client, "nodes_manager", None)
    if nodes is not None:
        hosts = ",".join(_host(node.host, node.port) for node in nodes.startup_nodes.values())
        return _redis_url("redis+cluster", hosts, nodes.connection_kwargs)
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        raise _untranslatable("SESSION_REDIS", client, "redis://host:6379/0")
    sentinels = getattr(pool, "sentinel_manager", None)
    if sentinels is not None:
        given = [sentinel.connection_pool.connection_kwargs for sentinel in sentinels.sentinels]
        hosts = ",".join(_host(one.get("host"), one.get("port")) for one in given)
        more = {"sentinel_user": given[0].get("username"), "sentinel_password": given[0].get("password")}
        return _redis_url("redis+sentinel", hosts, pool.connection_kwargs, path=f"/{pool.service_name}", more=more)
    settings = pool.connection_kwargs
    if settings.get("path"):
        return _redis_url("redis+unix", "", settings, path=quote(settings["path"]))
    kinds = [kind.__name__ for kind in pool.connection_class.__mro__]
    scheme = "rediss" if "SSLConnection" in kinds else "redis"
    host = _host(settings.get("host", "localhost"), settings.get("port", 6379))
    return _redis_url(scheme, host, settings)


def _redis_url(
    scheme: str, hosts: str, settings: Mapping[str, Any], path: str = "", more: Mapping[str, Any] | None = None
) -> str:
    for name in ("credential_provider", "ssl_certfile", "ssl_keyfile", "ssl_ca_data", "ssl_ca_path"):
        if settings.get(name):
            raise ConfigurationError(
                f"SESSION_REDIS has {name}, which is not supported; set SESSION_TYPE to the URL of the store, such as"
                " rediss://user:password@host:6379/0?ca=/path/to/ca.pem"
            )
    if scheme == "rediss" and settings.get("ssl_cert_reqs") in ("none", 0, False):
        raise ConfigurationError(
            "SESSION_REDIS does not verify the server's certificate (ssl_cert_reqs=none), and cannot be turned off here;"
            " name the authority that signed it: SESSION_TYPE = 'rediss://host:6379/0?ca=/path/to/ca.pem'"
        )
    options = {"db": settings.get("db") or None, "ca": settings.get("ssl_ca_certs"), **(more or {})}
    return f"{scheme}://{_account(settings.get('username'), settings.get('password'))}{hosts}{path}{_query(options)}"


def _memcached(app: flask.Flask) -> StoreAddress:
    client = app.config.get("SESSION_MEMCACHED")
    if client is None:
        return _on_this_machine("SESSION_MEMCACHED", "memcached://127.0.0.1:11211")
    if isinstance(client, str):
        return StoreAddress(client)
    if getattr(client, "tls_context", None) is not None or getattr(client, "key_prefix", b"") not in (b"", "", None):
        raise _untranslatable("SESSION_MEMCACHED", client, "memcached://host:11211")
    return StoreAddress(_url_of_memcached(client), client=client)


def _url_of_memcached(client: Any) -> str:
    hasher: Any = getattr(client, "hasher", None)
    if hasattr(hasher, "nodes"):  # pymemcache's HashClient
        servers = list(hasher.nodes)
    elif hasattr(client, "server"):  # pymemcache's Client and PooledClient
        servers = [client.server]
    elif hasattr(client, "servers"):  # python-memcached
        servers = [getattr(server, "address", server) for server in client.servers]
    elif hasattr(client, "addresses"):  # pylibmc
        servers = list(client.addresses)
    else:
        raise _untranslatable("SESSION_MEMCACHED", client, "memcached://host:11211")
    named = [server if isinstance(server, str) else _host(*server) for server in servers]
    sockets = [name for name in named if name.startswith("/")]
    if sockets and len(named) > 1:
        raise _untranslatable("SESSION_MEMCACHED", client, "memcached+unix:///its/path")
    return f"memcached+unix://{quote(sockets[0])}" if sockets else f"memcached://{','.join(named)}"


def _filesystem(app: flask.Flask) -> StoreAddress:
    directory = _settings.path(app.config, "SESSION_FILE_DIR", "flask_session")
    return StoreAddress(_file_url(directory, _settings.number(app.config, "SESSION_FILE_MODE", 0o600, 0, 0o777, "0o{:03o}")))


def _cachelib(app: flask.Flask) -> StoreAddress:
    client = app.config.get("SESSION_CACHELIB")
    if client is None:
        return StoreAddress(_file_url(os.path.abspath("flask_session"), 0o600))
    if isinstance(client, str):
        return StoreAddress(client)
    kinds = [kind.__name__ for kind in type(client).__mro__]
    if "FileSystemCache" in kinds:
        is_old = getattr(client._hash_method, "__name__", "").endswith("md5")
        return StoreAddress(_file_url(os.path.abspath(client._path), client._mode, md5=is_old), client=client)
    if "SimpleCache" in kinds:
        return StoreAddress("memory:", client=client)
    raise _untranslatable("SESSION_CACHELIB", client, "redis://host:6379/0 or file:./flask_session")


def _file_url(path: str, mode: int, md5: bool = False) -> str:
    if "?" in path:
        raise ConfigurationError("the directory of the sessions cannot have a `?` in its name")
    return f"file:{path}?mode={mode:o}" + ("&md5=true" if md5 else "")


def _mongodb(app: flask.Flask) -> StoreAddress:
    config, client = app.config, app.config.get("SESSION_MONGODB")
    database = _settings.text(config, "SESSION_MONGODB_DB", "flask_session")
    options = {"collection": _settings.text(config, "SESSION_MONGODB_COLLECT", "sessions")}
    if isinstance(client, str):
        return StoreAddress(client, ready=True)
    if client is None:
        url = _on_this_machine("SESSION_MONGODB", "mongodb://127.0.0.1:27017").url
        return StoreAddress(f"{url}/{quote(database)}{_query(options)}", ready=True)
    return StoreAddress(_url_of_mongodb(client, database, options), ready=True, client=client)


def _url_of_mongodb(client: Any, database: str, options: dict[str, Any]) -> str:
    if getattr(client, "options", None) is None:
        raise _untranslatable("SESSION_MONGODB", client, f"mongodb://host:27017/{database}")
    given = getattr(client, "_init_kwargs", {})
    hosts = given.get("host")
    hosts = [hosts] if isinstance(hosts, str) or hosts is None else list(hosts)
    if len(hosts) == 1 and str(hosts[0]).startswith("mongodb"):
        base, _, query = str(hosts[0]).partition("?")
        scheme, _, place = base.partition("://")
        place, _, login_database = place.partition("/")
        if login_database:
            options = {"authSource": login_database if "@" in place else None, **options}
        url = f"{scheme}://{place}/{quote(database)}{_query(options)}"
        return f"{url}&{query}" if query else url
    credentials = client.options.pool_options._credentials
    if client.options.pool_options._ssl_context is not None or (
        credentials is not None and not isinstance(credentials.password, str)
    ):
        raise _untranslatable("SESSION_MONGODB", client, f"mongodb://user:password@host:27017/{database}")
    account = "" if credentials is None else _account(credentials.username, credentials.password)
    if credentials is not None:
        options["authSource"] = credentials.source
    settings = getattr(client, "_topology_settings", None)
    options["replicaSet"] = settings.replica_set_name if settings is not None else None
    seeds = settings.seeds if settings is not None else [("localhost", 27017)]
    return f"mongodb://{account}{','.join(sorted(_host(*seed) for seed in seeds))}/{quote(database)}{_query(options)}"


def _sqlalchemy(app: flask.Flask) -> StoreAddress:
    config, client = app.config, app.config.get("SESSION_SQLALCHEMY")
    options = {
        "table": _settings.text(config, "SESSION_SQLALCHEMY_TABLE", "sessions"),
        "schema": _settings.optional_text(config, "SESSION_SQLALCHEMY_SCHEMA"),
        "sequence": _settings.optional_text(config, "SESSION_SQLALCHEMY_SEQUENCE"),
    }
    url = _sqlalchemy_urls.url_of_config(app) if client is None else _sqlalchemy_urls.url_of_client(app, client)
    if url is None or url.partition(":")[0].partition("+")[0] not in _SQL:
        raise _untranslatable("SESSION_SQLALCHEMY", client, "sqlite:, postgres:// or mysql://")
    # Only the address of the client is used.
    given = client if client is not None and not isinstance(client, str) else None
    return StoreAddress(url if url == _sqlalchemy_urls.MEMORY else _with(url, options), ready=True, client=given)


_SQL = ("memory", "sqlite", "postgres", "postgresql", "mysql", "mariadb")


def _dynamodb(app: flask.Flask) -> StoreAddress:
    config, client = app.config, app.config.get("SESSION_DYNAMODB")
    table = _settings.text(config, "SESSION_DYNAMODB_TABLE", "Sessions")
    if isinstance(client, str):
        return StoreAddress(client, ready=True)
    if client is None:
        endpoint = "http://localhost:8000"
        _on_this_machine("SESSION_DYNAMODB", endpoint)
        return StoreAddress(f"dynamodb://{table}{_query({'region': 'us-west-2', 'endpoint': endpoint})}", ready=True)
    inner = getattr(getattr(client, "meta", None), "client", None)
    if inner is None:
        raise _untranslatable("SESSION_DYNAMODB", client, f"dynamodb://{table}?region=eu-west-1")
    endpoint = inner.meta.endpoint_url
    if not endpoint.startswith("http://") and not _are_in_environment(inner):
        raise ConfigurationError(
            "SESSION_DYNAMODB has its own credentials, which hipflask does not read; put them into AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        )
    options = {"region": inner.meta.region_name, "endpoint": endpoint}
    return StoreAddress(f"dynamodb://{table}{_query(options)}", ready=True, client=client)


def _are_in_environment(client: Any) -> bool:
    credentials = getattr(client._request_signer, "_credentials", None)
    return credentials is not None and credentials.access_key == os.environ.get("AWS_ACCESS_KEY_ID")


_KINDS = {
    "redis": _redis,
    "memcached": _memcached,
    "filesystem": _filesystem,
    "cachelib": _cachelib,
    "mongodb": _mongodb,
    "sqlalchemy": _sqlalchemy,
    "dynamodb": _dynamodb,
}


def _on_this_machine(setting: str, url: str) -> StoreAddress:
    warnings.warn(f"{setting} is not set; the sessions go to {url}", RuntimeWarning, stacklevel=8)
    return StoreAddress(url)


def _untranslatable(setting: str, client: Any, url: str) -> ConfigurationError:
    return ConfigurationError(
        f"{setting} is a {type(client).__module__}.{type(client).__qualname__} whose address cannot be read; set"
        f" SESSION_TYPE to the URL of the store instead, such as {url}"
    )


def _host(host: Any, port: Any) -> str:
    host = f"[{host}]" if ":" in str(host) else host
    return f"{host}:{port}"


def _account(user: Any, password: Any) -> str:
    if not user and not password:
        return ""
    return f"{quote(str(user or ''), safe='')}:{quote(str(password or ''), safe='')}@"


def _query(options: Mapping[str, Any]) -> str:
    given = {name: value for name, value in options.items() if value is not None}
    return f"?{urlencode(given, safe='/:', quote_via=quote)}" if given else ""


def _with(url: str, options: Mapping[str, Any]) -> str:
    query = _query(options)
    return url + (query.replace("?", "&", 1) if "?" in url else query)
