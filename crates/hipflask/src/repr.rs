//! Values as Python prints them.

use hipflask_core::tagged;
use hipflask_core::time::DateTime;
use hipflask_core::value::{Dict, Text, Value};

/// The value as Python's `repr` writes it, and as it appears in a printed list, tuple or dict.
///
/// ```
/// use hipflask::{Value, repr};
/// let item = Value::Tuple(vec!["name".into(), Value::None, 1e16.into()]);
/// assert_eq!(repr(&item), "('name', None, 1e+16)");
/// ```
#[must_use]
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// The value as Python's `str` writes it: what `{{ value }}` prints.
#[cfg(feature = "templates")]
pub(crate) fn write_str(out: &mut String, value: &Value) {
    match value {
        Value::Str(text) | Value::Markup(text) => out.push_str(&text.to_string_lossy()),
        Value::DateTime(date) => out.push_str(&date.to_string().replacen('T', " ", 1)),
        Value::Uuid(id) => out.push_str(&id.to_string()),
        value => write_repr(out, value),
    }
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => write_float(out, *number),
        Value::Str(text) => write_quoted(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::List(items) => write_items(out, "[", items, "]"),
        Value::Tuple(items) => write_items(out, "(", items, if items.len() == 1 { ",)" } else { ")" }),
        Value::Dict(dict) => write_dict(out, dict),
        Value::DateTime(date) => write_date_time(out, date),
        Value::Uuid(id) => out.push_str(&format!("UUID('{id}')")),
        Value::Markup(text) => {
            out.push_str("Markup(");
            write_quoted(out, text);
            out.push(')');
        }
        // A kind of value that is newer than this function.
        other => out.push_str(&format!("{other:?}")),
    }
}

/// Python's spelling, which is JSON's but for what JSON has no word for.
pub(crate) fn write_float(out: &mut String, number: f64) {
    if number.is_nan() {
        out.push_str("nan");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "inf" } else { "-inf" });
    } else {
        out.push_str(&tagged::to_string_plain(&Value::Float(number)).unwrap_or_default());
    }
}

fn write_items(out: &mut String, open: &str, items: &[Value], close: &str) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write_repr(out, item);
    }
    out.push_str(close);
}

fn write_dict(out: &mut String, dict: &Dict) {
    out.push('{');
    for (at, (key, value)) in dict.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write_quoted(out, key);
        out.push_str(": ");
        write_repr(out, value);
    }
    out.push('}');
}

fn write_quoted(out: &mut String, text: &Text) {
    let quote = quote_for(text.as_bytes());
    out.push(quote);
    for point in text.code_points() {
        match char::from_u32(point) {
            Some(letter) => write_letter(out, letter, quote),
            None => out.push_str(&format!("\\u{point:04x}")),
        }
    }
    out.push(quote);
}

/// [`repr`] of a `str`.
#[cfg(feature = "templates")]
pub(crate) fn write_quoted_str(out: &mut String, text: &str) {
    let quote = quote_for(text.as_bytes());
    out.push(quote);
    text.chars().for_each(|letter| write_letter(out, letter, quote));
    out.push(quote);
}

fn quote_for(bytes: &[u8]) -> char {
    if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' }
}

fn write_letter(out: &mut String, letter: char, quote: char) {
    match letter {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        letter if letter == quote => out.extend(['\\', letter]),
        letter if is_printable(letter) => out.push(letter),
        letter => out.push_str(&match u32::from(letter) {
            point @ ..0x100 => format!("\\x{point:02x}"),
            point @ ..0x10000 => format!("\\u{point:04x}"),
            point => format!("\\U{point:08x}"),
        }),
    }
}

/// Python escapes what Unicode calls other or separator; Rust's `Debug` does so too, and combining
/// marks only where they stand first.
fn is_printable(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        letter => ['a', letter].iter().collect::<String>().escape_debug().count() == 2,
    }
}

pub(crate) fn write_bytes(out: &mut String, bytes: &[u8]) {
    let quote = quote_for(bytes);
    out.extend(['b', quote]);
    for &byte in bytes {
        match byte {
            b'\\' | b'\n' | b'\r' | b'\t' | b' '..=b'~' => write_letter(out, char::from(byte), quote),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
}

fn write_date_time(out: &mut String, date: &DateTime) {
    // `2024-01-02T03:04:05.000006+00:00`: the numbers in it are the arguments.
    let text = date.to_string();
    let (local, _) = text.split_at(text.len().saturating_sub(6));
    let numbers = local.split(['-', 'T', ':', '.']).map(|digits| digits.trim_start_matches('0'));
    let mut numbers: Vec<&str> = numbers.map(|digits| if digits.is_empty() { "0" } else { digits }).collect();
    // Python leaves out seconds that are zero, if no microseconds follow.
    if numbers.len() == 6 && numbers.last() == Some(&"0") {
        numbers.pop();
    }
    out.push_str(&format!("datetime.datetime({}, tzinfo=", numbers.join(", ")));
    match date.offset_seconds() {
        0 => out.push_str("datetime.timezone.utc"),
        seconds if seconds > 0 => {
            out.push_str(&format!("datetime.timezone(datetime.timedelta(seconds={seconds}))"));
        }
        seconds => {
            let rest = seconds + 86_400;
            out.push_str(&format!("datetime.timezone(datetime.timedelta(days=-1, seconds={rest}))"));
        }
    }
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right-hand side was printed by Python 3.11.7.
    #[test]
    fn values_are_printed_as_python_prints_them() {
        let date = DateTime::from_unix_micros(1_704_164_645_000_006).unwrap();
        let minute = DateTime::from_unix_micros(1_704_164_640_000_000).unwrap().with_offset(-19_800).unwrap();
        let cases = [
            (Value::None, "None"),
            (true.into(), "True"),
            (1e16.into(), "1e+16"),
            (f64::NAN.into(), "nan"),
            ((-f64::INFINITY).into(), "-inf"),
            ("it's".into(), "\"it's\""),
            (
                "'\"\\\n\u{7f}é\u{a0}\u{200b}e\u{301}\u{1F600}".into(),
                "'\\'\"\\\\\\n\\x7fé\\xa0\\u200be\u{301}😀'",
            ),
            (Value::Bytes(b"a'\x00\xff\n".to_vec()), "b\"a'\\x00\\xff\\n\""),
            (Value::Tuple(vec![1.into()]), "(1,)"),
            (Value::List(vec!["a".into(), Value::Tuple(vec![])]), "['a', ()]"),
            (Dict::from([("k", 1.5)]).into(), "{'k': 1.5}"),
            (Value::Markup("<b>".into()), "Markup('<b>')"),
            (date.into(), "datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)"),
            (
                minute.into(),
                "datetime.datetime(2024, 1, 1, 21, 34, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=66600)))",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(repr(&value), expected);
        }
    }
}
