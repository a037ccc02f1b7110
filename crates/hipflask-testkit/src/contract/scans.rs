//! Listing.

use std::collections::BTreeMap;

use hipflask_core::time::UnixTime;
use hipflask_store::{Entry, ErrorKind, Key, Scan};

use super::{Bench, now};

pub(super) async fn all(bench: &Bench) {
    let expected: BTreeMap<Vec<u8>, String> =
        (0..25).map(|number| (format!("scan {number}").into_bytes(), format!("scan-{number}"))).collect();
    for (data, name) in &expected {
        let _ = bench.made(&bench.key(name), data).await;
    }
    // Of another application in the same backend.
    let foreign = Key::new("", &format!("other-{}scan-0", bench.prefix)).expect("a good key");
    let _ = bench.made(&foreign, b"foreign").await;
    let Some(found) = pages(bench, Scan::new(format!("{}scan-", bench.prefix)).limit(10).with_data()).await
    else {
        return;
    };
    for (data, name) in &expected {
        let entry = found.get(data).unwrap_or_else(|| panic!("scan: lists every live record, {name} too"));
        assert_eq!(entry.bytes, data.len(), "scan: reports the length of the data");
        assert!(entry.key.is_at_rest() || entry.key == bench.key(name), "scan: reports the key");
        let loaded = bench.load(&entry.key).await.expect("scan: load accepts a listed key");
        assert_eq!(&loaded.data, data, "scan: a listed key is that of its data");
        assert_same_expiry(entry.expires, loaded.expires);
    }
    let _ = bench.store.delete(&found[&b"scan 7"[..]].key, now()).await.expect("delete");
    assert_eq!(bench.load(&bench.key("scan-7")).await, None, "scan: delete accepts a listed key");
    let found =
        pages(bench, Scan::new(format!("{}scan-", bench.prefix)).limit(3).with_data()).await.expect("scan");
    assert!(!found.contains_key(&b"scan 7"[..]), "scan: a deleted record is not listed");
    let live = expected.keys().filter(|data| found.contains_key(*data)).count();
    assert_eq!(live, 24, "scan: small pages list every live record");
    let lean = bench.store.scan(&Scan::new(&*bench.prefix), now()).await.expect("scan");
    assert!(lean.entries.iter().all(|entry| entry.data.is_none()), "scan: returns data only on request");
    assert!(!format!("{lean:?}").contains(&bench.prefix), "Debug: a page shows no key");
}

/// Checks that a listing reports the expiry that a load finds. Where the backend keeps the time,
/// each counts from its own.
fn assert_same_expiry(listed: Option<UnixTime>, loaded: Option<UnixTime>) {
    let is_same = match (listed, loaded) {
        (Some(listed), Some(loaded)) => listed.as_secs().abs_diff(loaded.as_secs()) <= 2,
        (None, None) => true,
        _ => false,
    };
    assert!(is_same, "scan: reports the expiry: {listed:?} listed, {loaded:?} loaded");
}

type Found = BTreeMap<Vec<u8>, Entry>;

/// All pages, by data; `None` if the backend cannot list.
async fn pages(bench: &Bench, mut scan: Scan) -> Option<Found> {
    let mut found = Found::new();
    for _ in 0..10_000 {
        let page = match bench.store.scan(&scan, now()).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => return None,
            page => page.expect("scan"),
        };
        for entry in page.entries {
            let is_live = entry.expires.is_none_or(|expires| expires > now());
            assert!(is_live, "scan: lists no expired record");
            // A store that keeps only hashes of its keys cannot know their prefixes.
            let has_prefix = entry.key.is_at_rest() || entry.key.as_str().starts_with(&*scan.prefix);
            assert!(has_prefix, "scan: lists only keys with the prefix");
            let data = entry.data.clone().expect("scan: returns data on request");
            found.insert(data, entry);
        }
        match page.next {
            Some(next) => scan = scan.from(next),
            None => return Some(found),
        }
    }
    panic!("scan: the pages come to an end");
}
