//! Text piece by piece, for those whose objects are no values.

use super::MAX_BYTES;
use super::error::{JsonError, JsonErrorKind as Bad};
use super::lex::{Cursor, Number, unescape};
use super::read::{read_float, value_at};
use crate::value::{Int, MAX_DEPTH, Text, Value};

/// Reads Flask's tagged JSON piece by piece: the twin of [`Writer`](super::Writer).
///
/// Reads what [`from_str`](super::from_str) reads, but for one thing that nobody writes: a dict whose first key is `" t"`
/// with a list, and that has more keys. What must be noticed by its caller: of equal keys the last counts.
///
/// ```
/// use hipflask_core::tagged::{Letters, Piece, Reader};
/// let mut json = Reader::new(r#"{"cart":["pear",1]}"#)?;
/// assert!(matches!(json.piece()?, Piece::Dict));
/// assert!(matches!(json.key(true)?, Some(Letters::Plain("cart"))));
/// assert!(matches!(json.piece()?, Piece::List));
/// assert!(json.item(true)?);
/// assert!(matches!(json.piece()?, Piece::Str(Letters::Plain("pear"))));
/// assert!(json.item(false)?);
/// assert!(matches!(json.piece()?, Piece::Int(1)));
/// assert!(!json.item(false)?);
/// assert!(json.key(false)?.is_none());
/// json.finish()?;
/// # Ok::<(), hipflask_core::tagged::JsonError>(())
/// ```
pub struct Reader<'t> {
    cursor: Cursor<'t>,
    levels: usize,
}

/// A value, or what opens one.
#[derive(Debug)]
pub enum Piece<'t> {
    /// `null`.
    None,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(Letters<'t>),
    /// A list: [`item`](Reader::item) says whether there is a first one.
    List,
    /// A tuple: as a list, and [`close_tuple`](Reader::close_tuple) after its end.
    Tuple,
    /// A dict: [`key`](Reader::key) gives the first one.
    Dict,
    /// What is rare, as a whole: the other tags, and whole numbers that do not fit.
    Value(Value),
}

/// A text, as it stands in the JSON unless it was written with escapes.
#[derive(Debug)]
pub enum Letters<'t> {
    /// Without escapes.
    Plain(&'t str),
    /// With escapes, which have been resolved.
    Escaped(Text),
}

/// Shows the place, never the text.
impl core::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Reader(at byte {} of {})", self.cursor.at, self.cursor.text.len())
    }
}

impl<'t> Reader<'t> {
    /// At the beginning of `text`.
    ///
    /// # Errors
    /// [`TooLong`](super::JsonErrorKind::TooLong) beyond [`MAX_BYTES`].
    pub fn new(text: &'t str) -> Result<Self, JsonError> {
        if text.len() > MAX_BYTES {
            return Err(JsonError::new(Bad::TooLong, 0));
        }
        let mut cursor = Cursor::new(text);
        cursor.skip_space();
        Ok(Self { cursor, levels: MAX_DEPTH })
    }

