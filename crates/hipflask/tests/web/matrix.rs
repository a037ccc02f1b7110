//! The methods of the session, each with what a Flask user writes instead.

use hipflask::{Session, SessionError, Value};
use hipflask_testkit::oracle::serde_json::{Value as Json, json};

/// A way to call a method: its name, the steps of `wire/judge.py` and `wire/answer.py` that are the
/// same in Flask, and the call. An error of ours is an exception of Flask's; both views swallow it.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) flask: fn() -> Vec<Json>,
    pub(crate) ours: fn(&Session),
}

fn ignore<T>(_: T) {}

macro_rules! calls {
    ($($method:literal: [$($step:tt),*] = $ours:expr;)*) => {
        &[$(Call { method: $method, flask: || vec![$(json!($step)),*], ours: $ours }),*]
    };
}

/// Sessions that come with a cookie hold `a` = 1, `l` = [1] and a flash.
pub(crate) const CALLS: &[Call] = calls! {
    "with": [["touch"]] = |s| s.with(|_| ()).unwrap();
    "with": [["set", "b", "i1"]] = |s| s.with(|data| data.set("b", 1)).unwrap().unwrap();
    "get": [["get", "a"]] = |s| ignore(s.get::<u8>("a").unwrap());
    "get": [["get", "zz"]] = |s| ignore(s.get::<u8>("zz").unwrap());
    "get": [["get", "l"]] = |s| ignore(s.get::<u8>("l"));
    "value": [["get", "l"]] = |s| ignore(s.value("l").unwrap());
    "value": [["item", "zz"]] = |s| ignore(s.value("zz").unwrap());
    "contains": [["contains", "a"]] = |s| ignore(s.contains("a").unwrap());
    "contains": [["contains", "zz"]] = |s| ignore(s.contains("zz").unwrap());
    "len": [["len"]] = |s| ignore(s.len().unwrap());
    "is_empty": [["is_empty"]] = |s| ignore(s.is_empty().unwrap());
    "keys": [["keys"]] = |s| ignore(s.keys().unwrap());
    "values": [["values"]] = |s| ignore(s.values().unwrap());
    "items": [["items"]] = |s| ignore(s.items().unwrap());
    "to_dict": [["copy"]] = |s| ignore(s.to_dict().unwrap());
    "set": [["set", "b", "s78"]] = |s| s.set("b", "x").unwrap();
    "set": [["set", "a", "i1"]] = |s| s.set("a", 1).unwrap();
    "set": [["set", "a", "N"]] = |s| s.set("a", Option::<u8>::None).unwrap();
    "insert": [["set", "t", "(i1,f3ff8000000000000)"]] = |s| {
        s.insert("t", Value::Tuple(vec![1.into(), 1.5.into()])).unwrap();
    };
    "pop": [["pop", "a", "N"]] = |s| ignore(s.pop::<u8>("a").unwrap());
    "pop": [["pop", "zz", "N"]] = |s| ignore(s.pop::<u8>("zz").unwrap());
    "remove": [["delete", "a"]] = |s| ignore(s.remove("a").unwrap());
    "remove": [["delete", "zz"]] = |s| ignore(s.remove("zz").unwrap());
    "remove": [["pop", "l"]] = |s| ignore(s.remove("l").unwrap());
    "pop_item": [["popitem"]] = |s| ignore(s.pop_item().unwrap());
    "clear": [["clear"]] = |s| s.clear().unwrap();
    "clear": [["clear"], ["set", "b", "i2"]] = |s| {
        s.clear().unwrap();
        s.set("b", 2).unwrap();
    };
    "set_default": [["setdefault", "a", "i5"]] = |s| ignore(s.set_default("a", 5).unwrap());
    "set_default": [["setdefault", "b", "i5"]] = |s| ignore(s.set_default("b", 5).unwrap());
    "update": [["update", "{}"]] = |s| s.update::<&str, u8>([]).unwrap();
    "update": [["update", "{s61:i2,s62:i3}"]] = |s| s.update([("a", 2), ("b", 3)]).unwrap();
    "edit": [["nested_append", "l", "i2"]] = |s| ignore(s.edit(|e| e.at("l")?.push(2)));
    "edit": [["get", "l"]] = |s| ignore(s.edit(|e| e.at("l").map(drop)));
    "edit": [["item", "zz"]] = |s| ignore(s.edit(|e| e.at("zz").map(drop)));
    "try_edit": [["nested_append", "l", "i2"]] = |s| {
        ignore(s.try_edit(|e| -> hipflask::Result<()> { Ok(e.at("l")?.push(2)?) }));
    };
    "increment": [["increment", "a", 2]] = |s| ignore(s.increment("a", 2).unwrap());
    "increment": [["increment", "n", 1]] = |s| ignore(s.increment("n", 1).unwrap());
    "push": [["push", "l", "s78"]] = |s| s.push("l", "x").unwrap();
    "push": [["push", "p", "i1"]] = |s| s.push("p", 1).unwrap();
    "flash": [["flash", "s6869"]] = |s| s.flash("hi").unwrap();
    "flash_as": [["flash", "s6869", "error"]] = |s| s.flash_as("error", "hi").unwrap();
    "flashed_messages": [["flashed", {}]] = |s| ignore(s.flashed_messages().unwrap());
    "flashed_messages": [["flashed", {}], ["flash", "s6869"], ["flashed", {}]] = |s| {
        let first = s.flashed_messages().unwrap();
        s.flash("hi").unwrap();
        assert_eq!(s.flashed_messages().unwrap(), first);
    };
    "is_permanent": [["read_flag", "permanent"]] = |s| ignore(s.is_permanent().unwrap());
    "set_permanent": [["flag", "permanent", true]] = |s| s.set_permanent(true).unwrap();
    "set_permanent": [["flag", "permanent", false]] = |s| s.set_permanent(false).unwrap();
    "is_modified": [["read_flag", "modified"]] = |s| ignore(s.is_modified().unwrap());
    "set_modified": [["flag", "modified", true]] = |s| s.set_modified(true).unwrap();
    "set_modified": [["flag", "modified", false]] = |s| s.set_modified(false).unwrap();
    "is_new": [["read_flag", "new"]] = |s| ignore(s.is_new().unwrap());
    "is_read_only": [["touch"]] = |s| ignore(s.is_read_only());
    "id_hash": [["touch"]] = |s| ignore(s.id_hash().unwrap());
    // Flask has none of these. With a session in a cookie, they change no more than their counterparts here.
    "regenerate": [["touch"]] = |s| s.regenerate().unwrap();
    "destroy": [["clear"]] = |s| s.destroy().unwrap();
    "transact": [["set", "b", "i1"]] = |s| {
        crate::front::block_on_inside(s.transact(|data| data.set("b", 1))).unwrap();
    };
    "try_transact": [["set", "b", "i1"]] = |s| {
        let done = s.try_transact(|data| -> Result<(), SessionError> { Ok(data.set("b", 1)?) });
        crate::front::block_on_inside(done).unwrap();
    };
    "save_now": [["touch"]] = |s| ignore(crate::front::block_on_inside(s.save_now()));
};

/// The public methods in the source.
fn methods() -> Vec<&'static str> {
    let source = include_str!("../../src/session/handle.rs");
    let public = source.lines().filter_map(|line| line.trim_start().strip_prefix("pub "));
    let names = public.filter_map(|line| line.split_once("fn ")).map(|(_, rest)| rest);
    names.filter_map(|rest| rest.split(['(', '<']).next()).collect()
}

#[test]
fn every_session_method_is_in_the_matrix() {
    let methods = methods();
    assert!(methods.len() >= 28, "only {methods:?}");
    for method in &methods {
        assert!(CALLS.iter().any(|call| call.method == *method), "add `{method}` to CALLS in matrix.rs");
    }
    for call in CALLS {
        assert!(methods.contains(&call.method), "the method `{}` was removed", call.method);
    }
}
