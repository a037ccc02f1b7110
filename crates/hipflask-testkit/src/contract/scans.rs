//! Listing.

use std::collections::BTreeMap;

use hipflask_store::store::{ErrorKind, Scan};

use super::{Bench, now};

pub(super) async fn all(bench: &Bench) {
    let expected: BTreeMap<Vec<u8>, String> =
        (0..25).map(|number| (format!("scan {number}").into_bytes(), format!("scan-{number}"))).collect();
    for (data, name) in &expected {
        let _ = bench.made(&bench.key(name), data).await;
    }
    let Some(found) = pages(bench, Scan::new(format!("{}scan-", bench.prefix)).limit(10).with_data()).await
    else {
        return;
    };
    for (data, name) in &expected {
        let (key, bytes) = found.get(data).unwrap_or_else(|| panic!("a scan finds {name}"));
        assert_eq!(*bytes, data.len(), "a scan tells sizes");
        assert!(key.is_at_rest() || *key == bench.key(name), "a scan tells keys");
        // The key is good for the store that listed it.
        assert_eq!(bench.data(key).await.as_ref(), Some(data), "a listed key can be loaded");
    }
    let _ = bench.store.delete(&found[&b"scan 7"[..]].0, now()).await.expect("delete");
    assert_eq!(bench.load(&bench.key("scan-7")).await, None, "a listed key can be deleted");
    let found =
        pages(bench, Scan::new(format!("{}scan-", bench.prefix)).limit(3).with_data()).await.expect("again");
    assert!(!found.contains_key(&b"scan 7"[..]), "what is gone is not listed");
    assert_eq!(expected.keys().filter(|data| found.contains_key(*data)).count(), 24);
    let lean = bench.store.scan(&Scan::new(&*bench.prefix), now()).await.expect("scan");
    assert!(lean.entries.iter().all(|entry| entry.data.is_none()), "data only if it is asked for");
    assert!(!format!("{lean:?}").contains(&bench.prefix), "Debug of a page shows no key");
}

type Found = BTreeMap<Vec<u8>, (hipflask_store::store::Key, usize)>;

/// All pages, by data; `None` if the backend cannot list.
async fn pages(bench: &Bench, mut scan: Scan) -> Option<Found> {
    let mut found = Found::new();
    for _ in 0..10_000 {
        let page = match bench.store.scan(&scan, now()).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => return None,
            page => page.expect("scan"),
        };
        for entry in page.entries {
            assert!(entry.expires.is_none_or(|expires| expires > now()), "a scan lists no expired record");
            let data = entry.data.expect("the data was asked for");
            found.insert(data, (entry.key, entry.bytes));
        }
        match page.next {
            Some(next) => scan = scan.from(next),
            None => return Some(found),
        }
    }
    panic!("a scan comes to an end");
}
