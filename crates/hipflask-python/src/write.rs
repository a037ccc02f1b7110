//! Python's objects to Flask's tagged JSON, with no tree of values between.

use hipflask_core::tagged::{KeyOrder, Writer};
use hipflask_core::value::MAX_DEPTH;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::convert::{Unfit, from_python};

/// The JSON of a session's dict.
pub(crate) fn json_of(dict: &Bound<'_, PyDict>, order: KeyOrder) -> Result<String, Unfit> {
    let mut json = Json { out: Writer::new(), order };
    json.dict(dict, MAX_DEPTH)?;
    Ok(json.out.finish())
}

struct Json {
    out: Writer,
    order: KeyOrder,
}

impl Json {
    fn object(&mut self, object: &Bound<'_, PyAny>, levels: usize) -> Result<(), Unfit> {
        if let Ok(text) = object.cast_exact::<PyString>() {
            self.out.str(text_in(&utf8_of(text)?));
        } else if let Ok(number) = object.cast_exact::<PyInt>()
            && let Ok(number) = number.extract()
        {
            self.out.int(number);
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.dict(dict, levels)?;
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.out.open_list();
            self.items(list.iter(), levels.checked_sub(1))?;
            self.out.close_list();
        } else if let Ok(number) = object.cast_exact::<PyFloat>() {
            self.out.float(number.value());
        } else if let Ok(value) = object.cast_exact::<PyBool>() {
            self.out.bool(value.is_true());
        } else if object.is_none() {
            self.out.none();
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            self.out.open_tuple();
            // The tag is a dict of its own.
            self.items(tuple.iter(), levels.checked_sub(2))?;
            self.out.close_tuple();
        } else {
            self.tree(object, levels)?;
        }
        Ok(())
    }

    /// What needs a tag, or might.
    fn tree(&mut self, object: &Bound<'_, PyAny>, levels: usize) -> Result<(), Unfit> {
        let value = from_python(object)?;
        self.out.value(&value, self.order, levels).map_err(|_| Unfit::AskPython)
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        levels: Option<usize>,
    ) -> Result<(), Unfit> {
        let levels = levels.ok_or(Unfit::AskPython)?;
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.out.comma();
            }
            self.object(&item, levels)?;
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>, levels: usize) -> Result<(), Unfit> {
        let below = levels.checked_sub(1).ok_or(Unfit::AskPython)?;
        let mut entries = Vec::with_capacity(dict.len());
        for (key, value) in dict.iter() {
            let key = key.cast_exact::<PyString>().map_err(|_| Unfit::AskPython)?;
            entries.push((utf8_of(key)?, value));
        }
        if let [(key, value)] = &*entries
            && key.as_bytes().first() == Some(&b' ')
        {
            return self.one_that_may_be_a_tag(key, value, levels);
        }
        if self.order == KeyOrder::Sorted && !entries.is_sorted_by(|a, b| a.0.as_bytes() < b.0.as_bytes()) {
            entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        }
        self.out.open_dict();
        for (at, (key, value)) in entries.iter().enumerate() {
            self.out.key(text_in(key), at == 0);
            self.object(value, below)?;
        }
        self.out.close_dict();
        Ok(())
    }

    fn one_that_may_be_a_tag(
        &mut self,
        key: &Bound<'_, PyBytes>,
        value: &Bound<'_, PyAny>,
        levels: usize,
    ) -> Result<(), Unfit> {
        let dict = PyDict::new(key.py());
        dict.set_item(text_in(key), value)?;
        self.tree(dict.as_any(), levels)
    }
}

/// A text with lone surrogates has no UTF-8, and is written by Python.
fn utf8_of<'py>(text: &Bound<'py, PyString>) -> Result<Bound<'py, PyBytes>, Unfit> {
    text.encode_utf8().map_err(|_| Unfit::AskPython)
}

fn text_in<'a>(utf8: &'a Bound<'_, PyBytes>) -> &'a str {
    core::str::from_utf8(utf8.as_bytes()).unwrap_or_default()
}
