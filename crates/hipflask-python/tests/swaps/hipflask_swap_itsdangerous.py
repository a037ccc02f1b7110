"""A pytest plugin: an import of a class from a module of itsdangerous returns ours."""

import itsdangerous.serializer
import itsdangerous.signer
import itsdangerous.timed
import itsdangerous.url_safe

import hipflask.itsdangerous as ours

for name in ("Serializer", "Signer", "TimedSerializer", "TimestampSigner", "URLSafeSerializer", "URLSafeTimedSerializer"):
    for module in (itsdangerous.serializer, itsdangerous.signer, itsdangerous.timed, itsdangerous.url_safe):
        if hasattr(module, name):
            setattr(module, name, getattr(ours, name))


def pytest_report_header():
    return f"signer: {itsdangerous.signer.Signer.__module__}"
