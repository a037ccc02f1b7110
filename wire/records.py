"""What real Flask-Session, msgspec, pickle and cachelib make of server-side sessions: more operations of the oracle.

Records travel as hex, sessions as descriptions (describe.py). What a description cannot say (sets, decimals, naive dates)
never leaves Python: `unharmed` compares such records here.
"""

import collections
import decimal
import pickle
import random
import uuid
import warnings
from datetime import date, datetime, time, timedelta, timezone

import flask
import msgspec
from describe import describe, parse
from generate import WORDS, Sessions
from markupsafe import Markup

# It warns that the file store and the signer will go one day.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import flask_session


def encode(form, session, protocol=pickle.HIGHEST_PROTOCOL):
    if form == "msgpack":
        return msgspec.msgpack.encode(session)
    if form == "json":
        return msgspec.json.encode(session)
    return pickle.dumps(session, protocol)


def decode(form, data):
    if form == "msgpack":
        return msgspec.msgpack.decode(data)
    if form == "json":
        return msgspec.json.decode(data)
    return pickle.loads(data)


def attempt(action):
    try:
        return action()
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}


def write_records(request):
    """The record of each described session."""
    form = request["form"]
    return [attempt(lambda: {"data": encode(form, parse(value)).hex()}) for value in request["values"]]


def read_records(request):
    """What each record holds."""
    form = request["form"]
    return [attempt(lambda: {"value": describe(decode(form, bytes.fromhex(data)))}) for data in request["records"]]


def generate_records(request):
    """Random sessions, each with its record or why there is none, and with what reading the record gives."""
    stream = Sessions(request["seed"])
    form = request["form"]
    made = []
    for count in range(request["count"]):
        session = stream.session()
        # Equal texts that are one object are one in a pickle: both kinds must be read.
        if form == "pickle" and stream.random.random() < 0.3:
            session = {key: session[key] for key in session} | {"again": list(session.values())}
        record = attempt(lambda: {"data": encode(form, session, count % 6).hex()})
        if "data" in record:
            record["read"] = describe(decode(form, bytes.fromhex(record["data"])))
        made.append({"value": describe(session), **record})
    return made


