"""Waits under gevent: while a greenlet waits for the session store, the other greenlets of its thread run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# gevent is not typed.
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
        """Ends the wait. Any thread may call it; the other methods belong to the greenlet."""
        self._watcher.send()

    def wait(self) -> None:
        """Returns once :meth:`ring` was called.

        If gevent raises an exception here meanwhile, such as a :class:`gevent.Timeout`, it is raised only then: a session
        must not be left half saved.
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
    """The wait of this greenlet, or None if a wait may block the thread.

    It may if gevent has not patched sockets, and it must if this is the hub, which cannot wait for itself.
    """
    if not _monkey.is_module_patched("socket"):
        return None
    hub = _hub.get_hub()
    return None if _hub.getcurrent() is hub else Waiting(hub)
