//! Prints and escapes values as Jinja2 and MarkupSafe do.

use std::borrow::Cow;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Error, ErrorKind, Output, State, Value as Jinja};

use super::convert::{View, Whole};
use super::objects::{BoundMethod, SessionObject};
use crate::repr;

/// Flask's `select_autoescape`. A template without a name is also escaped.
pub(super) fn auto_escape(name: &str) -> AutoEscape {
    let escaped = [".html", ".htm", ".xml", ".xhtml", ".svg"].iter().any(|suffix| name.ends_with(suffix));
    if escaped || name == FROM_STRING { AutoEscape::Html } else { AutoEscape::None }
}

/// Minijinja's name for a template without a name.
const FROM_STRING: &str = "<string>";

/// Prints a value into the page.
pub(super) fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let text = match value.as_str() {
        // Bytes that happen to be text are not printed as text.
        Some(text) if value.kind() == ValueKind::String => Cow::Borrowed(text),
        _ => Cow::Owned(printed(value)),
    };
    let escape = match state.auto_escape() {
        AutoEscape::None => false,
        _ => !value.is_safe(),
    };
    let written = if escape { out.write_str(&escaped(&text)) } else { out.write_str(&text) };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}

/// The filters `escape` and `e`.
pub(super) fn escape(value: &Jinja) -> Jinja {
    if value.is_safe() { value.clone() } else { Jinja::from_safe_string(escaped(&printed(value))) }
}

/// The filter `string`.
pub(super) fn string(value: &Jinja) -> Jinja {
    if value.kind() == ValueKind::String { value.clone() } else { Jinja::from(printed(value)) }
}

/// The filters `length` and `count`, for which nothing has no length.
pub(super) fn length(value: &Jinja) -> Result<usize, Error> {
    if value.is_undefined() { Ok(0) } else { minijinja::filters::length(value) }
}

/// Escapes as MarkupSafe does.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            letter => out.push(letter),
        }
    }
    out
}

/// Python's `str` of a value; nothing for what is not defined.
pub(crate) fn printed(value: &Jinja) -> String {
    let mut out = String::new();
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::String => out.push_str(value.as_str().unwrap_or_default()),
        _ => match value.downcast_object_ref() {
            Some(Whole(value)) => repr::write_str(&mut out, value),
            None => write_repr(&mut out, value),
        },
    }
    out
}

fn write_repr(out: &mut String, value: &Jinja) {
    if let Some(Whole(value)) = value.downcast_object_ref() {
        out.push_str(&repr::repr(value));
    } else if let Some(view) = value.downcast_object_ref::<View>() {
        out.push_str(view.name);
        out.push('(');
        write_items(out, "[", view.items.iter().cloned(), "])");
    } else if value.downcast_object_ref::<SessionObject>().is_some() {
        out.push_str("<SecureCookieSession ");
        write_map(out, value);
        out.push('>');
    } else if let Some(method) = value.downcast_object_ref::<BoundMethod>() {
        out.push_str(&format!("<built-in method {} of SecureCookieSession object>", method.0));
    } else {
        write_builtin(out, value);
    }
}

fn write_builtin(out: &mut String, value: &Jinja) {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(number) => repr::write_float(out, number),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::String if value.is_safe() => {
            out.push_str("Markup(");
            repr::write_quoted_str(out, value.as_str().unwrap_or_default());
            out.push(')');
        }
        ValueKind::String => repr::write_quoted_str(out, value.as_str().unwrap_or_default()),
        ValueKind::Bytes => repr::write_bytes(out, value.as_bytes().unwrap_or_default()),
        ValueKind::Seq if value.is_tuple() => {
            let close = if value.len() == Some(1) { ",)" } else { ")" };
            write_items(out, "(", value.try_iter().into_iter().flatten(), close);
        }
        ValueKind::Seq => write_items(out, "[", value.try_iter().into_iter().flatten(), "]"),
        ValueKind::Map => write_map(out, value),
        _ => out.push_str(&value.to_string()),
    }
}

fn write_items(out: &mut String, open: &str, items: impl Iterator<Item = Jinja>, close: &str) {
    out.push_str(open);
    for (at, item) in items.enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write_repr(out, &item);
    }
    out.push_str(close);
}

fn write_map(out: &mut String, map: &Jinja) {
    out.push('{');
    for (at, key) in map.try_iter().into_iter().flatten().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write_repr(out, &key);
        out.push_str(": ");
        write_repr(out, &map.get_item(&key).unwrap_or_default());
    }
    out.push('}');
}
