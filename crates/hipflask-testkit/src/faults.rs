//! Failures of a backend, on demand.

use hipflask_store::store::{ErrorKind, StoreError};

/// A method of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of its name")]
#[non_exhaustive]
pub enum Call {
    Load,
    Create,
    Replace,
    Touch,
    Delete,
    DeleteIf,
    Scan,
    PurgeExpired,
    Ready,
}

/// The moment at which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The call never arrived.
    Before,
    /// The call did its work, and the answer was lost.
    After,
}

/// One failure of a [`SpyStore`](crate::store_spy::SpyStore).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which call fails, counted from 0 since the last `forget`; `None` for the first one of the kind.
    pub place: Option<usize>,
    /// Which kind of call fails; `None` for any.
    pub call: Option<Call>,
    /// Before or after the call did its work.
    pub when: When,
    /// The kind of the error that it returns.
    pub kind: ErrorKind,
}

impl Fault {
    /// The call at `place` is lost, or its answer.
    #[must_use]
    pub const fn at(place: usize, when: When) -> Self {
        Self { place: Some(place), call: None, when, kind: ErrorKind::Timeout }
    }

    /// The next call of this kind is lost, or its answer.
    #[must_use]
    pub const fn of(call: Call, when: When) -> Self {
        Self { place: None, call: Some(call), when, kind: ErrorKind::Timeout }
    }

    pub(crate) fn hits(&self, call: Call, place: usize) -> bool {
        self.place.is_none_or(|wanted| wanted == place) && self.call.is_none_or(|wanted| wanted == call)
    }

    pub(crate) fn error(&self) -> StoreError {
        StoreError::new("faulty", self.kind, "a test wanted it to fail")
    }
}
