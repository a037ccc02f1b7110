"""Whole requests through real Flask, from the request line to the head of the response: the operation `answer`."""

import flask

import judge


def answer(request):
    """cases -> each a request to an app with one view, at `/` for GET and POST, and what Flask answers.

    A case: config, keys, at, method, path, cookie (the Cookie header or absent), steps (of STEPS, their errors are
    swallowed as a view would with `try`), and what the view does then: status, headers, or `ending`.
    """
    return [_answered(case) for case in request["cases"]]


def _answered(case):
    app = judge.make_app(case)
    app.logger.disabled = True
    app.add_url_rule("/", view_func=lambda: _view(case), methods=["GET", "POST"], endpoint="view")
    headers = {"Cookie": case["cookie"]} if case.get("cookie") else {}
    client = app.test_client(use_cookies=False)
    response = client.open(case.get("path", "/"), method=case.get("method", "GET"), headers=headers)
    headers = [[name.lower(), value] for name, value in response.headers]
    return {
        "status": response.status_code,
        "headers": [pair for pair in headers if pair[0] in ("set-cookie", "vary", "location")],
    }


def _view(case):
    for name, *arguments in case.get("steps", []):
        try:
            STEPS[name](*arguments)
        except KeyError:
            pass
    match case.get("ending"):
        case "raise":
            raise RuntimeError("on purpose")
        case "abort":
            flask.abort(403)
        case "redirect":
            return flask.redirect("/")
    return "done", case.get("status", 200), [tuple(pair) for pair in case.get("headers", [])]


def _increment(key, by):
    flask.session[key] = flask.session.get(key, 0) + by


def _push(key, value):
    flask.session[key] = [*flask.session.get(key, []), judge.parse(value)]


def _nested_append(key, value):
    flask.session[key].append(judge.parse(value))
    flask.session.modified = True


# What ours has and Flask's has not, as a Flask user writes it.
STEPS = {
    **judge.STEPS,
    "increment": _increment,
    "push": _push,
    "nested_append": _nested_append,
}

OPERATIONS = {"answer": answer}
