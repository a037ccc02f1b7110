//! Text to Rust types, with no tree of values between.

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::JsonError;
use super::lex::{Cursor, Number, unescape};
use super::read::read_float;
use super::tags;
use crate::value::{Int, Key, Text, VALUE, Value, precedes, visit_int};

/// Reads a Rust type out of a member that [`index`](super::index) found well-formed, as [`from_value`] would out of its
/// value.
///
/// `None` if the type does not fit, and for whatever is rare: then the value itself tells why, or how it does.
///
/// [`from_value`]: crate::value::from_value
pub(crate) fn read_typed<T: DeserializeOwned>(text: &str) -> Option<T> {
    T::deserialize(&mut Json { cursor: Cursor::new(text) }).ok()
}

/// The value itself must be asked. Nothing is in it, so that results fit into registers.
#[derive(Debug, Clone, Copy)]
struct NeedsValue;

impl core::fmt::Display for NeedsValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("needs the value")
    }
}

impl core::error::Error for NeedsValue {}

impl serde::de::Error for NeedsValue {
    #[cold]
    fn custom<T: core::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The scan has found the text well-formed: what is not as expected is of another type.
#[inline]
fn fits<T>(read: Result<T, JsonError>) -> Result<T, NeedsValue> {
    read.map_err(|_| NeedsValue)
}

struct Json<'t> {
    cursor: Cursor<'t>,
}

impl<'t> Json<'t> {
    /// The string that begins here, if no escapes are in it.
    #[inline]
    fn plain_string(&mut self) -> Result<&'t str, NeedsValue> {
        fits(self.cursor.expect(b'"'))?;
        match fits(self.cursor.string())? {
            (content, false) => Ok(content),
            _ => Err(NeedsValue),
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn next(&mut self) -> u8 {
        self.cursor.skip_space();
        self.cursor.peek()
    }

    #[inline]
    fn key(&mut self) -> Result<&'t str, NeedsValue> {
        self.cursor.skip_space();
        let key = self.plain_string()?;
        self.cursor.skip_space();
        fits(self.cursor.expect(b':'))?;
        self.cursor.skip_space();
        Ok(key)
    }

    fn end(&mut self, byte: u8) -> Result<(), NeedsValue> {
        self.cursor.skip_space();
        fits(self.cursor.expect(byte))
    }

    fn word<T>(&mut self, word: &[u8], value: T) -> Result<T, NeedsValue> {
        fits(self.cursor.word(word))?;
        Ok(value)
    }

