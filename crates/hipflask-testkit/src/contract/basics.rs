//! Each method by itself.

use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::{Created, Deleted, DeletedIf, Key, Replaced, Stored, Touched, expiry};

use super::{Bench, LIFETIME, now};

pub(super) async fn all(bench: &Bench) {
    absent(bench).await;
    data_is_not_touched(bench).await;
    keys_are_told_apart(bench).await;
    create_only(bench).await;
    replace(bench).await;
    touch(bench).await;
    open(bench).await;
    delete(bench).await;
    delete_if(bench).await;
    described(bench);
}

async fn absent(bench: &Bench) {
    let store = &bench.store;
    let names = [bench.key("absent"), Key::at_rest("absent").expect("good")];
    let nothing = Stored::new(b"x".to_vec(), None);
    for key in &names {
        assert_eq!(bench.load(key).await, None, "load: a key that was never created is missing");
        let replaced = store.replace(key, &nothing, b"y", LIFETIME, now()).await.expect("replace");
        assert_eq!(replaced, Replaced::Gone, "replace: a missing record is reported as gone");
        let touched = store.touch(key, LIFETIME, now()).await.expect("touch");
        assert_eq!(touched, Touched::Gone, "touch: a missing record is reported as gone");
        let deleted = store.delete(key, now()).await.expect("delete");
        assert_eq!(deleted, Deleted::Gone, "delete: a missing record is reported as gone");
        let deleted = store.delete_if(key, &nothing, now()).await.expect("delete_if");
        assert_eq!(deleted, DeletedIf::Gone, "delete_if: a missing record is reported as gone");
        assert_eq!(bench.load(key).await, None, "replace, touch: a missing record is not created");
    }
}

async fn data_is_not_touched(bench: &Bench) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let long = all_bytes.repeat(400);
    let texts: [&[u8]; 12] = [
        b"",
        b" ",
        b"\0",
        b"0",
        b"null",
        b"\r\n",
        b"a \t ",
        b"END\r\n",
        b"'; drop table sessions; --",
        "é😀".as_bytes(),
        &all_bytes,
        &long,
    ];
    for (place, data) in texts.into_iter().enumerate() {
        let key = bench.key(&format!("data-{place}"));
        let stored = bench.made(&key, data).await;
        assert_eq!(stored.data, data, "create: the data comes back byte for byte");
        for other in texts {
            let expected = bench.load(&key).await.expect("load: a record that was written is found");
            let replaced =
                bench.store.replace(&key, &expected, other, LIFETIME, now()).await.expect("replace");
            assert!(
                matches!(replaced, Replaced::Replaced(_)),
                "replace: the record that was loaded is replaced: {replaced:?}"
            );
            assert_eq!(
                bench.data(&key).await.as_deref(),
                Some(other),
                "replace: the data comes back byte for byte"
            );
        }
        let _ = bench.store.delete(&key, now()).await.expect("delete");
    }
}

async fn keys_are_told_apart(bench: &Bench) {
    let longest = "x".repeat(Key::MAX_BYTES - bench.prefix.len());
    let visible: String = (0x21..=0x7E).map(char::from).collect();
    let names =
        ["a", "A", "a_", "a%", "ab", "a*", "a?", "..", "../a", "a/b", "\\", "{a}", "$1", &visible, &longest];
    for name in names {
        let _ = bench.made(&bench.key(name), name.as_bytes()).await;
    }
    for name in names {
        let key = bench.key(name);
        assert_eq!(
            bench.data(&key).await.as_deref(),
            Some(name.as_bytes()),
            "create: the key {name:?} has its own record"
        );
        let deleted = bench.store.delete(&key, now()).await.expect("delete");
        assert_eq!(deleted, Deleted::Deleted, "delete: the key {name:?} has its own record");
    }
    for name in names {
        assert_eq!(bench.data(&bench.key(name)).await, None, "load: the deleted key {name:?} is missing");
    }
}

async fn create_only(bench: &Bench) {
    let key = bench.key("create");
    let _ = bench.made(&key, b"first").await;
    for data in [b"other", b"first"] {
        let created = bench.store.create(&key, data, LIFETIME, now()).await.expect("create");
        assert_eq!(created, Created::Exists, "create: an existing record is reported as existing");
    }
    let stored = bench.load(&key).await.expect("create: an existing record stays");
    assert_eq!(stored.data, b"first", "create: an existing record keeps its data");
    assert_about(&stored, "create");
}

