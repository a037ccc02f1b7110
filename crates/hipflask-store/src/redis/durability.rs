//! Advice about a server's configuration, given once at startup.

use ::redis::{Pipeline, Value};

use super::command::PROBE;
use super::connection::{Connection, Effect, Request};

/// The settings of a server that matter to sessions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    appends: Option<bool>,
    /// In bytes; 0 means unlimited.
    max_memory: Option<u64>,
    policy: Option<String>,
}

/// Returns the changes to the server's configuration that keep it from losing sessions or restoring
/// deleted ones. Empty if there are none, or if the server does not reveal its configuration.
pub(super) async fn advice(connection: &Connection) -> Vec<String> {
    let mut found = Found::default();
    // Managed servers refuse CONFIG and often allow INFO.
    for commands in [info(), config()] {
        match connection.ask(&Request::OnMasterOf(PROBE.to_owned(), commands), Effect::Read).await {
            Ok(answers) => answers.for_each(|answer| found.learn(answer)),
            Err(fault) => tracing::debug!(?fault, "the Redis server does not reveal its configuration"),
        }
        if found.is_complete() {
            break;
        }
    }
    found.advice()
}

fn info() -> Pipeline {
    let mut commands = Pipeline::with_capacity(2);
    commands.cmd("INFO").arg("persistence").cmd("INFO").arg("memory");
    commands
}

fn config() -> Pipeline {
    let mut commands = Pipeline::with_capacity(3);
    for name in ["appendonly", "maxmemory", "maxmemory-policy"] {
        commands.cmd("CONFIG").arg("GET").arg(name);
    }
    commands
}

impl Found {
    const fn is_complete(&self) -> bool {
        self.appends.is_some() && self.max_memory.is_some() && self.policy.is_some()
    }

    /// Reads lines of `INFO`, or a pair of `CONFIG GET`. Ignores anything else.
    fn learn(&mut self, answer: Value) {
        match answer {
            Value::BulkString(text) => self.learn_lines(&String::from_utf8_lossy(&text)),
            Value::VerbatimString { text, .. } => self.learn_lines(&text),
            Value::Array(pair) => {
                let words: Vec<String> = pair
                    .into_iter()
                    .filter_map(|word| match word {
                        Value::BulkString(word) => String::from_utf8(word).ok(),
                        Value::SimpleString(word) => Some(word),
                        _ => None,
                    })
                    .collect();
                if let [name, value] = words.as_slice() {
                    self.learn_setting(name, value);
                }
            }
            _ => {}
        }
    }

    fn learn_lines(&mut self, lines: &str) {
        for (name, value) in lines.lines().filter_map(|line| line.split_once(':')) {
            self.learn_setting(name, value.trim());
        }
    }

    fn learn_setting(&mut self, name: &str, value: &str) {
        match name {
            "aof_enabled" => self.appends = Some(value == "1"),
            "appendonly" => self.appends = Some(value == "yes"),
            "maxmemory" => self.max_memory = value.parse().ok(),
            "maxmemory_policy" | "maxmemory-policy" => self.policy = Some(value.to_owned()),
            _ => {}
        }
    }

    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.appends == Some(false) {
            advice.push(
                "a restart loses the latest sessions and restores those that were logged out: set `appendonly yes`"
                    .to_owned(),
            );
        }
        let evicts = self.policy.as_deref().filter(|policy| *policy != "noeviction");
        if let Some(policy) = evicts
            && self.max_memory.is_none_or(|limit| limit > 0)
        {
            advice.push(format!(
                "a full server evicts live sessions (maxmemory-policy {policy}): set `maxmemory-policy noeviction`"
            ));
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(settings: &[(&str, &str)]) -> Vec<String> {
        let mut found = Found::default();
        settings.iter().for_each(|(name, value)| found.learn_setting(name, value));
        found.advice()
    }

    #[test]
    fn server_that_forgets_or_evicts_gets_advice() {
        assert_eq!(after(&[]), [""; 0], "an unknown setting is not a fault");
        assert_eq!(
            after(&[("aof_enabled", "1"), ("maxmemory", "0"), ("maxmemory_policy", "noeviction")]),
            [""; 0]
        );
        assert!(after(&[("appendonly", "no")])[0].contains("`appendonly yes`"));
        for policy in ["allkeys-lru", "volatile-lru", "volatile-random", "volatile-ttl"] {
            let advice = after(&[("appendonly", "yes"), ("maxmemory", "1000"), ("maxmemory-policy", policy)]);
            assert!(advice[0].contains(policy) && advice[0].contains("noeviction"), "{advice:?}");
        }
        assert_eq!(
            after(&[("maxmemory", "0"), ("maxmemory-policy", "allkeys-lru")]),
            [""; 0],
            "nothing is evicted"
        );
    }

    #[test]
    fn info_and_config_are_read_alike() {
        let mut by_info = Found::default();
        by_info.learn(Value::BulkString(
            b"# Persistence\r\naof_enabled:0\r\n# Memory\r\nmaxmemory:7\r\nmaxmemory_policy:allkeys-lru\r\n"
                .to_vec(),
        ));
        let mut by_config = Found::default();
        for (name, value) in [("appendonly", "no"), ("maxmemory", "7"), ("maxmemory-policy", "allkeys-lru")] {
            let word = |word: &str| Value::BulkString(word.as_bytes().to_vec());
            by_config.learn(Value::Array(vec![word(name), word(value)]));
        }
        assert!(by_info.is_complete());
        assert_eq!(by_info, by_config);
    }
}
