//! Failures of a backend, on demand.

use hipflask_store::{ErrorKind, StoreError, StoreMethod};

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
    /// The number of the call that fails, counted from 0 since the last `forget`; `None` for the
    /// first call of the method.
    pub index: Option<usize>,
    /// The method that fails; `None` for any.
    pub method: Option<StoreMethod>,
    /// Before or after the call did its work.
    pub when: When,
    /// The kind of the error that it returns.
    pub kind: ErrorKind,
}

impl Fault {
    /// Loses the call at `index`, or its answer.
    #[must_use]
    pub const fn at(index: usize, when: When) -> Self {
        Self { index: Some(index), method: None, when, kind: ErrorKind::Timeout }
    }

    /// Loses the next call of this method, or its answer.
    #[must_use]
    pub const fn of(method: StoreMethod, when: When) -> Self {
        Self { index: None, method: Some(method), when, kind: ErrorKind::Timeout }
    }

    pub(crate) fn hits(&self, method: StoreMethod, index: usize) -> bool {
        self.index.is_none_or(|wanted| wanted == index) && self.method.is_none_or(|wanted| wanted == method)
    }

    pub(crate) fn error(&self) -> StoreError {
        StoreError::new("faulty", self.kind, "a test wanted it to fail")
    }
}
