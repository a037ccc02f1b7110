"""Random sessions, damaged cookies and nasty headers. The same seed makes the same ones."""

import base64
import math
import random
import struct
import uuid
import zlib
from datetime import datetime, timedelta, timezone

import judge
from describe import describe
from markupsafe import Markup

# What has gone wrong in some JSON, cookie or HTML code before.
PIECES = [
    "", " ", "\x00", "\x1f", "\x7f", "\x80", "\x85", "\xa0", "\xad", "\u00e9", "\u0130", "\u2028", "\u2029", "\ufeff",
    "\ufffd", "\uffff", "\U0001f600", "\U00010000", "\U0010ffff", "\ud800", "\udbff", "\udc00", "\udfff",
    "\ud83d\ude00", "e\u0301", "\u202e", "<b>", "</script>", "&amp;", "'", '"', "\\", "/", "\b", "\t", "\n", "\f", "\r",
    "\\u0041", "{}", "[]", "null", " t", " di", "__", ".", "=", ";", ",", "-_+/", "%2E", "\u0000\u0001", "\u3042",
]
# Levels of JSON around a value. We read 50: the rest is for the session, the value's own tag, and what a step puts around it.
DEEPEST = 40
TAGS = [" t", " b", " m", " u", " d", " di", " t__", " b__", " m__", " u__", " d__", " di__", " x", " ", "t", " T", " t ",
        " t____", " di____", "  t"]
WORDS = ["username", "alice", "user_id", "csrf_token", "cart", "visits", "email", "role", "admin", "_fresh", "_id",
         "next", "/dashboard?page=2", "Welcome back!", "item", "price", "quantity", "locale", "en_GB", "theme"]
LENGTHS = [0, 1, 2, 3, 5, 8, 40, 300]


