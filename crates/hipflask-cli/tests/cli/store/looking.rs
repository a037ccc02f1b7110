//! `ls`, `show` and `count`.

use std::io::{BufRead as _, BufReader, Read as _};

use hipflask_core::value::Value;

use super::{DAY, directory, id, key, lines, store, user};
use crate::support::{command, run_with_input};

#[test]
fn sessions_are_listed_with_expiry_and_keys() {
    let (_directory, filled) = directory(3);
    filled.put(&id(9), &[("a", Value::from(1))], 3600);
    let ran = store(&filled, &["ls"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    let listed = lines(&ran);
    assert_eq!(listed.len(), 4);
    let hash = key(&id(9)).short_hash();
    let one = listed.iter().find(|line| line["hash"] == *hash).expect("the hash is that of the log");
    assert_eq!((&one["format"], &one["keys"]), (&"pickle".into(), &serde_json::json!(["a"])));
    assert!(one["expires_at"].as_u64().unwrap().abs_diff(super::now().as_secs() + 3600) < 5);
    assert!(!ran.out.contains(&id(9)) && !ran.out.contains("s3cret"));
    let people = store(&filled, &["ls", "--human"]);
    assert!(people.out.starts_with("session        expires      size  keys\n"), "{}", people.out);
    assert!(people.out.contains("_permanent user_id csrf_token"), "{}", people.out);
    assert!(people.err.starts_with("4 sessions in file:"), "{}", people.err);
}

#[test]
fn filters_and_limits_select_sessions() {
    let (_directory, filled) = directory(5);
    filled.put(&id(9), &[("user_id", Value::from("3")), ("admin", Value::Bool(true))], 60);
    let count = |arguments: &[&str]| {
        let listed = lines(&store(&filled, &[&["ls"], arguments].concat())).len();
        let counted = &lines(&store(&filled, &[&["count"], arguments].concat()))[0]["sessions"];
        assert_eq!(counted, listed, "{arguments:?}");
        listed
    };
    assert_eq!(count(&[]), 6);
    assert_eq!(count(&["--where", "user_id=3"]), 2);
    assert_eq!(count(&["--where", "user_id=\"3\""]), 1);
    assert_eq!(count(&["--where", "user_id=3", "--where", "admin=true"]), 1);
    assert_eq!(count(&["--where", "csrf_token"]), 5);
    assert_eq!(count(&["--expires-before", "1h"]), 1);
    assert_eq!(count(&["--expires-after", "1h"]), 5);
    for (limit, expected) in [("0", 0), ("2", 2), ("9", 6)] {
        assert_eq!(lines(&store(&filled, &["ls", "--limit", limit])).len(), expected);
    }
    let cut = store(&filled, &["ls", "--human", "--limit", "2"]);
    assert!(cut.err.contains("there are more (--limit)"), "{}", cut.err);
    assert_eq!(store(&filled, &["ls", "--expires-before", "soon"]).code, Some(2));
}

/// After `| head` the number of sessions is unknown.
#[test]
fn a_cut_listing_claims_no_total() {
    let (_directory, filled) = directory(3000);
    let mut child = command(&["store", "ls", "--human", "--store", &filled.url]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""));
    assert!(first.starts_with("session "), "{first}");
}

#[test]
fn sessions_are_found_and_their_secrets_hidden() {
    let (_directory, filled) = directory(2);
    let hash = key(&id(1)).short_hash();
    let signed = format!("{}.XSGSFom5AYgjyEAodiVVWTWyzi0", id(1));
    let name = lines(&store(&filled, &["ls", "--ids", "--where", "user_id=1"]))[0]["name"].clone();
    let name = name.as_str().unwrap().to_owned();
    for reference in [hash.clone(), format!("#{}", hash.to_uppercase()), id(1), signed, name] {
        let ran = store(&filled, &["show", &reference]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let line = &lines(&ran)[0];
        assert_eq!((&line["hash"], &line["session"]["user_id"]), (&hash.clone().into(), &1.into()));
        assert_eq!(line["session"]["csrf_token"], "(hidden)");
        assert_eq!(line["hidden"], serde_json::json!(["csrf_token"]));
    }
    let revealed = store(&filled, &["show", "--reveal", &hash]);
    assert_eq!(lines(&revealed)[0]["session"]["csrf_token"], "s3cret");
    let input = format!("{}\n\n{}\n", id(0), id(1));
    let ran = run_with_input(&["store", "show", "-", "--store", &filled.url], input.as_bytes());
    assert_eq!(lines(&ran).len(), 2);
    assert!(!ran.out.contains(&id(1)), "an id is shown only on request");
}

#[test]
fn hashed_sessions_are_found_by_id() {
    let (_directory, filled) = directory(0);
    let ids = hipflask_store::id::Ids::builder().hashed_at_rest(true).build().unwrap();
    let fresh = ids.fresh().unwrap();
    let at_rest = ids.key(&fresh);
    filled.put(at_rest.id("session:").unwrap(), &user(1), DAY);
    let ran = run_with_input(&["store", "show", "-", "--store", &filled.url], fresh.as_str().as_bytes());
    assert_eq!(lines(&ran)[0]["hash"], *at_rest.short_hash());
}

#[test]
fn missing_and_unreadable_sessions_exit_with_1() {
    let (_directory, filled) = directory(1);
    let hash = key(&id(7)).short_hash();
    for reference in [&id(7), "1e00519e", "two words", ""] {
        let ran = store(&filled, &["show", reference]);
        assert_eq!((ran.code, &lines(&ran)[0]["reason"]), (Some(1), &"not_found".into()), "{reference}");
    }
    let people = store(&filled, &["show", "--human", &id(7)]);
    assert!(people.out.contains("No such session") && people.out.contains(&hash), "{}", people.out);
    assert!(!people.out.contains(&id(7)));
    filled.put_data(&id(8), b"cos\nsystem\n(S'true'\ntR.", DAY);
    for command in [&["ls"][..], &["show", &key(&id(8)).short_hash()]] {
        let ran = store(&filled, command);
        assert_eq!(ran.code, Some(1));
        let bad = lines(&ran).into_iter().find(|line| line["ok"] == false).unwrap();
        assert_eq!(bad["reason"], "unreadable");
        assert!(bad["detail"].as_str().unwrap().contains("not executed"), "{bad}");
    }
    assert_eq!(store(&filled, &["count"]).code, Some(0));
}

#[test]
fn session_pages_escape_control_characters() {
    let (_directory, filled) = directory(0);
    let odd = vec![
        ("user", Value::from("Zoë \u{1b}[2J")),
        ("evil\u{1b}[31m", Value::from(1)),
        ("oauth", Value::Dict([("access_token", "s3cret"), ("scope", "all")].into_iter().collect())),
    ];
    filled.put(&id(1), &odd, 3 * DAY + 60);
    let hash = key(&id(1)).short_hash();
    let page = store(&filled, &["show", "--human", &hash]).out;
    let expires = page.lines().find(|line| line.starts_with("expires")).unwrap();
    assert!(expires.ends_with("UTC, in 3 days"), "{expires}");
    let page = page.replace(expires, "expires    (then)").replace(&filled.url, "file:sessions");
    insta::assert_snapshot!("show", page);
    let listed = store(&filled, &["ls", "--human"]).out;
    assert!(listed.contains(r"evil\u001b[31m") && !listed.contains('\u{1b}'), "{listed:?}");
}

#[test]
fn an_empty_store_is_an_answer() {
    let (_directory, filled) = directory(0);
    let ran = store(&filled, &["ls"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
    assert!(store(&filled, &["ls", "--human"]).err.starts_with("0 sessions in file:"));
    assert_eq!(store(&filled, &["count"]).out, "{\"ok\":true,\"sessions\":0,\"bytes\":0}\n");
}
