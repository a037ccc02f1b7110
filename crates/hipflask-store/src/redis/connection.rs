//! A connection that reconnects, and the rule of what may be sent twice.
//!
//! redis-rs has a manager that reconnects and a cluster client that repeats commands. Neither
//! reports whether a command may have arrived before it failed, which decides whether a write may
//! be sent again. A compare-and-replace that is repeated after it succeeded reports a conflict with
//! itself, and the merge would count an increment twice.

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

use super::fault::{Fault, Phase, is_permanent, is_rejected_for_now};
use super::settings::{Connector, Settings};

/// A connection that all callers share. It is opened when first needed, and again after it broke.
pub(super) struct Connection {
    /// Locked while connecting, so that concurrent callers open one connection.
    connector: tokio::sync::Mutex<Connector>,
    slot: Mutex<Slot>,
    born: Instant,
    /// The time of the last reply, in milliseconds since `born`.
    last_answer: AtomicU64,
    timeout: Duration,
    heals: bool,
}

/// The current connection. The number distinguishes it from earlier ones.
struct Slot {
    generation: u64,
    connection: Option<Client>,
}

#[derive(Clone)]
enum Client {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A request of one round trip.
pub(super) enum Request {
    Command(Cmd),
    /// Several commands about one key.
    Pipeline(Pipeline),
    /// Several commands for the master of this key's slot, one of them without a key.
    OnMasterOf(String, Pipeline),
    /// Several commands for the node at this address, or for the server if it is not a cluster.
    AtNode(Node, Pipeline),
}

/// The replies to the commands of a request, in their order.
pub(super) enum Replies {
    One(Option<Value>),
    All(std::vec::IntoIter<Value>),
}

impl Replies {
    fn one(answer: Value) -> RedisResult<Self> {
        good(answer).map(|answer| Self::One(Some(answer)))
    }

    /// Fails if the first reply is an error. Others may be errors.
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

/// The effect of a request that arrives twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    /// The same as once. It is sent again if it was lost.
    Read,
    /// Possibly another one. It is sent again only if the server replied that it did nothing. It
    /// writes this key.
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

    /// Sends a request. Fails if the first reply is an error; other replies may be errors.
    pub(super) async fn ask(&self, request: &Request, effect: Effect<'_>) -> Result<Replies, Fault> {
        self.ask_within(request, effect, self.timeout).await
    }

    /// Same as [`ask`](Self::ask), with this timeout.
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

    /// Checks a connection that was idle. Servers and firewalls close idle connections; a write
    /// would fail then and could not be sent again.
    async fn ping_if_idle(&self, key: &str, deadline: Instant) -> Result<(), Fault> {
        let idle = self.age().saturating_sub(self.last_answer.load(Ordering::Relaxed));
        if idle < FRESH || self.current().is_none() {
            return Ok(());
        }
        let mut ping = Pipeline::with_capacity(1);
        ping.cmd("PING");
        match self.send(&Request::OnMasterOf(key.to_owned(), ping), true, deadline).await {
            // An error reply proves that the server is alive.
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
            // Usually there is one, and taking it needs no timeout.
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
                    // The next caller must not wait behind this reply. Other nodes of a cluster may
                    // be healthy.
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
            // A cluster client reconnects to a single node by itself, at the next attempt.
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

    /// Makes the next caller reconnect, unless another one has already.
    fn forget(&self, generation: u64) {
        let mut slot = self.slot();
        if slot.generation == generation {
            slot.connection = None;
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the masters of a cluster in the order of their first slots, with those slots; `None`
    /// if it is not a cluster.
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
        // The whole call has its own deadline, so the client needs none for replies.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(None);
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Client::One)
            }
            Self::Sentinel(client) => client.get_async_connection_with_config(&config).await.map(Client::One),
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
        Request::Command(command) => {
            return connection.req_packed_command(command).await.and_then(Replies::one);
        }
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

/// Sends a request to the node to which a slot is moving: the key has moved already.
async fn follow(
    mut connection: ClusterConnection,
    request: &Request,
    error: &RedisError,
) -> RedisResult<Replies> {
    let node =
        error.redirect_node().and_then(|(address, _)| Node::parse(address)).ok_or_else(malformed_reply)?;
    let commands: Vec<&Cmd> = match request {
        Request::Command(command) => vec![command],
        Request::Pipeline(commands) | Request::OnMasterOf(_, commands) | Request::AtNode(_, commands) => {
            commands.cmd_iter().collect()
        }
    };
    let mut pipeline = Pipeline::with_capacity(commands.len() * 2);
    for command in &commands {
        // ASKING applies to one command.
        pipeline.cmd("ASKING").add_command((*command).clone());
    }
    let route = SingleNodeRoutingInfo::ByAddress { host: node.host, port: node.port };
    let answers = connection.route_pipeline(pipeline, 0, commands.len() * 2, route).await?;
    Replies::all(answers.into_iter().skip(1).step_by(2).collect())
}

impl Node {
    /// Parses `host:port`; an IPv6 address has no brackets here.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// Pauses between attempts, each longer than the one before, up to a deadline.
struct Pauses {
    next: Duration,
    deadline: Instant,
    /// The error before the last pause, which says more than a timeout does.
    why: Option<RedisError>,
}

impl Pauses {
    const fn until(deadline: Instant) -> Self {
        Self { next: Duration::from_millis(10), deadline, why: None }
    }

    /// Waits a moment. Returns the error if too little time is left for another attempt.
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

/// Parses the reply to `CLUSTER SLOTS`: first slot, last slot, master, replicas.
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

/// The time in milliseconds after which an idle connection is checked.
const FRESH: u64 = 1000;

pub(super) fn malformed_reply() -> RedisError {
    RedisError::from((ClientKind::UnexpectedReturnType, "malformed reply"))
}
