//! Reading text as Rust types, without a tree of values in between.

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::JsonError;
use super::lex::{Cursor, Quoted, Scalar};
use super::read::read_float;
use super::tags;
use crate::value::{Int, Key, Text, VALUE, Value, precedes, visit_int};

/// Reads a Rust type from a member that [`index`](super::index) has checked, as [`from_value`]
/// would from its value.
///
/// Returns `None` if the type does not fit, and for everything that is rare. Then [`from_value`]
/// decides.
///
/// [`from_value`]: crate::value::from_value
pub(crate) fn read_typed<T: DeserializeOwned>(text: &str) -> Option<T> {
    T::deserialize(&mut Typed { cursor: Cursor::new(text) }).ok()
}

/// The error that leaves the decision to the value. It is empty, so that results fit into
/// registers.
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

impl From<JsonError> for NeedsValue {
    #[cold]
    fn from(_: JsonError) -> Self {
        Self
    }
}

struct Typed<'t> {
    cursor: Cursor<'t>,
}

impl<'t> Typed<'t> {
    /// The string at the cursor, if it has no escapes.
    #[inline]
    fn plain_string(&mut self) -> Result<&'t str, NeedsValue> {
        if self.cursor.peek() != b'"' {
            return Err(NeedsValue);
        }
        let string = self.cursor.quoted()?;
        self.plain(string)
    }

    #[inline]
    fn plain(&self, string: Quoted) -> Result<&'t str, NeedsValue> {
        if string.escaped { Err(NeedsValue) } else { Ok(self.cursor.content(string)) }
    }

    fn list<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        let next = if self.cursor.open_list()? { Next::First } else { Next::End };
        let mut items = Items { typed: self, next };
        let value = visitor.visit_seq(&mut items)?;
        if items.advance()? { Err(NeedsValue) } else { Ok(value) }
    }

    fn object<V: Visitor<'t>>(&mut self, visitor: V, as_list: bool) -> Result<V::Value, NeedsValue> {
        let key = match self.cursor.open_object()? {
            None => None,
            Some(first) => {
                if let Some(tag) = self.cursor.tag(first)? {
                    return self.tag(tag, visitor, as_list);
                }
                Some(self.plain(first)?)
            }
        };
        let mut entries =
            Entries { before: key.unwrap_or_default(), is_at_end: key.is_none(), key, typed: self };
        let value = visitor.visit_map(&mut entries)?;
        if entries.is_at_end || self.cursor.ends_object() { Ok(value) } else { Err(NeedsValue) }
    }

    /// Reads a tag whose content is at the cursor.
    fn tag<V: Visitor<'t>>(
        &mut self,
        tag: &'static str,
        visitor: V,
        as_list: bool,
    ) -> Result<V::Value, NeedsValue> {
        if tag == tags::TUPLE && self.cursor.peek() == b'[' {
            let value = self.list(visitor)?;
            self.end_tag()?;
            return Ok(value);
        }
        let content = self.plain_string()?;
        self.end_tag()?;
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

    /// Steps over the end of an object that has one key.
    fn end_tag(&mut self) -> Result<(), NeedsValue> {
        if self.cursor.ends_object() { Ok(()) } else { Err(NeedsValue) }
    }

    #[inline]
    fn string<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        let string = self.cursor.quoted()?;
        if !string.escaped {
            return visitor.visit_borrowed_str(self.cursor.content(string));
        }
        let text = self.cursor.text(string)?;
        match text.as_str() {
            Some(text) => visitor.visit_str(text),
            None => visitor.visit_bytes(text.as_bytes()),
        }
    }

    /// Reads a value that contains no others. Apart from the rest, so that a level needs little
    /// stack.
    #[inline]
    fn scalar<V: Visitor<'t>>(&mut self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.scalar()? {
            Scalar::Str(string) => visitor.visit_borrowed_str(self.plain(string)?),
            Scalar::Null => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_bool(value),
            Scalar::Int(digits) => visit_int(&Int::parse(digits).ok_or(NeedsValue)?, visitor),
            Scalar::Float(text) => visitor.visit_f64(read_float(text)),
        }
    }

    /// An integer that fits the type.
    #[inline]
    fn integer<T>(&mut self) -> Result<T, NeedsValue>
    where
        T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>,
    {
        match self.cursor.scalar()? {
            Scalar::Int(digits) => Int::parse(digits).and_then(|number| number.to()).ok_or(NeedsValue),
            _ => Err(NeedsValue),
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

impl<'de> Deserializer<'de> for &mut Typed<'de> {
    type Error = NeedsValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.peek() {
            b'[' => self.list(visitor),
            b'{' => self.object(visitor, false),
            b'"' => self.string(visitor),
            _ => self.scalar(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NeedsValue> {
        match self.cursor.peek() {
            b'n' => {
                self.cursor.scalar()?;
                visitor.visit_none()
            }
            // The tag of an invalid date is None.
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
        self.cursor.check()?;
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

/// The state of a list between two items.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// The cursor is at the first item.
    First,
    /// The cursor is after an item.
    Later,
    /// The cursor is after the list.
    End,
}

/// The items of a list.
struct Items<'j, 't> {
    typed: &'j mut Typed<'t>,
    next: Next,
}

impl Items<'_, '_> {
    /// Steps to the next item. Returns `false` if there is none.
    #[inline]
    fn advance(&mut self) -> Result<bool, NeedsValue> {
        match self.next {
            Next::First => self.next = Next::Later,
            Next::Later => {
                if !self.typed.cursor.next_item()? {
                    self.next = Next::End;
                }
            }
            Next::End => {}
        }
        Ok(self.next != Next::End)
    }
}

impl<'t> SeqAccess<'t> for Items<'_, 't> {
    type Error = NeedsValue;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, NeedsValue> {
        if self.advance()? { seed.deserialize(&mut *self.typed).map(Some) } else { Ok(None) }
    }
}

/// The entries of a dict whose keys are in order. Other dicts need the value, because only the last
/// of equal keys counts.
struct Entries<'j, 't> {
    typed: &'j mut Typed<'t>,
    before: &'t str,
    /// The first key, until it is used.
    key: Option<&'t str>,
    is_at_end: bool,
}

impl<'t> Entries<'_, 't> {
    #[inline]
    fn advance(&mut self) -> Result<Option<&'t str>, NeedsValue> {
        if self.is_at_end {
            return Ok(None);
        }
        let Some(key) = self.typed.cursor.next_key()? else {
            self.is_at_end = true;
            return Ok(None);
        };
        let key = self.typed.plain(key)?;
        if !precedes(self.before.as_bytes(), key.as_bytes()) {
            return Err(NeedsValue);
        }
        self.before = key;
        Ok(Some(key))
    }
}

impl<'t> MapAccess<'t> for Entries<'_, 't> {
    type Error = NeedsValue;

    fn next_key_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, NeedsValue> {
        let key = match self.key.take() {
            None => self.advance()?,
            first => first,
        };
        let Some(key) = key else { return Ok(None) };
        seed.deserialize(Key::new(key)).map(Some).map_err(|_| NeedsValue)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, NeedsValue> {
        seed.deserialize(&mut *self.typed)
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
    use crate::value::{Dict, ValueError, from_value};

    /// The calls that serde makes, in words.
    #[derive(Debug, PartialEq)]
    struct Calls(String);

    impl<'de> Deserialize<'de> for Calls {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(Words)
        }
    }

    struct Words;

    macro_rules! words {
        ($($method:ident: $given:ty),*) => {
            $(fn $method<E>(self, value: $given) -> Result<Calls, E> {
                Ok(Calls(format!("{} {value:?}", stringify!($method))))
            })*
        };
    }

    impl<'de> Visitor<'de> for Words {
        type Value = Calls;

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("anything")
        }

        words!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str,
            visit_bytes: &[u8]);

        fn visit_unit<E>(self) -> Result<Calls, E> {
            Ok(Calls("unit".to_owned()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Calls, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = access.next_element::<Calls>()? {
                items.push(item);
            }
            Ok(Calls(format!("{items:?}")))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Calls, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = access.next_entry::<Calls, Calls>()? {
                entries.push(entry);
            }
            Ok(Calls(format!("{entries:?}")))
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        A,
        B(Option<u8>),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Fields {
        a: Option<Calls>,
        #[serde(default)]
        k: Vec<u8>,
    }

    /// Returns `true` if the text is read, and then checks that its value is read alike.
    fn reads<T: DeserializeOwned + PartialEq + core::fmt::Debug>(text: &str) -> bool {
        let Some(read) = read_typed::<T>(text) else { return false };
        // As text, because NaN does not equal itself.
        let value = from_value::<T>(&from_str(text).unwrap());
        assert_eq!(format!("{:?}", Ok::<_, ValueError>(read)), format!("{value:?}"), "{text}");
        true
    }

    fn reads_as_anything(text: &str) {
        reads::<Calls>(text);
        reads::<Option<Calls>>(text);
        reads::<Vec<Option<Calls>>>(text);
        reads::<(Calls, Calls)>(text);
        reads::<BTreeMap<String, Calls>>(text);
        reads::<BTreeMap<u8, Calls>>(text);
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
    fn common_types_are_read_without_a_tree() {
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
    fn types_that_do_not_fit_need_the_value() {
        assert!(!reads::<String>("1"));
        assert!(!reads::<(u8, u8)>("[1,2,3]"));
        assert!(!reads::<BTreeMap<String, u8>>(r#"{"a":1,"a":2}"#));
        assert!(!reads::<Choice>(r#"{"B":1}"#));
        assert!(!reads::<Vec<Value>>("[1]"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn text_and_value_are_read_alike(
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
                // The pieces may have made several members.
                for member in index::<Member>(&session).ok().flatten().iter().flat_map(Dict::values) {
                    reads_as_anything(&session[member.range()]);
                }
            }
        }
    }
}
