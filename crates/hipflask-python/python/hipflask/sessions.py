"""Flask's signed cookie session, opened and saved by Rust."""

from __future__ import annotations

from typing import Any

import flask.sessions

from ._native import SecureCookieSessions


class SecureCookieSessionInterface(SecureCookieSessions, flask.sessions.SecureCookieSessionInterface):
    """Flask's :class:`~flask.sessions.SecureCookieSessionInterface` with both halves of a request's work done natively.

    The cookies, the headers and the session object (:class:`flask.sessions.SecureCookieSession`) are Flask's own::

        import flask
        import hipflask

        app = flask.Flask(__name__)
        app.secret_key = "a long text that nobody else knows"
        app.session_interface = hipflask.SecureCookieSessionInterface()

    Whatever Flask lets an app override is honoured: the attributes ``salt``, ``digest_method``, ``key_derivation``,
    ``serializer`` and ``session_class``, the methods ``get_cookie_name`` and its like, ``should_set_cookie`` and
    ``get_signing_serializer``, a JSON provider and tags of the app's own. What Rust cannot know, such as another
    serializer, is done by Flask's code.

    Beside Flask's, two settings are read from ``app.config`` or else from the interface.
    """

    #: When a payload is deflated (``SESSION_COOKIE_COMPRESSION``). ``"when-it-pays"``: from 1 KiB of JSON on, or if the
    #: cookie would be too large for a browser. ``"flask"``: whenever it saves two bytes, with the bytes that Flask would
    #: write. ``"never"``. Flask reads all of them.
    compression: str = "when-it-pays"

    def __getstate__(self) -> dict[str, Any]:
        """What the app set on it: Rust's half keeps nothing that matters."""
        return dict(self.__dict__)

    #: How many seconds ahead of this clock a cookie's time may be (``SESSION_COOKIE_LEEWAY``), since the clocks of two
    #: servers differ. 0 is Flask's rule: such a cookie is no session.
    leeway: int = 5
