//! Builds the commands and parses the replies. Each command is one round trip.

use core::time::Duration;

use ::redis::{Cmd, Pipeline, RedisError, Value};
use hipflask_core::hex;
use hipflask_core::time::UnixTime;
use sha1::{Digest as _, Sha1};

use super::connection::{Request, malformed_reply};
use crate::store::{Stored, whole_seconds};

/// Reads the record without its expiry.
pub(super) fn get(key: &str) -> Request {
    Request::Command(one("GET", key))
}

pub(super) fn got(answer: Value) -> Result<Option<Vec<u8>>, RedisError> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(data) => Ok(Some(data)),
        _ => Err(malformed_reply()),
    }
}

/// Reads the record and its time to live: two commands, because no single one returns both.
pub(super) fn load(key: &str) -> Request {
    let mut commands = Pipeline::with_capacity(2);
    commands.add_command(one("GET", key)).add_command(one("PTTL", key));
    Request::Pipeline(commands)
}

pub(super) fn loaded(
    answers: impl IntoIterator<Item = Value>,
    now: UnixTime,
) -> Result<Option<Stored>, RedisError> {
    let mut answers = answers.into_iter();
    let (Some(data), Some(left)) = (answers.next(), answers.next()) else { return Err(malformed_reply()) };
    record(data, &left, now)
}

fn record(data: Value, left: &Value, now: UnixTime) -> Result<Option<Stored>, RedisError> {
    match (data, left) {
        // It may expire between the two commands.
        (Value::Nil, Value::Int(_)) | (Value::BulkString(_), Value::Int(GONE)) => Ok(None),
        (Value::BulkString(data), Value::Int(left)) => Ok(Some(Stored::new(data, expires(*left, now)))),
        _ => Err(malformed_reply()),
    }
}

/// Returns the expiry of a record that has `left` milliseconds to live.
pub(super) fn expires(left: i64, now: UnixTime) -> Option<UnixTime> {
    // A record with half a second left has not expired, so round up.
    let left = u64::try_from(left).ok()?.div_ceil(1000).max(1);
    Some(UnixTime::from_secs(now.as_secs().saturating_add(left)))
}

/// Writes as Flask-Session does, but overwrites nothing.
pub(super) fn create(key: &str, data: &[u8], ttl: Duration) -> Request {
    let mut command = set(key, data);
    command.arg("NX").arg("EX").arg(seconds(ttl));
    Request::Command(command)
}

pub(super) fn touch(key: &str, ttl: Duration) -> Request {
    let mut command = one("EXPIRE", key);
    command.arg(seconds(ttl));
    Request::Command(command)
}

pub(super) fn delete(key: &str) -> Request {
    Request::Command(one("DEL", key))
}

/// Deletes, and waits until this number of replicas has confirmed it.
pub(super) fn delete_everywhere(key: &str, replicas: u32, within: Duration) -> Request {
    let mut commands = Pipeline::with_capacity(2);
    // 0 milliseconds means no timeout.
    let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_WAIT);
    commands.add_command(one("DEL", key)).cmd("WAIT").arg(replicas).arg(within);
    Request::OnMasterOf(key.to_owned(), commands)
}

/// The server's own compare-and-set: Redis from 8.4 on, Valkey from 8.1 on. Never creates a missing record.
pub(super) fn replace_natively(key: &str, expected: &[u8], data: &[u8], ttl: Duration) -> Request {
    let mut command = set(key, data);
    command.arg("IFEQ").arg(expected).arg("EX").arg(seconds(ttl));
    Request::Command(command)
}

/// Redis from 8.4 on.
pub(super) fn delex(key: &str, expected: &[u8]) -> Request {
    let mut command = one("DELEX", key);
    command.arg("IFEQ").arg(expected);
    Request::Command(command)
}

/// Valkey from 9.0 on.
pub(super) fn delifeq(key: &str, expected: &[u8]) -> Request {
    let mut command = one("DELIFEQ", key);
    command.arg(expected);
    Request::Command(command)
}

/// The outcome of a compare-and-set or compare-and-delete.
pub(super) enum Compared {
    Done,
    Gone,
    Other(Stored),
}

/// A script and the digest by which the server knows it.
pub(super) struct Script {
    code: &'static str,
    sha1: String,
}

impl Script {
    pub(super) fn replace() -> Self {
        Self::new(REPLACE)
    }

    pub(super) fn delete_if() -> Self {
        Self::new(DELETE_IF)
    }

    fn new(code: &'static str) -> Self {
        Self { code, sha1: hex::encode(&Sha1::digest(code)) }
    }

    /// Runs it by its digest, which the server may not know.
    pub(super) fn by_digest(&self, key: &str, arguments: &[&[u8]]) -> Request {
        Self::request("EVALSHA", &self.sha1, key, arguments)
    }

    /// Runs it by its text. The server knows it from then on.
    pub(super) fn by_text(&self, key: &str, arguments: &[&[u8]]) -> Request {
        Self::request("EVAL", self.code, key, arguments)
    }

    fn request(name: &str, script: &str, key: &str, arguments: &[&[u8]]) -> Request {
        let size: usize = arguments.iter().map(|argument| argument.len()).sum();
        let mut command = Cmd::with_capacity(arguments.len() + 4, size + script.len() + key.len() + 16);
        command.arg(name).arg(script).arg(1).arg(key);
        for argument in arguments {
            command.arg(*argument);
        }
        Request::Command(command)
    }
}

