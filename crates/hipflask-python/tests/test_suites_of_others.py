"""The test suites of other packages, unpatched, give the same results with hipflask as without.

Their source distributions are fetched once, into `target/suites`. Those of Flask-DebugToolbar, Flask-SeaSurf, Flask-Paranoid and
Flask-Principal, which use the session as well, do not have tests.
"""

import pathlib
import subprocess
import sys
import tarfile
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).parents[3]
SUITES = {
    "flask==3.1.3": "hipflask_swap_flask",
    "Flask-Login==0.6.3": "hipflask_swap_flask",
    "Flask-WTF==1.3.0": "hipflask_swap_flask",
    "itsdangerous==2.2.0": "hipflask_swap_itsdangerous",
}


@pytest.mark.parametrize("package", SUITES)
def test_test_suites_of_other_packages_pass_real_flask(package, tmp_path):
    source = unpacked(package, tmp_path)
    without, _ = outcomes(source, tmp_path / "without.xml")
    ours, header = outcomes(source, tmp_path / "ours.xml", "-p", SUITES[package])
    assert "hipflask" in header, "the swap did not take place"
    print(f"{package}: {len(ours)} tests, {sum(outcome == 'passed' for outcome in ours.values())} passed both times")
    assert ours == without
    assert sum(outcome == "passed" for outcome in ours.values()) > 70


def unpacked(package, place):
    """Returns the published source distribution."""
    name, _, version = package.partition("==")
    kept = ROOT / "target" / "suites"
    kept.mkdir(parents=True, exist_ok=True)
    spellings = {name, name.lower(), name.lower().replace("-", "_")}
    found = [path for spelling in spellings for path in kept.glob(f"{spelling}-{version}.tar.gz")]
    if not found:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*fetch, "--no-binary", ":all:", "--dest", str(kept), package], check=True)
        found = [path for spelling in spellings for path in kept.glob(f"{spelling}-{version}.tar.gz")]
    with tarfile.open(found[0]) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(place)
    return place / found[0].name.removesuffix(".tar.gz")


def outcomes(source, report, *options):
    """Returns the result of each test by its name, and the output before them."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *options, "tests"]
    plugins = {"PYTHONPATH": str(pathlib.Path(__file__).parent / "swaps"), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, cwd=source, env=plugins, capture_output=True, text=True, timeout=300)
    assert report.exists(), said.stdout + said.stderr
    found = {}
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{case.get('classname')}::{case.get('name')}"] = ", ".join(sorted(kinds)) or "passed"
    return found, said.stdout[:2000]
