"""`hipflask.itsdangerous` compared with itsdangerous."""

import copy
import hashlib
import pickle
import random

import freezegun
import itsdangerous
import itsdangerous.timed
import pytest

from hipflask import itsdangerous as ours

KINDS = ["Signer", "TimestampSigner"]
DIGESTS = [None, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.sha384]


def answer_of(act):
    try:
        return act()
    except Exception as error:
        details = [getattr(error, name, None) for name in ("payload", "date_signed")]
        return type(error), str(error), details


def is_refusal(answer):
    return isinstance(answer, tuple) and isinstance(answer[0], type)


def test_random_arguments_sign_and_fail_as_in_itsdangerous():
    chance = random.Random(7)
    frozen = freezegun.freeze_time("2023-11-14 22:13:20")
    with frozen as clock:
        for _ in range(600):
            keys = chance.choice(["k", b"\xff\x00" * 40, ["old", "new"], "ключ"])
            options = {
                "salt": chance.choice([None, "s", b"\xff"]),
                "sep": chance.choice([".", ":", b"!", b"::"]),
                "key_derivation": chance.choice([None, "concat", "django-concat", "hmac", "none", "nonsense"]),
                "digest_method": chance.choice(DIGESTS),
            }
            kind = chance.choice(KINDS)
            there, here = (getattr(module, kind)(keys, **options) for module in (itsdangerous, ours))
            value = chance.choice(["", "text", "a.b:c!d", b"\xff\x00", "é"])
            signed = answer_of(lambda: there.sign(value))
            assert answer_of(lambda: here.sign(value)) == signed, (keys, options, value)
            if not isinstance(signed, bytes):
                continue
            at = chance.randrange(len(signed))
            damaged = signed[:at] + bytes([signed[at] ^ chance.randrange(1, 256)]) + signed[at + 1 :]
            clock.tick(chance.choice([0, 0, 50, -3]))
            ages = [{}] if kind == "Signer" else [{}, {"max_age": 40}, {"max_age": 60, "return_timestamp": True}]
            for text in (signed, damaged, signed[:-1], b"", b"x", signed.split(b".")[0]):
                for age in ages:
                    expected = answer_of(lambda: there.unsign(text, **age))
                    given = answer_of(lambda: here.unsign(text, **age))
                    if given != expected:
                        # Another spelling of the same signature: COMPATIBILITY.md.
                        assert text == damaged and is_refusal(given) and "does not match" in given[1], text
                    if set(age) <= {"max_age"}:
                        assert here.validate(text, **age) is not is_refusal(given)


@pytest.mark.parametrize("kind", ["URLSafeSerializer", "URLSafeTimedSerializer", "Serializer", "TimedSerializer"])
def test_serializers_read_each_others_texts(kind):
    for keys in ("secret", ["old", "secret"]):
        there, here = (getattr(module, kind)(keys, salt="mail") for module in (itsdangerous, ours))
        with freezegun.freeze_time("2023-11-14 22:13:20"):
            for data in ({"user": 7}, ["é", None], "x" * 500, 1.5):
                token = there.dumps(data)
                assert here.dumps(data) == token
                assert here.loads(token) == there.loads(token) == data
                wrong = token[:-2] + ("AA" if token[-2:] not in ("AA", b"AA") else "BB") if isinstance(token, str) else token[:-2] + b"AA"
                assert here.loads_unsafe(wrong) == there.loads_unsafe(wrong)
        old = getattr(itsdangerous, kind)("old", salt="mail").dumps([1])
        assert answer_of(lambda: here.loads(old)) == answer_of(lambda: there.loads(old))


def test_an_old_link_raises_itsdangerous_error_with_details():
    links = ours.URLSafeTimedSerializer("secret")
    with freezegun.freeze_time("2023-11-14") as clock:
        token = links.dumps({"user": 7})
        clock.tick(3601)
        with pytest.raises(itsdangerous.SignatureExpired, match="Signature age 3601 > 3600 seconds") as caught:
            links.loads(token, max_age=3600)
    assert caught.value.date_signed.isoformat() == "2023-11-14T00:00:00+00:00"
    assert links.load_payload(caught.value.payload) == {"user": 7}


def test_what_a_subclass_overrides_counts():
    class Later(ours.TimestampSigner):
        def get_timestamp(self):
            return 1_700_000_000

    class Reversed(ours.Signer):
        def derive_key(self, secret_key=None):
            return super().derive_key(secret_key)[::-1]

    class Odd(ours.Signer):
        def get_signature(self, value):
            return b"odd"

    assert Later("k").sign("x") == b"x.ZVPxAA.xIH93b2uT17IeweUA33GxC8wcwU"
    assert Reversed("k").sign("x") != ours.Signer("k").sign("x")
    assert Reversed("k").unsign(Reversed("k").sign("x")) == b"x"
    assert Odd("k").sign("x") == b"x.odd"
    unsigned = ours.Signer("k", algorithm=ours.NoneAlgorithm())
    assert unsigned.sign("x") == b"x."


def test_attributes_may_be_set_and_signers_copied():
    signer = ours.Signer("k")
    before = signer.sign("x")
    signer.salt = b"other"
    assert signer.sign("x") == itsdangerous.Signer("k", salt="other").sign("x") != before
    for copied in (copy.copy(signer), copy.deepcopy(signer), pickle.loads(pickle.dumps(signer))):
        assert copied.sign("x") == signer.sign("x")
    assert isinstance(ours.TimestampSigner("k"), (itsdangerous.TimestampSigner, ours.Signer))


def test_an_empty_key_is_refused():
    for keys in ("", ["", "k"]):
        with pytest.raises(ValueError, match="is empty, so anybody could sign"):
            ours.Signer(keys).sign("x")