    /// The value that begins here, or what opens it.
    ///
    /// # Errors
    /// [`JsonError`] where [`from_str`](super::from_str) has one.
    #[inline]
    pub fn piece(&mut self) -> Result<Piece<'t>, JsonError> {
        match self.cursor.peek() {
            b'"' => self.letters().map(Piece::Str),
            b'{' => self.object(),
            b'[' => self.open(1, 1, Piece::List),
            b't' => self.cursor.word(b"true").map(|()| Piece::Bool(true)),
            b'f' => self.cursor.word(b"false").map(|()| Piece::Bool(false)),
            b'n' => self.cursor.word(b"null").map(|()| Piece::None),
            b'0'..=b'9' => self.number(),
            b'-' if self.cursor.bytes().get(self.cursor.at + 1) != Some(&b'I') => self.number(),
            _ => self.whole(),
        }
    }

    /// Whether another item of a list or tuple follows, which is the `first` one; if none does, the list has ended.
    ///
    /// # Errors
    /// [`JsonError`] if something else follows.
    #[inline]
    pub fn item(&mut self, first: bool) -> Result<bool, JsonError> {
        self.follows(first, b']')
    }

    /// The next key of a dict, which is the `first` one; if there is none, the dict has ended.
    ///
    /// # Errors
    /// [`JsonError`] if something else follows.
    #[inline]
    pub fn key(&mut self, first: bool) -> Result<Option<Letters<'t>>, JsonError> {
        if !self.follows(first, b'}')? {
            return Ok(None);
        }
        if self.cursor.peek() != b'"' {
            return Err(self.cursor.unexpected());
        }
        let key = self.letters()?;
        self.cursor.skip_space();
        self.cursor.expect(b':')?;
        self.cursor.skip_space();
        Ok(Some(key))
    }

    /// The end of a tuple, after its last item.
    ///
    /// # Errors
    /// [`JsonError`] if something else follows.
    pub fn close_tuple(&mut self) -> Result<(), JsonError> {
        self.cursor.skip_space();
        self.cursor.expect(b'}')?;
        self.levels += 1;
        Ok(())
    }

    /// The end of the text.
    ///
    /// # Errors
    /// [`TrailingText`](super::JsonErrorKind::TrailingText).
    pub fn finish(mut self) -> Result<(), JsonError> {
        self.cursor.skip_space();
        if self.cursor.at < self.cursor.text.len() {
            return Err(self.cursor.error(Bad::TrailingText));
        }
        Ok(())
    }

    #[inline]
    fn follows(&mut self, first: bool, end: u8) -> Result<bool, JsonError> {
        self.cursor.skip_space();
        if self.cursor.peek() == end {
            self.cursor.at += 1;
            self.levels += 1;
            return Ok(false);
        }
        if !first {
            self.cursor.expect(b',')?;
            self.cursor.skip_space();
        }
        Ok(true)
    }

    #[inline]
    fn letters(&mut self) -> Result<Letters<'t>, JsonError> {
        self.cursor.at += 1;
        let (content, escaped) = self.cursor.string()?;
        if escaped { self.unescape(content) } else { Ok(Letters::Plain(content)) }
    }

    #[cold]
    #[inline(never)]
    fn unescape(&self, content: &str) -> Result<Letters<'t>, JsonError> {
        let text = unescape(content, true).ok_or_else(|| self.cursor.error(Bad::BadEscape))?;
        Ok(Letters::Escaped(text))
    }

    fn number(&mut self) -> Result<Piece<'t>, JsonError> {
        let start = self.cursor.at;
        Ok(match self.cursor.number()? {
            Number::Float(text) => Piece::Float(read_float(text)),
            Number::Int(digits) => match Int::parse(digits) {
                Some(number) => number.as_i64().map_or_else(|| Piece::Value(number.into()), Piece::Int),
                None => return Err(JsonError::new(Bad::TooManyDigits, start)),
            },
        })
    }

    fn object(&mut self) -> Result<Piece<'t>, JsonError> {
        let rest = &self.cursor.bytes()[self.cursor.at..];
        match rest {
            [b'{', b'"', b' ', b't', b'"', b':', b'[', ..] => self.open(OPEN_TUPLE, 2, Piece::Tuple),
            // The first key is no tag, so that the dict is none.
            [b'{', b'"', first, ..] if !matches!(first, b' ' | b'\\') => self.open(1, 1, Piece::Dict),
            [b'{', b'}', ..] => self.open(1, 1, Piece::Dict),
            _ => self.whole(),
        }
    }

    /// Steps over so many bytes, which open so many levels.
    #[inline]
    fn open(&mut self, bytes: usize, levels: usize, piece: Piece<'t>) -> Result<Piece<'t>, JsonError> {
        self.levels = self.levels.checked_sub(levels).ok_or_else(|| self.cursor.error(Bad::TooDeep))?;
        self.cursor.at += bytes;
        Ok(piece)
    }

    #[cold]
    #[inline(never)]
    fn whole(&mut self) -> Result<Piece<'t>, JsonError> {
        value_at(&mut self.cursor, self.levels).map(Piece::Value)
    }
}