    fn string<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        fits(self.cursor.expect(b'"'))?;
        let (content, escaped) = fits(self.cursor.string())?;
        if !escaped {
            return visitor.visit_borrowed_str(content);
        }
        let text = unescape(content, true).ok_or(NeedsValue)?;
        match text.as_str() {
            Some(text) => visitor.visit_str(text),
            None => visitor.visit_bytes(text.as_bytes()),
        }
    }

    fn number<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        match fits(self.cursor.number())? {
            Number::Int(digits) => visit_int(&Int::parse(digits).ok_or(NeedsValue)?, visitor),
            Number::Float(text) => visitor.visit_f64(read_float(text)),
        }
    }

    /// An integer that fits the type.
    #[inline]
    fn integer<T>(&mut self) -> Result<T, NeedsValue>
    where
        T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>,
    {
        match fits(self.cursor.number())? {
            Number::Int(digits) => Int::parse(digits).and_then(|number| number.to()).ok_or(NeedsValue),
            Number::Float(_) => Err(NeedsValue),
        }
    }

    fn list<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        fits(self.cursor.expect(b'['))?;
        let mut items = Items { json: self, first: true, ended: false };
        let value = visitor.visit_seq(&mut items)?;
        if !items.ended {
            self.end(b']')?;
        }
        Ok(value)
    }

    fn object<V: Visitor<'t>>(&mut self, visitor: V, as_list: bool) -> Result<V::Value, NeedsValue> {
        fits(self.cursor.expect(b'{'))?;
        let first = self.first_key()?;
        if let Some(key) = first.filter(|key| key.as_bytes().first() == Some(&b' ')) {
            return self.tag(key, visitor, as_list);
        }
        let before = first.unwrap_or_default();
        let mut entries = Entries { json: self, before, key: first, ended: first.is_none() };
        let value = visitor.visit_map(&mut entries)?;
        if !entries.ended {
            self.end(b'}')?;
        }
        Ok(value)
    }

    /// The first key of a dict, or `None` if the dict ends here.
    #[inline]
    fn first_key(&mut self) -> Result<Option<&'t str>, NeedsValue> {
        if self.next() == b'}' {
            self.cursor.at += 1;
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// What a tag stands for; its content is here.
    fn tag<V: Visitor<'t>>(&mut self, key: &str, visitor: V, as_list: bool) -> Result<V::Value, NeedsValue> {
        let tag = tags::tag(key.as_bytes()).ok_or(NeedsValue)?;
        if tag == tags::TUPLE && self.cursor.peek() == b'[' {
            let value = self.list(visitor)?;
            self.end(b'}')?;
            return Ok(value);
        }
        let content = self.plain_string()?;
        self.end(b'}')?;
        if tag == tags::MARKUP {
            return visitor.visit_borrowed_str(content);
        }
        match tags::untag(tag, Value::Str(Text::new(content))) {
            Ok(Value::DateTime(date)) => visitor.visit_string(date.to_string()),
            Ok(Value::Uuid(id)) => visitor.visit_string(id.hyphenated().to_string()),
            Ok(Value::Bytes(bytes)) if as_list => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            Ok(Value::Bytes(bytes)) => visitor.visit_bytes(&bytes),
            _ => Err(NeedsValue),
        }
    }

    /// What nests no further. Apart from the rest, so that a level needs little stack.
    #[inline]
    fn scalar<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.peek() {
            b'"' => self.string(visitor),
            b't' => visitor.visit_bool(self.word(b"true", true)?),
            b'f' => visitor.visit_bool(self.word(b"false", false)?),
            b'n' => {
                self.word(b"null", ())?;
                visitor.visit_unit()
            }
            b'N' | b'I' => Err(NeedsValue),
            _ => self.number(visitor),
        }
    }

    /// Steps over a value.
    fn skip(&mut self) -> Result<(), NeedsValue> {
        let mut depth = 0usize;
        loop {
            match self.next() {
                b'"' => {
                    self.cursor.at += 1;
                    fits(self.cursor.string_bytes())?;
                }
                b'{' | b'[' => {
                    self.cursor.at += 1;
                    depth += 1;
                }
                b'}' | b']' => {
                    self.cursor.at += 1;
                    depth = depth.checked_sub(1).ok_or(NeedsValue)?;
                }
                0 => return Err(NeedsValue),
                _ => {
                    let is_more =
                        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                    self.cursor.at += 1;
                    while is_more(self.cursor.peek()) {
                        self.cursor.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Ok(());
            }
            while matches!(self.next(), b',' | b':') {
                self.cursor.at += 1;
            }
        }
    }
}

macro_rules! integers {
    ($($method:ident => $visit:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
            match self.cursor.peek() {
                b'0'..=b'9' | b'-' => visitor.$visit(self.integer()?),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Json<'de> {
    type Error = NeedsValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.peek() {
            b'[' => self.list(visitor),
            b'{' => self.object(visitor, false),
            _ => self.scalar(visitor),
        }
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.peek() {
            b'n' => {
                self.word(b"null", ())?;
                visitor.visit_none()
            }
            // A date that is none is None.
            b'{' if self.cursor.bytes().get(self.cursor.at + 2) == Some(&b' ') => Err(NeedsValue),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.peek() {
            b'[' => self.list(visitor),
            b'{' => self.object(visitor, true),
            _ => self.scalar(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, NeedsValue> {
        if name == VALUE { Err(NeedsValue) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NeedsValue> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.plain_string()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
        self.skip()?;
        visitor.visit_unit()
    }

    integers!(deserialize_i8 => visit_i8, deserialize_i16 => visit_i16, deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64, deserialize_i128 => visit_i128, deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16, deserialize_u32 => visit_u32, deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128);

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct identifier
    }
}

/// The items of a list.
struct Items<'j, 't> {
    json: &'j mut Json<'t>,
    first: bool,
    ended: bool,
}

impl<'t> SeqAccess<'t> for Items<'_, 't> {
    type Error = NeedsValue;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, NeedsValue> {
        if self.ended {
            return Ok(None);
        }
        match self.json.next() {
            b']' => {
                self.json.cursor.at += 1;
                self.ended = true;
                return Ok(None);
            }
            _ if self.first => self.first = false,
            _ => {
                fits(self.json.cursor.expect(b','))?;
                self.json.cursor.skip_space();
            }
        }
        seed.deserialize(&mut *self.json).map(Some)
    }
}

/// The keys and values of a dict whose keys are in order: of two that are equal only the last would count.
struct Entries<'j, 't> {
    json: &'j mut Json<'t>,
    before: &'t str,
    /// A key that was looked at already.
    key: Option<&'t str>,
    ended: bool,
}

impl<'t> MapAccess<'t> for Entries<'_, 't> {
    type Error = NeedsValue;

    fn next_key_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, NeedsValue> {
        if self.ended {
            return Ok(None);
        }
        if let Some(key) = self.key.take() {
            return seed.deserialize(Key::new(key)).map(Some).map_err(|_| NeedsValue);
        }
        if self.json.next() == b'}' {
            self.json.cursor.at += 1;
            self.ended = true;
            return Ok(None);
        }
        fits(self.json.cursor.expect(b','))?;
        let key = self.json.key()?;
        if !precedes(self.before.as_bytes(), key.as_bytes()) {
            return Err(NeedsValue);
        }
        self.before = key;
        seed.deserialize(Key::new(key)).map(Some).map_err(|_| NeedsValue)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, NeedsValue> {
        seed.deserialize(&mut *self.json)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::super::{Member, from_str, index};
    use super::*;
    use crate::value::{Dict, from_value};

    /// What serde is shown, in words.
    #[derive(Debug, PartialEq)]
    struct Seen(String);

    impl<'de> Deserialize<'de> for Seen {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(Words)
        }
    }

    struct Words;

    macro_rules! words {
        ($($method:ident: $given:ty),*) => {
            $(fn $method<E>(self, value: $given) -> Result<Seen, E> {
                Ok(Seen(format!("{} {value:?}", stringify!($method))))
            })*
        };
    }

    impl<'de> Visitor<'de> for Words {
        type Value = Seen;

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("anything")
        }

        words!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str,
            visit_bytes: &[u8]);

        fn visit_unit<E>(self) -> Result<Seen, E> {
            Ok(Seen("unit".to_owned()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Seen, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = access.next_element::<Seen>()? {
                items.push(item);
            }
            Ok(Seen(format!("{items:?}")))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Seen, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = access.next_entry::<Seen, Seen>()? {
                entries.push(entry);
            }
            Ok(Seen(format!("{entries:?}")))
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        A,
        B(Option<u8>),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Fields {
        a: Option<Seen>,
        #[serde(default)]
        k: Vec<u8>,
    }

    /// Whether the text was read, and was read as its value is.
    fn reads<T: DeserializeOwned + PartialEq + core::fmt::Debug>(text: &str) -> bool {
        let Some(read) = read_typed::<T>(text) else { return false };
        assert_eq!(Ok(read), from_value(&from_str(text).unwrap()), "{text}");
        true
    }

    fn reads_as_anything(text: &str) {
        reads::<Seen>(text);
        reads::<Option<Seen>>(text);
        reads::<Vec<Option<Seen>>>(text);
        reads::<(Seen, Seen)>(text);
        reads::<BTreeMap<String, Seen>>(text);
        reads::<BTreeMap<u8, Seen>>(text);
        reads::<Fields>(text);
        reads::<Choice>(text);
        reads::<Vec<u8>>(text);
        reads::<String>(text);
        reads::<Vec<String>>(text);
        reads::<f64>(text);
        reads::<(u8, serde::de::IgnoredAny)>(text);
        reads::<Value>(text);
        reads::<Vec<Value>>(text);
        reads::<crate::time::DateTime>(text);
        reads::<Text>(text);
        reads::<Int>(text);
    }

    #[test]
    fn what_handlers_ask_for_is_read_without_a_tree() {
        assert!(reads::<Vec<(String, String)>>(r#"[{" t":["message","Hi"]},{" t":["error","No"]}]"#));
        assert!(reads::<BTreeMap<String, u8>>(r#"{"a":1,"b":2}"#));
        assert!(reads::<BTreeMap<u8, f64>>(r#"{"1":1.5,"2":2e3}"#));
        assert!(reads::<Fields>(r#"{"a":null,"k":{" b":"AP8="},"z":[{"x":["]",1.5e3]},true]}"#));
        assert!(reads::<Fields>(r#"{"a":"\u00e9"}"#));
        assert!(reads::<Vec<String>>(
            r#"[{" m":"<b>"},{" u":"00000000000000000000000000000001"},{" d":"Tue, 02 Jan 2024 03:04:05 GMT"}]"#
        ));
        assert!(reads::<Choice>(r#""A""#));
        assert!(reads::<i128>("18446744073709551616"));
        assert!(reads::<Option<bool>>("false"));
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_value() {
        assert!(!reads::<String>("1"));
        assert!(!reads::<(u8, u8)>("[1,2,3]"));
        assert!(!reads::<BTreeMap<String, u8>>(r#"{"a":1,"a":2}"#));
        assert!(!reads::<Choice>(r#"{"B":1}"#));
        assert!(!reads::<Vec<Value>>("[1]"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_read_is_what_the_value_gives(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"A\"", "\"a\"", "\"a\":", "\"k\":", "\"b\":", "\" t\":", "{\" t\":[", "]}",
                "{\" d\":\"Tue, 02 Jan 2024 03:04:05 GMT\"}", "{\" b\":\"AP8=\"}", "{\" b\":\"!\"}", "{\" d\":\"no\"}",
                "{\" m\":\"x\"}", "{\" di\":{\" t__\":1}}", "{\"1\":", "\"\\u0020t\":", "null", "true", "1", "-0", "1.5",
                "1e5", " ", "\"\\u00e9\"", "\"\\ud800\"", "\" x\":", "NaN", "18446744073709551615", "{}", "[1,2]",
                "{\" u\":\"00000000000000000000000000000001\"}", "123456789012345678901234567890123456789012",
            ]), 0..10),
        ) {
            let inside = pieces.concat();
            for text in [inside.clone(), format!("[{inside}]"), format!("{{\"a\":{inside}}}")] {
                let session = format!("{{\"k\":{text},\"z\":0}}");
                // The pieces may have made more members than the one.
                for member in index::<Member>(&session).ok().flatten().iter().flat_map(Dict::values) {
                    reads_as_anything(&session[member.range()]);
                }
            }
        }
    }
}
