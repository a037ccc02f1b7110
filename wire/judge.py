"""What real Flask makes of sessions, cookies and headers: the operations of the oracle.

Each operation takes the request (a dict) and returns a JSON value. Keys travel as hex, newest first: the first signs,
every one verifies. Times are Unix seconds. Sessions travel as descriptions (describe.py).
"""

import contextlib
import hashlib
import platform
import warnings
import zlib
from datetime import timedelta
from importlib.metadata import version

import flask
import flask.sessions
import itsdangerous
import werkzeug.http
from clock import set_clock
from describe import describe, parse
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.datastructures import Headers

DEFAULT_AT = 1_700_000_000


class WatchedSerializer:
    """Passes `loads` on and remembers what Flask then swallows: the error, and the time of the signature."""

    def __init__(self, inner, forever):
        self._inner = inner
        self._forever = forever
        self.dumps = inner.dumps
        self.forget()

    def forget(self):
        self.error = None
        self.signed_at = None

    def loads(self, value, max_age):
        max_age = None if self._forever else max_age
        try:
            data, signed_at = self._inner.loads(value, max_age=max_age, return_timestamp=True)
        except Exception as error:
            self.error = error
            raise
        self.signed_at = int(signed_at.timestamp())
        return data


class Interface(SecureCookieSessionInterface):
    """Flask's own interface with the settings that apps change by subclassing."""

    def __init__(self, request):
        self.salt = request.get("salt", "cookie-session")
        self.digest_method = getattr(hashlib, request.get("digest", "sha1"))
        self.key_derivation = request.get("derivation", "hmac")
        self._forever = "max_age" in request and request["max_age"] is None
        self._watched = None

    def get_signing_serializer(self, app):
        # Built once: twenty thousand cookies in one request share it.
        if self._watched is None:
            inner = super().get_signing_serializer(app)
            if inner is None:
                return None
            self._watched = WatchedSerializer(inner, self._forever)
        return self._watched


class CookieRequest:
    """As much of a request as `open_session` looks at."""

    def __init__(self, value):
        self.cookies = {"session": value}


def make_app(request):
    app = flask.Flask("oracle", static_folder=None)
    keys = [bytes.fromhex(key) for key in request.get("keys", ["6b"])]
    app.secret_key = keys[0] if keys else None
    app.config["SECRET_KEY_FALLBACKS"] = list(reversed(keys[1:]))
    app.config.update(request.get("config", {}))
    if request.get("max_age") is not None:
        app.permanent_session_lifetime = timedelta(seconds=request["max_age"])
    app.session_interface = Interface(request)
    set_clock(request.get("at", DEFAULT_AT))
    return app


def failure(error, word="error"):
    # A lone surrogate in a message would make JSON that strict readers refuse.
    message = str(error).encode("utf-8", "backslashreplace").decode()
    return {word: type(error).__name__, "message": message}


