//! [`Connection`]: one connection that comes back, and the rule of what may be sent twice.
//!
//! redis-rs has a manager that reconnects, and a cluster client that repeats commands. Neither tells whether a command may
//! have arrived before it failed, and that decides whether a write may be sent again: a compare-and-replace that is
//! repeated after it succeeded reports a conflict with itself, and the merge would count an increment twice.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use ::redis::aio::{ConnectionLike as _, MultiplexedConnection};
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind as ClientKind, Pipeline, RedisError, RedisResult, ServerErrorKind,
    Value,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::fault::{Phase, Fault, is_permanent, is_rejected_for_now};
use super::settings::{Connector, Settings};

/// A connection shared by all callers, made when first needed and again when it broke.
pub(super) struct Connection {
    /// Held while connecting, so that a crowd of callers makes one connection.
    connector: tokio::sync::Mutex<Connector>,
    slot: Mutex<Slot>,
    born: Instant,
    /// When the last answer came, in milliseconds since then.
    last_answer: AtomicU64,
    timeout: Duration,
    heals: bool,
}

/// The connection of the moment. The number tells it from those before.
struct Slot {
    generation: u64,
    connection: Option<Client>,
}

#[derive(Clone)]
enum Client {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What to send, in one round trip.
pub(super) enum Request {
    One(Cmd),
    /// Several commands about one key.
    All(Pipeline),
    /// Several commands that only the master of this key's slot should get, one of them without a key.
    Beside(String, Pipeline),
    /// Several commands for the node at this address; the server itself if it is no cluster.
    At(Node, Pipeline),
}

/// An answer for each command that was sent, in their order.
pub(super) enum Replies {
    One(Option<Value>),
    All(std::vec::IntoIter<Value>),
}

impl Replies {
    fn one(answer: Value) -> RedisResult<Self> {
        good(answer).map(|answer| Self::One(Some(answer)))
    }

    /// The first is no error; others may be.
    fn all(mut answers: Vec<Value>) -> RedisResult<Self> {
        if let Some(first) = answers.first_mut() {
            *first = good(core::mem::take(first))?;
        }
        Ok(Self::All(answers.into_iter()))
    }
}

fn good(answer: Value) -> RedisResult<Value> {
    if matches!(answer, Value::ServerError(_)) { answer.extract_error() } else { Ok(answer) }
}

impl Iterator for Replies {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        match self {
            Self::One(answer) => answer.take(),
            Self::All(answers) => answers.next(),
        }
    }
}

/// A master of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What it does to the server when it arrives twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    /// No more than once: it is sent again if it was lost.
    Read,
    /// Perhaps something else: it is sent again only if the server said that it did nothing. It is about this key.
    Write(&'a str),
}

impl Connection {
    pub(super) fn new(settings: &Settings) -> RedisResult<Self> {
        Ok(Self {
            connector: tokio::sync::Mutex::new(settings.connector()?),
            slot: Mutex::new(Slot { generation: 0, connection: None }),
            born: Instant::now(),
            last_answer: AtomicU64::new(0),
            timeout: settings.timeout,
            heals: settings.heals(),
        })
    }

    /// Sends `ask`. The first answer is no server error; others may be.
    pub(super) async fn ask(&self, request: &Request, effect: Effect<'_>) -> Result<Replies, Fault> {
        self.ask_within(request, effect, self.timeout).await
    }

    /// As [`ask`](Self::ask), in so much time.
    pub(super) async fn ask_within(
        &self,
        request: &Request,
        effect: Effect<'_>,
        time: Duration,
    ) -> Result<Replies, Fault> {
        let deadline = Instant::now() + time;
        let may_repeat = match effect {
            Effect::Read => true,
            Effect::Write(key) => {
                self.ping_if_idle(key, deadline).await?;
                false
            }
        };
        self.send(request, may_repeat, deadline).await
    }

