//! Values to Python's objects and back.

use hipflask_core::time::DateTime;
use hipflask_core::value::{BigInt, Dict, Int, MAX_DEPTH, Text, Uuid, Value};

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::key_cache::{KeysByText, Reused};
use crate::text::with_utf8;

/// Converts `value` to an object.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Builder::begin(py).object(value)
}

static KEYS: Reused<KeysByText> = Reused::new();

/// Creates Python's objects.
pub(crate) struct Builder<'py> {
    py: Python<'py>,
    keys: Box<KeysByText>,
}

impl<'py> Builder<'py> {
    pub(crate) fn begin(py: Python<'py>) -> Self {
        Self { py, keys: KEYS.take() }
    }

    pub(crate) fn object(&mut self, value: &Value) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match value {
            Value::None => py.None().into_bound(py),
            Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
            Value::Int(number) => int_to_python(py, number)?,
            Value::Float(number) => PyFloat::new(py, *number).into_any(),
            Value::Str(text) => text_to_python(py, text)?,
            Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Value::List(items) => PyList::new(py, self.objects(items)?)?.into_any(),
            Value::Tuple(items) => PyTuple::new(py, self.objects(items)?)?.into_any(),
            Value::Dict(values) => {
                let dict = PyDict::new(py);
                self.fill(&dict, values)?;
                dict.into_any()
            }
            Value::DateTime(time) => datetime_to_python(py, *time)?,
            Value::Uuid(id) => uuid_to_python(py, id.as_u128())?,
            Value::Markup(text) => {
                let types = Types::of(py)?;
                types.new_text.bind(py).call1((&types.markup, text_to_python(py, text)?))?
            }
            // This crate does not write kinds that it does not know.
            other => return Err(PyTypeError::new_err(format!("no Python type for {}", other.kind()))),
        })
    }

    fn objects(&mut self, items: &[Value]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        items.iter().map(|item| self.object(item)).collect()
    }

    fn fill(&mut self, dict: &Bound<'py, PyDict>, values: &Dict) -> PyResult<()> {
        for (key, value) in values.iter() {
            let value = self.object(value)?;
            self.put(dict, key, value)?;
        }
        Ok(())
    }

    pub(crate) fn put(
        &mut self,
        dict: &Bound<'py, PyDict>,
        key: &Text,
        value: Bound<'py, PyAny>,
    ) -> PyResult<()> {
        match key.as_str() {
            Some(key) => dict.set_item(self.key(key), value),
            None => dict.set_item(text_to_python(self.py, key)?, value),
        }
    }

    /// Returns the object of a dict's key.
    #[inline]
    pub(crate) fn key(&mut self, key: &str) -> Bound<'py, PyString> {
        self.keys.object(self.py, key)
    }
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        KEYS.put_back(core::mem::take(&mut self.keys));
    }
}

fn int_to_python<'py>(py: Python<'py>, number: &Int) -> PyResult<Bound<'py, PyAny>> {
    if let Some(number) = number.as_i64() {
        return Ok(PyInt::new(py, number).into_any());
    }
    let bytes = PyBytes::new(py, &number.to_big().to_signed_bytes_le());
    py.get_type::<PyInt>().call_method("from_bytes", (bytes, "little"), Some(&signed(py)?))
}

pub(crate) fn text_to_python<'py>(py: Python<'py>, text: &Text) -> PyResult<Bound<'py, PyAny>> {
    match text.as_str() {
        Some(text) => Ok(PyString::new(py, text).into_any()),
        None => PyBytes::new(py, text.as_bytes()).call_method1("decode", ("utf-8", "surrogatepass")),
    }
}

