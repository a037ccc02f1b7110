"""What real Flask makes of templates that use the session, and of redirects: more operations of the oracle."""

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


OPERATIONS = {"render": render, "redirect": redirect}
