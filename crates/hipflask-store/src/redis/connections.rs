//! [`Connections`]: a few connections, so that a small answer does not wait behind large ones.
//!
//! A connection answers in the order in which it was asked. Small commands all use the first connection, where they share
//! packets. Large ones use the others. A command whose answer is of unknown size uses the first one only if that is idle.
//! At low load there is one connection.

use core::sync::atomic::{AtomicUsize, Ordering};

use ::redis::RedisResult;

use super::fault::Fault;
use super::connection::{Replies, Request, Effect, Connection};
use super::settings::Settings;

pub(super) struct Connections {
    first: Channel,
    others: Vec<Channel>,
}

/// A connection, and about how many bytes are on their way through it.
struct Channel {
    connection: Connection,
    bytes: AtomicUsize,
}

/// About how many bytes a command and its answer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// A key and little else.
    Tiny,
    /// A record of this size.
    Bytes(usize),
    /// A record that nobody here has seen.
    Unknown,
}

impl Connections {
    pub(super) fn new(settings: &Settings) -> RedisResult<Self> {
        let channel = || Ok(Channel { connection: Connection::new(settings)?, bytes: AtomicUsize::new(0) });
        let others = (1..settings.connections).map(|_| channel()).collect::<RedisResult<_>>()?;
        Ok(Self { first: channel()?, others })
    }

    /// As [`Connection::ask`], on the connection for commands of this size.
    pub(super) async fn ask(&self, request: &Request, effect: Effect<'_>, size: Size) -> Result<Replies, Fault> {
        let channel = self.choose(size);
        let _under_way = UnderWay::begin(channel, size.bytes());
        channel.connection.ask(request, effect).await
    }

    /// The connection for small commands.
    pub(super) const fn first(&self) -> &Connection {
        &self.first.connection
    }

    /// The connection for large answers.
    pub(super) fn bulk(&self) -> &Connection {
        &self.choose(Size::Bytes(usize::MAX)).connection
    }

    fn choose(&self, size: Size) -> &Channel {
        let is_first = match size {
            Size::Tiny => true,
            Size::Bytes(bytes) => bytes <= SMALL,
            Size::Unknown => self.first.bytes() == 0,
        };
        let idlest = || self.others.iter().min_by_key(|channel| channel.bytes());
        if is_first { &self.first } else { idlest().unwrap_or(&self.first) }
    }
}

impl Channel {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Size {
    const fn bytes(self) -> usize {
        match self {
            Self::Tiny => OVERHEAD,
            Self::Bytes(bytes) => bytes.saturating_add(OVERHEAD),
            Self::Unknown => SMALL,
        }
    }
}

/// A command that is on its way; a caller that gives up ends it, too.
struct UnderWay<'a> {
    channel: &'a Channel,
    bytes: usize,
}

impl<'a> UnderWay<'a> {
    fn begin(channel: &'a Channel, bytes: usize) -> Self {
        channel.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { channel, bytes }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.channel.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Records up to this size are small: nearly all sessions are.
const SMALL: usize = 16 << 10;

/// What a command has beside its record.
const OVERHEAD: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(connections: u32) -> Connections {
        Connections::new(&Settings::parse(&format!("redis://h?connections={connections}")).unwrap()).unwrap()
    }

    fn number(lanes: &Connections, size: Size) -> usize {
        let chosen = lanes.choose(size);
        lanes.others.iter().position(|channel| core::ptr::eq(channel, chosen)).map_or(0, |at| at + 1)
    }

    #[test]
    fn small_commands_never_wait_behind_large_ones() {
        let lanes = lanes(4);
        let large = Size::Bytes(200_000);
        let mut under_way = Vec::new();
        for expected in [1, 2, 3, 1, 2, 3] {
            assert_eq!(number(&lanes, large), expected, "the idlest of the others");
            under_way.push(UnderWay::begin(lanes.choose(large), large.bytes()));
            assert_eq!((number(&lanes, Size::Tiny), number(&lanes, Size::Bytes(SMALL))), (0, 0));
        }
        under_way.clear();
        assert!(lanes.others.iter().all(|channel| channel.bytes() == 0));
    }

    #[test]
    fn an_answer_of_unknown_size_uses_an_idle_connection() {
        let lanes = lanes(3);
        assert_eq!(number(&lanes, Size::Unknown), 0, "at low load one connection is enough");
        let _small = UnderWay::begin(lanes.choose(Size::Tiny), Size::Tiny.bytes());
        assert_eq!(number(&lanes, Size::Unknown), 1);
        let _unknown = UnderWay::begin(lanes.choose(Size::Unknown), Size::Unknown.bytes());
        assert_eq!(number(&lanes, Size::Unknown), 2);
    }

    #[test]
    fn one_connection_serves_all_if_so_configured() {
        let lanes = lanes(1);
        let _small = UnderWay::begin(lanes.choose(Size::Tiny), Size::Tiny.bytes());
        for size in [Size::Tiny, Size::Unknown, Size::Bytes(1 << 20)] {
            assert_eq!(number(&lanes, size), 0);
        }
    }
}
