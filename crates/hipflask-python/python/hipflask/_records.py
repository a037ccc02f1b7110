"""Rare values in records: those that msgspec or pickle can write, and that have no type in Rust."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import io
import json
import pickle
import struct
import uuid
from typing import Any

from ._native import dump_value


def plain(value: Any, as_json: bool) -> Any:
    """Returns the simpler value that msgspec writes for ``value``, one level deep."""
    kind = type(value)
    if isinstance(value, enum.Enum):
        return _of_enum(value)
    if kind in (bytearray, memoryview):
        return bytes(value)
    if isinstance(value, (set, frozenset, list, tuple)):
        return list(value)
    if isinstance(value, dict):
        return dict(value)
    if kind is datetime.datetime:
        return value.isoformat()
    if kind is datetime.date:
        return value.isoformat()
    if kind is datetime.time:
        return _in_utc_as_z(value.isoformat())
    if kind is datetime.timedelta:
        return _duration(value)
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value))
        return {name: getattr(value, name) for name in fields if hasattr(value, name)}
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    raise TypeError(f"Encoding objects of type {kind.__name__} is unsupported")


def _of_enum(value: enum.Enum) -> Any:
    if type(value.value) in (str, int):
        return value.value
    raise TypeError("Only enums with int or str values are supported")


def _in_utc_as_z(text: str) -> str:
    return text[: -len("+00:00")] + "Z" if text.endswith("+00:00") else text


def _duration(value: datetime.timedelta) -> str:
    """Returns the duration in ISO 8601, in the spelling of msgspec."""
    sign, value = ("-", -value) if value < datetime.timedelta() else ("", value)
    micros = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    rest = f"T{value.seconds}{micros}S" if value.seconds or micros or not days else ""
    if rest == "T0S":
        return f"{sign}P0D"
    return f"{sign}P{days}{rest}"


def text_key(key: Any, as_json: bool) -> Any:
    """Returns what msgspec writes for the key of a dict: in JSON always a text."""
    if isinstance(key, enum.Enum):
        value = _of_enum(key)
        return text_key(value, True) if as_json else value
    if isinstance(key, str):
        return str.__str__(key)
    if type(key) in (int, float):
        return json.dumps(key)
    if type(key) in (bytes, bytearray):
        return base64.b64encode(key).decode()
    if type(key) in (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, decimal.Decimal):
        text = plain(key, True)
        return text if isinstance(text, str) else str(text)
    raise TypeError("Only dicts with str-like or number-like keys are supported")


def dumps(members: dict[Any, Any], form: str) -> bytes:
    """Writes a record of members that Rust cannot write."""
    if form == "pickle":
        return pickle.dumps(members, protocol=4)
    return _msgpack(members)


def naming(key: Any, error: BaseException) -> BaseException:
    """Returns an exception of the same type whose text begins with the session's key."""
    if type(error) not in (TypeError, ValueError, OverflowError, RecursionError) or str(error).startswith("session key"):
        return error
    named = type(error)(f"session key {key!r}: {error}")
    return named.with_traceback(error.__traceback__)


def loads(data: bytes, form: str) -> dict[Any, Any]:
    """Reads a record that Rust has read before and found harmless; returns the original values."""
    if form == "pickle":
        return dict(_Reader(io.BytesIO(data)).load())
    return dict(_unpack(memoryview(data), 0)[0])


class _Reader(pickle.Unpickler):
    """An unpickler that loads only the names that Rust's reader allows."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a session; it was not executed")
        return super().find_class(module, name)


_HARMLESS = {
    *(("datetime", name) for name in ("date", "time", "datetime", "timedelta", "timezone")),
    *((module, "Decimal") for module in ("decimal", "_decimal", "_pydecimal")),
    ("uuid", "UUID"),
    ("uuid", "SafeUUID"),
    ("markupsafe", "Markup"),
    ("collections", "OrderedDict"),
    *((module, name) for module in ("builtins", "__builtin__") for name in ("set", "frozenset", "bytes", "bytearray")),
    *((module, "object") for module in ("builtins", "__builtin__")),
    ("builtins", "str"),
    ("__builtin__", "unicode"),
    ("_codecs", "encode"),
    ("copyreg", "_reconstructor"),
    ("copy_reg", "_reconstructor"),
}


def _msgpack(value: Any) -> bytes:
    """Writes MessagePack for dicts whose keys are not texts. Rust writes everything else."""
    if isinstance(value, dict):
        head = _head(len(value), 0x80, 0xDE)
        return head + b"".join(_msgpack(key) + _msgpack(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return _head(len(value), 0x90, 0xDC) + b"".join(map(_msgpack, value))
    return dump_value(value)


def _head(length: int, few: int, many: int) -> bytes:
    if length < 16:
        return bytes([few | length])
    return struct.pack(">BH", many, length) if length < 0x10000 else struct.pack(">BI", many + 1, length)


_LENGTHS = {0xC4: "B", 0xC5: "H", 0xC6: "I", 0xD9: "B", 0xDA: "H", 0xDB: "I", 0xDC: "H", 0xDD: "I", 0xDE: "H", 0xDF: "I"}
_NUMBERS = {0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
_SINGLE = {0xC0: None, 0xC2: False, 0xC3: True}


def _unpack(data: memoryview, at: int) -> tuple[Any, int]:
    """Reads MessagePack that Rust has checked. The keys of dicts keep their types."""
    head, at = data[at], at + 1
    if head < 0x80:
        return head, at
    if head >= 0xE0:
        return head - 0x100, at
    if head in _SINGLE:
        return _SINGLE[head], at
    if head in _NUMBERS:
        form = ">" + _NUMBERS[head]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if 0xC7 <= head <= 0xC9 or 0xD4 <= head <= 0xD8:
        return _extension(data, head, at)
    if head in _LENGTHS:
        form = ">" + _LENGTHS[head]
        length, at = struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    else:
        length = head & (0x1F if 0xA0 <= head < 0xC0 else 0x0F)
    if 0xA0 <= head < 0xC0 or 0xD9 <= head <= 0xDB:
        return bytes(data[at : at + length]).decode(), at + length
    if 0xC4 <= head <= 0xC6:
        return bytes(data[at : at + length]), at + length
    if 0x80 <= head < 0x90 or head >= 0xDE:
        return _dict(data, length, at)
    return _items(data, length, at)


def _items(data: memoryview, length: int, at: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(length):
        item, at = _unpack(data, at)
        items.append(item)
    return items, at


def _dict(data: memoryview, length: int, at: int) -> tuple[dict[Any, Any], int]:
    found = {}
    for _ in range(length):
        key, at = _unpack(data, at)
        # A list cannot be a key. msgspec returns a tuple.
        found[tuple(key) if isinstance(key, list) else key], at = _unpack(data, at)
    return found, at


def _extension(data: memoryview, head: int, at: int) -> tuple[Any, int]:
    if head >= 0xD4:
        length = 1 << (head - 0xD4)
    else:
        form = ">" + "BHI"[head - 0xC7]
        length, at = struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    kind, body, end = data[at], data[at + 1 : at + 1 + length], at + 1 + length
    if kind != 0xFF:
        return bytes(body), end
    if length == 4:
        seconds, nanos = struct.unpack(">I", body)[0], 0
    elif length == 8:
        both = struct.unpack(">Q", body)[0]
        seconds, nanos = both & 0x3FFFFFFFF, both >> 34
    else:
        nanos, seconds = struct.unpack(">Iq", body)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(seconds=seconds, microseconds=nanos // 1000), end
