//! Sends every server the same requests, in turns.

use std::time::Duration;

use crate::Options;
use crate::cores::{pin_to, two_cores};
use crate::load::{self, CONNECTIONS};
use crate::operations::{Operation, fill_path};
use crate::payload::{ALL, Payload};
use crate::peer::Peer;
use crate::reply::Expected;
use crate::server::{Redis, Server};

/// A measured row: the medians of its rounds.
pub struct Row {
    pub peer: Peer,
    pub operation: Operation,
    pub payload: Payload,
    pub per_second: f64,
    pub p50: f64,
    /// The server's CPU time per request, in microseconds.
    pub cpu: f64,
    /// Commands to Redis per request, under load.
    pub commands: f64,
    /// Reads of Redis from its sockets per request, with one request at a time.
    pub trips: f64,
    /// The names of the commands.
    pub names: String,
}

/// One operation that eight clients request from one server.
struct Question<'s> {
    server: &'s Server,
    operation: Operation,
    payload: Payload,
    cookies: Vec<String>,
    visits: u64,
    set_cookies: usize,
    samples: Vec<[f64; 4]>,
    trips: f64,
    names: String,
}

pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    let [servers_core, own_core] = two_cores()?;
    pin_to(own_core)?;
    let redis = Redis::start()?;
    let name = |peer: Peer, operation: Operation, payload: Payload| {
        format!("{}/{}/{}", operation.name(), payload.name, peer.name())
    };
    let named = |peer, operation, payload| name(peer, operation, payload).contains(&options.only);
    let wanted = |peer, operation, payload| {
        named(peer, operation, payload)
            || peer == Peer::Bare && Peer::ALL.into_iter().any(|other| named(other, operation, payload))
    };
    let mut servers = Vec::new();
    for peer in Peer::ALL {
        if Operation::ALL.iter().any(|&o| ALL.into_iter().any(|p| wanted(peer, o, p))) {
            match Server::start(peer, servers_core, &redis) {
                Ok(server) => servers.push(server),
                Err(error) if peer == Peer::FlaskSession => eprintln!("skipped: {error}"),
                Err(error) => return Err(error),
            }
        }
    }
    let mut questions = Vec::new();
    for operation in Operation::ALL {
        for payload in ALL {
            for server in servers.iter().filter(|server| wanted(server.peer, operation, payload)) {
                questions.push(Question::new(server, operation, payload, &redis)?);
            }
        }
    }
    if questions.is_empty() {
        return Err(format!("no row's name contains `{}`", options.only));
    }
    let time = Duration::from_millis(options.millis);
    for round in 0..options.rounds {
        let rows = questions.len();
        for (at, question) in questions.iter_mut().enumerate() {
            eprint!("\rround {} of {}, row {} of {rows} ", round + 1, options.rounds, at + 1);
            question.sample(time, options.per_second, &redis)?;
        }
    }
    eprintln!("\r{:<50}\r", "");
    questions.iter().map(Question::row).collect()
}

impl<'s> Question<'s> {
    fn new(
        server: &'s Server,
        operation: Operation,
        payload: Payload,
        redis: &Redis,
    ) -> Result<Self, String> {
        let mut question = Self {
            server,
            operation,
            payload,
            cookies: Vec::new(),
            visits: 0,
            set_cookies: 0,
            samples: Vec::new(),
            trips: f64::NAN,
            names: String::new(),
        };
        for _ in 0..CONNECTIONS {
            let reply = question.ask(&fill_path(payload), "")?;
            let pairs = reply.set_cookies.iter().filter_map(|line| line.split(';').next());
            question.cookies.push(pairs.collect::<Vec<_>>().join("; "));
        }
        // Here Redis serves one request at a time, and nothing else.
        let (reads, calls) = (reads(redis)?, calls(redis)?);
        let requests = 50;
        for _ in 0..requests {
            question.check_one(0)?;
        }
        // The measurement itself adds two: the connection's greeting, and the question.
        let own = own_reads(redis)?;
        question.trips = (reads_since(reads, redis)? - own) / f64::from(requests);
        question.names = names(&calls, &self::calls(redis)?, requests);
        Ok(question)
    }

    fn ask(&self, path: &str, cookie: &str) -> Result<crate::reply::Reply, String> {
        let reply = load::ask(self.server.address, path, cookie)
            .map_err(|error| self.complain(&error.to_string()))?;
        if reply.status == 200 {
            Ok(reply)
        } else {
            Err(self.complain(&format!("answered {}", reply.status)))
        }
    }

