"""What real Flask-Login and Flask-WTF make of single requests: more operations of the oracle.

Flask's clock does not reach Flask-Login, so it gets the same one here. Random tokens are those of the real package: a
case that needs to know one puts it into the session.
"""

import datetime
import warnings

import flask
import flask_login
import flask_login.login_manager
from clock import _StandingDatetime, set_clock
from describe import describe, parse
from flask_wtf import csrf
from judge import DEFAULT_AT, failure

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import flask_session
    from cachelib import SimpleCache


class _Utc(_StandingDatetime):
    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)


flask_login.login_manager.datetime = _Utc

SID = "0123456789abcdef0123456789abcdef0123456789a"


class User(flask_login.UserMixin):
    def __init__(self, user_id):
        self.id = user_id


def make_app(case):
    """The app of a case: key (text, or hex of bytes as key_bytes), config, stored (sessions in a store)."""
    app = flask.Flask("oracle", static_folder=None)
    app.secret_key = bytes.fromhex(case["key_bytes"]) if "key_bytes" in case else case.get("key", "k")
    app.config.update(case.get("config", {}))
    # An error is an answer here, not a failure of the test.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    set_clock(case.get("at", DEFAULT_AT))
    if case.get("stored"):
        app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flask_session.Session(app)
    return app


def cookies_of(app, case):
    """The `Cookie` header of the case: its session, put where the app looks for it, and its remember cookie."""
    pairs = []
    session = parse(case["session"])
    if case.get("stored"):
        if session:
            app.config["SESSION_CACHELIB"].set(f"session:{SID}", session)
            pairs.append(f"session={SID}")
    elif session:
        with app.app_context():
            pairs.append(f"session={app.session_interface.get_signing_serializer(app).dumps(session)}")
    if case.get("remember") is not None:
        name = app.config.get("REMEMBER_COOKIE_NAME", "remember_token")
        pairs.append(f"{name}={case['remember']}")
    return "; ".join(pairs)


def request_context(app, case):
    """A request: path, base_url, method, headers (name and Latin-1 value), address, body (Latin-1)."""
    headers = [tuple(pair) for pair in case.get("headers", [])]
    cookies = cookies_of(app, case)
    if cookies:
        headers.append(("Cookie", cookies))
    environ = {} if case.get("address") is None else {"REMOTE_ADDR": case["address"]}
    builder = app.test_request_context(
        case.get("path", "/"),
        base_url=case.get("base_url", "http://localhost/"),
        method=case.get("method", "GET"),
        headers=headers,
        data=case["body"].encode("latin-1") if "body" in case else None,
        environ_overrides=environ,
    )
    if case.get("address") is None:
        builder.request.environ.pop("REMOTE_ADDR", None)
    return builder


def answer(app, case):
    """Carries the request out: status, page, the session after it (description), headers of interest."""
    with request_context(app, case) as context:
        inner = context._session
        try:
            response = app.full_dispatch_request()
        except Exception as error:
            return {**failure(error), "session": describe(dict(inner))}
        headers = [list(pair) for pair in response.headers if pair[0] in ("Set-Cookie", "Vary", "Location")]
        return {
            "status": response.status_code,
            "page": response.get_data(as_text=True),
            "session": describe(dict(inner)),
            "headers": headers,
        }


def login(request):
    """cases -> what Flask-Login makes of each request.

    A case: what make_app and request_context read; unknown (ids that the loader does not know); action, one of

        none                       the handler does not look at the user
        me                         {"user": id or null, "fresh": bool} is the page
        login                      user, remember, duration (seconds or null), fresh: then as `me`
        logout, confirm            then as `me`
        required, fresh_required   a view with the decorator: the page is `in`
    """
    return [_logged_in(case) for case in request["cases"]]


def _logged_in(case):
    app = make_app(case)
    manager = flask_login.LoginManager(app)
    manager.login_view = case.get("login_view")
    manager.refresh_view = case.get("refresh_view")
    unknown = case.get("unknown", [])
    manager.user_loader(lambda user_id: None if user_id in unknown else User(user_id))
    app.add_url_rule("/", "view", _action(case))
    for name in ("sign-in", "sign-in-again"):
        app.add_url_rule(f"/{name}", name, lambda: "")
    return answer(app, case)


def _who():
    user = flask_login.current_user
    return {"user": user.get_id() if user.is_authenticated else None, "fresh": flask_login.login_fresh()}


def _action(case):
    action = case["action"]
    if action == "none":
        return lambda: "untouched"
    if action == "required":
        return flask_login.login_required(lambda: "in")
    if action == "fresh_required":
        return flask_login.fresh_login_required(lambda: "in")

    def view():
        if action == "login":
            seconds = case.get("duration")
            duration = None if seconds is None else datetime.timedelta(seconds=seconds)
            flask_login.login_user(
                User(case["user"]), remember=case["remember_me"], duration=duration, fresh=case["fresh"]
            )
        elif action == "logout":
            flask_login.logout_user()
        elif action == "confirm":
            flask_login.confirm_login()
        return _who()

    return view


def form_token(request):
    """cases -> of each session the token that Flask-WTF signs, the field and the meta tag, and the session after it."""
    return [_form_token(case) for case in request["cases"]]


def _form_token(case):
    app = make_app(case)
    with request_context(app, case) as context:
        inner = context._session
        try:
            token = csrf.generate_csrf()
        except Exception as error:
            return {**failure(error), "session": describe(dict(inner))}
        return {"token": token, "meta": str(csrf.csrf_meta_tag()), "session": describe(dict(inner))}


def form_check(request):
    """cases -> what CSRFProtect makes of each request: the page `accepted` or a 400 with its reason.

    A case: what make_app and request_context read; token: the raw token that is signed at signed_at (with sign_key) and
    takes the place of `TOKEN` in body and headers.
    """
    return [_form_check(case) for case in request["cases"]]


def _form_check(case):
    app = make_app(case)
    if "token" in case:
        signed = _sign_token(case)
        case = {**case, "headers": [[n, v.replace("TOKEN", signed)] for n, v in case.get("headers", [])]}
        if "body" in case:
            case["body"] = case["body"].replace("TOKEN", signed)
    set_clock(case.get("at", DEFAULT_AT))
    protect = csrf.CSRFProtect(app)

    def view():
        return "accepted"

    app.add_url_rule("/", "view", view, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    if case.get("exempt"):
        protect.exempt(view)

    @app.errorhandler(csrf.CSRFError)
    def refuse(error):
        return error.description, error.code

    return {**answer(app, case), **({"token": signed} if "token" in case else {})}


def _sign_token(case):
    from itsdangerous import URLSafeTimedSerializer

    set_clock(case.get("signed_at", case.get("at", DEFAULT_AT)))
    key = case.get("sign_key", case.get("config", {}).get("WTF_CSRF_SECRET_KEY", case.get("key", "k")))
    return URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(parse(case["token"]))


OPERATIONS = {"login": login, "form_token": form_token, "form_check": form_check}
