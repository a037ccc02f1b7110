//! The deepest values need little stack: threads have 128 KiB with musl, and debug builds need the
//! most.

use std::collections::BTreeMap;

use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::tagged::{self, KeyOrder};
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, MAX_DEPTH, Value, from_value, to_value};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

const STACK: usize = 128 * 1024;

/// Runs `work` on a thread with a small stack. An overflow ends the whole process.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    thread.join().expect("the work passes");
}

/// JSON at the greatest depth of a key's value, once for each kind of nesting.
fn deepest() -> impl Iterator<Item = String> {
    let kinds = [
        ("[", "]", 1),
        (r#"{"a":"#, "}", 1),
        (r#"{"a":2,"b":["#, "]}", 2),
        (r#"{" t":["#, "]}", 2),
        (r#"{"\u0020t":["#, "]}", 2),
        (r#"{" di":{" t__":"#, "}}", 2),
        (r#"{" x":1,"a":"#, "}", 1),
    ];
    kinds.into_iter().map(|(open, close, levels)| {
        let times = (MAX_DEPTH - 2) / levels;
        format!("{}1{}", open.repeat(times), close.repeat(times))
    })
}

#[test]
fn deepest_values_fit_a_small_stack() {
    for json in deepest() {
        on_a_small_stack(move || {
            let value = tagged::from_str(&json).unwrap();
            tagged::from_str_plain(&json).unwrap();
            assert_eq!(tagged::from_str(&tagged::to_string(&value).unwrap()).unwrap(), value.clone());
            let _ = tagged::to_string_plain(&value).unwrap();
            assert_eq!(to_value(&value).unwrap(), value);
            assert_eq!(from_value::<Value>(&value).unwrap(), value);
            assert!(!format!("{value:?}").is_empty());
        });
    }
}

#[test]
fn deepest_sessions_fit_a_small_stack() {
    for json in deepest() {
        on_a_small_stack(move || {
            let codec = SessionCodec::builder("k").build().unwrap();
            let now = UnixTime::from_secs(1_700_000_000);
            let loaded = SessionDict::from_json(format!("{{\"k\":{json}}}")).unwrap();
            loaded.get::<IgnoredAny>("k").unwrap();
            let value = loaded.get::<Value>("k").unwrap().unwrap();
            let mut session = SessionDict::new();
            session.insert("k", value.clone()).unwrap();
            session.set("s", &value).unwrap();
            session.edit(|s| s.at("s").map(|held| *held = value.clone())).unwrap();
            session.adopt(Dict::from([("k", value)]), false, &Dict::new(), |_| false).unwrap();
            session.changes().replay(&loaded.to_dict(), &mut session.to_dict());
            let cookie = codec.sign(&session, now).unwrap();
            assert_eq!(codec.open(cookie.as_bytes(), now).unwrap().session, session);
            assert_eq!(codec.open_dict(cookie.as_bytes(), now).unwrap(), session.to_dict());
            assert!(!session.to_json(KeyOrder::Insertion).unwrap().is_empty());
        });
    }
}

/// A type that contains itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree {
    inside: Vec<Tree>,
    named: BTreeMap<String, Tree>,
}

#[test]
fn recursive_types_fit_a_small_stack() {
    on_a_small_stack(|| {
        let leaf = || Tree { inside: vec![], named: BTreeMap::new() };
        let mut tree = leaf();
        for _ in 0..(MAX_DEPTH - 4) / 2 {
            tree = Tree { inside: vec![leaf()], named: BTreeMap::from([("a".to_owned(), tree)]) };
        }
        let mut session = SessionDict::new();
        session.set("tree", &tree).unwrap();
        assert_eq!(session.get::<Tree>("tree").unwrap().unwrap(), tree);
        let json = String::from_utf8(session.to_json(KeyOrder::Sorted).unwrap()).unwrap();
        assert_eq!(SessionDict::from_json(json).unwrap().get::<Tree>("tree").unwrap().unwrap(), tree);
    });
}
