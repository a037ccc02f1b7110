"""The signers and serializers of :mod:`itsdangerous`, with the signing done natively.

For links in mails, form tokens and the like. Only the import changes::

    from hipflask.itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

    links = URLSafeTimedSerializer("the app's secret key", salt="confirm-mail")
    token = links.dumps({"user": 7})
    try:
        print(links.loads(token, max_age=3600))
    except SignatureExpired as error:
        print("This link is too old. It was made at", error.date_signed)
    except BadSignature:
        print("This link was not made here.")

The classes are subclasses of those of itsdangerous with the costly part replaced: each side reads what the other signs,
subclasses work, and errors are itsdangerous' exceptions, with ``payload`` and ``date_signed``. Two differences are on
purpose. Base64 has more than one spelling for a signature, and only the one that itsdangerous writes is accepted. An empty
secret key is a :class:`ValueError`, because anybody could sign with it.

The code of itsdangerous signs where an object has a part that Rust does not know: another algorithm, another hash than
SHA-1, SHA-256 and SHA-512, or an overridden method.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import itsdangerous as _original
from itsdangerous import (
    BadData,
    BadHeader,
    BadPayload,
    BadSignature,
    BadTimeSignature,
    HMACAlgorithm,
    NoneAlgorithm,
    SignatureExpired,
    base64_decode,
    base64_encode,
    want_bytes,
)
from itsdangerous.signer import SigningAlgorithm

from ._native import NativeSigner

__all__ = [
    "BadData",
    "BadHeader",
    "BadPayload",
    "BadSignature",
    "BadTimeSignature",
    "HMACAlgorithm",
    "NoneAlgorithm",
    "Serializer",
    "SignatureExpired",
    "Signer",
    "SigningAlgorithm",
    "TimedSerializer",
    "TimestampSigner",
    "URLSafeSerializer",
    "URLSafeTimedSerializer",
    "base64_decode",
    "base64_encode",
    "want_bytes",
]


class Signer(_original.Signer):
    """itsdangerous' :class:`~itsdangerous.Signer`: ``value.signature``."""

    def get_signature(self, value: str | bytes) -> bytes:
        native = _native_of(self)
        return super().get_signature(value) if native is None else native.signature(want_bytes(value))

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        native = _native_of(self)
        if native is None:
            return super().verify_signature(value, sig)
        try:
            return native.verify(want_bytes(value), want_bytes(sig))
        except UnicodeEncodeError:  # An error in the value, as in itsdangerous, and not in the signature.
            want_bytes(value)
            return False

    def sign(self, value: str | bytes) -> bytes:
        native = _native_of(self, Signer)
        return super().sign(value) if native is None else native.sign(want_bytes(value))

    def unsign(self, signed_value: str | bytes) -> bytes:
        native = _native_of(self, Signer)
        value = None if native is None else native.unsign(want_bytes(signed_value))
        # itsdangerous raises the right exception.
        return super().unsign(signed_value) if value is None else value


class TimestampSigner(Signer, _original.TimestampSigner):
    """itsdangerous' :class:`~itsdangerous.TimestampSigner`: ``value.timestamp.signature``.

    The time is that of Python's :func:`time.time`, or of an overridden :meth:`get_timestamp`.
    """

    def sign(self, value: str | bytes) -> bytes:
        native = _native_of(self, TimestampSigner)
        if native is None:
            return _original.TimestampSigner.sign(self, value)
        return native.sign_at(want_bytes(value), self.get_timestamp())

    def unsign(
        self,
        signed_value: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,
    ) -> Any:
        native = _native_of(self, TimestampSigner)
        opened = None if native is None else native.unsign_timed(want_bytes(signed_value))
        if opened is None or (max_age is not None and not 0 <= self.get_timestamp() - opened[1] <= max_age):
            slow: Any = _original.TimestampSigner.unsign
            return slow(self, signed_value, max_age, return_timestamp)
        value, signed_at = opened
        return (value, self.timestamp_to_datetime(signed_at)) if return_timestamp else value

    def validate(self, signed_value: str | bytes, max_age: int | None = None) -> bool:
        return _original.TimestampSigner.validate(self, signed_value, max_age)


class Serializer(_original.Serializer):
    """itsdangerous' :class:`~itsdangerous.Serializer`."""

    default_signer = Signer


class TimedSerializer(_original.TimedSerializer):
    """itsdangerous' :class:`~itsdangerous.TimedSerializer`."""

    default_signer = TimestampSigner


class URLSafeSerializer(_original.URLSafeSerializer):
    """itsdangerous' :class:`~itsdangerous.URLSafeSerializer`."""

    default_signer = Signer


class URLSafeTimedSerializer(_original.URLSafeTimedSerializer):
    """itsdangerous' :class:`~itsdangerous.URLSafeTimedSerializer`."""

    default_signer = TimestampSigner


def _native_of(signer: _original.Signer, whole: type[Signer] | None = None) -> NativeSigner | None:
    """Returns the native signer that does the same as ``signer``, or None if it has a part that Rust does not know.

    With ``whole``, the methods of that class must not be overridden either. The attributes are read with every call, because
    an app may set them.
    """
    algorithm = signer.algorithm
    digest = _DIGESTS.get(signer.digest_method)
    if (
        digest is None
        or type(algorithm) is not HMACAlgorithm
        or algorithm.digest_method is not signer.digest_method
        or not _is_unchanged(type(signer), whole)  # type: ignore[arg-type]
        or len(signer.sep) != 1
        or not signer.sep.isascii()
    ):
        return None
    return _cached_signer(tuple(signer.secret_keys), signer.salt, signer.sep[0], signer.key_derivation, digest)


def _new_signer(keys: tuple[bytes, ...], salt: bytes, sep: int, derivation: str, digest: str) -> NativeSigner | None:
    if derivation not in _DERIVATIONS:
        return None  # itsdangerous raises the error when it derives the key.
    return NativeSigner(list(keys), salt, sep, derivation, digest)


# Deriving keys is most of the work, and serializers create a signer with every call.
_cached_signer = lru_cache(maxsize=128)(_new_signer)


def _overrides_nothing(kind: type[_original.Signer], whole: type[Signer] | None) -> bool:
    """Returns True if a class overrides no method that the native signer would skip."""
    own = kind.derive_key is _original.Signer.derive_key
    if whole is not None:
        own = own and kind.get_signature is Signer.get_signature
        own = own and kind.verify_signature is Signer.verify_signature
    return own


_is_unchanged = lru_cache(maxsize=128)(_overrides_nothing)


_DERIVATIONS = frozenset(["concat", "django-concat", "hmac", "none"])

_DIGESTS: dict[Any, str] = {
    _original.Signer.default_digest_method: "sha1",
    hashlib.sha1: "sha1",
    hashlib.sha256: "sha256",
    hashlib.sha512: "sha512",
}