/// Parses a script's reply: 1, nothing, or the current record and its time to live in milliseconds.
pub(super) fn compared(answer: Value, now: UnixTime) -> Result<Compared, RedisError> {
    match answer {
        Value::Int(1) => Ok(Compared::Done),
        Value::Nil => Ok(Compared::Gone),
        Value::Array(current) => Ok(loaded(current, now)?.map_or(Compared::Gone, Compared::Other)),
        _ => Err(malformed_reply()),
    }
}

/// Returns `true` if a conditional `SET` was done.
pub(super) fn was_set(answer: &Value) -> Result<bool, RedisError> {
    match answer {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(malformed_reply()),
    }
}

/// Returns `true` if the reply is 1, `false` if it is 0.
pub(super) fn was_one(answer: &Value) -> Result<bool, RedisError> {
    match answer {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        _ => Err(malformed_reply()),
    }
}

/// Requests a page of keys.
pub(super) fn scan(cursor: &str, prefix: &str, count: usize) -> Pipeline {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('*');
    let mut commands = Pipeline::with_capacity(1);
    commands.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count.max(1));
    commands
}

/// Returns the cursor of the next page and the keys of this one. Skips keys that are not UTF-8:
/// Hipflask never writes them.
pub(super) fn scanned(answer: Value) -> Result<(String, Vec<String>), RedisError> {
    let Value::Array(answer) = answer else { return Err(malformed_reply()) };
    let Ok([Value::BulkString(cursor), Value::Array(keys)]) = <[Value; 2]>::try_from(answer) else {
        return Err(malformed_reply());
    };
    let keys = keys.into_iter().filter_map(|key| match key {
        Value::BulkString(key) => String::from_utf8(key).ok(),
        _ => None,
    });
    Ok((String::from_utf8(cursor).map_err(|_| malformed_reply())?, keys.collect()))
}

/// Requests the length or the data of each key, and its time to live.
pub(super) fn look_at<'a>(keys: impl ExactSizeIterator<Item = &'a str>, with_data: bool) -> Pipeline {
    let mut commands = Pipeline::with_capacity(keys.len() * 2);
    for key in keys {
        commands
            .add_command(one(if with_data { "GET" } else { "STRLEN" }, key))
            .add_command(one("PTTL", key));
    }
    commands
}

fn one(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::with_capacity(3, name.len() + key.len() + 24);
    command.arg(name).arg(key);
    command
}

fn set(key: &str, data: &[u8]) -> Cmd {
    let mut command = Cmd::with_capacity(8, key.len() + data.len() + 64);
    command.arg("SET").arg(key).arg(data);
    command
}

/// Limits a time to live to what the server takes: 136 years.
pub(super) fn seconds(ttl: Duration) -> u64 {
    whole_seconds(ttl).min(u64::from(u32::MAX))
}

/// The reply of `PTTL` for a missing key.
pub(super) const GONE: i64 = -2;

/// A key that no record has.
pub(super) const PROBE: &str = "hipflask:probe";

const LONGEST_WAIT: u64 = 60_000;

// A conflict returns the current record, so that it costs no further round trip.
const REPLACE: &str = "local current = redis.call('GET', KEYS[1])
if not current then return false end
if current ~= ARGV[1] then return {current, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1";

const DELETE_IF: &str = "local current = redis.call('GET', KEYS[1])
if not current then return false end
if current ~= ARGV[1] then return {current, redis.call('PTTL', KEYS[1])} end
redis.call('DEL', KEYS[1])
return 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_to_live_rounds_up_to_whole_seconds() {
        let now = UnixTime::from_secs(100);
        assert_eq!(expires(60_000, now), Some(UnixTime::from_secs(160)));
        assert_eq!(expires(59_001, now), Some(UnixTime::from_secs(160)));
        assert_eq!(expires(1, now), Some(UnixTime::from_secs(101)));
        assert_eq!(expires(0, now), Some(UnixTime::from_secs(101)));
        assert_eq!(expires(-1, now), None);
    }

    #[test]
    fn record_that_expires_between_commands_is_missing() {
        let now = UnixTime::from_secs(100);
        let answers = vec![Value::BulkString(b"x".to_vec()), Value::Int(GONE)];
        assert_eq!(loaded(answers, now).unwrap(), None);
        assert!(loaded(vec![Value::Int(1), Value::Int(1)], now).is_err());
        assert!(loaded(vec![Value::Nil], now).is_err());
    }

    #[test]
    fn create_writes_what_flask_session_writes() {
        let mut flask = ::redis::cmd("SET");
        flask.arg("session:x").arg(b"data").arg("EX").arg(60);
        let Request::Command(ours) = create("session:x", b"data", Duration::from_millis(60_900)) else {
            panic!()
        };
        let packed = |command: &Cmd| String::from_utf8(command.get_packed_command()).unwrap();
        assert_eq!(packed(&ours).replace("$2\r\nNX\r\n", "").replace("*6", "*5"), packed(&flask));
    }

    #[test]
    fn prefix_is_escaped_in_the_pattern() {
        let commands = scan("0", "a*[b]?\\", 10);
        let packed = String::from_utf8(commands.get_packed_pipeline()).unwrap();
        assert!(packed.contains("a\\*\\[b\\]\\?\\\\*"), "{packed}");
    }
}
