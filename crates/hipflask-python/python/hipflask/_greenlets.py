"""Waiting under gevent: the greenlet that waits for the session store lets the others of its thread run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# gevent has no types of its own.
_event: Any = import_module("gevent.event")
_hub: Any = import_module("gevent.hub")
_monkey: Any = import_module("gevent.monkey")


class Waiting:
    """The wait of one greenlet."""

    def __init__(self, hub: Any) -> None:
        self._done = _event.Event()
        self._watcher = hub.loop.async_()
        self._watcher.start(self._done.set)

    def ring(self) -> None:
        """Ends the wait; the one method that any thread may call."""
        self._watcher.send()

    def wait(self) -> None:
        """Returns once :meth:`ring` was called. An exception that gevent raises here meanwhile, such as a
        :class:`gevent.Timeout`, is raised then: the session must not be left half saved.
        """
        raised: BaseException | None = None
        try:
            while not self._done.is_set():
                try:
                    self._done.wait()
                except BaseException as error:
                    raised = error
        finally:
            self._watcher.stop()
            self._watcher.close()
        if raised is not None:
            raise raised


def waiting() -> Waiting | None:
    """The wait of this greenlet; None if gevent has patched nothing, or if this is the hub, which cannot wait for itself."""
    if not _monkey.is_module_patched("socket"):
        return None
    hub = _hub.get_hub()
    return None if _hub.getcurrent() is hub else Waiting(hub)
