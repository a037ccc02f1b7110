//! Other users of the machine, and files that are not sessions.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::file::FileStore;
use hipflask_store::{Created, Deleted, DeletedIf, ErrorKind, Key, Replaced, Scan, Store, Stored, Touched};
use hipflask_testkit::contract::block_on;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_900_000_000);
const TTL: Duration = Duration::from_secs(100);

/// `session:VE5rPIvv2sw` under cachelib 0.17.0.
const SHA256: &str = "5d6dd73b8ca73095579a9287d3f72fe4654fddbe4f25ba9a4fe1965e30f671d9";

fn key() -> Key {
    Key::new("session:", "VE5rPIvv2sw").unwrap()
}

fn other_key() -> Key {
    Key::new("session:", "another").unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A record that an attacker would like to be read.
fn planted() -> Vec<u8> {
    [&0_u32.to_ne_bytes()[..], b"admin"].concat()
}

fn is_root(directory: &Path) -> bool {
    fs::metadata(directory).unwrap().uid() == 0
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Has a record in it; the path of that record's file.
fn with_record(directory: &Path) -> (FileStore, PathBuf) {
    let store = FileStore::new(directory);
    let created = block_on(store.create(&key(), b"mine", TTL, NOW)).unwrap();
    assert!(matches!(created, Created::Created(_)));
    (store, directory.join(SHA256))
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("sessions");
    fs::create_dir(&directory).unwrap();
    // 0775 is what Flask makes under a umask of 002, 1777 is /tmp.
    for mode in [0o775, 0o777, 0o702, 0o1777] {
        chmod(&directory, mode);
        let store = FileStore::new(&directory);
        fs::write(directory.join(SHA256), planted()).unwrap();
        for error in [
            block_on(store.ready()).unwrap_err(),
            block_on(store.load(&key(), NOW)).unwrap_err(),
            block_on(store.create(&other_key(), b"x", TTL, NOW)).unwrap_err(),
            block_on(store.touch(&key(), TTL, NOW)).unwrap_err(),
            block_on(store.scan(&Scan::new(""), NOW)).unwrap_err(),
            block_on(store.purge_expired(NOW)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Refused);
            let fix = if mode == 0o1777 { "/sessions" } else { "`chmod go-w " };
            assert!(error.to_string().contains(fix), "{error}");
        }
    }
    chmod(&directory, 0o755);
    let store = FileStore::new(&directory);
    block_on(store.ready()).unwrap();
    assert_eq!(block_on(store.load(&key(), NOW)).unwrap().unwrap().data, b"admin");
}

#[test]
fn a_parent_that_others_can_write_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let (open, link) = (base.path().join("open"), base.path().join("link"));
    fs::create_dir_all(open.join("sessions")).unwrap();
    symlink(open.join("sessions"), &link).unwrap();
    chmod(&open, 0o777);
    for directory in [open.join("sessions"), open.join("new"), link] {
        let error = block_on(FileStore::new(&directory).ready()).unwrap_err();
        assert!(error.to_string().contains(&format!("`chmod go-w {}`", open.display())), "{error}");
    }
    chmod(&open, 0o1777);
    block_on(FileStore::new(open.join("sessions")).ready()).unwrap();
}

#[test]
fn root_refuses_another_users_directory() {
    let base = tempfile::tempdir().unwrap();
    if !is_root(base.path()) {
        return;
    }
    let directory = base.path().join("sessions");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(12345), None).unwrap();
    let error = block_on(FileStore::new(&directory).ready()).unwrap_err();
    assert!(error.to_string().contains("belongs to user 12345"), "{error}");
    assert!(error.to_string().contains("`chown -R 0 "), "{error}");
}

#[test]
fn a_shared_directory_works_if_asked_for() {
    let base = tempfile::tempdir().unwrap();
    chmod(base.path(), 0o2770);
    let store = FileStore::new(base.path()).with_mode(0o660);
    assert_eq!(block_on(store.ready()).unwrap_err().kind(), ErrorKind::Refused);
    let store = store.danger_shared_directory(true);
    block_on(store.ready()).unwrap();
    let _ = block_on(store.create(&key(), b"shared", TTL, NOW)).unwrap();
    assert_eq!(block_on(store.load(&key(), NOW)).unwrap().unwrap().data, b"shared");
    // Links are followed by nobody.
    fs::rename(base.path().join(SHA256), base.path().join("elsewhere")).unwrap();
    symlink(base.path().join("elsewhere"), base.path().join(SHA256)).unwrap();
    assert_eq!(block_on(store.load(&key(), NOW)).unwrap(), None);
}

#[test]
fn a_mode_that_lets_others_write_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let error = block_on(FileStore::new(base.path()).with_mode(0o660).ready()).unwrap_err();
    assert!(error.to_string().contains("mode 660"), "{error}");
    // Other users may write a record with such a mode.
    let (store, path) = with_record(base.path());
    chmod(&path, 0o660);
    assert_eq!(block_on(store.load(&key(), NOW)).unwrap(), None);
    assert_eq!(store.skipped(), 1);
}

/// Puts something in the place of a record.
type Plant = fn(&Path);

