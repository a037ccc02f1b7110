use super::*;
use crate::value::{Dict, Value, ValueError};

fn loaded(json: &str) -> SessionDict {
    SessionDict::from_json(json).unwrap()
}

fn json(session: &SessionDict) -> String {
    String::from_utf8(session.to_json(crate::tagged::KeyOrder::Sorted).unwrap()).unwrap()
}

/// Rows of `modified`, as observed in Flask 3.1.3.
#[test]
fn modified_follows_the_rules_of_flask() {
    type Act = fn(&mut SessionDict);
    let acts: [(&str, bool, Act); 24] = [
        ("set", true, |s| s.set("b", 1).unwrap()),
        ("set to the same value", true, |s| s.set("a", 1).unwrap()),
        ("remove a present key", true, |s| drop(s.remove("a"))),
        ("remove a missing key", false, |s| drop(s.remove("zz"))),
        ("clear", true, SessionDict::clear),
        ("pop a present key", true, |s| assert_eq!(s.pop::<i64>("a").unwrap(), Some(1))),
        ("pop a missing key", false, |s| assert_eq!(s.pop::<i64>("zz").unwrap(), None)),
        ("pop as the wrong type", false, |s| assert!(s.pop::<String>("a").is_err())),
        ("pop_item", true, |s| assert!(s.pop_item().is_some())),
        ("update with nothing", true, |s| s.update::<&str, i64>([]).unwrap()),
        ("update", true, |s| s.update([("a", 2)]).unwrap()),
        ("set_default of a missing key", true, |s| assert_eq!(s.set_default("b", 5).unwrap(), &5.into())),
        ("set_default of a present key", false, |s| assert_eq!(s.set_default("a", 5).unwrap(), &1.into())),
        ("permanent", true, |s| s.set_permanent(true)),
        ("get", false, |s| assert_eq!(s.get::<i64>("a").unwrap(), Some(1))),
        ("get as the wrong type", false, |s| assert!(s.get::<String>("a").is_err())),
        ("contains, len, keys", false, |s| assert!(s.contains("a") && s.len() == 2 && s.keys().count() == 2)),
        ("edit that changes", true, |s| s.edit(|e| e.at("l")?.push(2)).unwrap()),
        ("edit that changes nothing", false, |s| s.edit(|e| e.at("l").map(drop)).unwrap()),
        ("edit that fails", false, |s| {
            assert!(s.edit(|e| e.at("l")?.push(2).and(e.at("zz").map(drop))).is_err())
        }),
        ("increment", true, |s| assert_eq!(s.increment("a", 2).unwrap().as_i64(), Some(3))),
        ("push", true, |s| s.push("l", "x").unwrap()),
        ("flash", true, |s| s.flash("hi").unwrap()),
        ("flashed messages where there are none", false, |s| assert!(s.flashed_messages().is_empty())),
    ];
    for (name, modified, act) in acts {
        let mut session = loaded(r#"{"a":1,"l":[1]}"#);
        act(&mut session);
        assert_eq!(session.is_modified(), modified, "{name}");
        assert_eq!(session.changes().is_empty(), !modified || name == "update with nothing", "{name}");
    }
    let mut empty = SessionDict::new();
    assert!(empty.pop_item().is_none() && !empty.is_modified() && empty.is_new());
    empty.clear();
    assert!(empty.is_modified());
}

#[test]
fn new_keys_follow_those_of_the_cookie() {
    let mut session = loaded(r#"{"b":1,"d":2}"#);
    session.set("a", 3).unwrap();
    session.set("b", 4).unwrap();
    let keys: Vec<_> = session.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["b", "d", "a"]);
    assert_eq!(json(&session), r#"{"a":3,"b":4,"d":2}"#);
}

#[test]
fn a_failed_edit_restores_nested_values() {
    let mut session = loaded(r#"{"item":{"key":{"address":"Earth","name":"Soumitra"}},"n":1}"#);
    let old = session.edit(|s| s.at("item")?.at("key")?.remove("name")).unwrap();
    assert_eq!(old, Some("Soumitra".into()));
    assert_eq!(json(&session), r#"{"item":{"key":{"address":"Earth"}},"n":1}"#);

    let error = session.edit(|s| {
        s.insert("new", 1);
        s.remove("n");
        s.at("item")?.insert("key", 5)?;
        s.at("item")?.at("key")?.remove("name")
    });
    assert_eq!(error.unwrap_err().to_string(), "session key \"item\": found int, expected a dict");
    assert_eq!(json(&session), r#"{"item":{"key":{"address":"Earth"}},"n":1}"#);
    session.edit(|s| s.at_or("log", Value::List(vec![])).push("x")).unwrap();
    assert_eq!(session.get::<Vec<String>>("log").unwrap(), Some(vec!["x".into()]));
}

#[test]
fn a_type_error_names_key_and_types_only() {
    let session = loaded(r#"{"token":"hunter2"}"#);
    let error = session.get::<u32>("token").unwrap_err();
    assert_eq!(error.to_string(), "session key \"token\": found str, expected u32");
    assert!(!format!("{error:?} {session:?}").contains("hunter2"));
}

#[test]
fn values_nested_too_deep_cannot_be_set() {
    let deep = (1..crate::value::MAX_DEPTH).fold(Value::None, |inner, _| Value::List(vec![inner]));
    let mut session = SessionDict::new();
    assert_eq!(session.insert("k", deep.clone()).unwrap_err().problem, ValueError::TooDeep);
    session.insert("k", deep.as_items().unwrap()[0].clone()).unwrap();
    let error = session.edit(|s| {
        let held = s.remove("k").unwrap_or(Value::None);
        s.insert("k", Value::List(vec![held]));
        Ok(())
    });
    assert_eq!(error.unwrap_err().problem, ValueError::TooDeep);
    assert_eq!(SessionDict::from_json(json(&session)).unwrap(), session);
}

/// A value that is read later must have been checked before.
#[test]
fn sessions_beyond_a_limit_cannot_be_loaded() {
    use crate::tagged::{JsonErrorKind, MAX_BYTES};
    let refused = |json: String| SessionDict::from_json(json).err().map(|error| error.kind().clone());
    let nested = |depth: usize| format!(r#"{{"k":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(refused(nested(crate::value::MAX_DEPTH)), None);
    assert_eq!(refused(nested(crate::value::MAX_DEPTH + 1)), Some(JsonErrorKind::TooDeep));
    let digits = |count: usize| format!(r#"{{"k":{}}}"#, "9".repeat(count));
    assert_eq!(refused(digits(crate::value::Int::MAX_DIGITS)), None);
    assert_eq!(refused(digits(crate::value::Int::MAX_DIGITS + 1)), Some(JsonErrorKind::TooManyDigits));
    let long = |length: usize| format!(r#"{{"k":"{}"}}"#, "x".repeat(length - 8));
    assert_eq!(refused(long(MAX_BYTES)), None);
    assert_eq!(refused(long(MAX_BYTES + 1)), Some(JsonErrorKind::TooLong));
}

#[test]
fn flashed_messages_are_taken_once() {
    let mut session = SessionDict::new();
    session.flash("one").unwrap();
    session.flash_as("error", "two").unwrap();
    assert_eq!(json(&session), r#"{"_flashes":[{" t":["message","one"]},{" t":["error","two"]}]}"#);

    let mut next = loaded(&json(&session));
    let texts = |flashes: &[Flash]| flashes.iter().map(|flash| flash.text().into_owned()).collect::<Vec<_>>();
    assert_eq!(texts(next.flashed_messages()), ["one", "two"]);
    assert!(next.is_empty() && next.is_modified());
    next.flash("three").unwrap();
    assert_eq!(texts(next.flashed_messages()), ["one", "two"], "the first call decides for the request");
    assert_eq!(json(&next), r#"{"_flashes":[{" t":["message","three"]}]}"#);

    let mut stored = loaded(r#"{"_flashes":[["error","from a store"],"junk",[1],7]}"#);
    assert_eq!(texts(stored.flashed_messages()), ["from a store"]);
}

#[test]
fn permanent_is_a_key_and_counts_as_content() {
    let mut session = SessionDict::new();
    session.set_permanent(true);
    assert!(session.is_permanent() && !session.is_empty());
    session.set_permanent(false);
    assert_eq!(json(&session), r#"{"_permanent":false}"#);
}

fn replayed(base: &str, ours: impl FnOnce(&mut SessionDict), newest: &str) -> String {
    let mut session = loaded(base);
    ours(&mut session);
    let mut dict = loaded(newest).to_dict();
    session.changes().replay(&session.to_dict(), &mut dict);
    json(&SessionDict::from_dict(dict))
}

#[test]
fn changes_replay_on_what_another_request_saved() {
    type Act = fn(&mut SessionDict);
    let cases: [(&str, &str, Act, &str, &str); 12] = [
        ("another key is kept", "{}", |s| s.set("a", 1).unwrap(), r#"{"b":2}"#, r#"{"a":1,"b":2}"#),
        ("on one key ours counts", r#"{"a":0}"#, |s| s.set("a", 1).unwrap(), r#"{"a":2}"#, r#"{"a":1}"#),
        ("a removed key stays gone", r#"{"a":0}"#, |s| drop(s.remove("a")), r#"{"a":2,"b":1}"#, r#"{"b":1}"#),
        ("clear also clears theirs", "{}", SessionDict::clear, r#"{"a":2}"#, "{}"),
        (
            "increments add up",
            r#"{"n":1}"#,
            |s| drop((s.increment("n", 1), s.increment("n", 2))),
            r#"{"n":11}"#,
            r#"{"n":14}"#,
        ),
        ("an increment of what is gone", r#"{"n":1}"#, |s| drop(s.increment("n", 1)), "{}", r#"{"n":2}"#),
        (
            "set after increment",
            r#"{"n":1}"#,
            |s| drop((s.increment("n", 1), s.set("n", 7))),
            r#"{"n":11}"#,
            r#"{"n":7}"#,
        ),
        (
            "clear then increment",
            r#"{"n":1}"#,
            |s| {
                s.clear();
                s.increment("n", 1).unwrap();
            },
            r#"{"n":11}"#,
            r#"{"n":1}"#,
        ),
        (
            "pushes are all kept",
            r#"{"l":[1]}"#,
            |s| s.push("l", 3).unwrap(),
            r#"{"l":[1,2]}"#,
            r#"{"l":[1,2,3]}"#,
        ),
        (
            "remove then push",
            r#"{"l":[1]}"#,
            |s| {
                s.remove("l");
                s.push("l", 3).unwrap();
            },
            r#"{"l":[1,2]}"#,
            r#"{"l":[3]}"#,
        ),
        (
            "a flash that came meanwhile is not lost",
            r#"{"_flashes":[["m","old"]]}"#,
            |s| {
                s.flashed_messages();
                s.flash("next").unwrap();
            },
            r#"{"_flashes":[["m","old"],["m","new"]]}"#,
            r#"{"_flashes":[["m","new"],{" t":["message","next"]}]}"#,
        ),
        (
            "a flash that was shown in the request that made it is not stored",
            "{}",
            |s| {
                s.flash("now").unwrap();
                s.flashed_messages();
            },
            r#"{"_flashes":[["m","new"]]}"#,
            r#"{"_flashes":[["m","new"]]}"#,
        ),
    ];
    for (name, base, ours, newest, expected) in cases {
        assert_eq!(replayed(base, ours, newest), expected, "{name}");
    }
}

#[test]
fn from_dict_equals_the_loaded_session() {
    let session = SessionDict::from_dict(Dict::from([("a", 1)]));
    assert!(!session.is_modified() && !session.is_new());
    assert_eq!(session, loaded(r#"{"a":1}"#));
}

#[test]
fn a_session_with_nothing_but_permanent_is_blank() {
    let mut session = SessionDict::new();
    assert!(session.is_blank());
    session.set_permanent(true);
    assert!(session.is_blank());
    session.set("a", 1).unwrap();
    assert!(!session.is_blank());
}

/// A session during a save, with every kind of change before and after its begin, and the copy to
/// save.
fn being_saved() -> (SessionDict, SessionDict) {
    let mut session = loaded(r#"{"n":1,"l":[1],"gone":1}"#);
    session.increment("n", 1).unwrap();
    session.push("l", 2).unwrap();
    session.remove("gone");
    let copy = session.begin_save();
    session.increment("n", 1).unwrap();
    session.push("l", 3).unwrap();
    session.set("gone", 2).unwrap();
    (session, copy)
}

#[test]
fn changes_during_a_save_are_saved_later() {
    let (mut session, copy) = being_saved();
    // Another request's changes are saved with the copy.
    let mut saved =
        copy.rebased(Dict::from([("n", 10.into()), ("l", Value::List(vec![0.into(), 1.into()]))]));
    assert_eq!(json(&saved), r#"{"l":[0,1,2],"n":11}"#);
    saved.set_saved();
    session.finish_save(saved);
    assert_eq!(json(&session), r#"{"gone":2,"l":[0,1,2,3],"n":12}"#);
    let mut newest = Dict::from([("n", Value::from(20))]);
    session.changes().replay(&session.to_dict(), &mut newest);
    assert_eq!(newest.get("n"), Some(&Value::from(21)), "what was saved is not added again");
}

#[test]
fn abandoned_save_leaves_all_changes_to_be_saved() {
    let (mut session, copy) = being_saved();
    session.abandon_save(copy.changes().clone());
    let mut newest = Dict::from([("n", 10.into()), ("l", Value::List(vec![0.into()])), ("gone", 7.into())]);
    session.changes().replay(&session.to_dict(), &mut newest);
    assert_eq!(json(&SessionDict::from_dict(newest)), r#"{"gone":2,"l":[0,2,3],"n":12}"#);
    // A list whose items were taken, and a session that was cleared.
    let mut session = loaded(r#"{"_flashes":[{" t":["message","one"]}],"a":1}"#);
    assert_eq!(session.flashed_messages().len(), 1);
    let copy = session.begin_save();
    session.flash("two").unwrap();
    session.abandon_save(copy.changes().clone());
    assert_eq!(session.changes().iter().count(), 1);
    let copy = session.begin_save();
    session.clear();
    session.set("b", 1).unwrap();
    session.abandon_save(copy.changes().clone());
    assert!(session.changes().is_cleared() && session.changes().iter().count() == 1);
}

#[test]
fn a_conflicting_save_keeps_both_logs() {
    let (mut session, copy) = being_saved();
    session.finish_save(copy.rebased(Dict::from([("n", 10)])));
    let mut newest = Dict::from([("n", 100)]);
    session.changes().replay(&session.to_dict(), &mut newest);
    assert_eq!(newest.get("n"), Some(&Value::from(102)));
}

/// Every integer can be read as every Rust type that it fits, whether it was set or came in a
/// cookie.
#[test]
fn integers_are_read_as_every_type_they_fit() {
    let bounds = ["-128", "0", "127", "255", "-32768", "65535", "-2147483648", "4294967295"];
    let wide = [i64::MIN.to_string(), u64::MAX.to_string(), i128::MIN.to_string(), i128::MAX.to_string()];
    let huge = [u128::MAX.to_string(), format!("{}0", u128::MAX), format!("-{}", u128::MAX)];
    for text in bounds.map(str::to_owned).into_iter().chain(wide).chain(huge) {
        let mut set = SessionDict::new();
        set.insert("n", text.parse::<crate::value::Int>().unwrap()).unwrap();
        for session in [set, loaded(&format!(r#"{{"n":{text}}}"#))] {
            macro_rules! agrees {
                ($($type:ident),*) => {
                    $(match text.parse::<$type>() {
                        Ok(number) => {
                            assert_eq!(session.get::<$type>("n").unwrap(), Some(number));
                            let nonzero = session.get::<core::num::NonZero<$type>>("n").ok().flatten();
                            assert_eq!(nonzero, core::num::NonZero::new(number));
                        }
                        Err(_) => {
                            let error = session.get::<$type>("n").unwrap_err().to_string();
                            let range = format!("{} to {}", $type::MIN, $type::MAX);
                            assert!(error.contains("an int outside the range of") && error.ends_with(&range), "{error}");
                        }
                    })*
                };
            }
            agrees!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);
        }
    }
}

#[test]
fn u128_goes_through_set_and_get() {
    let mut session = SessionDict::new();
    session.set("n", u128::MAX).unwrap();
    assert_eq!(session.get::<u128>("n").unwrap(), Some(u128::MAX));
    assert_eq!(loaded(&json(&session)).get::<u128>("n").unwrap(), Some(u128::MAX));
    let error = session.get::<u8>("n").unwrap_err();
    assert_eq!(error.to_string(), "session key \"n\": an int outside the range of u8, 0 to 255");
}

#[test]
fn unreadable_integers_are_refused() {
    let most: crate::value::Int = "9".repeat(crate::value::Int::MAX_DIGITS).parse().unwrap();
    let mut session = SessionDict::new();
    session.insert("n", most.clone()).unwrap();
    assert_eq!(session.increment("n", 1).unwrap_err().problem, ValueError::TooManyDigits);
    let more = &most + &1.into();
    assert_eq!(
        session.insert("m", vec![Value::Int(more.clone())]).unwrap_err().problem,
        ValueError::TooManyDigits
    );
    let edited = session.edit(|s| s.at("n").map(|held| *held = more.into()));
    assert_eq!(edited.unwrap_err().problem, ValueError::TooManyDigits);
    assert_eq!(SessionDict::from_json(json(&session)).unwrap(), session);
}

/// A tag is a level of JSON that Rust does not see. So is the escape of the session's only key.
#[test]
fn deepest_values_of_every_kind_are_read_back() {
    let scalars =
        [Value::from(1), Value::Bytes(vec![1]), Value::Markup("m".into()), crate::value::Uuid::nil().into()];
    for (key, scalar) in
        ["k", " t"].into_iter().flat_map(|key| scalars.each_ref().map(|scalar| (key, scalar.clone())))
    {
        let mut deepest = scalar;
        loop {
            let mut session = SessionDict::new();
            if session.insert(key, deepest.clone()).is_err() {
                break;
            }
            assert_eq!(SessionDict::from_json(json(&session)).unwrap(), session, "{key}");
            let mut pushed = SessionDict::new();
            if pushed.push(key, &deepest).is_ok() {
                assert_eq!(SessionDict::from_json(json(&pushed)).unwrap(), pushed, "{key}");
            }
            deepest = Value::List(vec![deepest]);
        }
    }
}
