//! Python's sessions to records and back, with the rules of msgspec and pickle.

use hipflask_core::session::{Part, SessionDict};
use hipflask_core::value::{Dict, Int, MAX_DEPTH, Text, Value};
use hipflask_store::record::{EncodeError, Format, MsgpackReader, OpaqueValues, Problem, Record};
use pyo3::exceptions::{PyOverflowError, PyRecursionError, PyTypeError, PyUnicodeEncodeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString, PyType};

use crate::convert::{
    Builder, ConvertError, ConvertRules, datetime_of, entries_of, int_of, int_with_digits, text_of, value_of,
};
use crate::guard::entry;
use crate::msgpack;

/// Converts a session from the record `data`. Python reads the record again if it has a value
/// without a type in Rust.
pub(crate) fn dict_of_session<'py>(
    py: Python<'py>,
    session: &SessionDict,
    opaque: &OpaqueValues,
    data: &[u8],
) -> PyResult<Bound<'py, PyDict>> {
    if !opaque.is_empty() {
        let loads = helper(py)?.getattr(intern!(py, "loads"))?;
        return Ok(loads.call1((PyBytes::new(py, data), Format::of(data).to_string()))?.cast_into()?);
    }
    let (dict, mut builder) = (PyDict::new(py), Builder::begin(py));
    for (key, part) in session.parts() {
        let value = match part {
            Part::Raw(bytes) => msgpack::to_python(py, &mut builder, &mut MsgpackReader::of(bytes))?,
            Part::Value(value) => builder.object(value)?,
        };
        builder.put(&dict, key, value)?;
    }
    Ok(dict)
}

/// Returns `true` if a dict is exactly what its session was read from. If not, both may still be
/// written alike.
pub(crate) fn equals_record(dict: &Bound<'_, PyDict>, session: &SessionDict) -> bool {
    let mut builder = Builder::begin(dict.py());
    let mut is_same = |(key, part): (&Text, Part<'_>)| {
        let (Part::Raw(bytes), Some(key)) = (part, key.as_str()) else { return false };
        let found = dict.get_item(builder.key(key)).ok().flatten();
        found.is_some_and(|found| msgpack::matches(&found, &mut MsgpackReader::of(bytes)))
    };
    dict.len() == session.len() && session.parts().all(&mut is_same)
}

/// Converts a session to a record in `format`.
pub(crate) fn record_of_dict(session: &Bound<'_, PyDict>, format: Format) -> PyResult<Record> {
    let py = session.py();
    let (mut record, odd) = (Record::default(), PyDict::new(py));
    for (key, value) in entries_of(session) {
        match member_of(&key, &value, format) {
            Ok((key, value)) => drop(record.dict.insert(key, value)),
            Err(ConvertError::NeedsPython) => {
                odd.set_item(&key, value)?;
                // Keeps the position of the key.
                if let Ok(key) = key.cast_exact::<PyString>() {
                    record.dict.insert(text_of(key).unwrap_or_default(), Value::None);
                }
            }
            Err(ConvertError::Raised(error)) => return Err(naming(&key, error)),
        }
    }
    if !odd.is_empty() {
        add_odd(&mut record, &odd, format)?;
    }
    Ok(record)
}

/// Raises an exception that names the key if a record in `format` cannot hold this.
pub(crate) fn check_member(key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, format: Format) -> PyResult<()> {
    match member_of(key, value, format) {
        Ok((text, value)) => format.check(&text, &value).map_err(|error| not_encoded(&error)),
        Err(ConvertError::Raised(error)) => Err(naming(key, error)),
        Err(ConvertError::NeedsPython) => {
            let odd = PyDict::new(key.py());
            odd.set_item(key, value)?;
            add_odd(&mut Record::default(), &odd, format).map_err(|error| naming(key, error))
        }
    }
}

fn member_of(
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    format: Format,
) -> Result<(Text, Value), ConvertError> {
    let key = match key.cast_exact::<PyString>() {
        Ok(key) => text_of(key)?,
        Err(_) => format.key(key)?,
    };
    Ok((key, value_of(value, &format, MAX_DEPTH - 2)?))
}