class Odd:
    """Values that Python keeps and that other languages do not have."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, depth, form):
        r = self.random
        plain = [
            lambda: r.randint(-300, 70000), lambda: r.choice(WORDS), lambda: None, lambda: r.random() < 0.5,
            lambda: r.random(), lambda: r.randbytes(r.randint(0, 300)),
        ]
        odd = [
            lambda: r.choice([date(1, 1, 1), date(9999, 12, 31), date(2024, 2, r.randint(1, 29))]),
            lambda: datetime(2024, 1, r.randint(1, 31), r.randint(0, 23), 4, 5, r.choice([0, 6, 999999])),
            lambda: datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(seconds=r.randint(-86399, 86399)))),
            lambda: time(r.randint(0, 23), 2, 3, r.choice([0, 4])),
            lambda: time(1, 2, tzinfo=timezone.utc),
            lambda: timedelta(r.randint(-400, 400), r.randint(0, 86399), r.choice([0, 5, 999999])),
            lambda: decimal.Decimal(r.choice(["1.50", "-0", "1E+30", "NaN", "Infinity", "-12345.678900", "0E-9"])),
            lambda: timezone(timedelta(minutes=r.randint(-1439, 1439))),
            lambda: bytearray(r.randbytes(r.randint(0, 5))),
            lambda: {r.choice([1, "a", 2.5, None, (1, 2), b"x"]) for _ in range(r.randint(0, 4))},
            lambda: frozenset(r.choice([1, "a", 2.5]) for _ in range(r.randint(0, 3))),
            lambda: Markup(r.choice(WORDS)),
            lambda: uuid.UUID(int=r.getrandbits(128)),
        ]
        packed = [
            lambda: msgspec.msgpack.Ext(r.choice([-128, -2, 0, 5, 127]), r.randbytes(r.choice([0, 1, 3, 4, 16, 300]))),
            lambda: datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
        ]
        containers = [
            lambda: [self.value(depth - 1, form) for _ in range(r.randint(0, 3))],
            lambda: tuple(self.value(depth - 1, form) for _ in range(r.randint(0, 3))),
            lambda: {self.key(form): self.value(depth - 1, form) for _ in range(r.randint(0, 3))},
            lambda: collections.OrderedDict((self.key(form), self.value(depth - 1, form)) for _ in range(r.randint(0, 3))),
        ]
        special = odd if form == "pickle" else packed
        return r.choice(plain + special + special + (containers * 2 if depth > 0 else []))()

    def key(self, form):
        r = self.random
        odd = [r.randint(-5, 5), 2.5, None, True, (1, "x"), b"k"]
        if form == "pickle":
            odd += [date(2024, 1, 1), decimal.Decimal("1.5"), frozenset([1])]
        return r.choice(WORDS + [r.choice(odd) for _ in range(4)])

    def session(self, form):
        return {self.key(form): self.value(3, form) for _ in range(self.random.randint(1, 6))}


def generate_odd_records(request):
    """Records of sessions that a description cannot say."""
    odd = Odd(request["seed"])
    form = request["form"]
    return [encode(form, odd.session(form), count % 6).hex() for count in range(request["count"])]


def unharmed(request):
    """Whether each pair of records holds the same, with equal types and, in dicts, in equal order, but for one key."""
    form = request["form"]
    answers = []
    for before, after in request["pairs"]:
        before, after = (decode(form, bytes.fromhex(data)) for data in (before, after))
        added = after.pop(request["added"], None)
        # OrderedDict and the like are told apart by their type; a set has no order, so it is sorted.
        answers.append(added is True and exact(before) == exact(after))
    return answers


def exact(value):
    kind = type(value).__name__
    if isinstance(value, dict):
        return (kind, [(exact(key), exact(held)) for key, held in value.items()])
    if isinstance(value, (list, tuple)):
        return (kind, [exact(item) for item in value])
    if isinstance(value, (set, frozenset)):
        return (kind, sorted((exact(item) for item in value), key=repr))
    if isinstance(value, msgspec.msgpack.Ext):
        return (kind, value.code, bytes(value.data))
    if isinstance(value, (datetime, time)):
        return (kind, repr(value))
    return (kind, str(value) if isinstance(value, (float, decimal.Decimal)) else value)


def session_visits(request):
    """Requests to an app with Flask-Session: `config` is its configuration, each visit a cookie and steps.

    A step is ["set", key, description], ["pop", key], ["clear"] or ["regenerate"]. The answer has the Set-Cookie value
    and attributes, the session as the request found it, and its id.
    """
    app = flask.Flask("oracle", static_folder=None)
    app.secret_key = request.get("secret_key", "k")
    app.config.update(request["config"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flask_session.Session(app)
    return [visit(app, case) for case in request["visits"]]


def visit(app, case):
    answer = {}

    @app.ensure_sync
    def view():
        answer["session"] = describe(dict(flask.session))
        for step, *arguments in case["steps"]:
            if step == "set":
                flask.session[arguments[0]] = parse(arguments[1])
            elif step == "pop":
                flask.session.pop(arguments[0], None)
            elif step == "clear":
                flask.session.clear()
            elif step == "regenerate":
                app.session_interface.regenerate(flask.session)
        answer["sid"] = flask.session.sid
        return "ok"

    headers = {"Cookie": f"session={case['cookie']}"} if case.get("cookie") else {}
    with app.test_request_context("/", headers=headers) as context:
        response = app.make_response(view())
        app.session_interface.save_session(app, context.session, response)
    answer["set_cookie"] = response.headers.getlist("Set-Cookie")
    return answer


OPERATIONS = {
    "write_records": write_records,
    "read_records": read_records,
    "generate_records": generate_records,
    "generate_odd_records": generate_odd_records,
    "unharmed": unharmed,
    "session_visits": session_visits,
}
