//! Reading text event by event, for callers with objects of their own.

use super::MAX_BYTES;
use super::error::{JsonError, JsonErrorKind as Bad};
use super::lex::{Cursor, Quoted, Scalar};
use super::read::{entries_at, read_float, tag_at};
use super::tags;
use crate::value::{Dict, Int, Text, Value};

/// A reader that gives the values of a JSON text one by one: the counterpart of
/// [`Writer`](super::Writer).
///
/// It reads what [`from_str`](super::from_str) reads. The caller keeps one rule: the last of equal
/// keys counts.
///
/// ```
/// use hipflask_core::tagged::{Event, EventReader, JsonStr};
/// let mut json = EventReader::new(r#"{"cart":["pear",1]}"#)?;
/// assert!(matches!(json.event()?, Event::Dict));
/// assert!(matches!(json.key()?, Some(JsonStr::Plain("cart"))));
/// assert!(matches!(json.event()?, Event::List));
/// assert!(json.item()?);
/// assert!(matches!(json.event()?, Event::Str(JsonStr::Plain("pear"))));
/// assert!(json.item()?);
/// assert!(matches!(json.event()?, Event::Int(1)));
/// assert!(!json.item()?);
/// assert!(json.key()?.is_none());
/// json.finish()?;
/// # Ok::<(), hipflask_core::tagged::JsonError>(())
/// ```
pub struct EventReader<'t> {
    cursor: Cursor<'t>,
    dialect: Dialect,
    opened: Opened,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Flask,
    Msgspec,
}

/// The list or dict that the last event opened, and the beginning of its content.
#[derive(Debug, Clone, Copy)]
enum Opened {
    /// The last event opened nothing.
    Nothing,
    /// A list or dict that is empty.
    Empty,
    /// A list. The cursor is at its first item.
    List,
    /// A dict with this first key. The cursor is at its value.
    Dict(Quoted),
}

/// A value, or the beginning of one that contains others.
#[derive(Debug)]
pub enum Event<'t> {
    /// `null`.
    None,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Str(JsonStr<'t>),
    /// The beginning of a list. [`item`](EventReader::item) steps to each item.
    List,
    /// The beginning of a tuple. [`item`](EventReader::item) steps to each item; after the last
    /// one, [`end_tuple`](EventReader::end_tuple) tells whether it is a tuple.
    Tuple,
    /// The beginning of a dict. [`key`](EventReader::key) steps to the value of each key.
    Dict,
    /// A whole value of a rare kind: the other tags, and integers of more than 64 bits.
    Value(Value),
}

/// The text of a string or key.
#[derive(Debug)]
pub enum JsonStr<'t> {
    /// A text without escapes, borrowed from the JSON.
    Plain(&'t str),
    /// A text with escapes, which are resolved.
    Escaped(Text),
}

impl From<JsonStr<'_>> for Text {
    fn from(text: JsonStr<'_>) -> Self {
        match text {
            JsonStr::Plain(text) => Self::new(text),
            JsonStr::Escaped(text) => text,
        }
    }
}

/// The result of [`EventReader::end_tuple`].
#[derive(Debug)]
#[must_use]
pub enum TupleEnd {
    /// It is a tuple.
    Tuple,
    /// It is a dict. The items that were read are a list under the key `" t"`, and these are the
    /// entries after it. `" t"` may be among them and then replaces the list.
    Dict(Dict),
    /// The key `" t"` was repeated. This is the value, and the items that were read do not count.
    Value(Value),
}

/// Shows the position, never the text.
impl core::fmt::Debug for EventReader<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EventReader(at byte {} of {})", self.cursor.at, self.cursor.bytes().len())
    }
}

impl<'t> EventReader<'t> {
    /// Reads Flask's tagged JSON.
    ///
    /// # Errors
    /// [`TooLong`](super::JsonErrorKind::TooLong) beyond [`MAX_BYTES`].
    pub fn new(text: &'t str) -> Result<Self, JsonError> {
        if text.len() > MAX_BYTES {
            return Err(JsonError::new(Bad::TooLong, 0));
        }
        Ok(Self::with_dialect(text, Dialect::Flask))
    }

