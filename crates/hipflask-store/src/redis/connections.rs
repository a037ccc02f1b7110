//! A few connections, so that a small reply does not wait behind large ones.
//!
//! A connection replies in the order of its requests. Small commands all use the first connection,
//! where they share packets. Large ones use the others. A command with a reply of unknown size uses
//! the first connection only if that is idle. At low load one connection is enough.

use core::sync::atomic::{AtomicUsize, Ordering};

use ::redis::RedisResult;

use super::connection::{Connection, Effect, Replies, Request};
use super::fault::Fault;
use super::settings::Settings;

pub(super) struct Connections {
    first: Channel,
    others: Vec<Channel>,
}

/// A connection, and the approximate number of bytes in transit on it.
struct Channel {
    connection: Connection,
    bytes: AtomicUsize,
}

/// The approximate size of a command and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// A key and little else.
    Tiny,
    /// A record of this size.
    Bytes(usize),
    /// A record that this process has not seen.
    Unknown,
}

impl Connections {
    pub(super) fn new(settings: &Settings) -> RedisResult<Self> {
        let channel = || Ok(Channel { connection: Connection::new(settings)?, bytes: AtomicUsize::new(0) });
        let others = (1..settings.connections).map(|_| channel()).collect::<RedisResult<_>>()?;
        Ok(Self { first: channel()?, others })
    }

    /// Same as [`Connection::ask`], on the connection for commands of this size.
    pub(super) async fn ask(
        &self,
        request: &Request,
        effect: Effect<'_>,
        size: Size,
    ) -> Result<Replies, Fault> {
        let channel = self.choose(size);
        let _under_way = UnderWay::begin(channel, size.bytes());
        channel.connection.ask(request, effect).await
    }

    /// Returns the connection for small commands.
    pub(super) const fn first(&self) -> &Connection {
        &self.first.connection
    }

    /// Returns the connection for large replies.
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

/// A command in transit. Ends when dropped, even if the caller gives up.
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

/// The maximum size of a small record. Nearly all sessions are small.
const SMALL: usize = 16 << 10;

/// The bytes of a command without its record.
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
    fn reply_of_unknown_size_uses_an_idle_connection() {
        let lanes = lanes(3);
        assert_eq!(number(&lanes, Size::Unknown), 0, "at low load one connection is enough");
        let _small = UnderWay::begin(lanes.choose(Size::Tiny), Size::Tiny.bytes());
        assert_eq!(number(&lanes, Size::Unknown), 1);
        let _unknown = UnderWay::begin(lanes.choose(Size::Unknown), Size::Unknown.bytes());
        assert_eq!(number(&lanes, Size::Unknown), 2);
    }

    #[test]
    fn single_connection_serves_all_sizes() {
        let lanes = lanes(1);
        let _small = UnderWay::begin(lanes.choose(Size::Tiny), Size::Tiny.bytes());
        for size in [Size::Tiny, Size::Unknown, Size::Bytes(1 << 20)] {
            assert_eq!(number(&lanes, size), 0);
        }
    }
}
