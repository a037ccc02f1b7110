"""An app with real Flask-Session and one of ours, each on its own half of a store. After every step of a random sequence they
have given the same response, set the same cookie and left the same record, or differ as a row of COMPATIBILITY.md says.
"""

import contextlib
import copy
import datetime
import decimal
import email.utils
import hashlib
import pathlib
import pickle
import random
import secrets
import sqlite3
import time
import uuid
import warnings

import flask
import flask_session
import msgspec
import pymemcache
import pytest
import redis
from flask_sqlalchemy import SQLAlchemy

import hipflask
from databases import DATABASES

LIFETIME = datetime.timedelta(days=7)

# -- halves of a store ------------------------------------------------------------------------------------------------


class Packed:
    """A half with records in msgpack."""

    dumps, loads = staticmethod(msgspec.msgpack.encode), staticmethod(msgspec.msgpack.decode)

    def key(self, sid):
        return self.prefix + sid


class InRedis(Packed):
    def __init__(self, name, port, directory):
        self.client, self.prefix = redis.Redis(port=port), f"{name}:"
        self.config = {"SESSION_TYPE": "redis", "SESSION_REDIS": self.client, "SESSION_KEY_PREFIX": self.prefix}

    def record(self, sid):
        data = self.client.get(self.key(sid))
        return data and self.loads(data)

    def expires(self, sid):
        return self.client.expiretime(self.key(sid))

    def keys(self):
        return {key.decode() for key in self.client.keys(self.prefix + "*")}


class InMemcached(Packed):
    def __init__(self, name, port, directory):
        self.client, self.prefix = pymemcache.Client(("127.0.0.1", port), default_noreply=False), f"{name}:"
        self.config = {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": self.client, "SESSION_KEY_PREFIX": self.prefix}

    def record(self, sid):
        data = self.client.get(self.key(sid))
        return data and self.loads(data)

    def expires(self, sid):
        # It returns the seconds from now on, so the answer must not be slow.
        while True:
            now = time.time()
            left = int(self.client.raw_command(f"mg {self.key(sid)} t").partition(b" t")[2])
            if time.time() < now + 0.5:
                return now + left

    #: memcached does not list its keys.
    keys = None


class InSqlite(Packed):
    def __init__(self, name, port, directory):
        self.path, self.table, self.prefix = pathlib.Path(directory, "app.db"), name, "session:"
        self.config = {
            "SESSION_TYPE": "sqlalchemy",
            "SESSION_SQLALCHEMY_TABLE": name,
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{self.path}",
        }

    def _ask(self, query, *values):
        with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection:
            return connection.execute(query.format(self.table), values).fetchall()

    def record(self, sid):
        for (data,) in self._ask("SELECT data FROM {} WHERE session_id = ?", self.key(sid)):
            return self.loads(data)

    def expires(self, sid):
        ((text,),) = self._ask("SELECT expiry FROM {} WHERE session_id = ?", self.key(sid))
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()

    def keys(self):
        return {key for (key,) in self._ask("SELECT session_id FROM {}")}


class InFiles:
    dumps, loads = staticmethod(pickle.dumps), staticmethod(pickle.loads)

    def __init__(self, name, port, directory):
        self.path = pathlib.Path(directory, name)
        self.config = {"SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": str(self.path)}

    def record(self, sid):
        with contextlib.suppress(FileNotFoundError):
            return self.loads((self.path / self.key(sid)).read_bytes()[4:])

    def expires(self, sid):
        return int.from_bytes((self.path / self.key(sid)).read_bytes()[:4], "little")

    def keys(self):
        # Without the files that each side has for itself.
        counted = hashlib.sha256(b"__wz_cache_count").hexdigest()
        return {file.name for file in self.path.glob("*") if len(file.name) == 64 and file.name != counted}

    def key(self, sid):
        return hashlib.sha256(f"session:{sid}".encode()).hexdigest()


class InDatabase(Packed):
    """Both sides use the same keys, because each side has its own table."""

    def __init__(self, kind, name, port):
        self.store = kind(port, name)
        self.config, self.expires, self.keys = self.store.config, self.store.expires, self.store.keys

    def record(self, sid):
        data = self.store.record(sid)
        return data and self.loads(data)


STORES = {
    "redis": InRedis,
    "memcached": InMemcached,
    "sqlalchemy": InSqlite,
    "filesystem": InFiles,
    **{name: lambda side, port, _, kind=kind: InDatabase(kind, side, port) for name, kind in DATABASES.items()},
}


class Side:
    """An app on its half of a store, and one client."""

    def __init__(self, extension, half, config):
        self.half = half
        app = self.app = flask.Flask("twin")
        app.secret_key = "a secret key of the tests, long enough"
        app.logger.disabled = True
        app.config.update(half.config, PERMANENT_SESSION_LIFETIME=LIFETIME, **config)
        if "SQLALCHEMY_DATABASE_URI" in half.config:
            app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            extension(app)
        app.add_url_rule("/", "view", self._view)
        self.refreshes = app.config["SESSION_REFRESH_EACH_REQUEST"]
        self.begin()

    def begin(self):
        """Starts again as a new client."""
        self.cookie = self.record = self.expires = None
        self.ended = []

    def _view(self):
        self.was_asked, answers = True, []
        for act in self.acts:
            try:
                answers.append(repr(act(flask.session)))
            except Exception as error:
                answers.append(f"{type(error).__name__}: {error}")
        # A request without steps does not use the session.
        self.held, self.is_modified = (copy.deepcopy(dict(flask.session)), flask.session.modified) if self.acts else (None, False)
        return "\n".join(answers)

    def visit(self, acts, cookie):
        """Sends a request. Returns the parts of the response that are compared."""
        self.acts, self.was_asked = acts, False
        headers = {"Cookie": f"session={cookie}"} if cookie else {}
        start = time.time()
        response = self.app.test_client(use_cookies=False).get("/", headers=headers)
        self.during = start, time.time()
        name, attributes = self._set_cookie(response)
        return {
            "status": response.status,
            "text": response.text,
            "vary": response.headers.getlist("Vary"),
            "cookie": name,
            "attributes": attributes,
        }

    def _set_cookie(self, response):
        """Returns the session's cookie without its id, which is remembered."""
        given = response.headers.getlist("Set-Cookie")
        if not given:
            return None, {}
        (text,) = given
        first, *rest = text.split("; ")
        sid = first.removeprefix("session=")
        attributes = {part.partition("=")[0]: part.partition("=")[2] for part in rest}
        if not sid:
            self._end()
            return "removed", attributes
        assert len(sid) == 43, text
        if sid != self.cookie:
            self._end()
        self.cookie = sid
        if "Expires" in attributes:
            self.lasts(email.utils.parsedate_to_datetime(attributes.pop("Expires")).timestamp())
            attributes["Expires"] = "a lifetime from now"
        return "set", attributes

    def _end(self):
        if self.cookie:
            self.ended.append(self.cookie)
        self.cookie = None

    def lasts(self, until):
        """Returns True if that is a lifetime after the last request, give or take two seconds."""
        first, last = (at + LIFETIME.total_seconds() for at in self.during)
        assert first - 2 <= until <= last + 2, (until - first, until - last)

    def look(self, renews):
        """Returns the content of the record, and checks its expiry. A write renews it, and so does anything if ``renews``."""
        before, known = self.record, self.expires
        self.record = self.half.record(self.cookie) if self.cookie else None
        self.expires = None if self.record is None else self.half.expires(self.cookie)
        if self.record is None:
            return None
        stayed = before == self.record and not renews and known is not None and abs(self.expires - known) <= 2
        if not stayed:
            self.lasts(self.expires)
        return self.record


# -- steps ------------------------------------------------------------------------------------------------------------

#: Only values that msgpack can write. Others fail where they are set here, and at the end of the request there: see
#: `test_odd_values.py`.
LEAVES = [
    None, True, 0, -1, 2**63, 1.5, 1e-7, "", "plain", "é\U0001f600\u2028", b"\x00\xff", "long " * 300, uuid.UUID(int=7),
    datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc), datetime.datetime(2024, 1, 2, 3, 4, 5),
    datetime.date(2024, 1, 2), decimal.Decimal("1.10"), datetime.timedelta(days=1, microseconds=5),
]  # fmt: skip