    /// Reads JSON as msgspec does, of any length: without tags, `NaN`, `Infinity`, floats that are
    /// too large, and lone surrogates.
    ///
    /// ```
    /// use hipflask_core::tagged::{Event, EventReader};
    /// assert!(matches!(EventReader::msgspec(r#"{" t":[1]}"#).event()?, Event::Dict));
    /// assert!(EventReader::msgspec("NaN").event().is_err());
    /// # Ok::<(), hipflask_core::tagged::JsonError>(())
    /// ```
    #[must_use]
    pub fn msgspec(text: &'t str) -> Self {
        Self::with_dialect(text, Dialect::Msgspec)
    }

    fn with_dialect(text: &'t str, dialect: Dialect) -> Self {
        let mut cursor = Cursor::new(text);
        cursor.skip_space();
        Self { cursor, dialect, opened: Opened::Nothing }
    }

    /// The position in the text, in bytes.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.cursor.at
    }

    /// Reads the value at this position, or the beginning of one that contains others.
    ///
    /// # Errors
    /// [`JsonError`] where [`from_str`](super::from_str) has one.
    #[inline]
    pub fn event(&mut self) -> Result<Event<'t>, JsonError> {
        self.opened = Opened::Nothing;
        match self.cursor.peek() {
            b'{' => self.object(),
            b'[' => self.list(Event::List),
            _ => self.scalar(),
        }
    }

    /// Steps to the next item of a list or tuple. Returns `false` if there is none; then the list
    /// has ended.
    ///
    /// # Errors
    /// [`JsonError`] if something else follows.
    #[inline]
    pub fn item(&mut self) -> Result<bool, JsonError> {
        match core::mem::replace(&mut self.opened, Opened::Nothing) {
            Opened::Nothing => self.cursor.next_item(),
            Opened::Empty => Ok(false),
            Opened::List | Opened::Dict(_) => Ok(true),
        }
    }

    /// Steps to the value of the next key of a dict. Returns `None` if there is none; then the dict
    /// has ended.
    ///
    /// # Errors
    /// [`JsonError`] if something else follows.
    #[inline]
    pub fn key(&mut self) -> Result<Option<JsonStr<'t>>, JsonError> {
        let key = match core::mem::replace(&mut self.opened, Opened::Nothing) {
            Opened::Nothing => self.cursor.next_key()?,
            Opened::Dict(first) => Some(first),
            Opened::Empty | Opened::List => None,
        };
        key.map(|key| self.string(key)).transpose()
    }

    /// Ends a tuple, after its last item.
    ///
    /// # Errors
    /// [`JsonError`] if something else follows.
    pub fn end_tuple(&mut self) -> Result<TupleEnd, JsonError> {
        match self.cursor.further_key()? {
            None => Ok(TupleEnd::Tuple),
            Some(key) => self.further_keys(key),
        }
    }

    /// Checks that the text ends here.
    ///
    /// # Errors
    /// [`TrailingText`](super::JsonErrorKind::TrailingText).
    pub fn finish(mut self) -> Result<(), JsonError> {
        self.cursor.end()
    }

    fn list(&mut self, event: Event<'t>) -> Result<Event<'t>, JsonError> {
        self.opened = if self.cursor.open_list()? { Opened::List } else { Opened::Empty };
        Ok(event)
    }

    fn object(&mut self) -> Result<Event<'t>, JsonError> {
        let start = self.cursor.at;
        let Some(first) = self.cursor.open_object()? else {
            self.opened = Opened::Empty;
            return Ok(Event::Dict);
        };
        match if self.dialect == Dialect::Flask { self.cursor.tag(first)? } else { None } {
            None => {
                self.opened = Opened::Dict(first);
                Ok(Event::Dict)
            }
            Some(tags::TUPLE) if self.cursor.peek() == b'[' => self.list(Event::Tuple),
            Some(tag) => tag_at(&mut self.cursor, tag, start).map(Event::Value),
        }
    }

    #[inline]
    fn scalar(&mut self) -> Result<Event<'t>, JsonError> {
        let start = self.cursor.at;
        Ok(match self.cursor.scalar()? {
            Scalar::Null => Event::None,
            Scalar::Bool(value) => Event::Bool(value),
            Scalar::Str(string) => Event::Str(self.string(string)?),
            Scalar::Int(digits) => match Int::parse(digits) {
                Some(number) => number.as_i64().map_or_else(|| Event::Value(number.into()), Event::Int),
                None => return Err(JsonError::new(Bad::TooManyDigits, start)),
            },
            Scalar::Float(text) => {
                let number = read_float(text);
                if self.dialect == Dialect::Msgspec && !number.is_finite() {
                    return Err(JsonError::new(Bad::UnexpectedCharacter, start));
                }
                Event::Float(number)
            }
        })
    }

    #[inline]
    fn string(&self, string: Quoted) -> Result<JsonStr<'t>, JsonError> {
        if string.escaped { self.escaped(string) } else { Ok(JsonStr::Plain(self.cursor.content(string))) }
    }

    #[cold]
    #[inline(never)]
    fn escaped(&self, string: Quoted) -> Result<JsonStr<'t>, JsonError> {
        let text = self.cursor.text(string)?;
        if self.dialect == Dialect::Msgspec && text.as_str().is_none() {
            return Err(self.cursor.error(Bad::BadEscape));
        }
        Ok(JsonStr::Escaped(text))
    }

    /// Reads the rest of an object that began like a tuple and has further keys.
    #[cold]
    #[inline(never)]
    fn further_keys(&mut self, key: Quoted) -> Result<TupleEnd, JsonError> {
        let start = self.cursor.at;
        let mut rest = entries_at(&mut self.cursor, key)?;
        if rest.only_key().is_none_or(|key| *key != tags::TUPLE) {
            return Ok(TupleEnd::Dict(rest));
        }
        let content = rest.pop_item().map_or(Value::None, |(_, value)| value);
        let value = tags::untag(tags::TUPLE, content).map_err(|kind| JsonError::new(kind, start))?;
        Ok(TupleEnd::Value(value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::from_str;
    use super::*;
    use crate::value::{Dict, MAX_DEPTH};

    /// Builds the value of a text from its events.
    fn read(text: &str) -> Result<Value, JsonError> {
        let mut json = EventReader::new(text)?;
        let value = value(&mut json)?;
        json.finish()?;
        Ok(value)
    }

    fn value(json: &mut EventReader<'_>) -> Result<Value, JsonError> {
        Ok(match json.event()? {
            Event::None => Value::None,
            Event::Bool(value) => Value::Bool(value),
            Event::Int(number) => Value::Int(number.into()),
            Event::Float(number) => Value::Float(number),
            Event::Str(text) => Value::Str(text.into()),
            Event::List => Value::List(items(json)?),
            Event::Tuple => {
                let items = items(json)?;
                match json.end_tuple()? {
                    TupleEnd::Tuple => Value::Tuple(items),
                    TupleEnd::Value(value) => value,
                    TupleEnd::Dict(rest) => {
                        let mut dict = Dict::from([(" t", Value::List(items))]);
                        dict.extend(rest.into_entries());
                        Value::Dict(dict)
                    }
                }
            }
            Event::Dict => {
                let mut dict = Dict::new();
                while let Some(key) = json.key()? {
                    dict.insert(Text::from(key), value(json)?);
                }
                Value::Dict(dict)
            }
            Event::Value(value) => value,
        })
    }

    fn items(json: &mut EventReader<'_>) -> Result<Vec<Value>, JsonError> {
        let mut items = Vec::new();
        while json.item()? {
            items.push(value(json)?);
        }
        Ok(items)
    }

    #[test]
    fn events_build_the_same_value() {
        for text in [
            r#"{"_flashes":[{" t":["message","Hi, Zo\u00eb"]}],"cart":{"items":[{"id":1017,"price":1.25},{"id":2}],"note":null}}"#,
            r#"{"at":{" d":"Tue, 14 Nov 2023 22:13:20 GMT"},"b":{" b":"AP8="},"m":{" m":"<b>"},"ok":true,"no":false}"#,
            r#"{}"#,
            r#" { "a" : [ 1 , { } , [ ] ] , "\u00e9" : { " t" : [ ] } } "#,
            r#"{"a":{" t":[]},"b":[-1,-2.5,-Infinity,NaN,123456789012345678901234567890],"a":3}"#,
            r#"{"a":{"\u0020t":[1]},"b":{" t":"xy"},"c":{" d":null," t":[2]},"d":{" t__":[1]}}"#,
        ] {
            assert_eq!(read(text), from_str(text));
        }
    }

    #[test]
    fn further_keys_make_a_tuple_a_dict() {
        let one = || Value::List(vec![1.into()]);
        for (text, value) in [
            (r#"{" t":[1],"x":2}"#, Dict::from([(" t", one()), ("x", 2.into())]).into()),
            (r#"{" t":[0],"x":2," t":[1]}"#, Dict::from([(" t", one()), ("x", 2.into())]).into()),
            (r#"{" t":[0]," t":[1]}"#, Value::Tuple(vec![1.into()])),
            (r#"{" t":[0],"\u0020t":"a"}"#, Value::Tuple(vec!["a".into()])),
        ] {
            assert_eq!(read(text).as_ref(), Ok(&value), "{text}");
            assert_eq!(from_str(text), Ok(value), "{text}");
        }
        assert!(read(r#"{" t":[0]," t":1}"#).is_err());
    }

    #[test]
    fn msgspec_reads_strict_json_without_tags() {
        for text in ["NaN", "-Infinity", "1e999", r#""\ud800""#, "01", "[1,]"] {
            let mut json = EventReader::msgspec(text);
            let mut read = json.event();
            while matches!(read, Ok(Event::List)) || matches!(json.item(), Ok(true)) {
                read = json.event();
            }
            assert!(read.is_err(), "{text}");
        }
        let mut json = EventReader::msgspec(r#"{" t":["\ud83d\ude00"]}"#);
        assert!(matches!(json.event(), Ok(Event::Dict)));
        assert!(matches!(json.key(), Ok(Some(JsonStr::Plain(" t")))));
        assert!(matches!(json.event(), Ok(Event::List)));
        assert!(matches!(json.item(), Ok(true)));
        assert!(matches!(json.event(), Ok(Event::Str(JsonStr::Escaped(text))) if text == "\u{1f600}"));
        assert!(matches!((json.item(), json.key()), (Ok(false), Ok(None))));
    }

    #[test]
    fn nesting_is_limited_as_in_values() {
        for (open, close, levels) in [("[", "]", 1), (r#"{" t":["#, "]}", 2), (r#"{"a":"#, "}", 1)] {
            let nest = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let most = MAX_DEPTH / levels;
            assert!(read(&nest(most)).is_ok() && from_str(&nest(most)).is_ok(), "{open}");
            assert_eq!(read(&nest(most + 1)), from_str(&nest(most + 1)), "{open}");
            // A closed level does not count.
            assert!(read(&format!("[{0},{0}]", nest(most - 1))).is_ok(), "{open}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn events_and_values_agree(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"A\"", "\"a\"", "\"a\":", "\"k\":", "\"b\":", "\" t\":", "{\" t\":[", "]}",
                "{\" d\":\"Tue, 02 Jan 2024 03:04:05 GMT\"}", "{\" b\":\"AP8=\"}", "{\" b\":\"!\"}", "{\" di\":{\" t__\":1}}",
                "{\" m\":\"x\"}", "\"\\u0020t\":", "null", "true", "1", "-0", "1.5", "1e5", " ", "\"\\u00e9\"", "\"\\ud800\"",
                "\" x\":", "NaN", "-Infinity", "-", "18446744073709551615", "{}", "[1,2]", "fals", "\"", "\\",
            ]), 0..12),
        ) {
            let inside = pieces.concat();
            for text in [inside.clone(), format!("[{inside}]"), format!("{{\"a\":{inside}}}")] {
                prop_assert_eq!(read(&text).ok(), from_str(&text).ok(), "{}", text);
            }
        }
    }
}