fn plants(directory: &Path) -> Vec<(&'static str, Plant)> {
    let mut plants: Vec<(&'static str, Plant)> = vec![
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("pipe", fifo),
        ("socket", |path| drop(UnixListener::bind(path).unwrap())),
        ("dangling link", |path| symlink("nowhere", path).unwrap()),
        ("link to a record", |path| {
            let target = path.with_extension("target");
            fs::write(&target, planted()).unwrap();
            symlink(target, path).unwrap();
        }),
        ("link to a device", |path| symlink("/dev/zero", path).unwrap()),
        ("file that everyone can write", |path| {
            fs::write(path, planted()).unwrap();
            chmod(path, 0o666);
        }),
    ];
    if is_root(directory) {
        plants.push(("file of another user", |path| {
            fs::write(path, planted()).unwrap();
            std::os::unix::fs::chown(path, Some(12345), None).unwrap();
        }));
    }
    plants
}

#[test]
fn only_files_of_this_user_are_read() {
    let probe = tempfile::tempdir().unwrap();
    for (what, plant) in plants(probe.path()) {
        let base = tempfile::tempdir().unwrap();
        let store = FileStore::new(base.path());
        plant(&base.path().join(SHA256));
        assert_eq!(block_on(store.load(&key(), NOW)).unwrap(), None, "{what}");
        assert_eq!(store.skipped(), 1, "{what}");
        assert_eq!(block_on(store.touch(&key(), TTL, NOW)).unwrap(), Touched::Gone, "{what}");
        assert_eq!(block_on(store.delete(&key(), NOW)).unwrap(), Deleted::Gone, "{what}");
        let expected = Stored::new(b"admin".to_vec(), None);
        let replaced = block_on(store.replace(&key(), &expected, b"x", TTL, NOW)).unwrap();
        assert_eq!(replaced, Replaced::Gone, "{what}");
        assert_eq!(block_on(store.delete_if(&key(), &expected, NOW)).unwrap(), DeletedIf::Gone, "{what}");
        let error = block_on(store.create(&key(), b"x", TTL, NOW)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        assert!(fs::symlink_metadata(base.path().join(SHA256)).is_ok(), "{what} is left alone");
    }
}

#[test]
fn scan_and_purge_skip_and_count_the_rest() {
    let base = tempfile::tempdir().unwrap();
    let (store, _) = with_record(base.path());
    let plants = plants(base.path());
    for (number, (_, plant)) in plants.iter().enumerate() {
        plant(&base.path().join(format!("{number:064x}")));
    }
    let count = plants.len() as u64;
    let page = block_on(store.scan(&Scan::new("").with_data(), NOW)).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(store.skipped(), count);
    assert_eq!(block_on(store.purge_expired(LATER)).unwrap(), 1);
    assert_eq!(store.skipped(), 2 * count);
}

#[test]
fn ready_writes_nothing_into_a_directory_that_exists() {
    let base = tempfile::tempdir().unwrap();
    let changed = || fs::metadata(base.path()).map(|data| (data.mtime(), data.mtime_nsec())).unwrap();
    let before = changed();
    block_on(FileStore::new(base.path()).ready()).unwrap();
    assert_eq!(changed(), before);
}

/// A lock that is never released, and 600 requests of its visitor.
#[tokio::test(flavor = "multi_thread")]
async fn stuck_lock_blocks_no_other_session() {
    let base = tempfile::tempdir().unwrap();
    let store = FileStore::new(base.path()).with_timeout(Duration::from_millis(500));
    let _ = store.create(&key(), b"mine", TTL, NOW).await.unwrap();
    let holder = File::open(base.path().join(SHA256)).unwrap();
    holder.lock().unwrap();
    let crowd: Vec<_> = (0..600)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.touch(&key(), TTL, NOW).await })
        })
        .collect();
    tokio::task::yield_now().await;
    // One thread at most waits for the lock; the others are free.
    let _ = store.create(&other_key(), b"other", TTL, NOW).await.unwrap();
    assert_eq!(store.load(&key(), NOW).await.unwrap().unwrap().data, b"mine", "reading needs no lock");
    let mut locked = 0;
    for request in crowd {
        let error = request.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        locked += usize::from(error.to_string().contains("held the lock"));
    }
    assert!((1..=64).contains(&locked), "{locked} waited for the lock");
    holder.unlock().unwrap();
    assert_eq!(store.touch(&key(), TTL, NOW).await.unwrap(), Touched::Touched);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipe_instead_of_a_record_blocks_nobody() {
    let base = tempfile::tempdir().unwrap();
    let store = FileStore::new(base.path());
    fifo(&base.path().join(SHA256));
    let crowd: Vec<_> = (0..600)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&key(), NOW).await })
        })
        .collect();
    for request in crowd {
        assert_eq!(request.await.unwrap().unwrap(), None);
    }
}

#[test]
fn purge_does_not_wait_for_a_locked_record() {
    let base = tempfile::tempdir().unwrap();
    let (store, path) = with_record(base.path());
    let holder = File::open(&path).unwrap();
    holder.lock().unwrap();
    assert_eq!(block_on(store.purge_expired(LATER)).unwrap(), 0);
    assert_eq!(store.skipped(), 1);
    holder.unlock().unwrap();
    assert_eq!(block_on(store.purge_expired(LATER)).unwrap(), 1);
}
