//! The UTF-8 of Python's texts.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Calls `look` with the UTF-8 of a text.
///
/// # Errors
/// `UnicodeEncodeError` for lone surrogates, which UTF-8 does not have.
#[cfg(not(feature = "abi3"))]
#[inline]
pub(crate) fn with_utf8<R>(text: &Bound<'_, PyString>, look: impl FnOnce(&str) -> R) -> PyResult<R> {
    text.to_str().map(look)
}

/// The copy is needed because before Python 3.10 the limited API does not show the UTF-8 itself.
#[cfg(feature = "abi3")]
#[inline]
pub(crate) fn with_utf8<R>(text: &Bound<'_, PyString>, look: impl FnOnce(&str) -> R) -> PyResult<R> {
    let copy = text.encode_utf8()?;
    Ok(look(core::str::from_utf8(copy.as_bytes()).unwrap_or_default()))
}
