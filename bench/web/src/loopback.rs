//! A server process for each app on one core, the load generator on another.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cores::{listen, pin_to, two_cores};
use crate::load;
use crate::on_actix::with_app;
use crate::on_axum;
use crate::operations::{Operation, fill_path};
use crate::payload::{M, Payload, S};
use crate::peer::{Keeps, Peer, is_wanted};
use crate::visit::Visitor;

/// The number and length of the rounds.
#[derive(Clone, Copy)]
pub struct Plan {
    pub rounds: u32,
    /// The time of one row in one round.
    pub time: Duration,
}

/// A measured row: the medians of its rounds.
pub struct Served {
    pub peer: Peer,
    pub operation: Operation,
    pub payload: Payload,
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
    /// The server's CPU time per request, in microseconds.
    pub cpu: f64,
    /// The share of the time that the server used its core.
    pub busy: f64,
}

struct Server {
    peer: Peer,
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts this program again as the server of `peer`.
    fn start(peer: Peer, core: usize) -> Result<Self, String> {
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot find the path of this program: {error}"))?;
        let child = Command::new(program)
            .args(["serve", peer.name(), &core.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the server of {} did not start: {error}", peer.name()))?;
        let mut server = Self { peer, child, address: (Ipv4Addr::LOCALHOST, 0).into() };
        let mut line = String::new();
        let stdout = server.child.stdout.take().ok_or("the server has no standard output")?;
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        server.address =
            line.trim().parse().map_err(|_| format!("the server of {} does not listen", peer.name()))?;
        Ok(server)
    }

    /// CPU time of all threads of the server, in nanoseconds.
    fn processor_time(&self) -> Option<u64> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let time = |path: std::path::PathBuf| {
            std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
        };
        Some(threads.flatten().filter_map(|thread| time(thread.path())).sum())
    }
}

/// A server stops at the end of its standard input; this stops one that hangs.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One operation that is requested from one server.
struct Question<'s> {
    server: &'s Server,
    visitor: Visitor,
    operation: Operation,
    payload: Payload,
    samples: Vec<[f64; 5]>,
}

/// Measures all rows in turns.
pub fn run(plan: Plan, only: &str) -> Result<Vec<Served>, String> {
    let [servers_core, own_core] = two_cores()?;
    pin_to(own_core)?;
    let wanted = |peer, operation, payload| is_wanted(only, operation, payload, peer);
    let mut servers = Vec::new();
    for peer in Peer::ALL {
        let is_wanted = Operation::ALL.iter().any(|&o| [S, M].into_iter().any(|p| wanted(peer, o, p)));
        if is_wanted {
            servers.push(Server::start(peer, servers_core)?);
        }
    }
    let mut questions = Vec::new();
    for operation in Operation::ALL {
        for payload in [S, M] {
            for server in servers.iter().filter(|server| wanted(server.peer, operation, payload)) {
                questions.push(Question::new(server, operation, payload)?);
            }
        }
    }
    if questions.is_empty() {
        return Err(format!("no row's name contains `{only}`"));
    }
    for round in 0..plan.rounds {
        let rows = questions.len();
        for (at, question) in questions.iter_mut().enumerate() {
            eprint!("\rround {} of {}, row {} of {rows} ", round + 1, plan.rounds, at + 1);
            question.sample(plan.time)?;
        }
    }
    eprintln!("\r{:<50}\r", "");
    Ok(questions.iter().map(Question::served).collect())
}

impl<'s> Question<'s> {
    fn new(server: &'s Server, operation: Operation, payload: Payload) -> Result<Self, String> {
        let visitor = Visitor::new(server.peer, operation, payload);
        let mut question = Self { server, visitor, operation, payload, samples: Vec::new() };
        let filled = load::ask(server.address, &fill_path(payload), &question.visitor.cookie());
        question.visitor.keep(&filled.map_err(|error| error.to_string())?)?;
        Ok(question)
    }

    fn sample(&mut self, time: Duration) -> Result<(), String> {
        let address = self.server.address;
        let path = self.operation.path(self.payload);
        if self.operation == Operation::Write && self.server.peer.keeps() == Keeps::InServer {
            // The server has counted other requests meanwhile.
            let reply =
                load::ask(address, &path, &self.visitor.cookie()).map_err(|error| error.to_string())?;
            self.visitor.resume(&reply)?;
        }
        let check = |visitor: &mut Visitor| {
            let reply = load::ask(address, &path, &visitor.cookie()).map_err(|error| error.to_string())?;
            visitor.check(&reply)
        };
        check(&mut self.visitor)?;
        let before = self.server.processor_time().ok_or("/proc does not show the server's CPU time")?;
        let round = load::run(address, &path, &[self.visitor.cookie()], &self.visitor.expected(), time, None)
            .map_err(|error| self.visitor.complain(&error.to_string()))?;
        let after = self.server.processor_time().ok_or("/proc does not show the server's CPU time")?;
        let cpu = (after - before) as f64 / 1e3;
        let at = |share: f64| {
            let at = (round.latencies.len().saturating_sub(1) as f64 * share) as usize;
            round.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
        };
        let taken = round.taken.as_secs_f64();
        let requests = round.requests as f64;
        self.samples.push([requests / taken, at(0.5), at(0.99), cpu / requests, cpu / 1e6 / taken]);
        Ok(())
    }

    fn served(&self) -> Served {
        let median = |at: usize| {
            let mut values: Vec<f64> = self.samples.iter().map(|sample| sample[at]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Served {
            peer: self.server.peer,
            operation: self.operation,
            payload: self.payload,
            per_second: median(0),
            p50: median(1),
            p99: median(2),
            cpu: median(3),
            busy: median(4),
        }
    }
}

/// Serves `peer` on a core until standard input ends. Prints the address.
pub fn serve(peer: &str, core: &str) -> Result<(), String> {
    let peer = Peer::by_name(peer).ok_or("unknown peer")?;
    let listener = listen(core)?;
    let system = actix_web::rt::System::new();
    let served = if peer.framework() == Peer::Axum {
        system.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, on_axum::app(peer).await).await
        })
    } else {
        with_app!(peer, make => system.block_on(async {
            actix_web::HttpServer::new(make).workers(1).listen(listener)?.run().await
        }))
    };
    served.map_err(|error| error.to_string())
}
