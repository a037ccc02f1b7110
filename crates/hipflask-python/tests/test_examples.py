"""Every example of the README and of the docstrings works, pasted unchanged into an empty directory."""

import ast
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

import hipflask

README = pathlib.Path(__file__).parents[1].joinpath("README.md").read_text()
PACKAGE = pathlib.Path(hipflask.__file__).parent

#: The code that runs after an example, and the output of both.
TWO_VISITS = (
    """
client = app.test_client()
print(client.get("/").text, client.get("/").text, client.get_cookie("session").http_only)
""",
    "visit 1 visit 2 True\n",
)
KEEPS = (
    """
app.add_url_rule("/", "set", lambda: flask.session.update(user="ada") or "")
app.add_url_rule("/get", "get", lambda: flask.session["user"])
client = app.test_client()
print(client.get("/").status_code, client.get("/get").text, type(app.session_interface).__module__)
""",
    "200 ada hipflask.{}\n",
)
SOLD = (
    """
client = app.test_client()
answers = [client.post("/buy").text for _ in range(11)]
print(answers[0], answers[-2], answers[-1], app.session_interface.load(client.get_cookie("session").value)["clicks"])
""",
    "9 left 0 left sold out 11\n",
)
PRINTED = ("", "{'user': 7}\n")
EXAMPLES = {
    "README 1": TWO_VISITS,
    "README 2": TWO_VISITS,
    "README 3": SOLD,
    "README 4": PRINTED,
    "itsdangerous": PRINTED,
    "server_side.Session": (KEEPS[0], KEEPS[1].format("server_side")),
    "sessions.SecureCookieSessionInterface": (KEEPS[0], KEEPS[1].format("sessions")),
}


def in_docstring(text):
    """Returns the blocks after a paragraph that ends in two colons."""
    lines, blocks = text.splitlines(), []
    for at, line in enumerate(lines):
        if line.rstrip().endswith("::"):
            rest = iter(lines[at + 1 :])
            blocks.append(textwrap.dedent("\n".join(_indented(rest))).strip() + "\n")
    return blocks


def _indented(lines):
    for line in lines:
        if line and not line.startswith("    "):
            return
        yield line


def found():
    """Returns the examples by their places."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    examples = {f"README {number}": block for number, block in enumerate(blocks, 1)}
    for path in sorted(PACKAGE.glob("*.py")):
        module = ast.parse(path.read_text())
        for node in ast.walk(module):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                name = ".".join([path.stem, *([] if node is module else [node.name])])
                for block in in_docstring(ast.get_docstring(node) or ""):
                    assert name not in examples, name
                    examples[name] = block
    return examples


def test_every_example_is_known_here():
    assert set(found()) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_does_what_it_promises(name, tmp_path):
    more, printed = EXAMPLES[name]
    tmp_path.joinpath("app.py").write_text(found()[name] + more)
    said = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (said.stdout, said.returncode) == (printed, 0), said.stderr


#: The data of a session with `visits` and a `ticket` after each call, and True if it has a new id.
CALLS = {
    'session.increment("visits")': ({"visits": 8, "ticket": "A1"}, False),
    'session.transact(lambda s: s.pop("ticket", None))': ({"visits": 7}, False),
    "session.regenerate()": ({"visits": 7, "ticket": "A1"}, True),
    "app.session_interface.regenerate(session)": ({"visits": 7, "ticket": "A1"}, True),
    "session.destroy()": ({}, True),
}


def test_every_call_in_the_table_is_known_here():
    rows = [line for line in README.splitlines() if line.startswith("| `session.")]
    assert set(re.findall(r"`([^`]*session[^`]*\(.*?\))`", "\n".join(rows))) == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_calls_in_the_table_do_as_documented(call, tmp_path):
    import flask

    app = flask.Flask("table")
    app.config["SESSION_TYPE"] = f"file:{tmp_path}"
    hipflask.Session(app)
    app.add_url_rule("/set", "set", lambda: flask.session.update(visits=7, ticket="A1") or flask.session.sid)
    app.add_url_rule("/call", "call", lambda: str(eval(call, {"session": flask.session, "app": app})))
    app.add_url_rule("/held", "held", lambda: {"id": flask.session.sid, "held": dict(flask.session)})
    client = app.test_client()
    old = client.get("/set").text
    assert client.get("/call").status_code == 200
    held = client.get("/held").json
    held["held"].pop("_permanent")
    assert (held["held"], held["id"] != old) == CALLS[call]


def test_every_file_that_a_command_names_is_there():
    root = pathlib.Path(__file__).parents[3]
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
    named = re.findall(r"(?<![\w/])(?:\./)?((?:crates|bench|target)/[\w./-]+)", commands)
    assert len(named) >= 4
    missing = [name for name in named if not root.joinpath(name).exists()]
    assert missing == []
