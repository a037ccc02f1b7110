//! What a step costs the server: commands, and how often it has to read from its clients.
#![expect(clippy::print_stdout, reason = "the figures are for people")]

use std::time::Instant;

use hipflask_store::store::Replaced;
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

fn check(step: &str, cost: &Cost, expected: &[(&str, u64)]) {
    println!("{step}: {} round trip, {:?}", cost.round_trips, cost.calls);
    let calls: Vec<(&str, u64)> = cost.calls.iter().map(|(name, calls)| (name.as_str(), *calls)).collect();
    assert_eq!(calls, expected, "{step}");
    assert_eq!(cost.round_trips, 1, "{step}");
}

/// Redis 7 has no comparison of its own, so a script stands for it; what the script does counts beside it.
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
