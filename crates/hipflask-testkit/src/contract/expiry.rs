//! Expiry. Waits for records to expire.

use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::{Created, Deleted, DeletedIf, Key, Replaced, Scan, Stored, Touched, expiry};

use super::{Bench, LIFETIME, now};

pub(super) async fn all(bench: &Bench) {
    let store = &bench.store;
    let names = ["load", "create", "replace", "touch", "delete", "delete-if", "purge", "scan"];
    let short = Duration::from_secs(1);
    let mut old = Vec::new();
    for name in names {
        let key = bench.key(&format!("short-{name}"));
        let made = store.create(&key, b"old", short, now()).await.expect("create");
        assert!(matches!(made, Created::Created(_)), "create: a new key is reported as created");
        old.push(Stored::new(b"old".to_vec(), None));
    }
    // Less than a second is not for ever.
    let blink = bench.key("blink");
    let _ = store.create(&blink, b"x", Duration::ZERO, now()).await.expect("create");
    let kept = bench.made(&bench.key("kept"), b"live").await;
    let extended = bench.key("extended");
    // On a busy machine the record may expire before the touch.
    let mut touched = Touched::Gone;
    for _ in 0..5 {
        let _ = store.create(&extended, b"live", short, now()).await.expect("create");
        touched = store.touch(&extended, LIFETIME, now()).await.expect("touch");
        if touched == Touched::Touched {
            break;
        }
    }
    assert_eq!(touched, Touched::Touched, "touch: an existing record is reported as touched");
    let shortened = bench.made(&bench.key("shortened"), b"x").await;
    let replaced =
        store.replace(&bench.key("shortened"), &shortened, b"y", short, now()).await.expect("replace");
    assert!(matches!(replaced, Replaced::Replaced(_)), "replace: the record that was loaded is replaced");
    let mut soon = Vec::new();
    for seconds in [10, 30, 90] {
        let (name, ttl) = (format!("soon-{seconds}"), Duration::from_secs(seconds));
        let _ = store.create(&bench.key(&name), b"live", ttl, now()).await.expect("create");
        soon.push((name, expiry(now(), ttl)));
    }

    // The suite cannot use a runtime's timer. Nothing else runs on this thread.
    std::thread::sleep(Duration::from_millis(2_200));

    let key = |name: &str| bench.key(&format!("short-{name}"));
    assert_eq!(bench.load(&key("load")).await, None, "load: an expired record is missing");
    assert_eq!(bench.load(&blink).await, None, "create: a time to live of zero is one second");
    assert_eq!(bench.load(&bench.key("shortened")).await, None, "replace: the new time to live counts");
    let gone = store.replace(&key("replace"), &old[0], b"new", LIFETIME, now()).await.expect("replace");
    assert_eq!(gone, Replaced::Gone, "replace: an expired record is gone");
    let touched = store.touch(&key("touch"), LIFETIME, now()).await.expect("touch");
    assert_eq!(touched, Touched::Gone, "touch: an expired record is gone");
    assert_eq!(bench.load(&key("touch")).await, None, "touch: an expired record is not re-created");
    let deleted = store.delete(&key("delete"), now()).await.expect("delete");
    assert_eq!(deleted, Deleted::Gone, "delete: an expired record is gone");
    let deleted = store.delete_if(&key("delete-if"), &old[0], now()).await.expect("delete_if");
    assert_eq!(deleted, DeletedIf::Gone, "delete_if: an expired record is gone");
    let made = store.create(&key("create"), b"new", LIFETIME, now()).await.expect("create");
    assert!(matches!(made, Created::Created(_)), "create: an expired record makes way for a new one");
    let held = bench.data(&key("create")).await;
    assert_eq!(held.as_deref(), Some(&b"new"[..]), "create: the new data is stored");
    if let Ok(page) = store.scan(&Scan::new(key("scan").as_str()), now()).await {
        let is_listed = page.entries.iter().any(|entry| entry.key == key("scan"));
        assert!(!is_listed, "scan: an expired record is not listed");
    }

    let purged = store.purge_expired(now()).await.expect("purge_expired");
    if !store.describe().expires_by_itself {
        assert!(purged >= 1, "purge_expired: reports how many expired records it dropped");
    }
    let purged = store.purge_expired(now()).await.expect("purge_expired");
    assert_eq!(purged, 0, "purge_expired: leaves nothing for the next one");
    for (name, ends) in soon {
        let is_there = bench.load(&bench.key(&name)).await.is_some();
        // A second on either side belongs to the backend's clock.
        let is_due = now().saturating_add(Duration::from_secs(1)) < ends;
        assert!(is_there || !is_due, "purge_expired: keeps a live record, even one that expires soon");
    }
    // Where the backend keeps the time, the two clocks may differ by a second, so the expiry is not compared.
    let still = bench.load(&bench.key("kept")).await.map(|stored| (stored.data, stored.token));
    assert_eq!(still, Some((kept.data, kept.token)), "purge_expired: keeps a live record as it is");
    let held = bench.data(&extended).await;
    assert_eq!(held.as_deref(), Some(&b"live"[..]), "touch: a touched record expires later");
    let held = bench.data(&key("create")).await;
    assert_eq!(held.as_deref(), Some(&b"new"[..]), "purge_expired: keeps a record that was created again");
    to_the_second(bench).await;
}

