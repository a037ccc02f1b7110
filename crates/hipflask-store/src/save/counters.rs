//! Counters.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        /// Counts since the [`ServerSessions`](super::ServerSessions) were created.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }
    };
}
counters! {
    /// Records that were loaded.
    opened,
    /// Ids of the right form without a record: expired, deleted, or guessed.
    unknown,
    /// Cookies without the form of an id or without a valid signature, which did not reach the store.
    refused,
    /// Records that could not be read.
    unreadable,
    /// Records that were created.
    created,
    /// Records that were replaced.
    replaced,
    /// Records whose expiry was extended.
    touched,
    /// Records that were deleted.
    deleted,
    /// Sessions that got a new id.
    regenerated,
    /// Writes that met another request's data and were tried again.
    conflicts,
    /// Sessions that were merged with another request's changes.
    merges,
    /// Sessions that were already deleted or expired when they were saved.
    gone,
    /// New ids that already existed.
    collisions,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
