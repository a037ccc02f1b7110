"""Type checkers find no error in the package, and find the errors of programs that use it."""

import pathlib
import subprocess
import sys

import hipflask

PROGRAM = '''
import flask
import hipflask
from hipflask.itsdangerous import SignatureExpired, URLSafeTimedSerializer

app = flask.Flask("typed")
app.session_interface = hipflask.SecureCookieSessionInterface()
hipflask.Session(app)
token: str | bytes = URLSafeTimedSerializer("key").dumps({"user": 7})


def count(session: hipflask.ServerSideSession) -> int:
    session.regenerate()
    return session.transact(lambda newest: newest.increment("visits"))


def count_in_cookie(session: hipflask.SecureCookieSession) -> int:
    session.regenerate()
    return session.transact(lambda newest: newest.increment("visits"))


def view() -> str:
    hipflask.session["user"] = "ada"
    left: int = hipflask.session.transact(lambda newest: newest.increment("left", -1))
    if isinstance(hipflask.session, hipflask.ServerSideSession):
        sid: str | None = hipflask.session.sid
    hipflask.session.permanent = True
    visits: int = hipflask.session.increment("visits", by=2)
    return f"{visits}: {hipflask.session.get('user')}"
'''


def checked(*arguments, place):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(place / "cache"), *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)


def test_the_package_passes_mypy(tmp_path):
    said = checked("-p", "hipflask", place=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert pathlib.Path(hipflask.__file__).with_name("py.typed").exists()


def test_mypy_checks_a_program_with_the_package(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    said = checked(str(program), place=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    program.write_text(PROGRAM + "\nhipflask.Session(7)\n")
    assert "arg-type" in checked(str(program), place=tmp_path).stdout


def test_pyright_checks_a_program_with_the_package(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "--pythonpath", sys.executable, str(program)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stdout + said.stderr
    program.write_text(PROGRAM + "\nhipflask.session.increment(7)\n")
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert said.returncode == 1 and "reportArgumentType" in said.stdout, said.stdout + said.stderr


def test_stubs_match_the_package_at_run_time(tmp_path):
    # At run time it is a proxy of that type.
    allowed = tmp_path / "allowed.txt"
    allowed.write_text("hipflask._session.session\n")
    command = [sys.executable, "-m", "mypy.stubtest", "hipflask", "--allowlist", str(allowed)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stdout + said.stderr
