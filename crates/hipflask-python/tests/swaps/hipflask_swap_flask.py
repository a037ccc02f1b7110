"""A pytest plugin: every Flask app uses our interface for its cookie session."""

import flask

import hipflask

flask.Flask.session_interface = hipflask.SecureCookieSessionInterface()


def pytest_report_header():
    return f"session interface: {type(flask.Flask.session_interface).__module__}"