class Sessions:
    """A stream of session dicts from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def session(self):
        pick = self.random.random()
        if pick < 0.02:
            return {}
        if pick < 0.06:
            return self.tag_like(3)
        if pick < 0.10:
            return {self.key(): self.deep(self.random.randint(5, 40))}
        if pick < 0.30:
            return self.everyday()
        session = self.dict(self.random.choice([1, 2, 3, 4]), self.random.choice([1, 2, 3, 5, 9]))
        if self.random.random() < 0.2:
            session["_permanent"] = self.random.random() < 0.8
        if self.random.random() < 0.15:
            session["_flashes"] = self.flashes()
        return session

    def everyday(self):
        """What applications keep: words, small numbers, a cart, flashes; often long enough to be deflated."""
        r = self.random
        session = {r.choice(WORDS): r.choice(WORDS) for _ in range(r.randint(1, 6))}
        if r.random() < 0.5:
            session["csrf_token"] = f"{r.getrandbits(160):040x}"
        if r.random() < 0.5:
            session["cart"] = [
                {"item": r.choice(WORDS), "quantity": r.randint(1, 9), "price": r.randint(1, 99999) / 100}
                for _ in range(r.choice([0, 1, 2, 5, 30]))
            ]
        if r.random() < 0.3:
            session["_flashes"] = self.flashes()
        if r.random() < 0.3:
            session["_permanent"] = True
        return session

    def flashes(self):
        r = self.random
        return [(r.choice(["message", "error", self.text()]), self.value(1)) for _ in range(r.randint(0, 3))]

    def value(self, depth):
        r = self.random
        kind = r.randrange(16 if depth > 0 else 11)
        if kind == 0:
            return r.choice([None, True, False])
        if kind in (1, 2):
            return self.int()
        if kind in (3, 4):
            return self.float()
        if kind in (5, 6):
            return self.text()
        if kind == 7:
            return self.bytes()
        if kind == 8:
            return Markup(self.text())
        if kind == 9:
            return uuid.UUID(int=r.choice([0, 1, (1 << 128) - 1, r.getrandbits(128), r.getrandbits(128)]))
        if kind == 10:
            return self.datetime()
        if kind in (11, 12):
            return [self.value(depth - 1) for _ in range(r.choice([0, 1, 2, 4]))]
        if kind == 13:
            return tuple(self.value(depth - 1) for _ in range(r.choice([0, 1, 2, 4])))
        if kind == 14:
            return self.tag_like(depth)
        return self.dict(depth, r.choice([0, 1, 2, 4]))

    def dict(self, depth, size):
        return {self.key(): self.value(depth - 1) for _ in range(size)}

    def tag_like(self, depth):
        """A dict that the tags of Flask's JSON could mistake for one of theirs."""
        r = self.random
        tagged = {r.choice(TAGS): self.value(depth - 1)}
        if r.random() < 0.2:
            tagged[r.choice(TAGS)] = self.value(depth - 1)
        return tagged

    def deep(self, depth):
        value, levels = self.value(0), 0
        for _ in range(depth):
            pick = self.random.randrange(4)
            if pick == 0:
                deeper, more = [value], 1
            elif pick == 1:
                deeper, more = (value, None), 2
            elif pick == 2:
                deeper, more = {self.key(): value}, 1
            else:
                deeper, more = {self.random.choice(TAGS): value}, 2
            if levels + more <= DEEPEST:
                value, levels = deeper, levels + more
        return value

    def key(self):
        return self.random.choice(WORDS) if self.random.random() < 0.4 else self.text()

    def text(self):
        r = self.random
        pick = r.randrange(6)
        if pick < 2:
            return r.choice(WORDS)
        if pick == 2:
            return "".join(r.choice(PIECES) for _ in range(r.randint(0, 6)))
        if pick == 3:
            return "".join(map(chr, (r.randrange(0x110000) for _ in range(r.choice(LENGTHS[:6])))))
        if pick == 4:
            return "".join(map(chr, (r.randrange(0x180) for _ in range(r.choice(LENGTHS[:7])))))
        return r.choice(PIECES + WORDS) * r.choice(LENGTHS)

    def bytes(self):
        return self.random.randbytes(self.random.choice(LENGTHS))

    def int(self):
        r = self.random
        pick = r.randrange(4)
        if pick == 0:
            return r.randint(-10, 1000)
        if pick == 1:
            edge = 1 << r.choice([7, 8, 15, 16, 31, 32, 53, 63, 64, 127, 128])
            return r.choice([-1, 1]) * (edge + r.randint(-2, 2))
        if pick == 2:
            return r.choice([-1, 1]) * r.getrandbits(r.randint(1, 80))
        return r.choice([-1, 1]) * r.getrandbits(r.choice([65, 100, 129, 400, 2000]))

    def float(self):
        r = self.random
        pick = r.randrange(5)
        if pick == 0:
            value = struct.unpack(">d", r.randbytes(8))[0]
            # A description tells no NaN from another.
            return float("nan") if math.isnan(value) else value
        if pick == 1:
            return r.choice([0.0, -0.0, 1.0, 1e15, 1e16, 1e17, 1e22, 1e23, 123456789012345678.0, 0.0001, 0.00001, 5e-324,
                             2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 9007199254740993.0])
        if pick == 2:
            return r.choice([float("nan"), float("inf"), float("-inf")])
        if pick == 3:
            return r.randint(-10**6, 10**6) / r.choice([1, 2, 10, 100, 1000])
        return r.uniform(-1, 1) * 10.0 ** r.randint(-30, 30)

    def datetime(self):
        r = self.random
        year = r.choice([r.randint(1900, 2100), r.randint(1900, 2100), r.randint(100, 9998), r.randint(2, 99)])
        zone = timezone.utc
        if r.random() < 0.4:
            zone = timezone(timedelta(minutes=r.randint(-23 * 60, 23 * 60)))
        return datetime(year, r.randint(1, 12), r.randint(1, 28), r.randint(0, 23), r.randint(0, 59), r.randint(0, 59),
                        r.choice([0, 1, 500_000, 999_999]), zone)


