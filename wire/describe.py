"""Session values as text that Python and Rust spell alike, so that the two sides can be compared letter by letter.

    N  T  F               None, True, False
    i-12                  int
    f3ff0000000000000     float, its IEEE 754 bits; every NaN is f7ff8000000000000
    s6869                 str: UTF-8 in hex, a lone surrogate as its three bytes
    b00ff                 bytes
    m3c623e               Markup
    u<32 hex digits>      UUID
    D1700000000000000,0   aware datetime: microseconds since 1970, offset from UTC in seconds
    [x,y]  (x,y)  {k:v}   list, tuple, dict in its order
"""

import math
import struct
import sys
import uuid
from datetime import datetime, timedelta, timezone

from markupsafe import Markup

NAN = "f7ff8000000000000"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)


def describe(value):
    """The text of `value`; TypeError for what a session cannot give back."""
    if value is None:
        return "N"
    if value is True:
        return "T"
    if value is False:
        return "F"
    if isinstance(value, int):
        return f"i{value:d}"
    if isinstance(value, float):
        return NAN if math.isnan(value) else "f" + struct.pack(">d", value).hex()
    if isinstance(value, Markup):
        return "m" + value.encode("utf-8", "surrogatepass").hex()
    if isinstance(value, str):
        return "s" + value.encode("utf-8", "surrogatepass").hex()
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, list):
        return "[" + ",".join(map(describe, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ",".join(map(describe, value)) + ")"
    if isinstance(value, dict):
        return "{" + ",".join(f"{describe(k)}:{describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, uuid.UUID):
        return "u" + value.hex
    if isinstance(value, datetime) and value.tzinfo is not None:
        offset = int(value.utcoffset().total_seconds())
        return f"D{(value - EPOCH) // MICROSECOND},{offset}"
    raise TypeError(f"no description for {type(value).__name__}")


def parse(text):
    """The value that `text` describes; ValueError says where the text stops making sense."""
    value, end = _value(text, 0)
    if end != len(text):
        raise ValueError(f"description goes on at {end}: {text[end : end + 20]!r}")
    return value


def _value(text, at):
    kind = text[at : at + 1]
    at += 1
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at
    if kind == "[":
        return _items(text, at, "]")
    if kind == "(":
        items, at = _items(text, at, ")")
        return tuple(items), at
    if kind == "{":
        return _dict(text, at)
    end = at
    while end < len(text) and text[end] not in ",:]})":
        end += 1
    # The comma inside a datetime belongs to it.
    if kind == "D":
        end = _end_of_number(text, end + 1)
    if kind not in _SCALARS:
        raise ValueError(f"no value begins with {kind!r} at {at - 1}")
    return _SCALARS[kind](text[at:end]), end


def _items(text, at, close):
    items = []
    if text[at : at + 1] == close:
        return items, at + 1
    while True:
        item, at = _value(text, at)
        items.append(item)
        mark = text[at : at + 1]
        at += 1
        if mark == close:
            return items, at
        if mark != ",":
            raise ValueError(f"expected ',' or {close!r} at {at - 1}, found {mark!r}")


def _dict(text, at):
    pairs = {}
    if text[at : at + 1] == "}":
        return pairs, at + 1
    while True:
        key, at = _value(text, at)
        if text[at : at + 1] != ":":
            raise ValueError(f"expected ':' at {at}")
        pairs[key], at = _value(text, at + 1)
        mark = text[at : at + 1]
        at += 1
        if mark == "}":
            return pairs, at
        if mark != ",":
            raise ValueError(f"expected ',' or '}}' at {at - 1}, found {mark!r}")


def _end_of_number(text, at):
    while at < len(text) and text[at] in "-0123456789":
        at += 1
    return at


def _int(digits):
    if len(digits) < 4000 or not hasattr(sys, "set_int_max_str_digits"):
        return int(digits)
    # A description may hold an int that Flask will refuse: that is what the test wants to see.
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return int(digits)
    finally:
        sys.set_int_max_str_digits(limit)


def _str(digits):
    return bytes.fromhex(digits).decode("utf-8", "surrogatepass")


def _datetime(text):
    microseconds, offset = map(int, text.split(","))
    zone = timezone(timedelta(seconds=offset))
    return (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone)


_CONSTANTS = {"N": None, "T": True, "F": False}
_SCALARS = {
    "i": _int,
    "f": lambda bits: struct.unpack(">d", bytes.fromhex(bits))[0],
    "s": _str,
    "m": lambda digits: Markup(_str(digits)),
    "b": bytes.fromhex,
    "u": lambda digits: uuid.UUID(hex=digits),
    "D": _datetime,
}
