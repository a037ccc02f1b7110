//! The signing family of itsdangerous: keys, derivation, timestamps, URL-safe payloads.
