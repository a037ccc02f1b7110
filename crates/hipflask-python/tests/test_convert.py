"""Python's objects are converted to values and back as in real Flask."""

import datetime
import decimal
import enum
import pickle
import subprocess
import sys
import uuid

import pytest
from flask.json.tag import TaggedJSONSerializer
from markupsafe import Markup

from hipflask._native import dump_tagged, load_tagged

FLASK = TaggedJSONSerializer()
UTC = datetime.timezone.utc

VALUES = [
    None,
    True,
    0,
    -1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    10**400,
    1.0,
    -0.0,
    1e-05,
    1e16,
    float("inf"),
    "",
    "é\U0001f600\x00\x7f",
    "a lone \ud800",
    b"\x00\xff",
    [],
    (),
    ((1, [2]), {"k": ()}),
    {"b": 1, "a": {" t": 1}},
    {" t": 1},
    Markup("<b>é</b>"),
    uuid.UUID(int=1),
    uuid.UUID("ffffffff-ffff-ffff-ffff-fffffffffff0"),
    datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime.datetime(1900, 1, 1, tzinfo=UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_converted_as_in_real_flask(value):
    text = dump_tagged(value)
    assert text == FLASK.dumps(value) or isinstance(value, dict), "Flask sorts keys only in an app"
    assert FLASK.loads(text) == value
    loaded = load_tagged(text)
    assert loaded == value and type(loaded) is type(value)
    # Also the attributes of objects that are created without their `__init__`.
    assert pickle.dumps(loaded) == pickle.dumps(FLASK.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2024, 1, 2, 3, 4, 5, 999999),
        datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=5, minutes=30))),
        datetime.datetime(1, 1, 1, 5),
    ],
)
def test_datetimes_lose_fractions_as_in_real_flask(value):
    assert dump_tagged(value) == FLASK.dumps(value)


@pytest.mark.parametrize("date", ["Tue, 02 Jan 2024 03:04:05 +0530", "Tue, 02 Jan 2024 03:04:05 -0800"])
def test_date_offsets_are_kept_as_in_real_flask(date):
    text = '{" d":"%s"}' % date
    ours, theirs = load_tagged(text), FLASK.loads(text)
    assert (ours, ours.utcoffset()) == (theirs, theirs.utcoffset())


def test_nan_is_written_and_read():
    assert dump_tagged(float("nan")) == "NaN"
    assert str(load_tagged("NaN")) == "nan"


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    pass


@pytest.mark.parametrize(
    "value",
    [decimal.Decimal("1.10"), Colour.RED, Name("a"), {1: 2}, {"a": {None: 1}}, {1, 2}, datetime.date(2024, 1, 2), object()],
    ids=repr,
)
def test_python_writes_values_that_rust_cannot(value):
    assert dump_tagged(value) is None
    assert dump_tagged([value]) is None


def test_a_frozen_clock_at_first_use_is_harmless():
    program = """
import datetime, freezegun
from hipflask._native import dump_tagged
with freezegun.freeze_time("2024-01-02"):
    dump_tagged(object())
assert dump_tagged(datetime.datetime(2024, 1, 2)) == '{" d":"Tue, 02 Jan 2024 00:00:00 GMT"}'
"""
    subprocess.run([sys.executable, "-c", program], check=True)
