//! Flask's tagged JSON of Python's objects.

use hipflask_core::tagged;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::{Unfit, from_python, to_python};

/// What tagged JSON stands for.
#[pyfunction]
pub(crate) fn load_tagged<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let value = tagged::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    to_python(py, &value)
}

/// The tagged JSON of an object; `None` if only Python knows what it stands for.
#[pyfunction]
pub(crate) fn dump_tagged(object: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    match from_python(object) {
        Ok(value) => {
            tagged::to_string(&value).map(Some).map_err(|error| PyValueError::new_err(error.to_string()))
        }
        Err(Unfit::AskPython) => Ok(None),
        Err(Unfit::Raised(error)) => Err(error),
    }
}
