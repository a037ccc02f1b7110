//! Our file and SQLite stores against bare reads and writes of the same bytes, without a web
//! server.

use std::path::Path;
use std::time::{Duration, Instant};

use hipflask::hipflask_core::time::UnixTime;
use hipflask::store::record::Format;
use hipflask::store::{Created, Key, Replaced, Store, Stored};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::payload::ALL;
use crate::peer::{LIFETIME, contents};

const ROUNDS: usize = 60;
const TIMES: u32 = 20;
const TTL: Duration = Duration::from_secs(LIFETIME);

/// Median microseconds of a read and a write.
type Pair = [f64; 2];

pub fn run() -> Result<(), String> {
    let directory = std::env::temp_dir().join(format!("hipflask-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let measured = runtime.map_err(|error| error.to_string())?.block_on(measure(&directory));
    std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    println!("microseconds, medians: read / write\n");
    for (name, rows) in measured? {
        println!("{name:<28}{}", rows.map(|[read, write]| format!("{read:>9.1} / {write:<9.1}")).join(""));
    }
    Ok(())
}

async fn measure(directory: &Path) -> Result<Vec<(&'static str, [Pair; 3])>, String> {
    let place = directory.display();
    let file = hipflask::store::connect(&format!("file:{place}/files")).await.map_err(|e| e.to_string())?;
    let url = format!("sqlite:{place}/ours.db");
    let sqlite = hipflask::store::connect(&url).await.map_err(|e| e.to_string())?;
    let pool = bare_database(&directory.join("bare.db")).await.map_err(|e| e.to_string())?;
    let mut samples = vec![[[Vec::new(), Vec::new()], [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]]; 4];
    for round in 0..ROUNDS {
        for (at, payload) in ALL.into_iter().enumerate() {
            let name = format!("{}-{round}", payload.name);
            let dict = contents(payload);
            let pickle = Format::Pickle.write(&dict).map_err(|e| e.to_string())?;
            let msgpack = Format::Msgpack.write(&dict).map_err(|e| e.to_string())?;
            let rows = [
                bare_file(&directory.join(&name), &pickle).map_err(|e| e.to_string())?,
                ours(&*file, &name, &pickle).await?,
                bare_rows(&pool, &name, &msgpack).await.map_err(|e| e.to_string())?,
                ours(&*sqlite, &name, &msgpack).await?,
            ];
            for (who, pair) in rows.into_iter().enumerate() {
                for (what, micros) in pair.into_iter().enumerate() {
                    samples[who][at][what].push(micros);
                }
            }
        }
    }
    let names = ["bare file", "our file store", "bare SQLite row (sqlx)", "our SQLite store"];
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let medians = samples.into_iter().map(|rows| rows.map(|pair| pair.map(|mut values| median(&mut values))));
    Ok(names.into_iter().zip(medians).collect())
}

fn per_time(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// Loads, and replaces with the same number of bytes. The last write must be stored.
async fn ours(store: &dyn Store, name: &str, data: &[u8]) -> Result<Pair, String> {
    let key = Key::new("session:", name).map_err(|e| e.to_string())?;
    let now = UnixTime::from_secs(1_800_000_000);
    match store.create(&key, data, TTL, now).await.map_err(|e| e.to_string())? {
        Created::Created(_) => {}
        Created::Exists => return Err("the record exists already".to_owned()),
    }
    let begin = Instant::now();
    for _ in 0..TIMES {
        let stored = store.load(&key, now).await.map_err(|e| e.to_string())?;
        assert!(stored.is_some_and(|stored| stored.data.len() == data.len()));
    }
    let read = per_time(begin);
    let (mut held, mut next) = (Stored::new(data.to_vec(), None), data.to_vec());
    let begin = Instant::now();
    for time in 0..TIMES {
        *next.last_mut().ok_or("an empty record")? = time as u8;
        match store.replace(&key, &held, &next, TTL, now).await.map_err(|e| e.to_string())? {
            Replaced::Replaced(_) => held.data.copy_from_slice(&next),
            other => return Err(format!("not replaced: {other:?}")),
        }
    }
    let write = per_time(begin);
    let stored = store.load(&key, now).await.map_err(|e| e.to_string())?;
    assert!(stored.is_some_and(|stored| stored.data == next), "the last write is missing");
    Ok([read, write])
}

/// Replaces a file atomically: writes a temporary file and renames it.
fn bare_file(path: &Path, data: &[u8]) -> std::io::Result<Pair> {
    std::fs::write(path, data)?;
    let begin = Instant::now();
    for _ in 0..TIMES {
        assert_eq!(std::fs::read(path)?.len(), data.len());
    }
    let read = per_time(begin);
    let (temporary, mut next) = (path.with_extension("new"), data.to_vec());
    let begin = Instant::now();
    for time in 0..TIMES {
        next[0] = time as u8;
        std::fs::write(&temporary, &next)?;
        std::fs::rename(&temporary, path)?;
    }
    Ok([read, per_time(begin)])
}

async fn bare_database(path: &Path) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::query("CREATE TABLE sessions (session_id VARCHAR(255) UNIQUE, data BLOB, expiry DATETIME)")
        .execute(&pool)
        .await?;
    Ok(pool)
}

async fn bare_rows(pool: &SqlitePool, name: &str, data: &[u8]) -> sqlx::Result<Pair> {
    sqlx::query("INSERT INTO sessions VALUES (?, ?, '2030-01-01')")
        .bind(name)
        .bind(data)
        .execute(pool)
        .await?;
    let begin = Instant::now();
    for _ in 0..TIMES {
        let row = sqlx::query("SELECT data, expiry FROM sessions WHERE session_id = ?")
            .bind(name)
            .fetch_one(pool)
            .await?;
        assert_eq!(row.try_get::<Vec<u8>, _>(0)?.len(), data.len());
    }
    let read = per_time(begin);
    let mut next = data.to_vec();
    let begin = Instant::now();
    for time in 0..TIMES {
        next[0] = time as u8;
        sqlx::query("UPDATE sessions SET data = ?, expiry = '2030-01-01' WHERE session_id = ?")
            .bind(&next)
            .bind(name)
            .execute(pool)
            .await?;
    }
    Ok([read, per_time(begin)])
}
