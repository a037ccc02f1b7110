//! Flask's tagged JSON to Python's objects, without a tree of values between.

use hipflask_core::tagged::{Event, EventReader, JsonError, JsonStr, TupleEnd};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::convert::{Builder, text_to_python};

/// The reason why a text was not converted to objects.
pub(crate) enum ReadError {
    /// The JSON is rare, wrong or not a dict: a tree of its values shows which.
    NeedsTree,
    /// Python raised an exception while they were created.
    Raised(PyErr),
}

impl From<JsonError> for ReadError {
    fn from(_: JsonError) -> Self {
        Self::NeedsTree
    }
}

impl From<PyErr> for ReadError {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

/// Fills `dict` with the data of a session's JSON, without calling the methods of its class. After
/// an error it is half filled.
pub(crate) fn fill_from_json(dict: &Bound<'_, PyDict>, text: &str) -> Result<(), ReadError> {
    let mut json = Json {
        py: dict.py(),
        reader: EventReader::new(text)?,
        builder: Builder::begin(dict.py()),
        items: Vec::new(),
    };
    match json.reader.event()? {
        Event::Dict => json.fill(dict)?,
        _ => return Err(ReadError::NeedsTree),
    }
    Ok(json.reader.finish()?)
}

struct Json<'py, 't> {
    py: Python<'py>,
    reader: EventReader<'t>,
    builder: Builder<'py>,
    /// The items of the list that is being read, after those of the lists around it.
    items: Vec<Bound<'py, PyAny>>,
}

impl<'py> Json<'py, '_> {
    fn object(&mut self) -> Result<Bound<'py, PyAny>, ReadError> {
        let py = self.py;
        Ok(match self.reader.event()? {
            Event::Str(text) => self.text(&text)?,
            Event::Int(number) => PyInt::new(py, number).into_any(),
            Event::Float(number) => PyFloat::new(py, number).into_any(),
            Event::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
            Event::None => py.None().into_bound(py),
            Event::Dict => {
                let dict = PyDict::new(py);
                self.fill(&dict)?;
                dict.into_any()
            }
            Event::List => {
                let first = self.items()?;
                PyList::new(py, self.items.drain(first..))?.into_any()
            }
            Event::Tuple => {
                let first = self.items()?;
                match self.reader.end_tuple()? {
                    TupleEnd::Tuple => PyTuple::new(py, self.items.drain(first..))?.into_any(),
                    _ => return Err(ReadError::NeedsTree),
                }
            }
            Event::Value(value) => self.builder.object(&value)?,
        })
    }

    /// Reads the items of a list. Returns the position of the first one.
    fn items(&mut self) -> Result<usize, ReadError> {
        let first = self.items.len();
        while self.reader.item()? {
            let item = self.object()?;
            self.items.push(item);
        }
        Ok(first)
    }

    fn fill(&mut self, dict: &Bound<'py, PyDict>) -> Result<(), ReadError> {
        while let Some(key) = self.reader.key()? {
            let key = match key {
                JsonStr::Plain(key) => self.builder.key(key).into_any(),
                escaped => self.text(&escaped)?,
            };
            let value = self.object()?;
            dict.set_item(key, value)?;
        }
        Ok(())
    }

    fn text(&self, text: &JsonStr<'_>) -> PyResult<Bound<'py, PyAny>> {
        match text {
            JsonStr::Plain(text) => Ok(PyString::new(self.py, text).into_any()),
            JsonStr::Escaped(text) => text_to_python(self.py, text),
        }
    }
}
