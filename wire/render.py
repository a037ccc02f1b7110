"""What real Flask makes of templates that use the session, of URLs and of redirects: more operations of the oracle."""

import flask
from describe import describe, parse
from jinja2 import DictLoader
from judge import failure, make_app


def _nothing(**_):
    return ""


ROUTES = [("index", "/"), ("user", "/user/<name>"), ("files", "/files/<path:path>"), ("page", "/page")]


def render(request):
    """cases -> what `render_template` makes of each.

    A case: keys, session (description), template (text), name (of the template; absent for one from a string), templates
    (others, by name), url (of the request). A reply: the page or the error; the session after it; the headers.
    """
    return [_rendered(case) for case in request["cases"]]


def _rendered(case):
    app = make_app(case)
    name = case.get("name")
    app.jinja_loader = DictLoader({**case.get("templates", {}), **({name: case["template"]} if name else {})})
    for endpoint, path in ROUTES:
        app.add_url_rule(path, endpoint, _nothing)
    cookie = _cookie(app, parse(case["session"]))
    with app.test_request_context(case.get("url", "/page?x=1"), headers=cookie) as context:
        # The object itself is looked at, because a look through the context counts as access.
        inner = context._session
        try:
            page = flask.render_template(name) if name else flask.render_template_string(case["template"])
        except Exception as error:
            return failure(error)
        response = app.process_response(app.response_class())
        headers = [list(pair) for pair in response.headers if pair[0] in ("Set-Cookie", "Vary")]
        return {"page": page, "session": describe(dict(inner)), "headers": headers}


def _cookie(app, session):
    if not session:
        return {}
    with app.app_context():
        value = app.session_interface.get_signing_serializer(app).dumps(session)
    return {"Cookie": f"session={value}"}


def redirect(request):
    """locations -> of each redirect the Location header and the page."""
    app = make_app({})
    with app.test_request_context():
        return [_redirected(app.make_response(flask.redirect(location))) for location in request["locations"]]


def _redirected(response):
    headers = response.get_wsgi_headers(flask.request.environ)
    return {"status": response.status_code, "location": headers["Location"], "page": response.get_data(as_text=True)}


def url_for(request):
    """cases -> the URL that `url_for` builds in each, or the error.

    A case: rule (of the endpoint `target`), values, base_url (of the request).
    """
    return [_url(case) for case in request["cases"]]


def _url(case):
    app = make_app({})
    app.add_url_rule(case["rule"], "target", _nothing)
    with app.test_request_context("/", base_url=case["base_url"]):
        try:
            return {"url": flask.url_for("target", **case["values"])}
        except Exception as error:
            return failure(error)


def hosts(request):
    """cases (trusted, host) -> of each request the status, and the page: a URL with the request's host, or the error."""
    return [_host(case) for case in request["cases"]]


def _host(case):
    app = make_app({"config": {"TRUSTED_HOSTS": case["trusted"]}})
    app.add_url_rule("/", "index", lambda: flask.url_for("index", _external=True))
    response = app.test_client().get("/", headers={"Host": case["host"]})
    return {"status": response.status_code, "page": response.get_data(as_text=True)}


OPERATIONS = {"render": render, "redirect": redirect, "url_for": url_for, "hosts": hosts}