def sessions(request):
    """seed, count -> sessions as generated and as Flask reads them back, with the cookie that Flask signs."""
    stream = Sessions(request["seed"])
    app = judge.make_app(request)
    serializer = app.session_interface.get_signing_serializer(app)
    with app.app_context():
        return [_signed(app, serializer, stream.session()) for _ in range(request["count"])]


def _signed(app, serializer, session):
    cookie = serializer.dumps(session)
    return {"value": describe(session), "cookie": cookie, "opened": judge.verdict(app, cookie)["session"]}


def damaged(request):
    """seed, count -> cookies that something happened to, with Flask's verdict on each (see judge.open_cookies).

    `by` names what happened. Some cookies come out whole; most do not.
    """
    stream = Sessions(request["seed"])
    app = judge.make_app(request)
    other = judge.make_app({**request, "keys": ["6e6f74207468652073616d65"]})
    serializer = app.session_interface.get_signing_serializer(app)
    damage = Damage(stream.random, app, other, request.get("at", judge.DEFAULT_AT))
    judge.set_clock(damage.at)
    with app.app_context():
        return [damage.one(serializer.dumps(stream.session())) for _ in range(request["count"])]


class Damage:
    """The ways in which a cookie goes wrong; a method without underscore is one."""

    JUNK = ".=-_+/ \t\"\\;,%&!\x00\x7f\u00e9\u20acAZaz09"

    def __init__(self, source, app, other_app, at):
        self._random = source
        self._app = app
        self._other_app = other_app
        self.at = at
        self._ways = [name for name in vars(Damage) if not name.startswith("_") and name.islower() and name != "one"]

    def one(self, cookie):
        by = self._random.choice(self._ways)
        cookie = getattr(self, by)(cookie)
        return {"by": by, "cookie": cookie, **judge.verdict(self._app, cookie)}

    def _place(self, text):
        return self._random.randrange(len(text))

    def _resigned(self, payload):
        return judge.sign_text(self._app, payload)

    def _payload(self, cookie):
        return cookie.rsplit(".", 2)[0].encode()

    def whole(self, cookie):
        return cookie

    def changed_character(self, cookie):
        at = self._place(cookie)
        return cookie[:at] + self._random.choice(self.JUNK) + cookie[at + 1 :]

    def changed_bit(self, cookie):
        at = self._place(cookie)
        return cookie[:at] + chr(ord(cookie[at]) ^ (1 << self._random.randrange(7))) + cookie[at + 1 :]

    def lost_character(self, cookie):
        at = self._place(cookie)
        return cookie[:at] + cookie[at + 1 :]

    def inserted_character(self, cookie):
        at = self._random.randrange(len(cookie) + 1)
        return cookie[:at] + self._random.choice(self.JUNK) * self._random.randint(1, 4) + cookie[at:]

    def cut_short(self, cookie):
        return cookie[: self._place(cookie)]

    def appended(self, cookie):
        return cookie + self._random.choice(["=", "==", ".", "A", "=AAAA", "====", " ", "\n", ".AAAA", "\u00e9"])

    def other_last_character(self, cookie):
        return cookie[:-1] + self._random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

    def parts_in_other_order(self, cookie):
        parts = cookie.split(".")
        self._random.shuffle(parts)
        return ".".join(parts)

    def standard_alphabet(self, cookie):
        return cookie.replace("-", "+").replace("_", "/")

    def other_key(self, cookie):
        return judge.sign_text(self._other_app, self._payload(cookie))

    def other_time_unsigned(self, cookie):
        payload, _, signature = cookie.rsplit(".", 2)
        return f"{payload}.{self._random.choice(['ZVPxAQ', '', 'AAAAZVPxAA', '_' * 11, '____', '!'])}.{signature}"

    def signed_at_another_time(self, cookie):
        life = int(self._app.permanent_session_lifetime.total_seconds())
        shift = self._random.choice([-life - 1, -life, -life + 1, -1, 0, 1, 5, 6, 3600, -self.at, 1 << 33])
        judge.set_clock(self.at + shift)
        try:
            return self._resigned(self._payload(cookie))
        finally:
            judge.set_clock(self.at)

    def signed_odd_time(self, cookie):
        text = self._random.choice(["", "AAAAZVPxAA", "AAAAAAAAAAAA", "ZVPxA", "ZVPx=", "!", "ZVPxAA==", "//////////8", "Z"])
        interface = self._app.session_interface
        signer = judge.itsdangerous.Signer(
            self._app.secret_key,
            salt=interface.salt,
            key_derivation=interface.key_derivation,
            digest_method=interface.digest_method,
        )
        return signer.sign(self._payload(cookie) + b"." + text.encode()).decode()

    def signed_without_time(self, cookie):
        signer = judge.itsdangerous.Signer(self._app.secret_key, salt=self._app.session_interface.salt, key_derivation="hmac")
        return signer.sign(self._payload(cookie).replace(b".", b"")).decode()

    def signed_damaged_payload(self, cookie):
        payload = self._payload(cookie)
        at = self._place(payload)
        return self._resigned(payload[:at] + self._random.choice(self.JUNK).encode() + payload[at + 1 :])

    def signed_short_payload(self, cookie):
        payload = self._payload(cookie)
        return self._resigned(payload[: self._place(payload)])

    def signed_other_flag(self, cookie):
        payload = self._payload(cookie)
        return self._resigned(payload[1:] if payload.startswith(b".") else b"." + payload)

    def signed_odd_json(self, cookie):
        text = self._random.choice(ODD_JSON)
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return self._resigned(self._encoded(data))

    def signed_odd_tag(self, cookie):
        text = '{"a":%s}' % self._random.choice(ODD_TAGS)
        return self._resigned(self._encoded(text.encode()))

    def signed_other_deflate(self, cookie):
        data = self._random.choice([b"{}", b'{"a":1}', b'{"a":"' + b"x" * 3000 + b'"}'])
        packed = self._random.choice([
            zlib.compress(data, 0), zlib.compress(data, 1), zlib.compress(data, 9), zlib.compress(data) + b"more",
            zlib.compress(data)[:-1], zlib.compress(data)[2:-4], b"", b"\x78\x9c", _with_window(data, 9), _with_window(data, 31),
        ])
        return self._resigned(b"." + base64.urlsafe_b64encode(packed).rstrip(b"="))

    def _encoded(self, data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")


def _with_window(data, window):
    packer = zlib.compressobj(wbits=window)
    return packer.compress(data) + packer.flush()


ODD_JSON = [
    "", " ", "null", "true", "1", "1.5", '"ab"', "[]", "[1]", '[["a",5]]', '[["a",5],["a",6]]', '[["a"]]', '["ab","cd"]',
    '{" t":[["a",5]]}', "{}", " {} ", "\t\r\n{}\n", "\u00a0{}", "\ufeff{}", "{", "{}}", '{"a":1,}', "{'a':1}", '{"a":01}', '{"a":-}',
    '{"a":1.}', '{"a":.5}', '{"a":1e}', '{"a":+1}', '{"a":0x1}', '{"a":NaN}', '{"a":-NaN}', '{"a":Infinity}', '{"a":-Infinity}',
    '{"a":1e400}', '{"a":-1e400}', '{"a":1e-400}', '{"a":-0}', '{"a":-0.0}', '{"a":0e0}', '{"a":1E5}', '{"a":1,"a":2}',
    '{"b":0,"a":1,"b":2}', '{"a":"\\ud800"}', '{"a":"\\ud83d\\ude00"}', '{"a":"\\ude00\\ud83d"}', '{"a":"\\ud83d\\u0041"}',
    '{"a":"\\u12"}', '{"a":"\\u12G4"}', '{"a":"\\u+123"}', '{"a":"\\x41"}', '{"a":"\\/"}', '{"a":"\n"}', '{"a":"\x7f"}', '{"a":"\u00e9"}',
    '{"a":"\U0001f600"}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'\xff\xfe{\x00}\x00', '{"a":"', '{"a"}', '{1:2}', '{"a" : [ 1 , 2 ] }',
    "nul", "NULL", "nan", "//x\n{}", '{"a":' + "9" * 4300 + "}", '{"a":' + "9" * 4301 + "}", '{"a":' + "[" * 200 + "]" * 200 + "}",
    '{"a":0.1e1}', '{"a":123456789012345678901234567890}', '{"a":1.7976931348623159e308}', '{"":""}', '{"\\u0061":1}',
]
ODD_TAGS = [
    '{" t":1}', '{" t":"abc"}', '{" t":{"a":1}}', '{" t":null}', '{" t":[]}', '{" t":[{" t":[]}]}', '{" b":"YQ"}', '{" b":1}',
    '{" b":"!!!"}', '{" b":"-_-_"}', '{" b":""}', '{" b":"YQ=="}', '{" b":"YQ==YQ=="}', '{" b":"Y Q = ="}', '{" b":"YR=="}', '{" b":"\\u00e9"}',
    '{" b":"YQ==="}', '{" b":"Y"}', '{" b":null}', '{" m":1}', '{" m":null}', '{" m":[1,"a"]}', '{" m":"<b>"}', '{" m":true}', '{" m":1.5}',
    '{" u":"zz"}', '{" u":1}', '{" u":"{12345678-1234-5678-1234-567812345678}"}', '{" u":"urn:uuid:12345678123456781234567812345678"}',
    '{" u":"12345678123456781234567812345678"}', '{" u":"1234-5678123456781234567812345678"}', '{" u":"1234567812345678123456781234567"}',
    '{" u":" 2345678123456781234567812345678"}', '{" u":"+2345678123456781234567812345678"}', '{" u":"1_345678123456781234567812345678"}',
    '{" d":1}', '{" d":"nope"}', '{" d":null}', '{" d":""}', '{" d":"Tue, 02 Jan 2024 03:04:05 GMT"}', '{" d":"02 Jan 2024 03:04:05 +0530"}',
    '{" d":"Mon, 02 Jan 2024 03:04:05 -0000"}', '{" d":"Tue, 02 Jan 24 03:04 EST"}', '{" d":"Tue, 32 Jan 2024 03:04:05 GMT"}',
    '{" d":"2024-01-02"}', '{" d":"Tue Jan  2 03:04:05 2024"}', '{" d":"Tue, 02-Jan-24 03:04:05 GMT"}', '{" d":"2 jan 1999 3:4:5 Z"}',
    '{" d":"Tue, 02 Jan 2024 24:00:00 GMT"}', '{" d":"Tue, 02 Jan 2024 23:59:60 GMT"}', '{" d":"Tue, 02 Jan 2024 03:04:05 +9999"}',
    '{" d":"Tue, 02 Jan 0050 03:04:05 GMT"}', '{" d":"Tue, 02 Jan 68 03:04:05 GMT"}', '{" d":"Tue, 02 Jan 69 03:04:05 GMT"}',
    '{" di":{}}', '{" di":{"a":1}}', '{" di":{" t__":1}}', '{" di":{" di__":{" t__":1}}}', '{" di":{"ab":1,"c":2}}', '{" di":1}', '{" di":[]}',
    '{" di":null}', '{" x":1}', '{" t":[1],"b":2}', '{" t__":1}', '{" di":{" t":[1]}}', '{" di":{"  ":1}}',
]

NAMES = ["session", "session", "session", "a", "SESSION", "session2", "", "a b", '"a"', "a\t", "\u00e9", "__Host-session", "$Path", "a,b", "a:b"]
VALUES = ["v", "good.ZVPxAA.x-_y", "", '""', '"v"', '"a b"', "a b", '"a\\"b"', '"\\056"', '"\\303\\251"', '"\\400"', '"\\8"', '"\\000"', '"\\"', '"',
          '"x"y', '"x', "x\"y", '"a;b"', "a,b", "\u00e9", '"\u00e9"', "\u00c3\u00a9", "%2E", "a=b", "=", "\x01", "\x7f", "a\tb", " v ", "\tv", '"\\377"', "\\056",
          '"\\30\\1"', '""v""', "\u0080", "\u00ff", "'v'", "{}", "a\\", '"\\\\"']
BETWEEN = ["; ", "; ", ";", " ; ", ";;", ", ", " ", ";\t", "\t;\t", "; ;"]
EQUALS = ["=", "=", "=", "=", " = ", "= ", " =", "", "=="]


def headers(request):
    """seed, count -> nasty Cookie headers with the pairs that Flask's request has."""
    source = random.Random(request["seed"])
    texts = [_header(source) for _ in range(request["count"])]
    return [{"header": text, "pairs": pairs} for text, pairs in zip(texts, judge.parse_cookie({"headers": texts}))]


def _header(source):
    if source.random() < 0.2:
        return "".join(source.choice('session=;", \\01348\t\u00e9a.') for _ in range(source.randint(0, 40)))
    text = source.choice(["", "", "", " ", ";", "; ", ","])
    for _ in range(source.randint(1, 5)):
        text += source.choice(NAMES) + source.choice(EQUALS) + source.choice(VALUES) + source.choice(BETWEEN)
    return text if source.random() < 0.3 else text.rstrip("; \t,")


def set_cookies(request):
    """seed, count -> arguments of werkzeug.http.dump_cookie with the header that it makes."""
    source = random.Random(request["seed"])
    calls = [_call(source) for _ in range(request["count"])]
    replies = judge.dump_cookie({"calls": calls, "at": request.get("at", judge.DEFAULT_AT)})
    return [{"call": call, **reply} for call, reply in zip(calls, replies)]


def _call(source):
    call = {"key": source.choice(["session", "session", "a", "__Host-session", "s\u00e9ssion", "my_app"]),
            "value": source.choice(COOKIE_VALUES)}
    for name, choices in ATTRIBUTES.items():
        if source.random() < 0.35:
            call[name] = source.choice(choices)
    return call


COOKIE_VALUES = ["", "v", "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74", "a b", "a,b", "a;b", 'a"b', "a\\b", "\u00e9", "\U0001f600", "a/b", "(a)",
                 "\x00", "\x1a", "\x1f\x7f", "a=b&c", "x" * 4000, "x" * 4093, "{a}|~", "\n", "<>[]@", "%41"]
ATTRIBUTES = {
    "expires": [0, 1, 1_700_000_000, 4_000_000_000, 1_700_000_000.9, -1],
    "max_age": [0, 1, 3600, 2_678_400, -1],
    "sync_expires": [True, False],
    "path": ["/", "/app", "", None, "/a b", "/\u00e9", "/a;b", "/%41%2f", "/a?b#c", "/!$&'()*+,:=@~-._", "/\"<>\\^`{|}", "app"],
    "domain": ["example.com", ".example.com", "..example.com", "example.com:8080", "", None, "\u00fcmlaut.de", "Example.COM", "a..b", "127.0.0.1",
               "localhost", "\u4f8b\u3048.jp", "xn--mlaut-jva.de"],
    "secure": [True, False],
    "httponly": [True, False],
    "samesite": ["Lax", "lax", "STRICT", "none", "None", "", "other", None],
    "partitioned": [True, False],
    "max_size": [0, 50, 4093],
}

OPERATIONS = {
    "generate": sessions,
    "damage": damaged,
    "generate_headers": headers,
    "generate_set_cookies": set_cookies,
}
