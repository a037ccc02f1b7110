//! Each method by itself.

use hipflask_core::time::UnixTime;
use hipflask_store::store::{Created, Deleted, DeletedIf, Key, Replaced, Stored, Touched, expiry};

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
        assert_eq!(bench.load(key).await, None, "what was never made is not there");
        let replaced = store.replace(key, &nothing, b"y", LIFETIME, now()).await.expect("replace");
        assert_eq!(replaced, Replaced::Gone, "replace of nothing");
        assert_eq!(store.touch(key, LIFETIME, now()).await.expect("touch"), Touched::Gone);
        assert_eq!(store.delete(key, now()).await.expect("delete"), Deleted::Gone);
        assert_eq!(store.delete_if(key, &nothing, now()).await.expect("delete_if"), DeletedIf::Gone);
        assert_eq!(bench.load(key).await, None, "nothing of that has made a record");
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
        assert_eq!(stored.data, data, "created data comes back byte for byte");
        for other in texts {
            let expected = bench.load(&key).await.expect("it is there");
            let replaced =
                bench.store.replace(&key, &expected, other, LIFETIME, now()).await.expect("replace");
            assert!(matches!(replaced, Replaced::Replaced(_)), "replace of what was read: {replaced:?}");
            assert_eq!(
                bench.data(&key).await.as_deref(),
                Some(other),
                "replaced data comes back byte for byte"
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
        assert_eq!(bench.data(&key).await.as_deref(), Some(name.as_bytes()), "{name:?} has its own record");
        assert_eq!(bench.store.delete(&key, now()).await.expect("delete"), Deleted::Deleted);
    }
    for name in names {
        assert_eq!(bench.data(&bench.key(name)).await, None);
    }
}

async fn create_only(bench: &Bench) {
    let key = bench.key("create");
    let _ = bench.made(&key, b"first").await;
    for data in [b"other", b"first"] {
        let created = bench.store.create(&key, data, LIFETIME, now()).await.expect("create");
        assert_eq!(created, Created::Exists, "create of what is there");
    }
    let stored = bench.load(&key).await.expect("still there");
    assert_eq!(stored.data, b"first", "a second create harms nothing");
    assert_about(&stored, "a new record");
}

async fn replace(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("replace"));
    let first = bench.made(&key, b"1").await;
    let Replaced::Replaced(token) =
        store.replace(&key, &first, b"2", LIFETIME, now()).await.expect("replace")
    else {
        panic!("replace of what was read");
    };
    for stale in [&first, &Stored::new(b"never".to_vec(), None)] {
        match store.replace(&key, stale, b"3", LIFETIME, now()).await.expect("replace") {
            Replaced::Conflict(current) => assert_eq!(current.data, b"2", "a conflict shows what is there"),
            other => panic!("replace of what is no more: {other:?}"),
        }
    }
    assert_eq!(bench.data(&key).await.as_deref(), Some(&b"2"[..]), "a conflict writes nothing");
    // What this caller wrote itself is as good as what it reads.
    let own = Stored { data: b"2".to_vec(), expires: Some(expiry(now(), LIFETIME)), token };
    let replaced = store.replace(&key, &own, b"4", LIFETIME, now()).await.expect("replace");
    assert!(matches!(replaced, Replaced::Replaced(_)), "replace of what was just written: {replaced:?}");
    // And so is what a conflict has shown.
    let Replaced::Conflict(current) =
        store.replace(&key, &first, b"5", LIFETIME, now()).await.expect("replace")
    else {
        panic!("a conflict");
    };
    let replaced = store.replace(&key, &current, b"6", LIFETIME, now()).await.expect("replace");
    assert!(
        matches!(replaced, Replaced::Replaced(_)),
        "replace of what the conflict has shown: {replaced:?}"
    );
    let stored = bench.load(&key).await.expect("there");
    assert_eq!(stored.data, b"6");
    assert_about(&stored, "a replaced record");
    let longer = store.replace(&key, &stored, b"7", 2 * LIFETIME, now()).await.expect("replace");
    assert!(matches!(longer, Replaced::Replaced(_)));
    let expires = bench.load(&key).await.and_then(|stored| stored.expires).expect("an end");
    assert!(expires > expiry(now(), LIFETIME), "replace sets the time to live");
}