/// Creates `UUID(int=number)` without its `__init__`, which is Python code that checks all other arguments.
fn uuid_to_python(py: Python<'_>, number: u128) -> PyResult<Bound<'_, PyAny>> {
    let types = Types::of(py)?;
    let id = types.new_object.bind(py).call1((&types.uuid,))?;
    let set = types.set_attribute.bind(py);
    set.call1((&id, intern!(py, "int"), number))?;
    set.call1((&id, intern!(py, "is_safe"), &types.unknown_if_safe))?;
    Ok(id)
}

/// Creates an aware datetime, in UTC unless it was written with another offset.
fn datetime_to_python(py: Python<'_>, time: DateTime) -> PyResult<Bound<'_, PyAny>> {
    let types = Types::of(py)?;
    let (seconds, micros) = (time.unix_micros().div_euclid(MICROS), time.unix_micros().rem_euclid(MICROS));
    let mut utc = types.from_timestamp.bind(py).call1((seconds, &types.utc))?;
    if micros != 0 {
        utc = utc.add(types.timedelta.bind(py).call1((0, 0, micros))?)?;
    }
    if time.offset_seconds() == 0 {
        return Ok(utc);
    }
    let offset = types.timedelta.bind(py).call1((0, time.offset_seconds()))?;
    utc.call_method1("astimezone", (types.timezone.bind(py).call1((offset,))?,))
}

/// The reason why an object was not converted to a value.
#[derive(Debug)]
pub(crate) enum ConvertError {
    /// Only Python can write it: a subclass, a type that Rust does not have, or keys that are not texts.
    NeedsPython,
    /// Python raised an exception.
    Raised(PyErr),
}

impl From<PyErr> for ConvertError {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

/// Converts an object whose type has exactly one meaning. Nothing is guessed.
///
/// A datetime without a zone is in UTC, as in Flask's cookies.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> Result<Value, ConvertError> {
    value_of(object, &Tagged, MAX_DEPTH)
}

/// The rules in which cookies and records differ.
pub(crate) trait ConvertRules {
    /// Converts a tuple.
    fn tuple(&self, items: Vec<Value>) -> Value;
    /// Converts an int.
    fn int(&self, number: &Bound<'_, PyInt>) -> Result<Int, ConvertError> {
        int_of(number)
    }

    /// Converts the key of a dict that is not exactly a `str`.
    fn key(&self, object: &Bound<'_, PyAny>) -> Result<Text, ConvertError>;
    /// Converts an object whose type is not built in.
    fn rare(&self, object: &Bound<'_, PyAny>, levels: usize) -> Result<Value, ConvertError>;
    /// The error of a value that is nested too deep.
    fn too_deep(&self) -> ConvertError;
}

/// The rules of Flask's cookies.
struct Tagged;

impl ConvertRules for Tagged {
    fn tuple(&self, items: Vec<Value>) -> Value {
        Value::Tuple(items)
    }

    fn int(&self, number: &Bound<'_, PyInt>) -> Result<Int, ConvertError> {
        int_with_digits(number)
    }

    fn key(&self, _: &Bound<'_, PyAny>) -> Result<Text, ConvertError> {
        Err(ConvertError::NeedsPython)
    }

    fn rare(&self, object: &Bound<'_, PyAny>, _: usize) -> Result<Value, ConvertError> {
        rare_value_of(object)
    }

    fn too_deep(&self) -> ConvertError {
        ConvertError::NeedsPython
    }
}

/// Converts an object whose parts are nested at most `levels` deep.
pub(crate) fn value_of(
    object: &Bound<'_, PyAny>,
    rules: &impl ConvertRules,
    levels: usize,
) -> Result<Value, ConvertError> {
    if let Ok(text) = object.cast_exact::<PyString>() {
        return text_of(text).map(Value::Str);
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        return dict_of(dict, rules, levels).map(Value::Dict);
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        return items_of(list.iter(), rules, levels).map(Value::List);
    }
    if let Ok(value) = object.cast_exact::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if let Ok(number) = object.cast_exact::<PyInt>() {
        return rules.int(number).map(Value::Int);
    }
    if object.is_none() {
        return Ok(Value::None);
    }
    if let Ok(number) = object.cast_exact::<PyFloat>() {
        return Ok(Value::Float(number.value()));
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return items_of(tuple.iter(), rules, levels).map(|items| rules.tuple(items));
    }
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    rules.rare(object, levels)
}

/// Converts an object whose type is not built in.
fn rare_value_of(object: &Bound<'_, PyAny>) -> Result<Value, ConvertError> {
    let py = object.py();
    let types = Types::of(py)?;
    let kind = object.get_type();
    if kind.is(&types.datetime) {
        return datetime_of(object).map(Value::DateTime);
    }
    if kind.is(&types.markup) {
        let plain = py.get_type::<PyString>().call_method1("__str__", (object,))?;
        return text_of(plain.cast::<PyString>().map_err(PyErr::from)?).map(Value::Markup);
    }
    if kind.is(&types.uuid) {
        let number = object.getattr(intern!(py, "int"))?.extract();
        return number
            .map(|number| Value::Uuid(Uuid::from_u128(number)))
            .map_err(|_| ConvertError::NeedsPython);
    }
    Err(ConvertError::NeedsPython)
}

fn dict_of(dict: &Bound<'_, PyDict>, rules: &impl ConvertRules, levels: usize) -> Result<Dict, ConvertError> {
    let levels = levels.checked_sub(1).ok_or_else(|| rules.too_deep())?;
    let mut out = Dict::new();
    for (key, value) in entries_of(dict) {
        let key = match key.cast_exact::<PyString>() {
            Ok(key) => text_of(key)?,
            Err(_) => rules.key(&key)?,
        };
        out.insert(key, value_of(&value, rules, levels)?);
    }
    Ok(out)
}

/// Returns a copy of a dict's members: converting one may run Python, which may change the dict.
pub(crate) fn entries_of<'py>(dict: &Bound<'py, PyDict>) -> Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    dict.iter().collect()
}

fn items_of<'py>(
    items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
    rules: &impl ConvertRules,
    levels: usize,
) -> Result<Vec<Value>, ConvertError> {
    let levels = levels.checked_sub(1).ok_or_else(|| rules.too_deep())?;
    items.map(|item| value_of(&item, rules, levels)).collect()
}

pub(crate) fn int_of(number: &Bound<'_, PyInt>) -> Result<Int, ConvertError> {
    if let Ok(number) = number.extract::<i64>() {
        return Ok(number.into());
    }
    let py = number.py();
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    let bytes = number.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed(py)?))?;
    let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?;
    Ok(BigInt::from_signed_bytes_le(bytes.as_bytes()).into())
}

