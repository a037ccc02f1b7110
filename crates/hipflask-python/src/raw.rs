//! What stands in a record as MessagePack: made into Python's objects, or compared with them, with no tree of values between.

use hipflask_store::record::{Format, Piece, Pieces, RecordError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::convert::{Builder, entries_of, value_of};
use crate::text::with_utf8;

/// The object of a value.
pub(crate) fn object<'py>(
    py: Python<'py>,
    make: &mut Builder<'py>,
    pieces: &mut Pieces<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match pieces.next().map_err(unreadable)? {
        Piece::Str(text) => PyString::new(py, text).into_any(),
        Piece::Int(number) => PyInt::new(py, number).into_any(),
        Piece::Float(number) => PyFloat::new(py, number).into_any(),
        Piece::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Piece::None => py.None().into_bound(py),
        Piece::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Piece::List(length) => {
            let items: PyResult<Vec<_>> = (0..length).map(|_| object(py, make, pieces)).collect();
            PyList::new(py, items?)?.into_any()
        }
        Piece::Dict(length) => {
            let dict = PyDict::new(py);
            for _ in 0..length {
                let key = match pieces.next().map_err(unreadable)? {
                    Piece::Str(key) => make.key(key),
                    _ => return Err(PyValueError::new_err("a dict in a record has a key that is no text")),
                };
                dict.set_item(key, object(py, make, pieces)?)?;
            }
            dict.into_any()
        }
        Piece::Value(value) => make.object(&value)?,
    })
}

/// Whether an object is what a value was, to the letter. If it is not, the two may still mean the same.
pub(crate) fn is(found: &Bound<'_, PyAny>, pieces: &mut Pieces<'_>) -> bool {
    let Ok(piece) = pieces.next() else { return false };
    match piece {
        Piece::Str(text) => is_text(found, text),
        Piece::Int(number) => found
            .cast_exact::<PyInt>()
            .is_ok_and(|found| found.extract::<i64>().is_ok_and(|found| found == number)),
        Piece::Float(number) => {
            found.cast_exact::<PyFloat>().is_ok_and(|found| found.value().to_bits() == number.to_bits())
        }
        Piece::Bool(value) => found.cast_exact::<PyBool>().is_ok_and(|found| found.is_true() == value),
        Piece::None => found.is_none(),
        Piece::Bytes(bytes) => found.cast_exact::<PyBytes>().is_ok_and(|found| found.as_bytes() == bytes),
        Piece::List(length) => found
            .cast_exact::<PyList>()
            .is_ok_and(|found| found.len() == length && found.iter().all(|item| is(&item, pieces))),
        Piece::Dict(length) => found.cast_exact::<PyDict>().is_ok_and(|found| {
            found.len() == length
                && entries_of(found).iter().all(|(key, value)| {
                    matches!(pieces.next(), Ok(Piece::Str(text)) if is_text(key, text)) && is(value, pieces)
                })
        }),
        Piece::Value(value) => value_of(found, &Format::Msgpack, 0).is_ok_and(|found| found == value),
    }
}

fn is_text(found: &Bound<'_, PyAny>, text: &str) -> bool {
    found.cast_exact::<PyString>().is_ok_and(|found| with_utf8(found, |found| found == text).unwrap_or(false))
}

fn unreadable(error: RecordError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