/// Returns the same exception with a text that names the session's key.
fn naming(key: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = key.py();
    let made = helper(py).and_then(|helper| helper.call_method1("naming", (key, error.value(py))));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Adds members that only Python can write, such as sets in a pickle. Python writes them, and Rust
/// reads the result as any record.
fn add_odd(record: &mut Record, odd: &Bound<'_, PyDict>, format: Format) -> PyResult<()> {
    let py = odd.py();
    let bytes = helper(py)?.call_method1(intern!(py, "dumps"), (odd, format.to_string()))?;
    let read = Format::read(bytes.cast::<PyBytes>()?.as_bytes());
    let read = read.map_err(|error| {
        PyTypeError::new_err(format!("a record cannot hold a value of the session: {error}"))
    })?;
    for (key, value) in read.dict.into_entries() {
        record.dict.insert(key, value);
    }
    record.opaque = read.opaque;
    Ok(())
}

/// Writes the MessagePack of a value.
#[pyfunction]
pub(crate) fn dump_value<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    entry(value.py(), "dump_value", || msgpack_of(value))
}

fn msgpack_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let made = value_of(value, &Format::Msgpack, MAX_DEPTH - 2).map_err(|unfit| match unfit {
        ConvertError::NeedsPython => PyTypeError::new_err("a dict in a key is unsupported"),
        ConvertError::Raised(error) => error,
    })?;
    let record = Format::Msgpack.write(&Dict::from([("", made)])).map_err(|error| not_encoded(&error))?;
    // After the heads of a map with one member and of an empty text.
    Ok(PyBytes::new(value.py(), &record[2..]))
}

/// The rules of msgspec and pickle.
impl ConvertRules for Format {
    fn int(&self, number: &Bound<'_, PyInt>) -> Result<Int, ConvertError> {
        if *self == Self::Json { int_with_digits(number) } else { int_of(number) }
    }

    fn tuple(&self, items: Vec<Value>) -> Value {
        if *self == Self::Pickle { Value::Tuple(items) } else { Value::List(items) }
    }

    fn key(&self, object: &Bound<'_, PyAny>) -> Result<Text, ConvertError> {
        let is_text = object.is_instance_of::<PyString>();
        if *self == Self::Pickle || (*self == Self::Msgpack && !is_text) {
            return Err(ConvertError::NeedsPython);
        }
        let py = object.py();
        let text = helper(py)?.call_method1(intern!(py, "text_key"), (object, *self == Self::Json))?;
        // The value of an enum may be a number although the enum is a `str`.
        text.cast::<PyString>().map_or(Err(ConvertError::NeedsPython), text_of)
    }

    fn rare(&self, object: &Bound<'_, PyAny>, levels: usize) -> Result<Value, ConvertError> {
        let py = object.py();
        if is_datetime(object)? && !object.call_method0(intern!(py, "utcoffset"))?.is_none() {
            match (datetime_of(object), self) {
                (Err(ConvertError::NeedsPython), Self::Json) => {}
                (Err(ConvertError::NeedsPython), Self::Msgpack) => {
                    return Err(PyOverflowError::new_err("date value out of range").into());
                }
                (made, _) => return made.map(Value::DateTime),
            }
        }
        if *self == Self::Pickle {
            return Err(ConvertError::NeedsPython);
        }
        let plain = helper(py)?.call_method1(intern!(py, "plain"), (object, *self == Self::Json))?;
        value_of(&plain, self, levels.checked_sub(1).ok_or_else(|| self.too_deep())?)
    }

    fn too_deep(&self) -> ConvertError {
        PyRecursionError::new_err("maximum recursion depth exceeded while a session was written").into()
    }
}

/// Returns the exception that msgspec raises for a value.
pub(crate) fn not_encoded(error: &EncodeError) -> PyErr {
    let text = match error.problem {
        Problem::Markup => format!("Encoding objects of type Markup is unsupported: {error}"),
        _ => error.to_string(),
    };
    match error.problem {
        Problem::BigInt => PyOverflowError::new_err(text),
        Problem::Surrogate => PyUnicodeEncodeError::new_err(("utf-8", "?", 0, 1, text)),
        Problem::TooDeep => PyRecursionError::new_err(text),
        _ => PyTypeError::new_err(text),
    }
}

/// `hipflask._records`, which handles rare values.
fn helper(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "hipflask._records"))
}

/// Returns `true` for a `datetime` itself, not for a subclass.
fn is_datetime(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Ok(object.get_type().is(DATETIME.import(object.py(), "datetime", "datetime")?))
}
