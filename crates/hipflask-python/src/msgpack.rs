//! MessagePack in a record: converted to Python's objects, or compared with them, without a tree of
//! values between.

use hipflask_store::record::{Format, MsgpackEvent, MsgpackReader, RecordError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::convert::{Builder, entries_of, value_of};
use crate::text::with_utf8;

/// Converts the next value to an object.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    builder: &mut Builder<'py>,
    reader: &mut MsgpackReader<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match reader.next().map_err(unreadable)? {
        MsgpackEvent::Str(text) => PyString::new(py, text).into_any(),
        MsgpackEvent::Int(number) => PyInt::new(py, number).into_any(),
        MsgpackEvent::Float(number) => PyFloat::new(py, number).into_any(),
        MsgpackEvent::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        MsgpackEvent::None => py.None().into_bound(py),
        MsgpackEvent::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        MsgpackEvent::List(length) => {
            let items: PyResult<Vec<_>> = (0..length).map(|_| to_python(py, builder, reader)).collect();
            PyList::new(py, items?)?.into_any()
        }
        MsgpackEvent::Dict(length) => {
            let dict = PyDict::new(py);
            for _ in 0..length {
                let key = match reader.next().map_err(unreadable)? {
                    MsgpackEvent::Str(key) => builder.key(key),
                    _ => {
                        return Err(PyValueError::new_err("a dict in a record has a key that is not a text"));
                    }
                };
                dict.set_item(key, to_python(py, builder, reader)?)?;
            }
            dict.into_any()
        }
        MsgpackEvent::Value(value) => builder.object(&value)?,
    })
}

/// Returns `true` if an object is exactly what the next value converts to. If not, the two may
/// still be written alike.
pub(crate) fn matches(found: &Bound<'_, PyAny>, reader: &mut MsgpackReader<'_>) -> bool {
    let Ok(event) = reader.next() else { return false };
    match event {
        MsgpackEvent::Str(text) => is_text(found, text),
        MsgpackEvent::Int(number) => found
            .cast_exact::<PyInt>()
            .is_ok_and(|found| found.extract::<i64>().is_ok_and(|found| found == number)),
        MsgpackEvent::Float(number) => {
            found.cast_exact::<PyFloat>().is_ok_and(|found| found.value().to_bits() == number.to_bits())
        }
        MsgpackEvent::Bool(value) => found.cast_exact::<PyBool>().is_ok_and(|found| found.is_true() == value),
        MsgpackEvent::None => found.is_none(),
        MsgpackEvent::Bytes(bytes) => {
            found.cast_exact::<PyBytes>().is_ok_and(|found| found.as_bytes() == bytes)
        }
        MsgpackEvent::List(length) => found
            .cast_exact::<PyList>()
            .is_ok_and(|found| found.len() == length && found.iter().all(|item| matches(&item, reader))),
        MsgpackEvent::Dict(length) => found.cast_exact::<PyDict>().is_ok_and(|found| {
            found.len() == length
                && entries_of(found).iter().all(|(key, value)| {
                    matches!(reader.next(), Ok(MsgpackEvent::Str(text)) if is_text(key, text))
                        && matches(value, reader)
                })
        }),
        MsgpackEvent::Value(value) => value_of(found, &Format::Msgpack, 0).is_ok_and(|found| found == value),
    }
}

fn is_text(found: &Bound<'_, PyAny>, text: &str) -> bool {
    found.cast_exact::<PyString>().is_ok_and(|found| with_utf8(found, |found| found == text).unwrap_or(false))
}

fn unreadable(error: RecordError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
