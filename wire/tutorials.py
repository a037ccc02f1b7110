"""The tutorials' programs in Python, on real Flask: `python tutorials.py 2` serves the second on a free port.

The third keeps its sessions in SESSION_FILE_DIR, with real Flask-Session. Repaired where a tutorial's text is no valid Python, or loses what it means to keep; examples/tutorial_*.rs says where. What
tutorial 5 prints to the console is the page, too, so that it can be compared.
"""

import os
import sys
import warnings

from flask import Flask, redirect, render_template_string, request, session, url_for
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.serving import make_server


def make_app(key):
    app = Flask(__name__, static_folder=None)
    app.secret_key = os.environ.get("SECRET_KEY", key)
    app.register_error_handler(BadRequestKeyError, name_the_field)
    return app


def name_the_field(error):
    """As Flask answers with debug on."""
    error.show_exception = True
    return error


def tutorial_1():
    app = make_app("secret_key")

    @app.route("/set_session")
    def set_session():
        session_obj = session._get_current_object()
        session_obj["username"] = "GeekforGeeks"
        session_obj["logged_in"] = True
        return "Session variables set"

    @app.route("/get_session")
    def get_session():
        session_obj = session._get_current_object()
        username = session_obj.get("username", "Guest")
        logged_in = session_obj.get("logged_in", False)
        return f"Username: {username}, Logged in: {logged_in}"

    return app


def tutorial_2():
    app = make_app("supersecretkey")

    @app.route("/")
    def index():
        if "username" in session:
            return f"Logged in as {session['username']}"
        return "You are not logged in"

    @app.route("/login", methods=["POST"])
    def login():
        session["username"] = request.form["username"]
        return redirect(url_for("index"))

    @app.route("/logout")
    def logout():
        session.pop("username", None)
        return redirect(url_for("index"))

    return app


def tutorial_3():
    from flask_session import Session

    app = Flask(__name__, static_folder=None)
    app.config["SESSION_TYPE"] = "filesystem"
    app.config["SESSION_FILE_DIR"] = os.environ["SESSION_FILE_DIR"]
    app.register_error_handler(BadRequestKeyError, name_the_field)
    # It says that this kind of session is deprecated.
    warnings.simplefilter("ignore")
    Session(app)

    @app.route("/set_session", methods=["GET", "POST"])
    def set_session():
        if request.method == "POST":
            session["username"] = request.form["username"]
        return "Session data set successfully!"

    @app.route("/get_session")
    def get_session():
        if "username" in session:
            return f"Session username: {session['username']}"
        return "No session data found."

    return app


def tutorial_4():
    app = make_app("this-is-a-very-secret-key")

    @app.route("/greeting", methods=["POST"])
    def greeting():
        name, lastname = request.form["name"], request.form["lastname"]
        session["name"] = name
        session["lastname"] = lastname
        return "Hello " + name + " " + lastname

    @app.route("/session-data")
    def session_data():
        name = session["name"] if "name" in session else ""
        lastname = session["lastname"] if "lastname" in session else ""
        return f"Session Data: {name} {lastname}"

    return app


def tutorial_5():
    app = make_app("secret key")
    soumitra = {"name": "Soumitra", "email": "soumitra@email.com", "address": "Earth"}

    def route(path):
        """A view that yields what it would print."""
        def add(steps):
            app.add_url_rule(path, steps.__name__, lambda: "\n".join(map(str, steps())))
            return steps
        return add

    @app.route("/")
    def home():
        session["msg"] = "Hello"
        return render_template_string("{% if 'msg' in session %}\n\t{{ session['msg'] }}\n{% endif %}")

    @route("/get")
    def get():
        yield session.get("msg")

    @route("/update")
    def update():
        session["msg"] = "Hello"
        session.modified = True
        session["msg"] = "Hello, Soumitra"
        yield session.get("msg")

    @route("/pop")
    def pop():
        session.pop("msg")
        yield session.get("msg")

    @route("/several")
    def several():
        session["hi"] = "Hi"
        session["hello"] = "Hello"
        yield from items()

    @route("/items")
    def items():
        for key, val in session.items():
            yield f"{key}  ->  {val}"

    @route("/clear")
    def clear():
        session.clear()
        yield from ()

    @route("/item")
    def item():
        session["item"] = dict(soumitra)
        yield from item_keys()

    @route("/item/keys")
    def item_keys():
        for key, val in session.get("item", {}).items():
            yield key + " -> " + val

    @route("/item/tuples")
    def item_tuples():
        yield from session.get("item", {}).items()

    @route("/item/pop-name")
    def item_pop_name():
        session["item"].pop("name")
        session.modified = True
        yield from item_keys()

    @route("/item/pop")
    def item_pop():
        session.pop("item")
        session.pop("item", None)
        yield from items()

    @route("/nested")
    def nested():
        session["item"] = {"key": dict(soumitra)}
        yield from item_tuples()

    @route("/nested/pop")
    def nested_pop():
        session["item"].pop("key")
        session.modified = True
        yield from item_tuples()

    return app


TUTORIALS = {"1": tutorial_1, "2": tutorial_2, "3": tutorial_3, "4": tutorial_4, "5": tutorial_5}

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, TUTORIALS[sys.argv[1]](), threaded=True)
    print(f"Listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
