//! Processes that are killed, and processes that compete. Each is this test program again, told by
//! a variable what to be.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_store::file::FileStore;
use hipflask_store::id::Ids;
use hipflask_store::save::{Opened, Saved, ServerSessions, Slot};
use hipflask_store::{Key, Replaced, Store};
use hipflask_testkit::contract::block_on;

const ROLE: &str = "HIPFLASK_TEST_ROLE";
const DIRECTORY: &str = "HIPFLASK_TEST_DIRECTORY";
const COOKIE: &str = "HIPFLASK_TEST_COOKIE";
const TTL: Duration = Duration::from_secs(600);

fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn spawn(role: &str, directory: &Path, cookie: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "crashes::a_process_of_these_tests", "--nocapture"])
        .env(ROLE, role)
        .env(DIRECTORY, directory)
        .env(COOKIE, cookie)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test: what the processes do.
#[test]
fn a_process_of_these_tests() {
    let Ok(role) = env::var(ROLE) else { return };
    let store = FileStore::new(env::var(DIRECTORY).unwrap());
    match role.as_str() {
        "writer" => write_for_ever(&store),
        _ => add_fifty(store, &env::var(COOKIE).unwrap()),
    }
}

fn sessions(store: FileStore) -> ServerSessions {
    ServerSessions::new(Arc::new(store), Ids::builder().build().unwrap(), TTL)
}

/// A record of one letter, `length` times.
fn letters(round: usize) -> Vec<u8> {
    vec![b'a' + (round % 26) as u8; 1 + round * 7919 % 300_000]
}

fn write_for_ever(store: &FileStore) {
    let key = Key::new("session:", "torn").unwrap();
    for round in 0.. {
        let Some(stored) = block_on(store.load(&key, now())).unwrap() else { return };
        let _ = block_on(store.replace(&key, &stored, &letters(round), TTL, now())).unwrap();
        let _ = block_on(store.touch(&key, TTL, now())).unwrap();
    }
}

#[test]
fn killed_process_leaves_a_whole_record() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::new(directory.path());
    let key = Key::new("session:", "torn").unwrap();
    let _ = block_on(store.create(&key, b"a", TTL, now())).unwrap();
    for round in 0..40 {
        let mut writer = spawn("writer", directory.path(), "");
        thread::sleep(Duration::from_millis(15 + round % 7 * 3));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let stored = block_on(store.load(&key, now())).unwrap().expect("a live record is never lost");
        assert!(!stored.data.is_empty() && stored.data.iter().all(|byte| *byte == stored.data[0]), "torn");
        let replaced = block_on(store.replace(&key, &stored, b"a", TTL, now())).unwrap();
        assert!(matches!(replaced, Replaced::Replaced(_)), "nobody holds the lock of a dead process");
    }
    // An incomplete file is not a session, and is removed later.
    let later = UnixTime::from_secs(now().as_secs() + 7200);
    block_on(store.purge_expired(later)).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

fn add_fifty(store: FileStore, cookie: &str) {
    let sessions = sessions(store);
    for _ in 0..50 {
        let Opened::Found { mut session, mut slot } =
            block_on(sessions.open(cookie.as_bytes(), now())).unwrap()
        else {
            panic!("the session is there");
        };
        session.increment("n", 1).unwrap();
        let saved = block_on(sessions.save(&mut session, &mut slot, now())).unwrap();
        assert!(matches!(saved, Saved::Replaced { .. }));
    }
}

#[test]
fn increments_of_four_processes_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let sessions = sessions(FileStore::new(directory.path()));
    let (mut session, mut slot) = (SessionDict::new(), Slot::default());
    session.set("n", 0).unwrap();
    let _ = block_on(sessions.save(&mut session, &mut slot, now())).unwrap();
    let cookie = sessions.ids().to_cookie(slot.id().unwrap());
    let children: Vec<Child> = (0..4).map(|_| spawn("adder", directory.path(), &cookie)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let Opened::Found { session, .. } = block_on(sessions.open(cookie.as_bytes(), now())).unwrap() else {
        panic!("the session is there");
    };
    assert_eq!(session.get::<i64>("n").unwrap(), Some(200));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left in the directory");
}

#[test]
fn delete_wins_over_writing_threads() {
    for _ in 0..100 {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path());
        let key = Key::new("session:", "id").unwrap();
        let _ = block_on(store.create(&key, b"0", TTL, now())).unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Some(stored) = block_on(store.load(&key, now())).unwrap() {
                        let _ = block_on(store.replace(&key, &stored, b"1", TTL, now())).unwrap();
                        let _ = block_on(store.touch(&key, TTL, now())).unwrap();
                    }
                });
            }
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(2));
                let _ = block_on(store.delete(&key, now())).unwrap();
            });
        });
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "an ended session does not come back");
    }
}