    /// Makes sure that a connection which lay idle is still one. Servers and firewalls close such connections, a write
    /// would find that out, and it could not be sent again.
    async fn ping_if_idle(&self, key: &str, deadline: Instant) -> Result<(), Fault> {
        let idle = self.age().saturating_sub(self.last_answer.load(Ordering::Relaxed));
        if idle < FRESH || self.current().is_none() {
            return Ok(());
        }
        let mut ping = Pipeline::with_capacity(1);
        ping.cmd("PING");
        match self.send(&Request::OnMasterOf(key.to_owned(), ping), true, deadline).await {
            // Whoever says no is there.
            Err(Fault::Refused(error)) if error.code().is_some() => Ok(()),
            other => other.map(drop),
        }
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn send(&self, request: &Request, may_repeat: bool, deadline: Instant) -> Result<Replies, Fault> {
        let mut pauses = Pauses::until(deadline);
        let mut was_lost = false;
        loop {
            // Nearly always there is one, and no clock is needed to take it.
            let found = match self.current() {
                Some(found) => Ok(Ok(found)),
                None => timeout_at(deadline, self.connection()).await,
            };
            let (generation, connection) = match found {
                Ok(Ok(found)) => found,
                Ok(Err(error)) if self.heals && !is_permanent(&error) => {
                    pauses.next(error).await?;
                    continue;
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(pauses.why.map_or(Fault::TimedOut(Phase::Connecting), Fault::from)),
            };
            let is_cluster = matches!(connection, Client::Cluster(_));
            let error = match timeout_at(deadline, connection.send(request)).await {
                Ok(Ok(answers)) => {
                    self.last_answer.store(self.age(), Ordering::Relaxed);
                    return Ok(answers);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    // The next caller should not wait behind this one's answer. A cluster's other nodes may be well.
                    if !is_cluster {
                        self.forget(generation);
                    }
                    return Err(Fault::TimedOut(Phase::Waiting));
                }
            };
            if is_rejected_for_now(&error) {
                if !self.heals && error.kind() != ClientKind::Server(ServerErrorKind::BusyLoading) {
                    return Err(error.into());
                }
                if !is_cluster {
                    self.forget(generation);
                }
                pauses.next(error).await?;
                continue;
            }
            let is_lost = error.is_unrecoverable_error() || error.is_io_error();
            // A cluster's client renews the connection of one node by itself, at the next try.
            if is_lost && (!is_cluster || was_lost) {
                self.forget(generation);
            }
            if !is_lost || !may_repeat || was_lost {
                return Err(error.into());
            }
            was_lost = true;
        }
    }

    async fn connection(&self) -> RedisResult<(u64, Client)> {
        if let Some(found) = self.current() {
            return Ok(found);
        }
        let mut connector = self.connector.lock().await;
        if let Some(found) = self.current() {
            return Ok(found);
        }
        let connection = connector.connect(self.timeout).await?;
        let mut slot = self.slot();
        slot.generation += 1;
        slot.connection = Some(connection.clone());
        Ok((slot.generation, connection))
    }

    fn current(&self) -> Option<(u64, Client)> {
        let slot = self.slot();
        Some((slot.generation, slot.connection.clone()?))
    }

    /// Lets the next caller connect, unless somebody has already.
    fn forget(&self, generation: u64) {
        let mut slot = self.slot();
        if slot.generation == generation {
            slot.connection = None;
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The masters of a cluster, in the order of their first slots, with those slots; `None` if it is no cluster.
    pub(super) async fn masters(&self) -> Result<Option<Vec<(u16, Node)>>, Fault> {
        let is_cluster = matches!(*self.connector.lock().await, Connector::Cluster(_));
        if !is_cluster {
            return Ok(None);
        }
        let mut slots = ::redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let mut answers = self.ask(&Request::Command(slots), Effect::Read).await?;
        Ok(Some(masters(answers.next()).ok_or_else(malformed_reply)?))
    }
}

impl Connector {
    async fn connect(&mut self, timeout: Duration) -> RedisResult<Client> {
        // The whole call has a deadline of its own; the client's shorter ones would only blur who gave up.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(None);
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Client::One)
            }
            Self::Sentinel(client) => {
                client.get_async_connection_with_config(&config).await.map(Client::One)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Client::Cluster),
        }
    }
}

impl Client {
    async fn send(self, request: &Request) -> RedisResult<Replies> {
        match self {
            Self::One(connection) => send_to_one(connection, request).await,
            Self::Cluster(connection) => match send_to_cluster(connection.clone(), request).await {
                Err(error) if error.kind() == ClientKind::Server(ServerErrorKind::Ask) => {
                    follow(connection, request, &error).await
                }
                other => other,
            },
        }
    }
}

async fn send_to_one(mut connection: MultiplexedConnection, request: &Request) -> RedisResult<Replies> {
    match request {
        Request::Command(command) => connection.send_packed_command(command).await.and_then(Replies::one),
        Request::Pipeline(commands) | Request::OnMasterOf(_, commands) | Request::AtNode(_, commands) => {
            connection.send_packed_commands(commands, 0, commands.len()).await.and_then(Replies::all)
        }
    }
}

async fn send_to_cluster(mut connection: ClusterConnection, request: &Request) -> RedisResult<Replies> {
    let answers = match request {
        Request::Command(command) => return connection.req_packed_command(command).await.and_then(Replies::one),
        Request::Pipeline(commands) => connection.req_packed_commands(commands, 0, commands.len()).await,
        Request::OnMasterOf(key, commands) => {
            let route = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
            connection.route_pipeline(commands.clone(), 0, commands.len(), route).await
        }
        Request::AtNode(node, commands) => {
            let route = SingleNodeRoutingInfo::ByAddress { host: node.host.clone(), port: node.port };
            connection.route_pipeline(commands.clone(), 0, commands.len(), route).await
        }
    };
    answers.and_then(Replies::all)
}

/// The slot is on its way to another node, and this key has already arrived there.
async fn follow(mut connection: ClusterConnection, request: &Request, error: &RedisError) -> RedisResult<Replies> {
    let node = error.redirect_node().and_then(|(address, _)| Node::parse(address)).ok_or_else(malformed_reply)?;
    let commands: Vec<&Cmd> = match request {
        Request::Command(command) => vec![command],
        Request::Pipeline(commands) | Request::OnMasterOf(_, commands) | Request::AtNode(_, commands) => commands.cmd_iter().collect(),
    };
    let mut with_leave = Pipeline::with_capacity(commands.len() * 2);
    for command in &commands {
        // The permission holds for one command.
        with_leave.cmd("ASKING").add_command((*command).clone());
    }
    let route = SingleNodeRoutingInfo::ByAddress { host: node.host, port: node.port };
    let answers = connection.route_pipeline(with_leave, 0, commands.len() * 2, route).await?;
    Replies::all(answers.into_iter().skip(1).step_by(2).collect())
}

impl Node {
    /// `host:port`; an IPv6 address has no brackets here.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// Longer and longer pauses, up to a deadline.
struct Pauses {
    next: Duration,
    deadline: Instant,
    /// What the last one was for. Once the time is over it tells more than that.
    why: Option<RedisError>,
}

impl Pauses {
    const fn until(deadline: Instant) -> Self {
        Self { next: Duration::from_millis(10), deadline, why: None }
    }

