//! The files in the directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::file::FileStore;
use hipflask_store::record::Format;
use hipflask_store::{Created, Deleted, ErrorKind, Key, Replaced, Scan, Store, Touched};
use hipflask_testkit::contract::block_on;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const TTL: Duration = Duration::from_secs(100);

/// `session:VE5rPIvv2sw` under cachelib 0.17.0 and under 0.15.4.
const SHA256: &str = "5d6dd73b8ca73095579a9287d3f72fe4654fddbe4f25ba9a4fe1965e30f671d9";
const MD5: &str = "8db284b17deeac021aa24086da5c2ae2";

fn key() -> Key {
    Key::new("session:", "VE5rPIvv2sw").unwrap()
}

fn file(expiry: u32, data: &[u8]) -> Vec<u8> {
    [&expiry.to_ne_bytes()[..], data].concat()
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn new_record_is_a_private_cachelib_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::new(directory.path());
    let created = block_on(store.create(&key(), b"\x80\x04}.", TTL, NOW)).unwrap();
    assert!(matches!(created, Created::Created(_)));
    assert_eq!(files(directory.path()), [SHA256]);
    let path = directory.path().join(SHA256);
    assert_eq!(fs::read(&path).unwrap(), file(1_700_000_100, b"\x80\x04}."));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let old = FileStore::new(directory.path().join("old")).with_md5_names(true).with_mode(0o640);
    let created = block_on(old.create(&key(), b"x", TTL, NOW)).unwrap();
    assert!(matches!(created, Created::Created(_)));
    assert_eq!(files(&directory.path().join("old")), [MD5]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path().join("old").join(MD5)), 0o640);
    assert_eq!(mode(&directory.path().join("old")), 0o700, "a directory that we make is private");
}

#[test]
fn record_with_md5_name_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(MD5);
    fs::write(&path, file(1_700_000_050, b"old")).unwrap();
    let store = FileStore::new(directory.path());
    let stored = block_on(store.load(&key(), NOW)).unwrap().unwrap();
    assert_eq!((&*stored.data, stored.expires), (&b"old"[..], Some(UnixTime::from_secs(1_700_000_050))));
    assert_eq!(block_on(store.create(&key(), b"x", TTL, NOW)).unwrap(), Created::Exists);
    assert_eq!(block_on(store.touch(&key(), TTL, NOW)).unwrap(), Touched::Touched);
    assert_eq!(fs::read(&path).unwrap(), file(1_700_000_100, b"old"));
    let replaced = block_on(store.replace(&key(), &stored, b"new", TTL, NOW)).unwrap();
    assert!(matches!(replaced, Replaced::Replaced(_)));
    assert_eq!(files(directory.path()), [MD5]);
    assert_eq!(fs::read(&path).unwrap(), file(1_700_000_100, b"new"));
    // The end is the end under both names.
    fs::write(directory.path().join(SHA256), file(0, b"other")).unwrap();
    assert_eq!(block_on(store.delete(&key(), NOW)).unwrap(), Deleted::Deleted);
    assert!(files(directory.path()).is_empty());
}

#[test]
fn zero_expiry_means_never() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(SHA256), file(0, b"x")).unwrap();
    let store = FileStore::new(directory.path());
    let late = UnixTime::from_secs(u64::from(u32::MAX) - 1);
    let stored = block_on(store.load(&key(), late)).unwrap().unwrap();
    assert_eq!(stored.expires, None);
    assert_eq!(block_on(store.purge_expired(late)).unwrap(), 0);
    assert_eq!(block_on(store.touch(&key(), TTL, late)).unwrap(), Touched::Touched);
    assert_eq!(fs::read(directory.path().join(SHA256)).unwrap(), file(u32::MAX, b"x"));
}

#[test]
fn other_files_are_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::new(directory.path());
    let path = directory.path().join(SHA256);
    for rest in [&b""[..], b"\x01", b"\x01\x02\x03"] {
        fs::write(&path, rest).unwrap();
        assert_eq!(block_on(store.load(&key(), NOW)).unwrap(), None);
        assert_eq!(block_on(store.touch(&key(), TTL, NOW)).unwrap(), Touched::Gone);
        let created = block_on(store.create(&key(), b"new", TTL, NOW)).unwrap();
        assert!(matches!(created, Created::Created(_)));
        assert_eq!(block_on(store.load(&key(), NOW)).unwrap().unwrap().data, b"new");
    }
    // cachelib leaves this behind when it could not pickle: a session of nothing, which no codec reads.
    fs::write(&path, file(1_700_000_100, b"")).unwrap();
    let stored = block_on(store.load(&key(), NOW)).unwrap().unwrap();
    assert!(Format::read(&stored.data).is_err());
    fs::write(&path, vec![0; (16 << 20) + 5]).unwrap();
    assert_eq!(block_on(store.load(&key(), NOW)).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        block_on(store.scan(&Scan::new(""), NOW)).unwrap().entries,
        [],
        "one bad file hides no others"
    );
}

