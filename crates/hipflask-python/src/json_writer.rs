//! Python's objects to Flask's tagged JSON, without a tree of values between.

use hipflask_core::tagged::{KeyOrder, Writer};
use hipflask_core::value::MAX_DEPTH;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::convert::{ConvertError, from_python};
use crate::key_cache::{Key, KeysByObject, Reused};
use crate::text::with_utf8;

/// Writes the JSON of a session's dict.
pub(crate) fn json_of(dict: &Bound<'_, PyDict>, order: KeyOrder) -> Result<String, ConvertError> {
    let mut json = Json {
        out: Writer::with_capacity(USUAL_LEN),
        order,
        keys: KEYS.take(),
        entries: Vec::with_capacity(MANY_ENTRIES),
    };
    let written = json.dict(dict, MAX_DEPTH);
    json.keys.trim();
    KEYS.put_back(json.keys);
    written.map(|()| json.out.finish())
}

static KEYS: Reused<KeysByObject> = Reused::new();

/// The length of most sessions' JSON in bytes: the writer rarely has to grow.
const USUAL_LEN: usize = 1024;

/// More members than the nested dicts of most sessions have.
const MANY_ENTRIES: usize = 64;

struct Json<'py> {
    out: Writer,
    order: KeyOrder,
    keys: Box<KeysByObject>,
    /// The members of the dict that is being written, after those of the dicts around it.
    entries: Vec<(Key, Option<Bound<'py, PyAny>>)>,
}

impl<'py> Json<'py> {
    fn object(&mut self, object: &Bound<'py, PyAny>, levels: usize) -> Result<(), ConvertError> {
        if let Ok(text) = object.cast_exact::<PyString>() {
            // Python writes a text with lone surrogates, which UTF-8 does not have.
            with_utf8(text, |text| self.out.str(text)).map_err(|_| ConvertError::NeedsPython)?;
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
            // The tag is another dict.
            self.items(tuple.iter(), levels.checked_sub(2))?;
            self.out.close_tuple();
        } else {
            self.tree(object, levels)?;
        }
        Ok(())
    }

    /// Writes an object that needs a tag, or may need one.
    fn tree(&mut self, object: &Bound<'py, PyAny>, levels: usize) -> Result<(), ConvertError> {
        let value = from_python(object)?;
        self.out.value(&value, self.order, levels).map_err(|_| ConvertError::NeedsPython)
    }

    fn items(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        levels: Option<usize>,
    ) -> Result<(), ConvertError> {
        let levels = levels.ok_or(ConvertError::NeedsPython)?;
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.out.comma();
            }
            self.object(&item, levels)?;
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'py, PyDict>, levels: usize) -> Result<(), ConvertError> {
        let below = levels.checked_sub(1).ok_or(ConvertError::NeedsPython)?;
        let first = self.entries.len();
        for (key, value) in dict.iter() {
            let key = key.cast_exact::<PyString>().map_err(|_| ConvertError::NeedsPython)?;
            self.entries.push((self.keys.find(key).ok_or(ConvertError::NeedsPython)?, Some(value)));
        }
        let (keys, entries) = (&self.keys, &mut self.entries[first..]);
        if let [(key, _)] = entries
            && keys.text(key).starts_with(' ')
        {
            self.entries.truncate(first);
            return self.tree(dict, levels);
        }
        if self.order == KeyOrder::Sorted
            && !entries.is_sorted_by(|(a, _), (b, _)| keys.text(a) < keys.text(b))
        {
            entries.sort_unstable_by(|(a, _), (b, _)| keys.text(a).cmp(keys.text(b)));
        }
        self.out.open_dict();
        for at in first..self.entries.len() {
            let (key, value) = &mut self.entries[at];
            self.out.key(self.keys.text(key), at == first);
            if let Some(value) = value.take() {
                self.object(&value, below)?;
            }
        }
        self.entries.truncate(first);
        self.out.close_dict();
        Ok(())
    }
}