    /// Waits a moment; the error comes back if there is no time left for another try.
    async fn next(&mut self, error: RedisError) -> Result<(), Fault> {
        if Instant::now() + self.next >= self.deadline {
            return Err(error.into());
        }
        sleep(self.next).await;
        self.why = Some(error);
        self.next = (self.next * 2).min(Duration::from_millis(100));
        Ok(())
    }
}

/// The answer to `CLUSTER SLOTS`: first slot, last slot, master, replicas.
fn masters(answer: Option<Value>) -> Option<Vec<(u16, Node)>> {
    let Value::Array(ranges) = answer? else { return None };
    let mut masters: Vec<(u16, Node)> = Vec::new();
    for range in ranges {
        let Value::Array(range) = range else { return None };
        let (Some(Value::Int(first)), Some(Value::Array(master))) = (range.first(), range.get(2)) else {
            return None;
        };
        let (Some(Value::BulkString(host)), Some(Value::Int(port))) = (master.first(), master.get(1)) else {
            return None;
        };
        let node = Node { host: String::from_utf8(host.clone()).ok()?, port: u16::try_from(*port).ok()? };
        let first = u16::try_from(*first).ok()?;
        match masters.iter_mut().find(|(_, known)| *known == node) {
            Some((slot, _)) => *slot = first.min(*slot),
            None => masters.push((first, node)),
        }
    }
    masters.sort_by_key(|(slot, _)| *slot);
    Some(masters)
}

/// How many milliseconds a connection may be idle before it is asked whether it is one.
const FRESH: u64 = 1000;

pub(super) fn malformed_reply() -> RedisError {
    RedisError::from((ClientKind::UnexpectedReturnType, "an answer of another form than the command has"))
}