async fn replace(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("replace"));
    let first = bench.made(&key, b"1").await;
    let Replaced::Replaced(token) =
        store.replace(&key, &first, b"2", LIFETIME, now()).await.expect("replace")
    else {
        panic!("replace: the record that was loaded is replaced");
    };
    for stale in [&first, &Stored::new(b"never".to_vec(), None)] {
        match store.replace(&key, stale, b"3", LIFETIME, now()).await.expect("replace") {
            Replaced::Conflict(current) => {
                assert_eq!(current.data, b"2", "replace: a conflict returns the current record")
            }
            other => panic!("replace: other data than expected is a conflict: {other:?}"),
        }
    }
    assert_eq!(bench.data(&key).await.as_deref(), Some(&b"2"[..]), "replace: a conflict writes nothing");
    // What this caller wrote itself is as good as what it reads.
    let own = Stored { data: b"2".to_vec(), expires: Some(expiry(now(), LIFETIME)), token };
    let replaced = store.replace(&key, &own, b"4", LIFETIME, now()).await.expect("replace");
    assert!(
        matches!(replaced, Replaced::Replaced(_)),
        "replace: the token of the last replace is accepted: {replaced:?}"
    );
    // And so is what a conflict has shown.
    let Replaced::Conflict(current) =
        store.replace(&key, &first, b"5", LIFETIME, now()).await.expect("replace")
    else {
        panic!("replace: other data than expected is a conflict");
    };
    let replaced = store.replace(&key, &current, b"6", LIFETIME, now()).await.expect("replace");
    assert!(
        matches!(replaced, Replaced::Replaced(_)),
        "replace: the record of a conflict is accepted: {replaced:?}"
    );
    let stored = bench.load(&key).await.expect("replace: a replaced record exists");
    assert_eq!(stored.data, b"6", "replace: the new data is loaded");
    assert_about(&stored, "replace");
    let longer = store.replace(&key, &stored, b"7", 2 * LIFETIME, now()).await.expect("replace");
    assert!(matches!(longer, Replaced::Replaced(_)), "replace: the record that was loaded is replaced");
    let expires = bench.load(&key).await.and_then(|stored| stored.expires);
    let expires = expires.expect("load: a record that expires has an expiry");
    assert!(expires > expiry(now(), LIFETIME), "replace: the time to live is the new one");
}

async fn touch(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("touch"));
    let before = bench.made(&key, b"data").await;
    let touched = store.touch(&key, 2 * LIFETIME, now()).await.expect("touch");
    assert_eq!(touched, Touched::Touched, "touch: an existing record is reported as touched");
    let after = bench.load(&key).await.expect("touch: a touched record exists");
    assert_eq!(after.data, b"data", "touch: the data stays");
    assert!(after.expires > before.expires, "touch: a longer time to live is set");
    match store.replace(&key, &before, b"new", LIFETIME, now()).await.expect("replace") {
        Replaced::Replaced(_) => {}
        Replaced::Conflict(current) => {
            assert_eq!(current.data, b"data", "replace: a touch changes no data")
        }
        Replaced::Gone => panic!("replace: a touched record exists"),
    }
    let touched = store.touch(&key, LIFETIME / 2, now()).await.expect("touch");
    assert_eq!(touched, Touched::Touched, "touch: an existing record is reported as touched");
    let shorter = bench.load(&key).await.and_then(|stored| stored.expires);
    let shorter = shorter.expect("load: a record that expires has an expiry");
    let latest = expiry(now(), LIFETIME / 2).saturating_add(Duration::from_secs(2));
    assert!(shorter <= latest, "touch: the time to live counts from now, even if it is shorter");
}