/// [`int_of`] for a number that is written in decimal digits. Python refuses to write and to read
/// very long ones.
pub(crate) fn int_with_digits(number: &Bound<'_, PyInt>) -> Result<Int, ConvertError> {
    let bits: usize = match number.extract::<i64>() {
        Ok(number) => return Ok(number.into()),
        Err(_) => number.call_method0(intern!(number.py(), "bit_length"))?.extract()?,
    };
    if bits > ALWAYS_WRITTEN {
        number.str()?;
    }
    int_of(number)
}

/// The bits of an int that Python writes with every limit, which is at least 640 digits.
const ALWAYS_WRITTEN: usize = 2_100;

pub(crate) fn text_of(text: &Bound<'_, PyString>) -> Result<Text, ConvertError> {
    if let Ok(text) = with_utf8(text, |text| Text::new(text)) {
        return Ok(text);
    }
    let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
    let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?;
    Text::from_bytes(bytes.as_bytes()).ok_or(ConvertError::NeedsPython)
}

pub(crate) fn datetime_of(datetime: &Bound<'_, PyAny>) -> Result<DateTime, ConvertError> {
    let py = datetime.py();
    let types = Types::of(py)?;
    let aware = datetime.getattr(intern!(py, "tzinfo"))?;
    if aware.is(&types.utc) {
        let seconds: f64 = datetime.call_method0(intern!(py, "timestamp"))?.extract()?;
        // Up to there the microseconds of a float are exact.
        if seconds.abs() < EXACT_SECONDS {
            return DateTime::from_unix_micros((seconds * MICROS as f64).round() as i64)
                .ok_or(ConvertError::NeedsPython);
        }
    }
    let offset = datetime.call_method0("utcoffset")?;
    let (epoch, offset) = match offset.is_none() {
        true => (&types.epoch_naive, 0),
        false => (&types.epoch_aware, offset.call_method0("total_seconds")?.extract::<f64>()? as i32),
    };
    let since = datetime.sub(epoch.bind(py))?;
    let micros: i64 = since.call_method1("__floordiv__", (types.microsecond.bind(py),))?.extract()?;
    let time = DateTime::from_unix_micros(micros).and_then(|time| time.with_offset(offset));
    time.ok_or(ConvertError::NeedsPython)
}