/// A record expires in the very second of its expiry, in every method alike. Only a store that goes
/// by the time it is given can be seen to do so; nothing else may follow, because the time given
/// here is ahead.
async fn to_the_second(bench: &Bench) {
    let (store, start) = (&bench.store, now());
    let names = ["load", "open", "replace", "touch", "delete", "delete-if", "create", "scan"];
    let key = |name: &str| bench.key(&format!("second-{name}"));
    for name in names {
        let created = store.create(&key(name), b"x", LIFETIME, start).await.expect("create");
        assert!(matches!(created, Created::Created(_)), "create: a new key is reported as created");
    }
    let (stored, end) = (Stored::new(b"x".to_vec(), None), expiry(start, LIFETIME));
    let before = UnixTime::from_secs(end.as_secs() - 1);
    let scan = Scan::new(&*bench.prefix);
    let is_live = store.load(&key("load"), before).await.expect("load").is_some();
    let is_listed = lists(bench, &scan, &key("scan"), before).await;
    let loaded = store.load(&key("load"), end).await.expect("load");
    let listed_at_end = lists(bench, &scan, &key("scan"), end).await;
    let opened = store.open(&key("open"), end, end).await.expect("open");
    let replaced = store.replace(&key("replace"), &stored, b"y", LIFETIME, end).await.expect("replace");
    let touched = store.touch(&key("touch"), LIFETIME, end).await.expect("touch");
    let deleted = store.delete(&key("delete"), end).await.expect("delete");
    let deleted_if = store.delete_if(&key("delete-if"), &stored, end).await.expect("delete_if");
    let created = store.create(&key("create"), b"y", LIFETIME, end).await.expect("create");
    let far = end.saturating_add(Duration::from_secs(3600));
    if store.load(&key("open"), far).await.expect("load").is_some() {
        return;
    }
    assert!(is_live, "load: a record exists until the second before its expiry");
    assert_ne!(is_listed, Some(false), "scan: a record is listed until the second before its expiry");
    assert_eq!(loaded, None, "load: a record is missing from the second of its expiry");
    assert_eq!(opened, None, "open: a record is missing from the second of its expiry");
    assert_ne!(listed_at_end, Some(true), "scan: a record is not listed from the second of its expiry");
    assert_eq!(replaced, Replaced::Gone, "replace: a record is gone from the second of its expiry");
    assert_eq!(touched, Touched::Gone, "touch: a record is gone from the second of its expiry");
    assert_eq!(deleted, Deleted::Gone, "delete: a record is gone from the second of its expiry");
    assert_eq!(deleted_if, DeletedIf::Gone, "delete_if: a record is gone from the second of its expiry");
    let is_created = matches!(created, Created::Created(_));
    assert!(is_created, "create: a record makes way from the second of its expiry");
}

/// Returns `true` if a key is listed; `None` if the store cannot list, or only stores digests of its keys.
async fn lists(bench: &Bench, scan: &Scan, key: &Key, at: UnixTime) -> Option<bool> {
    let mut scan = scan.clone();
    let mut is_listed = false;
    loop {
        let page = bench.store.scan(&scan, at).await.ok()?;
        if page.entries.iter().any(|entry| entry.key.is_at_rest()) {
            return None;
        }
        is_listed |= page.entries.iter().any(|entry| entry.key == *key);
        match page.next {
            Some(next) => scan = scan.from(next),
            None => return Some(is_listed),
        }
    }
}