async fn touch(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("touch"));
    let before = bench.made(&key, b"data").await;
    assert_eq!(store.touch(&key, 2 * LIFETIME, now()).await.expect("touch"), Touched::Touched);
    let after = bench.load(&key).await.expect("there");
    assert_eq!(after.data, b"data", "a touch leaves the data");
    assert!(after.expires > before.expires, "a touch extends the life");
    match store.replace(&key, &before, b"new", LIFETIME, now()).await.expect("replace") {
        Replaced::Replaced(_) => {}
        Replaced::Conflict(current) => {
            assert_eq!(current.data, b"data", "at most a conflict with the same data")
        }
        Replaced::Gone => panic!("a touch ends nothing"),
    }
    assert_eq!(store.touch(&key, LIFETIME / 2, now()).await.expect("touch"), Touched::Touched);
    let shorter = bench.load(&key).await.and_then(|stored| stored.expires).expect("an end");
    assert!(shorter <= expiry(now(), LIFETIME), "a touch sets the life from now");
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
            assert_eq!(data(&opened), data(&loaded), "{what}");
        }
        loaded.map(|stored| stored.data)
    };
    assert_eq!(all_ways("before it is made").await, None);
    let first = bench.made(&key, b"1").await;
    assert_eq!(all_ways("made").await.as_deref(), Some(&b"1"[..]));
    let _ = store.replace(&key, &first, b"2", LIFETIME, now()).await.expect("replace");
    assert_eq!(all_ways("replaced").await.as_deref(), Some(&b"2"[..]));
    let _ = store.touch(&key, 2 * LIFETIME, now()).await.expect("touch");
    let stored = store.open(&key, expiry(now(), LIFETIME), now()).await.expect("open").expect("there");
    assert!(stored.expires > Some(expiry(now(), LIFETIME)), "an end after `enough` is told if there is one");
    let replaced = store.replace(&key, &stored, b"3", LIFETIME, now()).await.expect("replace");
    assert!(matches!(replaced, Replaced::Replaced(_)), "replace of what was opened: {replaced:?}");
    let _ = store.delete(&key, now()).await.expect("delete");
    assert_eq!(all_ways("deleted").await, None);
}

async fn delete(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("delete"));
    let stored = bench.made(&key, b"data").await;
    assert_eq!(store.delete(&key, now()).await.expect("delete"), Deleted::Deleted);
    assert_eq!(bench.load(&key).await, None, "what was deleted is not there");
    assert_eq!(store.delete(&key, now()).await.expect("delete"), Deleted::Gone, "a second delete");
    let replaced = store.replace(&key, &stored, b"again", LIFETIME, now()).await.expect("replace");
    assert_eq!(replaced, Replaced::Gone, "replace does not bring back");
    assert_eq!(store.touch(&key, LIFETIME, now()).await.expect("touch"), Touched::Gone, "nor does touch");
    assert_eq!(bench.load(&key).await, None, "what was deleted stays so");
    let _ = bench.made(&key, b"new").await;
    let replaced = store.replace(&key, &stored, b"x", LIFETIME, now()).await.expect("replace");
    assert!(matches!(replaced, Replaced::Conflict(_)), "a new record is not the old one: {replaced:?}");
}

async fn delete_if(bench: &Bench) {
    let (store, key) = (&bench.store, bench.key("delete-if"));
    let stale = bench.made(&key, b"1").await;
    let _ = store.replace(&key, &stale, b"2", LIFETIME, now()).await.expect("replace");
    let DeletedIf::Conflict(current) = store.delete_if(&key, &stale, now()).await.expect("delete_if") else {
        panic!("delete_if of what is no more");
    };
    assert_eq!(current.data, b"2", "a conflict shows what is there");
    assert_eq!(bench.data(&key).await.as_deref(), Some(&b"2"[..]), "a conflict ends nothing");
    assert_eq!(store.delete_if(&key, &current, now()).await.expect("delete_if"), DeletedIf::Deleted);
    assert_eq!(store.delete_if(&key, &current, now()).await.expect("delete_if"), DeletedIf::Gone);
    assert_eq!(bench.load(&key).await, None);
}

fn described(bench: &Bench) {
    let description = bench.store.describe();
    assert!(!description.kind.is_empty() && !description.place.is_empty(), "{description:?}");
    let shown = format!("{:?}", bench.store);
    assert!(!shown.contains(&bench.prefix), "Debug shows no key: {shown}");
}

/// Whether a record ends a lifetime from now, give or take two seconds.
fn assert_about(stored: &Stored, what: &str) {
    let expires = stored.expires.expect("it ends some time").as_secs();
    let expected = expiry(now(), LIFETIME).as_secs();
    assert!(expires.abs_diff(expected) <= 2, "{what} ends at {expires}, expected about {expected}");
}
