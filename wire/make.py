"""Makes the recordings in this directory again: `cargo xtask wire`.

The first line of each file says which versions made it; every further line is one record. The same seeds and versions
make the same bytes (compressed payloads also depend on the zlib that Python uses).
"""

import json
import pathlib
import uuid
from datetime import datetime, timezone

import generate
import judge
from describe import describe
from markupsafe import Markup

HERE = pathlib.Path(__file__).parent
AT = judge.DEFAULT_AT
LONG_KEY = (b"\xff\x00" * 40).hex()
CYRILLIC_KEY = "ключ".encode().hex()
K = "6b"

DATE = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

# Each has a reason to be here: escapes, tags, keys, deflate.
GOLDEN = [
    (K, {}),
    (K, {"a": 1}),
    (CYRILLIC_KEY, {"a": 1}),
    (LONG_KEY, {"a": 1}),
    (K, {"x": {" t": 1}}),
    (K, {" t": 1}),
    (K, {"_permanent": True, "_flashes": [("message", "hi")]}),
    (K, {"a": "x" * 60}),
    (K, {"u": "é", "b": b"\x00\xff", "t": (1, 2), "m": Markup("<b>"), "id": uuid.UUID(int=1), "d": DATE}),
]
SIGNERS = [
    {"digest": "sha256"},
    {"digest": "sha512"},
    {"derivation": "concat"},
    {"derivation": "django-concat"},
    {"derivation": "none"},
    {"salt": "another salt", "digest": "sha256", "derivation": "concat"},
]


def golden():
    for key, session in GOLDEN:
        yield cookie_record(session, keys=[key])
    for signer in SIGNERS:
        yield cookie_record({"a": 1}, keys=[K], **signer)


def generated(count):
    stream = generate.Sessions(seed=2026)
    made = 0
    while made < count:
        session = stream.session()
        # A recording is for reading; the differential run has the long ones.
        if len(describe(session)) <= 1500:
            yield cookie_record(session, keys=[K])
            made += 1


def cookie_record(session, **settings):
    request = {"at": AT, **settings}
    app = judge.make_app(request)
    with app.app_context():
        cookie = app.session_interface.get_signing_serializer(app).dumps(session)
        opened = judge.verdict(app, cookie)["session"]
    return {**request, "cookie": cookie, "opened": opened, "value": describe(session)}


def headers(count):
    return generate.headers({"seed": 2026, "count": count})


def set_cookies(count):
    records = generate.set_cookies({"seed": 2026, "count": count, "at": AT})
    long = [record for record in records if len(record["call"]["value"]) > 1000]
    # A few over the limit say as much as many.
    return [record for record in records if record not in long[8:]]


def damaged(count):
    records = generate.damaged({"seed": 2026, "count": 3 * count, "at": AT})
    return [record for record in records if len(record["cookie"]) < 600][:count]


def write(name, records):
    lines = [json.dumps(record, ensure_ascii=True, separators=(",", ":")) for record in [{"made_by": judge.versions({})}, *records]]
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"wire/{name}: {len(lines) - 1} records")


if __name__ == "__main__":
    write("flask-cookies.jsonl", [*golden(), *generated(300)])
    write("damaged-cookies.jsonl", damaged(300))
    write("cookie-headers.jsonl", headers(400))
    write("set-cookie.jsonl", set_cookies(250))
