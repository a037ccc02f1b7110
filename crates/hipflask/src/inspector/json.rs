//! The inspector's JSON.

use hipflask_core::tagged;
use hipflask_core::value::{Dict, Value};

use super::view::{CookieView, SetView, View};
use crate::session::RecordSeen;

/// The newest exchange in full and a line for each earlier one.
pub(super) fn history(views: &[View]) -> String {
    let (last, earlier) = match views.split_first() {
        Some((last, earlier)) => (Value::Dict(exchange(last)), earlier),
        None => (Value::None, views),
    };
    let earlier = earlier.iter().map(|view| Value::Dict(line(view))).collect();
    let page = Dict::from([("last", last), ("earlier", Value::List(earlier))]);
    // Texts in a view are this module's own or of bounded depth, so there is nothing that cannot be written.
    tagged::to_string_plain(&Value::Dict(page)).unwrap_or_else(|_| "null".into())
}

fn line(view: &View) -> Dict {
    Dict::from([
        ("number", Value::from(view.number)),
        ("request", view.request.as_str().into()),
        ("status", u64::from(view.status).into()),
        ("reason", view.why.word().into()),
        ("why", view.why.to_string().into()),
    ])
}

fn exchange(view: &View) -> Dict {
    let mut dict = line(view);
    dict.insert("time", view.at.as_secs());
    dict.insert("arrival", view.arrival.to_string());
    dict.insert("cookie_sent", optional(view.sent.as_ref().map(|sent| cookie(sent, view))));
    dict.insert("set_cookie", optional(view.set.as_ref().map(|line| set(line, view))));
    dict.insert("vary", view.vary.as_deref().map_or(Value::None, Value::from));
    let flags = view.flags.map(|flags| Dict::from(flags.map(|(name, on)| (name, Value::from(on)))));
    dict.insert("flags", optional(flags));
    dict.insert("record", optional(view.record.as_ref().map(|seen| record(seen, view))));
    dict
}

fn record(record: &RecordSeen, view: &View) -> Dict {
    let held = record.held.as_ref();
    let expires = held.and_then(|held| held.expires);
    let number = |number: Option<u64>| number.map_or(Value::None, Value::from);
    Dict::from([
        ("key", record.key.as_deref().map_or(Value::None, Value::from)),
        ("store", record.kind.into()),
        ("place", record.place.as_str().into()),
        ("format", held.map_or(Value::None, |held| held.format.as_str().into())),
        ("size", held.map_or(Value::None, |held| count(held.bytes))),
        ("limit", record.limit.map_or(Value::None, count)),
        ("expires", number(expires.map(|time| time.as_secs()))),
        ("expires_in", number(expires.map(|time| time.as_secs().saturating_sub(view.at.as_secs())))),
        ("json", held.map_or(Value::None, |held| held.contents.as_str().into())),
        ("outcome", record.outcome.into()),
        ("says", record.says.as_str().into()),
    ])
}

fn set(line: &SetView, view: &View) -> Dict {
    Dict::from([
        ("header", Value::from(line.header.as_str())),
        ("size", count(line.header.len())),
        ("limit", count(line.limit)),
        ("removes", line.cookie.is_none().into()),
        ("cookie", optional(line.cookie.as_ref().map(|value| cookie(value, view)))),
    ])
}

fn cookie(cookie: &CookieView, view: &View) -> Dict {
    let names = ["payload", "timestamp", "signature"];
    let mut dict =
        Dict::from([("value", Value::from(cookie.value.as_str())), ("size", count(cookie.value.len()))]);
    for (at, name) in names.into_iter().enumerate() {
        dict.insert(name, cookie.parts.as_ref().map_or(Value::None, |parts| parts[at].as_str().into()));
    }
    dict.insert("json", cookie.json.as_deref().map_or(Value::None, Value::from));
    dict.insert("deflated", cookie.is_deflated);
    let signed_at = cookie.signed_at;
    dict.insert("signed_at", signed_at.map_or(Value::None, |time| time.as_secs().into()));
    let age = signed_at.map(|time| view.at.as_secs().saturating_sub(time.as_secs()));
    dict.insert("age_seconds", age.map_or(Value::None, Value::from));
    let (key, refused) = match &cookie.verdict {
        Some(Ok(key)) => (count(key.0), Value::None),
        Some(Err(error)) => (Value::None, error.reason().into()),
        None => (Value::None, Value::None),
    };
    dict.insert("key", key);
    dict.insert("refused", refused);
    dict
}

fn optional(dict: Option<Dict>) -> Value {
    dict.map_or(Value::None, Value::Dict)
}

fn count(n: usize) -> Value {
    Value::from(n as u64)
}
