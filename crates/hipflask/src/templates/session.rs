//! `session` and `get_flashed_messages` in templates.

use std::fmt;
use std::sync::Arc;

use hipflask_core::session::SessionDict;
use minijinja::value::{Enumerator, Kwargs, Object, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value as Jinja};

use super::convert::{self, View, refuse, to_jinja};
use super::objects::{BoundMethod, SessionObject};
use crate::error::SessionError;
use crate::request;
use crate::session::Session;

pub(super) fn current_session() -> Result<Session, Error> {
    request::current()
        .map(|request| request.open_cookie())
        .ok_or_else(|| failed(SessionError::OutsideRequest))
}

pub(super) fn failed(error: SessionError) -> Error {
    refuse(error.to_string()).with_source(error)
}

/// Turns an error into a value that stops the template, where no other way can report it.
fn or_stop(value: Result<Option<Jinja>, Error>) -> Option<Jinja> {
    value.unwrap_or_else(|error| Some(Jinja::from(error)))
}

fn item(key: &Jinja) -> Result<Option<Jinja>, Error> {
    let session = current_session()?;
    // A key that is not text is in no session, but asking for it is a touch.
    session.with(|data| data.value(key.as_str()?).map(to_jinja)).map_err(failed)
}

fn attribute(name: &str) -> Result<Option<Jinja>, Error> {
    let read = |read: fn(&mut SessionDict) -> bool| current_session()?.with(read).map_err(failed);
    Ok(Some(match name {
        "permanent" => read(|data| data.is_permanent())?.into(),
        "modified" => read(|data| data.is_modified())?.into(),
        "new" => read(|data| data.is_new())?.into(),
        "accessed" => read(|data| data.is_accessed())?.into(),
        name => match METHODS.iter().find(|method| **method == name) {
            Some(method) => {
                current_session()?.with(|_| Jinja::from_object(BoundMethod(method))).map_err(failed)?
            }
            None => return item(&Jinja::from(name)),
        },
    }))
}

impl Object for SessionObject {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        or_stop(item(key))
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        or_stop(attribute(name))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match current_session().and_then(|session| session.keys().map_err(failed)) {
            Ok(keys) => Enumerator::Values(keys.iter().map(convert::text).collect()),
            Err(error) => Enumerator::Values(vec![Jinja::from(error)]),
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        current_session().ok()?.len().ok()
    }

    fn is_true(self: &Arc<Self>) -> bool {
        current_session().is_ok_and(|session| session.is_empty() == Ok(false))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Jinja],
    ) -> Result<Jinja, Error> {
        call(name, args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::format::printed(&Jinja::from_dyn_object(self.clone())))
    }
}

impl Object for BoundMethod {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
        call(self.0, args)
    }
}

const METHODS: [&str; 10] =
    ["clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

/// A method of Flask's session.
fn call(name: &str, args: &[Jinja]) -> Result<Jinja, Error> {
    let session = current_session()?;
    match name {
        "items" | "keys" | "values" => {
            let () = from_args(args)?;
            let pairs = session.items().map_err(failed)?;
            let pairs = pairs.iter().map(|(key, value)| (convert::text(key), to_jinja(value)));
            View::of(name, pairs).ok_or_else(|| Error::from(ErrorKind::UnknownMethod))
        }
        "get" => {
            let (key, default) = key_and_default(args)?;
            Ok(item(key)?.or(default).unwrap_or_else(none))
        }
        "pop" => {
            let (key, default) = key_and_default(args)?;
            let popped = session.remove(convert::key_text(key)?).map_err(failed)?.as_ref().map(to_jinja);
            popped.or(default).ok_or_else(|| no_key(&key.to_string()))
        }
        "popitem" => {
            let () = from_args(args)?;
            let popped = session.pop_item().map_err(failed)?;
            let (key, value) = popped.ok_or_else(|| no_key("popitem(): dictionary is empty"))?;
            Ok(Tuple::from([convert::text(&key), to_jinja(&value)]).into())
        }
        "setdefault" => {
            let (key, default) = key_and_default(args)?;
            let default = default.as_ref().map(convert::from_jinja).transpose()?;
            let default = default.unwrap_or(hipflask_core::value::Value::None);
            session
                .set_default(convert::key_text(key)?, default)
                .map(|value| to_jinja(&value))
                .map_err(failed)
        }
        "update" => update(&session, args).map(|()| none()),
        "clear" => {
            let () = from_args(args)?;
            session.clear().map(|()| none()).map_err(failed)
        }
        "copy" => {
            let () = from_args(args)?;
            Ok(to_jinja(&session.to_dict().map_err(failed)?.into()))
        }
        // Not a method: perhaps a key that holds something to call.
        _ => Err(Error::new(ErrorKind::UnknownMethod, format!("the session has no method {name}"))),
    }
}

/// `update(other, key=value)`: the other is a dict or goes through pairs.
fn update(session: &Session, args: &[Jinja]) -> Result<(), Error> {
    let (others, named): (&[Jinja], Kwargs) = from_args(args)?;
    let mut entries = Vec::new();
    for other in others {
        if other.kind() == ValueKind::Map {
            entries.extend(convert::dict(other)?.into_entries());
            continue;
        }
        for pair in other.try_iter()?.checked() {
            let pair = pair?;
            let key = convert::key_text(&pair.get_item_by_index(0)?)?;
            entries.push((key, convert::from_jinja(&pair.get_item_by_index(1)?)?));
        }
    }
    for name in named.args() {
        entries.push((name.into(), convert::from_jinja(&named.get(name)?)?));
    }
    session.update(entries).map_err(failed)
}

/// A default that is given counts even if it is none.
fn key_and_default(args: &[Jinja]) -> Result<(&Jinja, Option<Jinja>), Error> {
    let (positional, named): (&[Jinja], Kwargs) = from_args(args)?;
    let named_default = if named.has("default") { Some(named.get("default")?) } else { None };
    named.assert_all_used()?;
    match positional {
        [key] => Ok((key, named_default)),
        [key, default] => Ok((key, Some(default.clone()))),
        [] => Err(Error::from(ErrorKind::MissingArgument)),
        _ => Err(Error::from(ErrorKind::TooManyArguments)),
    }
}

fn none() -> Jinja {
    Jinja::from(())
}

fn no_key(key: &str) -> Error {
    refuse(format!("KeyError: {key:?}; give a default: session.pop(key, none)"))
}

/// `get_flashed_messages(with_categories=false, category_filter=[])`.
pub(super) fn get_flashed_messages(
    with_categories: Option<Jinja>,
    category_filter: Option<Jinja>,
    named: Kwargs,
) -> Result<Jinja, Error> {
    let with_categories =
        with_categories.or(named.get("with_categories")?).is_some_and(|value| value.is_true());
    let filter = category_filter.or(named.get("category_filter")?).filter(Jinja::is_true);
    named.assert_all_used()?;
    let mut messages = Vec::new();
    for flash in current_session()?.flashed_messages().map_err(failed)? {
        let category = convert::text(&flash.category);
        if let Some(filter) = &filter
            && !is_in(&category, filter)?
        {
            continue;
        }
        let message = to_jinja(&flash.message);
        messages.push(if with_categories { Tuple::from([category, message]).into() } else { message });
    }
    Ok(Jinja::from(messages))
}

/// Python's `in`, which looks for a part where the filter is text.
fn is_in(category: &Jinja, filter: &Jinja) -> Result<bool, Error> {
    if let (Some(category), Some(text)) = (category.as_str(), filter.as_str()) {
        return Ok(text.contains(category));
    }
    Ok(filter.try_iter()?.any(|wanted| wanted == *category))
}