/// Finds what a load finds, whatever the store remembers.
async fn open(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("open"));
    let all_ways = async |what: &str| {
        let loaded = bench.load(&key).await;
        let far = expiry(now(), 1000 * LIFETIME);
        for enough in [UnixTime::from_secs(0), now(), far, far, now()] {
            let opened = store.open(&key, enough, now()).await.expect("open");
            let data = |stored: &Option<Stored>| stored.as_ref().map(|stored| stored.data.clone());
            assert_eq!(data(&opened), data(&loaded), "open: finds what load finds, {what}");
        }
        loaded.map(|stored| stored.data)
    };
    assert_eq!(all_ways("before create").await, None, "open: a key that was never created is missing");
    let first = bench.made(&key, b"1").await;
    assert_eq!(all_ways("after create").await.as_deref(), Some(&b"1"[..]), "open: the created data");
    let _ = store.replace(&key, &first, b"2", LIFETIME, now()).await.expect("replace");
    assert_eq!(all_ways("after replace").await.as_deref(), Some(&b"2"[..]), "open: the new data");
    let _ = store.touch(&key, 2 * LIFETIME, now()).await.expect("touch");
    let stored = store
        .open(&key, expiry(now(), LIFETIME), now())
        .await
        .expect("open")
        .expect("open: a touched record exists");
    assert!(stored.expires > Some(expiry(now(), LIFETIME)), "open: an expiry after `enough` is reported");
    let replaced = store.replace(&key, &stored, b"3", LIFETIME, now()).await.expect("replace");
    assert!(
        matches!(replaced, Replaced::Replaced(_)),
        "replace: the record that was opened is replaced: {replaced:?}"
    );
    let _ = store.delete(&key, now()).await.expect("delete");
    assert_eq!(all_ways("after delete").await, None, "open: a deleted record is missing");
}

async fn delete(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("delete"));
    let stored = bench.made(&key, b"data").await;
    let deleted = store.delete(&key, now()).await.expect("delete");
    assert_eq!(deleted, Deleted::Deleted, "delete: an existing record is reported as deleted");
    assert_eq!(bench.load(&key).await, None, "load: a deleted record is missing");
    assert_eq!(
        store.delete(&key, now()).await.expect("delete"),
        Deleted::Gone,
        "delete: a second one finds nothing"
    );
    let replaced = store.replace(&key, &stored, b"again", LIFETIME, now()).await.expect("replace");
    assert_eq!(replaced, Replaced::Gone, "replace: a deleted record is gone");
    let touched = store.touch(&key, LIFETIME, now()).await.expect("touch");
    assert_eq!(touched, Touched::Gone, "touch: a deleted record is gone");
    assert_eq!(bench.load(&key).await, None, "replace, touch: a deleted record is not re-created");
    let _ = bench.made(&key, b"new").await;
    let replaced = store.replace(&key, &stored, b"x", LIFETIME, now()).await.expect("replace");
    assert!(
        matches!(replaced, Replaced::Conflict(_)),
        "replace: a new record is not the deleted one: {replaced:?}"
    );
}

async fn delete_if(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("delete-if"));
    let stale = bench.made(&key, b"1").await;
    let _ = store.replace(&key, &stale, b"2", LIFETIME, now()).await.expect("replace");
    let DeletedIf::Conflict(current) = store.delete_if(&key, &stale, now()).await.expect("delete_if") else {
        panic!("delete_if: other data than expected is a conflict");
    };
    assert_eq!(current.data, b"2", "delete_if: a conflict returns the current record");
    assert_eq!(bench.data(&key).await.as_deref(), Some(&b"2"[..]), "delete_if: a conflict deletes nothing");
    let deleted = store.delete_if(&key, &current, now()).await.expect("delete_if");
    assert_eq!(deleted, DeletedIf::Deleted, "delete_if: the expected record is deleted");
    let deleted = store.delete_if(&key, &current, now()).await.expect("delete_if");
    assert_eq!(deleted, DeletedIf::Gone, "delete_if: a second one finds nothing");
    assert_eq!(bench.load(&key).await, None, "load: a record that delete_if deleted is missing");
}

fn described(bench: &Bench) {
    let description = bench.store.describe();
    let is_named = !description.kind.is_empty() && !description.address.is_empty();
    assert!(is_named, "describe: names the kind and the address: {description:?}");
    let shown = format!("{:?}", bench.store);
    assert!(!shown.contains(&bench.prefix), "Debug: shows no key: {shown}");
}

/// Checks that a record expires a lifetime from now, give or take two seconds.
fn assert_about(stored: &Stored, method: &str) {
    let expires = stored.expires.expect("load: a record that expires has an expiry").as_secs();
    let expected = expiry(now(), LIFETIME).as_secs();
    let is_about = expires.abs_diff(expected) <= 2;
    assert!(is_about, "{method}: the record expires at {expires}, expected about {expected}");
}
