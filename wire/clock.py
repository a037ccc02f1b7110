"""The clock of the Flask that we ask: it stands where a test sets it."""

import datetime as datetime_module

import flask.sessions
import itsdangerous.timed
import werkzeug.http

_now = 1_700_000_000.0


def set_clock(now):
    global _now
    _now = float(now)


class _Kind(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, datetime_module.datetime)


class _StandingDatetime(datetime_module.datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz=None):
        return datetime_module.datetime.fromtimestamp(_now, tz)


# itsdangerous drops the fraction, as its own method does.
itsdangerous.timed.TimestampSigner.get_timestamp = lambda self: int(_now)
flask.sessions.datetime = _StandingDatetime
werkzeug.http.datetime = _StandingDatetime
