//! The letters of Python's texts.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Shows `look` the UTF-8 of a text.
///
/// # Errors
/// `UnicodeEncodeError` for lone surrogates, which have none.
#[cfg(not(feature = "abi3"))]
#[inline]
pub(crate) fn with_utf8<R>(text: &Bound<'_, PyString>, look: impl FnOnce(&str) -> R) -> PyResult<R> {
    text.to_str().map(look)
}

/// Before Python 3.10 the limited API shows no letters, and gives a copy.
#[cfg(feature = "abi3")]
#[inline]
pub(crate) fn with_utf8<R>(text: &Bound<'_, PyString>, look: impl FnOnce(&str) -> R) -> PyResult<R> {
    let copy = text.encode_utf8()?;
    Ok(look(core::str::from_utf8(copy.as_bytes()).unwrap_or_default()))
}
