"""What is installed."""

import importlib.metadata

import hipflask


def test_the_version_is_that_of_the_wheel():
    assert hipflask.__version__ == importlib.metadata.version("hipflask")