#[test]
fn files_of_others_are_neither_listed_nor_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::new(directory.path());
    let count = "79bc207ee04a581ab2348ca1f3494e64cd0ec36128735b8c6bc85ddd8fe1938c";
    let others =
        [count, "2029240f6d1128be89ddc32729463129", "notes.txt", "tmpabc.__wz_cache", "UPPER", &SHA256[1..]];
    for name in others {
        fs::write(directory.path().join(name), file(1, b"\x80\x05K\x01.")).unwrap();
    }
    fs::write(directory.path().join(SHA256), file(1, b"expired")).unwrap();
    fs::write(directory.path().join("hipflask-1-0.__wz_cache"), b"half").unwrap();
    assert_eq!(block_on(store.scan(&Scan::new(""), UnixTime::from_secs(0))).unwrap().entries.len(), 1);
    let long_after = UnixTime::from_secs(4_000_000_000);
    assert_eq!(block_on(store.purge_expired(long_after)).unwrap(), 1);
    let mut expected = others.to_vec();
    expected.sort_unstable();
    assert_eq!(files(directory.path()), expected, "only what expired, and what we left half written");
    for name in others {
        let key = Key::at_rest(name).unwrap();
        assert_eq!(block_on(store.delete(&key, NOW)).unwrap(), Deleted::Gone);
    }
    assert_eq!(files(directory.path()), expected);
}

#[test]
fn no_key_leaves_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("sessions");
    let store = FileStore::new(&inside);
    block_on(store.ready()).unwrap();
    for name in ["../x", "..", "/etc/passwd", "a/../../x", "sessions", ".", "~", "$HOME", "%2e%2e/"] {
        let key = Key::new("session:", name).unwrap();
        let created = block_on(store.create(&key, b"x", TTL, NOW)).unwrap();
        assert!(matches!(created, Created::Created(_)));
        let at_rest = Key::at_rest(name).unwrap();
        assert_eq!(block_on(store.load(&at_rest, NOW)).unwrap(), None);
        assert_eq!(block_on(store.delete(&at_rest, NOW)).unwrap(), Deleted::Gone);
        assert!(block_on(store.create(&at_rest, b"x", TTL, NOW)).is_err());
    }
    assert_eq!(files(directory.path()), ["sessions"]);
    assert!(files(&inside).iter().all(|name| name.len() == 64));
}

#[test]
fn unusable_directory_is_an_error_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, b"").unwrap();
    let store = FileStore::new(&path);
    for error in [
        block_on(store.ready()).unwrap_err(),
        block_on(store.load(&key(), NOW)).unwrap_err(),
        block_on(store.create(&key(), b"x", TTL, NOW)).unwrap_err(),
    ] {
        assert!(!format!("{error:?} {error}").contains("VE5r"), "{error:?}");
        assert!(error.to_string().starts_with("file store: "), "{error}");
    }
    // A missing directory contains no records.
    let store = FileStore::new(directory.path().join("later"));
    assert_eq!(block_on(store.load(&key(), NOW)).unwrap(), None);
    assert_eq!(block_on(store.purge_expired(NOW)).unwrap(), 0);
    assert_eq!(block_on(store.delete(&key(), NOW)).unwrap(), Deleted::Gone);
}

/// The names are read once for a listing; another listing in between is none the worse.
#[test]
fn listings_at_the_same_time_each_find_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::new(directory.path());
    let made = |number: usize| {
        let key = Key::new("session:", &format!("id-{number}")).unwrap();
        let _ = block_on(store.create(&key, b"data", TTL, NOW)).unwrap();
        key
    };
    let keys: Vec<Key> = (0..20).map(made).collect();
    let page = |scan: &Scan| block_on(store.scan(scan, NOW)).unwrap();
    let mut scans = [Scan::new("").limit(3), Scan::new("").limit(7)].map(Some);
    let mut found = [Vec::new(), Vec::new()];
    let mut rounds = 0;
    while scans.iter().any(Option::is_some) {
        for (scan, found) in scans.iter_mut().zip(&mut found) {
            if let Some(this) = scan.take() {
                let page = page(&this);
                found.extend(page.entries.into_iter().map(|entry| entry.key));
                *scan = page.next.map(|next| this.from(next));
            }
        }
        rounds += 1;
        if rounds == 2 {
            let _ = block_on(store.delete(&keys[0], NOW)).unwrap();
        }
        assert!(rounds < 20);
    }
    for mut found in found {
        found.sort();
        let count = found.len();
        found.dedup();
        assert!(count == found.len() && (19..=20).contains(&count), "{count}");
    }
}
