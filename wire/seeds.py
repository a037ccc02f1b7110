"""Seeds for the fuzz targets, made from the recordings in this directory: fuzz/corpus/TARGET/seed-N.

    python wire/seeds.py fuzz/corpus
"""

import base64
import json
import pathlib
import sys
import zlib

import generate
import records as flask_session

HERE = pathlib.Path(__file__).parent


def records(name):
    lines = (HERE / name).read_text(encoding="ascii").splitlines()
    return map(json.loads, lines[1:])


def text_of(cookie):
    payload = cookie.rsplit(".", 2)[0]
    data = base64.urlsafe_b64decode(payload.lstrip(".") + "==")
    return zlib.decompress(data) if payload.startswith(".") else data


def in_format(form):
    """Records as Flask-Session writes them: sessions that every format holds, and values that only Python has."""
    made = flask_session.generate_records({"seed": 1, "form": form, "count": 60})
    data = [bytes.fromhex(record["data"]) for record in made if "data" in record]
    if form != "json":
        data += map(bytes.fromhex, flask_session.generate_odd_records({"seed": 1, "form": form, "count": 60}))
    return [record for record in data if len(record) < 4000]


def seeds():
    cookies = [record["cookie"] for record in records("flask-cookies.jsonl")]
    damaged = [record["cookie"].encode("utf-8", "surrogatepass") for record in records("damaged-cookies.jsonl")]
    payloads = [cookie.rsplit(".", 2)[0].encode() for cookie in cookies]
    texts = [text_of(cookie) for cookie in cookies]
    odd = [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in generate.ODD_JSON]
    odd += [('{"a":%s}' % tag).encode() for tag in generate.ODD_TAGS]
    odd = [text for text in odd if len(text) < 3000]
    dates = [tag.split('"')[3] for tag in generate.ODD_TAGS if tag.startswith('{" d":"')]
    by_format = {form: in_format(form) for form in ["msgpack", "json", "pickle"]}
    return {
        "cookie_header": [record["header"].encode("latin-1") for record in records("cookie-headers.jsonl")],
        "session_cookie": [cookie.encode() for cookie in cookies] + damaged + payloads,
        "tagged_json": texts + odd,
        "payload": payloads,
        "signed_value": [cookie.encode() for cookie in cookies] + damaged + [b"x.ZVPxAA", b"x.", b".AAAAAGVT8QA"],
        "http_date": [date.encode() for date in dates] + [b"2024-01-02T03:04:05.000006+05:30"],
        **{f"record_{form}": data for form, data in by_format.items()},
        "record_convert": sum(by_format.values(), []),
        "text": [piece.encode("utf-8", "surrogatepass") for piece in generate.PIECES + generate.WORDS],
    }


def main(corpus):
    for target, contents in seeds().items():
        folder = pathlib.Path(corpus) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents):
            (folder / f"seed-{number}").write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
