//! What expires, and when. Waits for it.

use std::time::Duration;

use hipflask_store::store::{Created, Deleted, DeletedIf, Replaced, Scan, Touched};

use super::{Bench, LIFETIME, now};

pub(super) async fn all(bench: &Bench) {
    let store = &bench.store;
    let names = ["load", "create", "replace", "touch", "delete", "delete-if", "purge", "scan"];
    let short = Duration::from_secs(1);
    let mut old = Vec::new();
    for name in names {
        let key = bench.key(&format!("short-{name}"));
        let made = store.create(&key, b"old", short, now()).await.expect("create");
        assert!(matches!(made, Created::Created(_)));
        old.push(hipflask_store::store::Stored::new(b"old".to_vec(), None));
    }
    // Less than a second is not for ever.
    let blink = bench.key("blink");
    let _ = store.create(&blink, b"x", Duration::ZERO, now()).await.expect("create");
    let kept = bench.made(&bench.key("kept"), b"live").await;
    let extended = bench.key("extended");
    let _ = store.create(&extended, b"live", short, now()).await.expect("create");
    assert_eq!(store.touch(&extended, LIFETIME, now()).await.expect("touch"), Touched::Touched);
    let shortened = bench.made(&bench.key("shortened"), b"x").await;
    let replaced =
        store.replace(&bench.key("shortened"), &shortened, b"y", short, now()).await.expect("replace");
    assert!(matches!(replaced, Replaced::Replaced(_)));

    // The suite knows no runtime's timer; nothing else runs on this thread.
    std::thread::sleep(Duration::from_millis(2_200));

    let key = |name: &str| bench.key(&format!("short-{name}"));
    assert_eq!(bench.load(&key("load")).await, None, "what has expired is not loaded");
    assert_eq!(bench.load(&blink).await, None, "a time to live of nothing is a second");
    assert_eq!(bench.load(&bench.key("shortened")).await, None, "a replaced record has the new time to live");
    let gone = store.replace(&key("replace"), &old[0], b"new", LIFETIME, now()).await.expect("replace");
    assert_eq!(gone, Replaced::Gone, "what has expired is not replaced");
    assert_eq!(store.touch(&key("touch"), LIFETIME, now()).await.expect("touch"), Touched::Gone);
    assert_eq!(bench.load(&key("touch")).await, None, "a touch does not bring back");
    assert_eq!(store.delete(&key("delete"), now()).await.expect("delete"), Deleted::Gone);
    assert_eq!(store.delete_if(&key("delete-if"), &old[0], now()).await.expect("delete_if"), DeletedIf::Gone);
    let made = store.create(&key("create"), b"new", LIFETIME, now()).await.expect("create");
    assert!(
        matches!(made, Created::Created(_)),
        "what has expired does not stand in the way of a new record"
    );
    assert_eq!(bench.data(&key("create")).await.as_deref(), Some(&b"new"[..]));
    if let Ok(page) = store.scan(&Scan::new(key("scan").as_str()), now()).await {
        assert!(page.entries.iter().all(|entry| entry.key != key("scan")), "what has expired is not listed");
    }

    let purged = store.purge_expired(now()).await.expect("purge");
    if !store.describe().expires_by_itself {
        assert!(purged >= 1, "a purge finds what has expired");
    }
    assert_eq!(
        store.purge_expired(now()).await.expect("purge"),
        0,
        "a purge leaves nothing for the next one"
    );
    // Where the backend keeps the time, the two clocks may part by a second, so the expiry is not compared.
    let still = bench.load(&bench.key("kept")).await.map(|stored| (stored.data, stored.token));
    assert_eq!(still, Some((kept.data, kept.token)), "a purge leaves what lives");
    assert_eq!(bench.data(&extended).await.as_deref(), Some(&b"live"[..]), "a touched record lives on");
    assert_eq!(bench.data(&key("create")).await.as_deref(), Some(&b"new"[..]));
}
