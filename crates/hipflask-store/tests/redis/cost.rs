//! The cost of a step at the server: its commands and reads.
#![expect(clippy::print_stdout, reason = "the figures are for people")]

use std::time::Instant;

use hipflask_core::session::SessionDict;
use hipflask_store::id::Ids;
use hipflask_store::save::{Opened, Saved, ServerSessions, Slot};
use hipflask_store::{Replaced, Stored, expiry};
use hipflask_testkit::servers::Redis;

use crate::live::{HOUR, MINUTE, created, key, now};
use crate::open;

/// Reads of the server's own, for asking how many there were.
fn reads(server: &Redis) -> u64 {
    let stats = server.ask(&["info", "stats"]).unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:")).unwrap();
    line.trim().parse().unwrap()
}

struct Cost {
    calls: Vec<(String, u64)>,
    round_trips: u64,
}

async fn cost<T>(server: &Redis, step: impl Future<Output = T>) -> (T, Cost) {
    let before = reads(server);
    let asking = reads(server) - before;
    server.ask(&["config", "resetstat"]).unwrap();
    let before = reads(server);
    let answer = step.await;
    let round_trips = reads(server) - before - asking;
    let mut calls = server.calls().unwrap();
    calls.retain(|(name, _)| !matches!(name.as_str(), "info" | "config|resetstat"));
    calls.sort();
    (answer, Cost { calls, round_trips })
}

impl Cost {
    fn shown(&self) -> Vec<(&str, u64)> {
        self.calls.iter().map(|(name, calls)| (name.as_str(), *calls)).collect()
    }
}

fn check(step: &str, cost: &Cost, expected: &[(&str, u64)]) {
    println!("{step}: {} round trip, {:?}", cost.round_trips, cost.calls);
    assert_eq!(cost.shown(), expected, "{step}");
    assert_eq!(cost.round_trips, 1, "{step}");
}

/// Redis 7 has no compare-and-set, so a script does it; the commands of the script count as well.
#[tokio::test]
async fn each_step_is_one_round_trip_real_server() {
    let server = Redis::start().unwrap();
    let store = open(&server.url());
    store.ready().await.unwrap();
    let key = key("cost");
    let (_, spent) = cost(&server, store.create(&key, b"one", MINUTE, now())).await;
    check("create", &spent, &[("set", 1)]);
    let (stored, spent) = cost(&server, store.load(&key, now())).await;
    check("load", &spent, &[("get", 1), ("pttl", 1)]);
    let stored = stored.unwrap().unwrap();
    let (_, spent) = cost(&server, store.replace(&key, &stored, b"two", MINUTE, now())).await;
    check("replace", &spent, &[("evalsha", 1), ("get", 1), ("set", 1)]);
    let (answer, spent) = cost(&server, store.replace(&key, &stored, b"late", MINUTE, now())).await;
    assert!(matches!(answer.unwrap(), Replaced::Conflict(current) if current.data == b"two"));
    check("conflict", &spent, &[("evalsha", 1), ("get", 1), ("pttl", 1)]);
    let (_, spent) = cost(&server, store.touch(&key, HOUR, now())).await;
    check("touch", &spent, &[("expire", 1)]);
    let (_, spent) = cost(&server, store.delete(&key, now())).await;
    check("delete", &spent, &[("del", 1)]);
    let stored = created(&store, "cost", b"one").await;
    let (_, spent) = cost(&server, store.delete_if(&key, &stored, now())).await;
    check("delete_if", &spent, &[("del", 1), ("evalsha", 1), ("get", 1)]);
}

/// A request that only reads is one command, and one that writes two: the comparison counts as the
/// one that was sent.
#[tokio::test]
async fn read_is_one_command_real_server() {
    let server = Redis::start().unwrap();
    let store = open(&server.url());
    store.ready().await.unwrap();
    let sessions = ServerSessions::new(store, Ids::builder().build().unwrap(), HOUR);
    let (mut session, mut slot) = (SessionDict::new(), Slot::default());
    session.set("n", 0).unwrap();
    let _ = sessions.save(&mut session, &mut slot, now()).await.unwrap();
    let cookie = sessions.ids().to_cookie(slot.id().unwrap());
    let request = async |sessions: &ServerSessions, writes: bool| {
        let opened = sessions.open(cookie.as_bytes(), now()).await.unwrap();
        let Opened::Found { mut session, mut slot } = opened else { panic!("{opened:?}") };
        if writes {
            session.increment("n", 1).unwrap();
        }
        sessions.save(&mut session, &mut slot, now()).await.unwrap()
    };
    for _ in 0..3 {
        let (saved, spent) = cost(&server, request(&sessions, false)).await;
        assert_eq!(saved, Saved::Unchanged);
        check("read", &spent, &[("get", 1)]);
        let (saved, spent) = cost(&server, request(&sessions, true)).await;
        assert_eq!((saved, spent.round_trips), (Saved::Replaced { merged: false }, 2));
        // The script's own are among them.
        assert_eq!(spent.shown(), [("evalsha", 1), ("get", 2), ("set", 1)]);
    }
    // Another process does not know when the session ends; it asks once.
    let another = ServerSessions::new(open(&server.url()), Ids::builder().build().unwrap(), HOUR);
    another.store().ready().await.unwrap();
    let (_, spent) = cost(&server, request(&another, false)).await;
    check("first read of a process", &spent, &[("get", 1), ("pttl", 1)]);
    let (_, spent) = cost(&server, request(&another, false)).await;
    check("second read of a process", &spent, &[("get", 1)]);
}

