//! Flask's tagged JSON to Python's objects, with no tree of values between.

use hipflask_core::tagged::{JsonError, Letters, Piece, Reader};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::convert::{Builder, text_to_python};

/// Why a text did not become objects.
pub(crate) enum Unread {
    /// It is no dict, or not JSON, or rare: the tree of its values tells which.
    AskTree,
    /// Python raised while they were made.
    Raised(PyErr),
}

impl From<JsonError> for Unread {
    fn from(_: JsonError) -> Self {
        Self::AskTree
    }
}

impl From<PyErr> for Unread {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

/// Puts what a session's JSON holds into `dict`, past the methods of its class. What is there after an error is of no use.
pub(crate) fn fill_from_json(dict: &Bound<'_, PyDict>, text: &[u8]) -> Result<(), Unread> {
    let text = core::str::from_utf8(text).map_err(|_| Unread::AskTree)?;
    let mut json = Json {
        py: dict.py(),
        reader: Reader::new(text)?,
        make: Builder::begin(dict.py()),
        items: Vec::new(),
    };
    match json.reader.piece()? {
        Piece::Dict => json.fill(dict)?,
        _ => return Err(Unread::AskTree),
    }
    Ok(json.reader.finish()?)
}

struct Json<'py, 't> {
    py: Python<'py>,
    reader: Reader<'t>,
    make: Builder<'py>,
    /// Of the list that is being read, behind those of the lists that it stands in.
    items: Vec<Bound<'py, PyAny>>,
}

impl<'py> Json<'py, '_> {
    fn object(&mut self) -> Result<Bound<'py, PyAny>, Unread> {
        let py = self.py;
        Ok(match self.reader.piece()? {
            Piece::Str(text) => self.text(&text)?,
            Piece::Int(number) => PyInt::new(py, number).into_any(),
            Piece::Float(number) => PyFloat::new(py, number).into_any(),
            Piece::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
            Piece::None => py.None().into_bound(py),
            Piece::Dict => {
                let dict = PyDict::new(py);
                self.fill(&dict)?;
                dict.into_any()
            }
            Piece::List => {
                let first = self.items()?;
                PyList::new(py, self.items.drain(first..))?.into_any()
            }
            Piece::Tuple => {
                let first = self.items()?;
                self.reader.close_tuple()?;
                PyTuple::new(py, self.items.drain(first..))?.into_any()
            }
            Piece::Value(value) => self.make.object(&value)?,
        })
    }

    /// Reads the items of a list; where the first one is.
    fn items(&mut self) -> Result<usize, Unread> {
        let first = self.items.len();
        while self.reader.item(self.items.len() == first)? {
            let item = self.object()?;
            self.items.push(item);
        }
        Ok(first)
    }

    fn fill(&mut self, dict: &Bound<'py, PyDict>) -> Result<(), Unread> {
        let mut first = true;
        while let Some(key) = self.reader.key(first)? {
            first = false;
            let key = match key {
                Letters::Plain(key) => self.make.key(key).into_any(),
                escaped => self.text(&escaped)?,
            };
            let value = self.object()?;
            dict.set_item(key, value)?;
        }
        Ok(())
    }

    fn text(&self, text: &Letters<'_>) -> PyResult<Bound<'py, PyAny>> {
        match text {
            Letters::Plain(text) => Ok(PyString::new(self.py, text).into_any()),
            Letters::Escaped(text) => text_to_python(self.py, text),
        }
    }
}