const MICROS: i64 = 1_000_000;
const EXACT_SECONDS: f64 = 4_294_967_296.0;

fn signed(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let keywords = PyDict::new(py);
    keywords.set_item("signed", true)?;
    Ok(keywords)
}

/// Looks up the types that are not built in.
pub(crate) fn look_up_types(py: Python<'_>) -> PyResult<()> {
    Types::of(py).map(drop)
}

/// The types that have to be imported, looked up once.
struct Types {
    datetime: Py<PyType>,
    timedelta: Py<PyType>,
    timezone: Py<PyType>,
    utc: Py<PyAny>,
    from_timestamp: Py<PyAny>,
    microsecond: Py<PyAny>,
    epoch_naive: Py<PyAny>,
    epoch_aware: Py<PyAny>,
    uuid: Py<PyType>,
    /// `object.__new__`, `object.__setattr__` and `SafeUUID.unknown`, from which `UUID.__init__`
    /// makes a UUID.
    new_object: Py<PyAny>,
    set_attribute: Py<PyAny>,
    unknown_if_safe: Py<PyAny>,
    markup: Py<PyType>,
    /// `str.__new__`, which `markup` calls for a text.
    new_text: Py<PyAny>,
}

impl Types {
    fn of(py: Python<'_>) -> PyResult<&Self> {
        static TYPES: PyOnceLock<Types> = PyOnceLock::new();
        TYPES.get_or_try_init(py, || Self::import(py))
    }

    fn import(py: Python<'_>) -> PyResult<Self> {
        let type_of = |module: &str, name: &str| -> PyResult<Py<PyType>> {
            Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        let datetime = type_of("datetime", "datetime")?;
        let timedelta = type_of("datetime", "timedelta")?;
        let timezone = type_of("datetime", "timezone")?;
        let epoch_naive = datetime.bind(py).call1((1970, 1, 1))?;
        let utc = timezone.getattr(py, "utc")?;
        let epoch_aware = datetime.bind(py).call1((1970, 1, 1, 0, 0, 0, 0, &utc))?;
        let microsecond = timedelta.bind(py).call1((0, 0, 1))?;
        Ok(Self {
            from_timestamp: datetime.getattr(py, "fromtimestamp")?,
            utc,
            microsecond: microsecond.unbind(),
            epoch_naive: epoch_naive.unbind(),
            epoch_aware: epoch_aware.unbind(),
            uuid: type_of("uuid", "UUID")?,
            new_object: py.get_type::<PyAny>().getattr("__new__")?.unbind(),
            set_attribute: py.get_type::<PyAny>().getattr("__setattr__")?.unbind(),
            unknown_if_safe: type_of("uuid", "SafeUUID")?.getattr(py, "unknown")?,
            markup: type_of("markupsafe", "Markup")?,
            new_text: py.get_type::<PyString>().getattr("__new__")?.unbind(),
            datetime,
            timedelta,
            timezone,
        })
    }
}