#[tokio::test]
async fn expiry_is_read_once_a_minute_real_server() {
    let server = Redis::start().unwrap();
    let store = open(&server.url());
    store.ready().await.unwrap();
    let (key, begin) = (key("ends"), now());
    let _ = created(&store, "ends", b"one").await;
    let end = |stored: Result<Option<Stored>, _>| stored.unwrap().unwrap().expires.unwrap();
    let (early, late) = (expiry(begin, MINUTE / 2), expiry(begin, HOUR / 2));
    let (stored, spent) = cost(&server, store.open(&key, early, begin)).await;
    assert!(end(stored) > early);
    check("an end that is late enough", &spent, &[("get", 1)]);
    // Another program extends the expiry, which the next caller that needs it reads.
    server.ask(&["expire", key.as_str(), "3600"]).unwrap();
    let (stored, spent) = cost(&server, store.open(&key, late, begin)).await;
    assert!(end(stored) > late);
    check("an end that may be too early", &spent, &[("get", 1), ("pttl", 1)]);
    let (stored, spent) = cost(&server, store.open(&key, late, begin)).await;
    assert!(end(stored) > late);
    check("the same end again", &spent, &[("get", 1)]);
    // Another program shortens it: that is seen within a minute.
    server.ask(&["expire", key.as_str(), "100"]).unwrap();
    let (stored, spent) = cost(&server, store.open(&key, late, begin.saturating_add(MINUTE))).await;
    assert!(end(stored) < late);
    check("a minute later", &spent, &[("get", 1), ("pttl", 1)]);
    // And another program lets it live for ever.
    server.ask(&["persist", key.as_str()]).unwrap();
    let (stored, _) = cost(&server, store.open(&key, late, begin.saturating_add(MINUTE))).await;
    assert_eq!(stored.unwrap().unwrap().expires, None);
    let (stored, spent) = cost(&server, store.open(&key, late, begin.saturating_add(MINUTE))).await;
    assert_eq!(stored.unwrap().unwrap().expires, None);
    check("no end", &spent, &[("get", 1)]);
}

/// Not a gate: numbers for people, from `cargo test --release … -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints numbers and proves nothing"]
async fn a_load_beside_a_bare_get_real_server() {
    let server = Redis::start_as("redis-server", &["--appendonly", "no"]).unwrap();
    let store = open(&server.url());
    let client = redis::Client::open(server.url()).unwrap();
    let mut bare = client.get_multiplexed_async_connection().await.unwrap();
    for (size, bytes) in [("S", 100), ("M", 2000), ("L", 16_000)] {
        let data = vec![b'x'; bytes];
        let id = format!("cost-{size}");
        let stored = created(&store, &id, &data).await;
        let key = key(&id);
        for _ in 0..2 {
            let (begin, cpu) = (Instant::now(), cpu());
            for _ in 0..20_000 {
                let found: Vec<u8> =
                    redis::cmd("GET").arg(key.as_str()).query_async(&mut bare).await.unwrap();
                assert_eq!(found.len(), bytes);
            }
            report(size, "bare GET", begin, cpu);
            let (begin, cpu) = (Instant::now(), self::cpu());
            for _ in 0..20_000 {
                assert_eq!(store.load(&key, now()).await.unwrap().unwrap().data.len(), bytes);
            }
            report(size, "load", begin, cpu);
            let (begin, cpu) = (Instant::now(), self::cpu());
            for _ in 0..20_000 {
                let found: Vec<u8> =
                    redis::cmd("GET").arg(key.as_str()).query_async(&mut bare).await.unwrap();
                assert_eq!(found.len(), bytes);
                let _: () = redis::cmd("SET")
                    .arg(key.as_str())
                    .arg(&data)
                    .arg("EX")
                    .arg(60)
                    .query_async(&mut bare)
                    .await
                    .unwrap();
            }
            report(size, "bare GET + SET", begin, cpu);
            let (begin, cpu) = (Instant::now(), self::cpu());
            for _ in 0..20_000 {
                let found = store.load(&key, now()).await.unwrap().unwrap();
                let answer = store.replace(&key, &found, &data, MINUTE, now()).await.unwrap();
                assert!(matches!(answer, Replaced::Replaced(_)));
            }
            report(size, "load + replace", begin, cpu);
        }
        drop(stored);
    }
}

fn report(size: &str, what: &str, begin: Instant, cpu: u64) {
    let (wall, cpu) = (begin.elapsed().as_micros() / 20, (self::cpu() - cpu) * 10_000 / 20);
    println!("{size} {what}: {wall} us wall, {cpu} us CPU of this process, each of 1000");
}

/// Hundredths of a second of this process.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