/// How long `{" t":[` is.
const OPEN_TUPLE: usize = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::from_str;
    use super::*;
    use crate::value::Dict;

    /// The value of a text, put together of its pieces.
    fn read(text: &str) -> Result<Value, JsonError> {
        let mut json = Reader::new(text)?;
        let value = value(&mut json)?;
        json.finish()?;
        Ok(value)
    }

    fn value(json: &mut Reader<'_>) -> Result<Value, JsonError> {
        Ok(match json.piece()? {
            Piece::None => Value::None,
            Piece::Bool(value) => Value::Bool(value),
            Piece::Int(number) => Value::Int(number.into()),
            Piece::Float(number) => Value::Float(number),
            Piece::Str(text) => Value::Str(text_of(text)),
            Piece::List => Value::List(items(json)?),
            Piece::Tuple => {
                let items = items(json)?;
                json.close_tuple()?;
                Value::Tuple(items)
            }
            Piece::Dict => {
                let mut dict = Dict::new();
                let mut first = true;
                while let Some(key) = json.key(first)? {
                    first = false;
                    dict.insert(text_of(key), value(json)?);
                }
                Value::Dict(dict)
            }
            Piece::Value(value) => value,
        })
    }

    fn items(json: &mut Reader<'_>) -> Result<Vec<Value>, JsonError> {
        let mut items = Vec::new();
        while json.item(items.is_empty())? {
            items.push(value(json)?);
        }
        Ok(items)
    }

    fn text_of(letters: Letters<'_>) -> Text {
        match letters {
            Letters::Plain(text) => Text::new(text),
            Letters::Escaped(text) => text,
        }
    }

    #[test]
    fn the_pieces_of_a_session_are_those_of_its_value() {
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
    fn more_keys_after_a_tuple_are_refused() {
        let text = r#"{" t":[1],"x":2}"#;
        assert!(read(text).is_err() && from_str(text).is_ok());
    }

    #[test]
    fn lists_and_tuples_nest_as_deep_as_in_values() {
        for (open, close, levels) in [("[", "]", 1), (r#"{" t":["#, "]}", 2), (r#"{"a":"#, "}", 1)] {
            let nest = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let most = MAX_DEPTH / levels;
            assert!(read(&nest(most)).is_ok() && from_str(&nest(most)).is_ok(), "{open}");
            assert_eq!(read(&nest(most + 1)), from_str(&nest(most + 1)), "{open}");
            // What was closed counts no more.
            assert!(read(&format!("[{0},{0}]", nest(most - 1))).is_ok(), "{open}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_in_pieces_is_what_the_value_is(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"A\"", "\"a\"", "\"a\":", "\"k\":", "\"b\":", "\" t\":", "{\" t\":[", "]}",
                "{\" d\":\"Tue, 02 Jan 2024 03:04:05 GMT\"}", "{\" b\":\"AP8=\"}", "{\" b\":\"!\"}", "{\" di\":{\" t__\":1}}",
                "{\" m\":\"x\"}", "\"\\u0020t\":", "null", "true", "1", "-0", "1.5", "1e5", " ", "\"\\u00e9\"", "\"\\ud800\"",
                "\" x\":", "NaN", "-Infinity", "-", "18446744073709551615", "{}", "[1,2]", "fals", "\"", "\\",
            ]), 0..12),
        ) {
            let inside = pieces.concat();
            for text in [inside.clone(), format!("[{inside}]"), format!("{{\"a\":{inside}}}")] {
                match (read(&text), from_str(&text)) {
                    (Ok(read), Ok(value)) => prop_assert_eq!(read, value, "{}", text),
                    (Err(_), Ok(_)) => prop_assert!(text.contains("{\" t\":["), "{}", text),
                    (read, value) => prop_assert!(read.is_err() && value.is_err(), "{}", text),
                }
            }
        }
    }
}