def value(chance, leaves, depth=0):
    kind = chance.randrange(7 if depth < 2 else 4)
    if kind < 4:
        return chance.choice(leaves)
    items = [value(chance, leaves, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 6:
        return items if kind == 4 else tuple(items)
    return {chance.choice(["b", "a", " t", "é"]): item for item in items}


def deepen(session, key, new):
    """Changes the inside of a value without marking the session as modified."""
    inside = session[key]
    if isinstance(inside, list):
        inside.append(new)
    elif isinstance(inside, dict):
        inside["deep"] = new
    return inside


def act(chance):
    key, new, more = chance.choice("abc"), value(chance, LEAVES), value(chance, LEAVES)
    acts = {
        "set": lambda session: session.__setitem__(key, copy.deepcopy(new)),
        "update": lambda session: session.update({key: copy.deepcopy(new), "d": [1]}),
        "default": lambda session: session.setdefault(key, copy.deepcopy(new)),
        "deepen": lambda session: deepen(session, key, copy.deepcopy(more)),
        "deepen d": lambda session: deepen(session, "d", copy.deepcopy(more)),
        "pop": lambda session: session.pop(key),
        "delete": lambda session: session.__delitem__(key),
        "clear": lambda session: session.clear(),
        "permanent": lambda session: setattr(session, "permanent", True),
        "not permanent": lambda session: setattr(session, "permanent", False),
        "flash": lambda session: flask.flash("hello", key),
        "flashed": lambda session: flask.get_flashed_messages(with_categories=True),
        "get": lambda session: session.get(key),
        "in": lambda session: key in session,
        "all": lambda session: dict(session),
        "true": lambda session: bool(session),
        "flags": lambda session: (session.modified, session.accessed, session.permanent),
        "modified": lambda session: setattr(session, "modified", True),
    }
    name = chance.choice([*acts, "set", "update", "deepen", "deepen d"])
    return f"{name} {key}", acts[name]


def sent(chance, cookies):
    """Returns the cookies that the two send, nearly always their own."""
    kind = chance.choice(["own"] * 9 + ["damaged", "unknown", "no id", "none"])
    if kind == "own" or not all(cookies):
        return "own", cookies
    if kind == "damaged":
        at, other = chance.randrange(43), chance.choice("AB-_")
        damages = [
            lambda sid: sid[:at],
            lambda sid: sid + other,
            lambda sid: sid[:at] + ("C" if sid[at] == other else other) + sid[at + 1 :],
        ]
        return kind, list(map(chance.choice(damages), cookies))
    return kind, [{"unknown": secrets.token_urlsafe(32), "no id": '"a b"', "none": None}[kind]] * 2


# -- differences on purpose, see COMPATIBILITY.md -------------------------------------------------------------------


def removal_carries_every_attribute(theirs, mine, config):
    """Their cookie has only the path and an old date."""
    if mine["cookie"] == "removed":
        assert mine["attributes"].items() >= theirs["attributes"].items(), (mine, theirs)
        more = {"HttpOnly": "", **({"Secure": "", "SameSite": "Lax"} if "SESSION_COOKIE_SECURE" in config else {})}
        assert mine["attributes"] == {**theirs["attributes"], **more}
        theirs["attributes"] = mine["attributes"]


def malformed_ids_never_reach_the_store(stock, ours, theirs, kind):
    """Returns True if theirs sends a key to memcached that it refuses."""
    if kind != "no id" or not isinstance(stock.half, InMemcached):
        return False
    assert theirs["status"] == "500 INTERNAL SERVER ERROR" and ours.was_asked and not stock.was_asked, theirs
    return True


def a_change_inside_a_value_is_noticed(stock, ours, before):
    """Returns True if their change is lost because nothing refreshes the record. Otherwise the records are the same."""
    if stock.refreshes or stock.is_modified or repr(ours.record) == repr(stock.record):
        return False
    assert repr(stock.held) == repr(ours.held) and repr(stock.record) == repr(before)
    assert repr(ours.record) == repr(ours.half.loads(ours.half.dumps(ours.held)))
    return True


# -- the run ----------------------------------------------------------------------------------------------------------

#: The number of clients of each configuration. Databases are slow.
VISITORS = {"redis": 20, "memcached": 20, "sqlalchemy": 3, "filesystem": 20, **dict.fromkeys(DATABASES, 3)}
#: The number of requests of a client.
REQUESTS = 10
CONFIGS = [
    {},
    {"SESSION_REFRESH_EACH_REQUEST": False},
    {"SESSION_PERMANENT": False},
    {"SESSION_COOKIE_SAMESITE": "Lax", "SESSION_COOKIE_SECURE": True},
]


def test_random_steps_match_real_flask_session(store_name, request, tmp_path):
    name = store_name
    port = None if name in ("sqlalchemy", "filesystem") else request.getfixturevalue(f"{name}_port")
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    # pytest shows the output if the test fails.
    print(f"seed {seed}")
    for number, config in enumerate(CONFIGS):
        directory = tmp_path / str(number)
        directory.mkdir()
        run = secrets.token_hex(4)
        halves = [STORES[name](f"{side}_{run}", port, directory) for side in ("theirs", "ours")]
        sides = Side(flask_session.Session, halves[0], config), Side(hipflask.Session, halves[1], config)
        for _ in range(VISITORS[name]):
            print(f"a visitor of {config}")
            for side in sides:
                side.begin()
            for _ in range(REQUESTS):
                acts = [act(chance) for _ in range(chance.choice([0, 1, 1, 2, 3]))]
                kind, cookies = sent(chance, [side.cookie for side in sides])
                print(f"{kind} cookie: {', '.join(what for what, _ in acts) or 'nothing'}")
                agree(sides, [do for _, do in acts], kind, cookies, config)


def agree(sides, acts, kind, cookies, config):
    """Sends a request to each, and compares the results."""
    stock, ours = sides
    before = stock.record
    theirs, mine = (side.visit(acts, cookie) for side, cookie in zip(sides, cookies))
    if malformed_ids_never_reach_the_store(stock, ours, theirs, kind):
        for side in sides:
            side.begin()
        return
    removal_carries_every_attribute(theirs, mine, config)
    assert mine == theirs
    # Theirs writes unchanged records, which renews them; ours may not.
    stock.look(renews=stock.refreshes and kind == "own" and theirs["status"] == "200 OK")
    ours.look(renews=False)
    if a_change_inside_a_value_is_noticed(stock, ours, before):
        record = ours.record
        again = [lambda session: session.clear(), lambda session: session.update(copy.deepcopy(record))]
        return agree(sides, again, "own", [side.cookie for side in sides], config)
    assert repr(ours.record) == repr(stock.record)
    for gone in zip(stock.ended, ours.ended):
        there = [side.half.record(sid) for side, sid in zip(sides, gone)]
        assert repr(there[1]) == repr(there[0])
    if stock.half.keys:
        assert len(ours.half.keys()) == len(stock.half.keys())
