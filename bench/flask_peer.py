"""Real Flask as a peer of the benchmark: repeats each operation from standard input, and prints the nanoseconds.

The benchmark starts it with the secret key, the time and the new value of a changed key. Each line is a question:
`versions`, `cookie PAYLOAD`, `check PAYLOAD COOKIE`, `OPERATION PAYLOAD TIMES`.
"""

import importlib.metadata
import pathlib
import platform
import sys
import time

import itsdangerous
from flask import Flask
from flask.sessions import TaggedJSONSerializer

key, now, changed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
itsdangerous.TimestampSigner.get_timestamp = lambda self: now

app = Flask(__name__)
app.secret_key = key
max_age = int(app.permanent_session_lifetime.total_seconds())
app.app_context().push()

last_key = {"S": "username", "M": "user_id", "L": "user_id"}
sessions, last_value, cookies, changed_cookies = {}, {}, {}, {}


def serializer():
    """Flask creates the serializer twice in every request."""
    return app.session_interface.get_signing_serializer(app)


for name in "SML":
    text = pathlib.Path(__file__).with_name("payloads").joinpath(f"{name.lower()}.json").read_text()
    session = TaggedJSONSerializer().loads(text)
    assert TaggedJSONSerializer().dumps(session) == text, f"{name} is not the JSON that Flask writes"
    sessions[name] = session
    last_value[name] = session[last_key[name]]
    cookies[name] = serializer().dumps(session)
    changed_cookies[name] = serializer().dumps({**session, last_key[name]: changed})


def open_last_key(name):
    session = serializer().loads(cookies[name], max_age=max_age)
    assert session[last_key[name]] == last_value[name]


def decode_all(name):
    session = serializer().loads(cookies[name], max_age=max_age)
    assert len(session) == len(sessions[name]) and session[last_key[name]] == last_value[name]


def encode_sign(name):
    assert serializer().dumps(sessions[name]) == cookies[name]


def open_change_save(name):
    session = serializer().loads(cookies[name], max_age=max_age)
    session[last_key[name]] = changed
    assert serializer().dumps(session) == changed_cookies[name]


operations = {
    "open-last-key": open_last_key,
    "decode-all": decode_all,
    "encode-sign": encode_sign,
    "open-change-save": open_change_save,
}


def answer(question):
    words = question.split()
    if words[0] == "versions":
        names = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("Flask", "itsdangerous"))
        return f"{names}, Python {platform.python_version()}"
    if words[0] == "cookie":
        return cookies[words[1]]
    if words[0] == "check":
        return "equal" if serializer().loads(words[2], max_age=max_age) == sessions[words[1]] else "not equal"
    operation, name, times = operations[words[0]], words[1], range(int(words[2]))
    start = time.process_time_ns()
    for _ in times:
        operation(name)
    return time.process_time_ns() - start


for line in sys.stdin:
    print(answer(line), flush=True)