    /// One visit of one client. Its answer is known except for the number of visits.
    fn check_one(&mut self, visitor: usize) -> Result<u64, String> {
        let path = self.operation.path(self.payload);
        let reply = self.ask(&path, &self.cookies[visitor].clone())?;
        self.set_cookies = reply.set_cookies.len();
        match self.operation {
            Operation::Write => {
                self.visits += 1;
                reply.body.parse().map_err(|_| self.complain(&format!("answered `{}`", reply.body)))
            }
            Operation::Untouched if reply.body == "untouched" => Ok(0),
            Operation::Read if reply.body == self.payload.last.1 => Ok(0),
            _ => Err(self.complain(&format!("answered `{}`", reply.body))),
        }
    }

    fn expected(&self) -> Expected {
        match self.operation {
            Operation::Untouched => Expected::new("untouched".to_owned(), None, self.set_cookies),
            Operation::Read => Expected::new(self.payload.last.1.to_owned(), None, self.set_cookies),
            Operation::Write => Expected::new(String::new(), Some(0), self.set_cookies),
        }
    }

    fn sample(&mut self, time: Duration, per_second: Option<u32>, redis: &Redis) -> Result<(), String> {
        let (path, expected) = (self.operation.path(self.payload), self.expected());
        let calls_before = total(&calls(redis)?);
        let cpu = || self.server.processor_time().ok_or("/proc does not show the server's CPU time");
        let before = cpu()?;
        let round = load::run(self.server.address, &path, &self.cookies, &expected, time, per_second)
            .map_err(|error| self.complain(&error.to_string()))?;
        let after = cpu()?;
        let commands = total(&calls(redis)?).saturating_sub(calls_before);
        let requests = round.requests as f64;
        let p50 = round.latencies[round.latencies.len() / 2].as_secs_f64() * 1e6;
        self.samples.push([
            requests / round.taken.as_secs_f64(),
            p50,
            (after - before) as f64 / 1e3 / requests,
            commands as f64 / requests,
        ]);
        self.visits += round.requests;
        if self.operation == Operation::Write && !self.server.peer.is_bare() {
            // Every session has counted each of its visits.
            let mut counted = 0;
            for visitor in 0..self.cookies.len() {
                counted += self.check_one(visitor)?;
            }
            if counted != self.visits {
                return Err(self.complain(&format!("counted {counted} of {} visits", self.visits)));
            }
        }
        Ok(())
    }

    fn complain(&self, what: &str) -> String {
        format!("{}/{}/{}: {what}", self.operation.name(), self.payload.name, self.server.peer.name())
    }

    fn row(&self) -> Result<Row, String> {
        let median = |at: usize| {
            let mut values: Vec<f64> = self.samples.iter().map(|sample| sample[at]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Ok(Row {
            peer: self.server.peer,
            operation: self.operation,
            payload: self.payload,
            per_second: median(0),
            p50: median(1),
            cpu: median(2),
            commands: median(3),
            trips: self.trips,
            names: self.names.clone(),
        })
    }
}

/// Each command and its number of calls.
type Calls = Vec<(String, u64)>;

fn calls(redis: &Redis) -> Result<Calls, String> {
    let info = redis.info("commandstats")?;
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    // Redis counts the commands of a script as well as the script. The commands of this program do
    // not count.
    let is_own = |name: &str| matches!(name, "info" | "client|setinfo" | "hello" | "select" | "ping");
    Ok(info.lines().filter_map(line).filter(|(name, _)| !is_own(name)).collect())
}

fn total(calls: &Calls) -> u64 {
    calls.iter().map(|(_, count)| count).sum()
}

fn names(before: &Calls, after: &Calls, requests: u32) -> String {
    let since = |name: &str, count: u64| {
        count - before.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    };
    let mut names: Vec<String> = Vec::new();
    for (name, count) in after {
        let per_request = since(name, *count) as f64 / f64::from(requests);
        if per_request > 0.05 {
            let times =
                if (per_request - 1.0).abs() < 0.05 { String::new() } else { format!(" x{per_request:.1}") };
            names.push(format!("{name}{times}"));
        }
    }
    names.join(" ")
}

fn reads(redis: &Redis) -> Result<u64, String> {
    let info = redis.info("stats")?;
    let number = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
    number
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| "Redis does not count reads".to_owned())
}

fn reads_since(before: u64, redis: &Redis) -> Result<f64, String> {
    Ok((reads(redis)? - before) as f64)
}

/// The reads that this program itself adds. They are measured, not assumed. Between the two counts
/// lie two questions, one for the calls and one for the reads.
fn own_reads(redis: &Redis) -> Result<f64, String> {
    let before = reads(redis)?;
    let _ = calls(redis)?;
    let between = reads_since(before, redis)?;
    Ok(between + (between / 2.0) * 3.0)
}
