"""The Flask half of one login that a Flask app and a Rust service share: Flask-Login for the login, Flask-WTF for the form.

    SECRET_KEY=.. python shared_login.py --port 5000

The Rust half is shared_login.rs (axum) or shared_login_actix.rs. Both programs have the same routes, so each route can
move by itself. Both read their settings from the environment, by Flask's names: SECRET_KEY, and where they are wanted
SESSION_TYPE, SESSION_REDIS and others that begin with SESSION_, REMEMBER_COOKIE_ or WTF_CSRF_. TRUSTED_PROXIES=1 says
that one proxy is in front, whose X-Forwarded-For and X-Forwarded-Proto are true.
"""

import argparse
import json
import os
import sys
import warnings

from flask import Flask, jsonify, redirect, render_template_string, request, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    fresh_login_required,
    login_fresh,
    login_required,
    login_user,
    logout_user,
)
from flask_wtf import CSRFProtect, FlaskForm
from werkzeug.middleware.proxy_fix import ProxyFix
from wtforms import StringField

LOGIN_PAGE = """<!doctype html>
<title>Log in</title>
<form method="post">
  <label>User <input name="user" autofocus required></label>
  <label><input type="checkbox" name="remember" value="on"> Remember me</label>
  <button>Log in</button>
</form>
"""

FORM_PAGE = """<!doctype html>
<title>Note</title>
<p>Made by Flask.</p>
<form method="post" action="/form">
  {{ form.hidden_tag() }}
  <label>Note {{ form.note() }}</label>
  <button>Save</button>
</form>
"""


class User(UserMixin):
    def __init__(self, user_id):
        self.id = user_id


class NoteForm(FlaskForm):
    note = StringField()


def make_app(environment):
    app = Flask(__name__, static_folder=None)
    configure(app, environment)
    # /form checks the token itself.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf = CSRFProtect(app)
    manager = LoginManager(app)

    @manager.user_loader
    def load(user_id):
        return None if user_id.startswith("gone") else User(user_id)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "GET":
            return LOGIN_PAGE
        login_user(User(request.form["user"]), remember=bool(request.form.get("remember")))
        return redirect(url_for("me"))

    @app.route("/logout", methods=["GET", "POST"])
    def logout():
        logout_user()
        return redirect(url_for("me"))

    @app.route("/me")
    def me():
        user = current_user.get_id() if current_user.is_authenticated else None
        return jsonify(user=user, fresh=bool(user) and bool(login_fresh()))

    @app.route("/fresh")
    @fresh_login_required
    def fresh():
        return jsonify(fresh=True)

    @app.route("/confirm", methods=["GET", "POST"])
    @login_required
    def confirm():
        confirm_login()
        return redirect(url_for("me"))

    @app.route("/form", methods=["GET", "POST"])
    def form():
        if request.method == "GET":
            return render_template_string(FORM_PAGE, form=NoteForm())
        csrf.protect()
        return "ok"

    return app


def configure(app, environment):
    if not environment.get("SECRET_KEY"):
        sys.exit("SECRET_KEY is not set: give both programs the same long random text")
    for name, text in environment.items():
        if name == "SECRET_KEY":
            app.secret_key = text
        elif name.startswith(("SESSION_", "REMEMBER_COOKIE_", "WTF_CSRF_")):
            app.config[name] = value_of(text)
    if "SESSION_TYPE" in environment:
        serve_from_store(app)
    if environment.get("TRUSTED_PROXIES"):
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)


def value_of(text):
    """`true`, `60` or `"text"` as JSON, everything else as text: what Flask's `from_prefixed_env` does."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def serve_from_store(app):
    with warnings.catch_warnings():
        # It announces that the signer will be removed.
        warnings.simplefilter("ignore")
        from flask_session import Session

        if app.config["SESSION_TYPE"] == "redis" and "SESSION_REDIS" in app.config:
            from redis import Redis

            app.config["SESSION_REDIS"] = Redis.from_url(app.config["SESSION_REDIS"])
        Session(app)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The Flask half of a shared login.")
    parser.add_argument("--port", type=int, default=5000)
    make_app(os.environ).run(port=parser.parse_args().port, threaded=True)
