//! Flask's tagged JSON of Python's objects.

use hipflask_core::tagged::{self, KeyOrder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{ConvertError, from_python, to_python};
use crate::guard::entry;
use crate::json_writer::json_of;

/// Reads tagged JSON.
#[pyfunction]
pub(crate) fn load_tagged<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    entry(py, "load_tagged", || {
        let value = tagged::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
        to_python(py, &value)
    })
}

/// Writes the tagged JSON of an object; `None` if only Python can write it.
#[pyfunction]
pub(crate) fn dump_tagged(object: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    entry(object.py(), "dump_tagged", || {
        let json = match object.cast_exact::<PyDict>() {
            Ok(dict) => json_of(dict, KeyOrder::Sorted),
            Err(_) => json_of_tree(object),
        };
        match json {
            Ok(json) => Ok(Some(json)),
            Err(ConvertError::NeedsPython) => Ok(None),
            Err(ConvertError::Raised(error)) => Err(error),
        }
    })
}

fn json_of_tree(object: &Bound<'_, PyAny>) -> Result<String, ConvertError> {
    tagged::to_string(&from_python(object)?)
        .map_err(|error| ConvertError::Raised(PyValueError::new_err(error.to_string())))
}