def versions(request):
    return {
        "python": platform.python_version(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        **{name: version(name) for name in ("flask", "werkzeug", "itsdangerous", "markupsafe")},
    }


def sign(request):
    """values -> cookies; `sorted` false signs outside an app context, where Flask keeps the order of insertion."""
    app = make_app(request)
    serializer = app.session_interface.get_signing_serializer(app)
    with app.app_context() if request.get("sorted", True) else contextlib.nullcontext():
        return [_signed(serializer, value) for value in request["values"]]


def _signed(serializer, value):
    try:
        return {"cookie": serializer.dumps(parse(value))}
    except Exception as error:
        return failure(error)


def sign_payload(request):
    """payloads (hex, already encoded) -> cookies with a good signature, whatever the payload is."""
    app = make_app(request)
    return [{"cookie": sign_text(app, bytes.fromhex(payload))} for payload in request["payloads"]]


def sign_text(app, payload):
    interface = app.session_interface
    signer = itsdangerous.TimestampSigner(
        app.secret_key,
        salt=interface.salt,
        key_derivation=interface.key_derivation,
        digest_method=interface.digest_method,
    )
    return signer.sign(payload).decode("latin-1")


def signer_of(request):
    """itsdangerous by itself: `timed` or not, keys newest first, salt, sep, derivation, digest."""
    kind = itsdangerous.TimestampSigner if request.get("timed") else itsdangerous.Signer
    set_clock(request.get("at", DEFAULT_AT))
    return kind(
        [bytes.fromhex(key) for key in reversed(request["keys"])],
        salt=bytes.fromhex(request["salt"]),
        sep=request["sep"],
        key_derivation=request["derivation"],
        digest_method=getattr(hashlib, request["digest"]),
    )


def signer_sign(request):
    """values (hex) -> signed values (hex)."""
    signer = signer_of(request)
    return [signer.sign(bytes.fromhex(value)).hex() for value in request["values"]]


def signer_unsign(request):
    """values (hex) -> {"value": hex, "signed_at": n or null} or the error."""
    signer = signer_of(request)
    return [_unsigned(signer, bytes.fromhex(value), request) for value in request["values"]]


def _unsigned(signer, value, request):
    try:
        if not request.get("timed"):
            return {"value": signer.unsign(value).hex(), "signed_at": None}
        inner, signed_at = signer.unsign(value, max_age=request.get("max_age"), return_timestamp=True)
        return {"value": inner.hex(), "signed_at": int(signed_at.timestamp())}
    except Exception as error:
        return failure(error)


def url_safe(request):
    """values -> what itsdangerous' own serializers make of them: plain JSON, no Flask; `timed` or not."""
    set_clock(request.get("at", DEFAULT_AT))
    kind = itsdangerous.URLSafeTimedSerializer if request.get("timed") else itsdangerous.URLSafeSerializer
    serializer = kind([bytes.fromhex(key) for key in reversed(request["keys"])])
    return [_signed(serializer, value) for value in request["values"]]


def open_cookies(request):
    """cookies -> what Flask's open_session does with each.

    {"session": description, "signed_at": n}   it opens (signed_at is null for the empty cookie)
    {"empty": class, "message": text}          Flask goes on with an empty session, silently
    {"fails": class, "message": text}          Flask answers 500
    """
    app = make_app(request)
    with app.app_context():
        return [verdict(app, cookie) for cookie in request["cookies"]]


def verdict(app, cookie):
    watched = app.session_interface.get_signing_serializer(app)
    watched.forget()
    try:
        session = app.session_interface.open_session(app, CookieRequest(cookie))
    except Exception as error:
        return failure(error, "fails")
    if watched.error is not None:
        return failure(watched.error, "empty")
    return {"session": describe(dict(session)), "signed_at": watched.signed_at}


def parse_cookie(request):
    """headers (each a str of Latin-1 characters, as WSGI has them) -> pairs, those of one name side by side."""
    return [_pairs(header) for header in request["headers"]]


def _pairs(header):
    cookies = flask.Request({"HTTP_COOKIE": header, "REQUEST_METHOD": "GET"}).cookies
    return [list(pair) for pair in cookies.items(multi=True)]


def dump_cookie(request):
    """calls (keyword arguments of werkzeug.http.dump_cookie) -> Set-Cookie values."""
    set_clock(request.get("at", DEFAULT_AT))
    return [_dumped(call) for call in request["calls"]]


def _dumped(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            header = werkzeug.http.dump_cookie(**call)
        except Exception as error:
            return failure(error)
    return {"header": header, "warnings": [str(warning.message) for warning in caught]}


def session_cookie(request):
    """cases -> the headers that save_session puts on an empty response.

    A case: config, keys, at, session (description), modified, accessed, headers (already on the response).
    """
    return [_saved(case) for case in request["cases"]]


def _saved(case):
    app = make_app(case)
    session = SecureCookieSession(parse(case["session"]))
    session.modified = case.get("modified", False)
    session.accessed = case.get("accessed", False)
    response = app.response_class(headers=Headers([tuple(pair) for pair in case.get("headers", [])]))
    with app.app_context(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            app.session_interface.save_session(app, session, response)
        except Exception as error:
            return failure(error)
    return {"headers": _session_headers(response), "warnings": [str(warning.message) for warning in caught]}


def _session_headers(response):
    return [list(pair) for pair in response.headers if pair[0] in ("Set-Cookie", "Vary")]


def visit(request):
    """cases -> each a request in which a view takes steps on `flask.session`, and the headers of its response.

    A case: config, keys, at, cookie (the Cookie header or absent), steps. Of each step the reply has its result or
    error, and the session after it: {"result"|"error": .., "modified": .., "permanent": .., "new": .., "session": ..}.
    """
    return [_visited(case) for case in request["cases"]]


def _visited(case):
    app = make_app(case)
    headers = {"Cookie": case["cookie"]} if case.get("cookie") else {}
    with app.test_request_context(headers=headers) as context, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The object itself is looked at, because a look through the context counts as access.
        inner = context._session
        steps = [_step(inner, step) for step in case["steps"]]
        try:
            response = app.process_response(app.response_class())
        except Exception as error:
            return {"steps": steps, **failure(error)}
    texts = [str(warning.message) for warning in caught]
    return {"steps": steps, "headers": _session_headers(response), "warnings": texts}


def _step(inner, step):
    name, *arguments = step
    try:
        reply = {"result": describe(STEPS[name](*arguments))}
    except Exception as error:
        reply = failure(error)
    reply.update(
        accessed=inner.accessed,
        modified=inner.modified,
        permanent=bool(inner.get("_permanent", False)),
        new=inner.new,
        session=describe(dict(inner)),
    )
    return reply


def _touch():
    flask.session._get_current_object()


def _set(key, value):
    flask.session[key] = parse(value)


def _delete(key):
    del flask.session[key]


def _set_flag(name, value):
    setattr(flask.session, name, value)


def _merge(value):
    session = flask.session._get_current_object()
    session |= parse(value)


def _flashed(options):
    return list(flask.get_flashed_messages(**options))


# Keys travel as they are, values and results as descriptions.
STEPS = {
    "touch": _touch,
    "set": _set,
    "delete": _delete,
    "get": lambda key: flask.session.get(key),
    "item": lambda key: flask.session[key],
    "contains": lambda key: key in flask.session,
    "len": lambda: len(flask.session),
    "keys": lambda: list(flask.session),
    "values": lambda: list(flask.session.values()),
    "items": lambda: list(flask.session.items()),
    "reversed": lambda: list(reversed(flask.session)),
    "is_empty": lambda: not flask.session,
    "copy": lambda: flask.session.copy(),
    "pop": lambda key, *default: flask.session.pop(key, *map(parse, default)),
    "popitem": lambda: flask.session.popitem(),
    "setdefault": lambda key, value: flask.session.setdefault(key, parse(value)),
    "update": lambda value: flask.session.update(parse(value)),
    "merge": _merge,
    "clear": lambda: flask.session.clear(),
    "append": lambda key, value: flask.session[key].append(parse(value)),
    "flag": _set_flag,
    "read_flag": lambda name: getattr(flask.session, name),
    "flash": lambda message, *category: flask.flash(parse(message), *category),
    "flashed": _flashed,
}

def session_methods(request):
    """The names of everything that Flask's session can be asked to do beyond what every object can."""
    every_object = set(dir(object)) | set(dir(type("AnyClass", (), {})))
    return sorted(name for name in dir(SecureCookieSession) if name not in every_object or name == "__eq__")


OPERATIONS = {
    "versions": versions,
    "session_methods": session_methods,
    "sign": sign,
    "sign_payload": sign_payload,
    "open": open_cookies,
    "signer_sign": signer_sign,
    "signer_unsign": signer_unsign,
    "url_safe": url_safe,
    "parse_cookie": parse_cookie,
    "dump_cookie": dump_cookie,
    "session_cookie": session_cookie,
    "visit": visit,
}
