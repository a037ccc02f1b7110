//! The values that a pickle builds.

use hipflask_core::value::{Int, Text, Uuid};
use jiff::civil;

use super::super::civil::Fields;

/// The index of a node in the arena.
pub(super) type NodeId = u32;

/// A value that a pickle builds. It refers to others by index, so that nothing here is nested.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(Int),
    Float(f64),
    Str(Text),
    Bytes(Vec<u8>),
    ByteArray(Vec<u8>),
    List(Vec<NodeId>),
    Tuple(Vec<NodeId>),
    Set(Vec<NodeId>),
    FrozenSet(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    OrderedDict(Vec<(NodeId, NodeId)>),
    Date(civil::Date),
    Time(civil::Time, Option<i32>),
    DateTime(Fields),
    /// Days, seconds, microseconds.
    TimeDelta(i32, i32, i32),
    TimeZone(i32),
    /// `None` until its state is set.
    Uuid(Option<Uuid>),
    Decimal(Text),
    Markup(Text),
    Global(Global),
}

/// All nodes that a pickle built.
#[derive(Default)]
pub(super) struct Arena {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

impl Arena {
    pub(super) fn get(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// A name on the closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    Date,
    Time,
    DateTime,
    TimeDelta,
    TimeZone,
    Uuid,
    Decimal,
    Markup,
    OrderedDict,
    Set,
    FrozenSet,
    Bytes,
    ByteArray,
    Str,
    Object,
    /// `_codecs.encode`, with which protocols 0 to 2 write bytes.
    Encode,
    /// `copyreg._reconstructor`, with which protocols 0 and 1 create objects.
    Reconstruct,
    /// `uuid.SafeUUID`, a flag of how a UUID was generated, which is ignored.
    SafeUuid,
}
