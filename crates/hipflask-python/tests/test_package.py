"""The installed package, and the wheels that pip chooses."""

import importlib.machinery
import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

import hipflask
from hipflask import _native

WHEELS = pathlib.Path(__file__).parents[3] / "target/wheels"
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_version_is_that_of_the_wheel():
    assert hipflask.__version__ == importlib.metadata.version("hipflask")


def test_the_wheels_library_is_the_only_one(wheel_tag):
    own, *_ = importlib.machinery.EXTENSION_SUFFIXES
    suffix = ".abi3.so" if "-abi3-" in wheel_tag else own
    libraries = pathlib.Path(hipflask.__file__).parent.glob("_native.*")
    assert {path.name for path in libraries if path.suffix != ".pyi"} == {f"_native{suffix}"}
    assert pathlib.Path(_native.__file__).name == f"_native{suffix}"


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_pip_takes_the_best_wheel_for_each_python(version, tmp_path):
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-index", "--no-deps"]
    choice = ["--only-binary=:all:", "--python-version", version, "--find-links", str(WHEELS), "--dest", str(tmp_path)]
    said = subprocess.run([*pip, *choice, "hipflask"], capture_output=True, text=True, timeout=300)
    taken = [path.name for path in tmp_path.iterdir()]
    if version == "3.8":
        assert (said.returncode, taken) == (1, []) and "No matching distribution" in said.stderr
        return
    own = f"cp{THIS.replace('.', '')}"
    expected = f"-{own}-{own}-" if version == THIS else "-cp39-abi3-"
    assert len(taken) == 1 and expected in taken[0], said.stderr
