"""A process that serves for a long time does not grow."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[3] / "bench" / "python" / "memory.py"


@pytest.mark.parametrize("where", ["in cookies", "in Redis"])
def test_twenty_thousand_requests_leave_nothing_in_memory(where, request):
    """Finds a leak of 53 bytes a request. In a separate process, because the memory of other tests would hide it."""
    arguments = ["--requests", "20000", "--bound", "1"]
    if where == "in Redis":
        arguments += ["--redis", str(request.getfixturevalue("redis_port"))]
    said = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300)
    assert said.returncode == 0 and where in said.stdout, said.stdout + said.stderr
