//! What has been counted.

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

        /// What has been counted since the sessions were set up.
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
    /// Ids of the right form without a record: expired, ended, or guessed.
    unknown,
    /// Cookies that had not the form of an id, or no valid signature; no store was asked.
    refused,
    /// Records that could not be read.
    unreadable,
    /// Records that were made.
    created,
    /// Records that were replaced.
    replaced,
    /// Records whose life was extended.
    touched,
    /// Records that were ended.
    deleted,
    /// Sessions that got a new id.
    regenerated,
    /// Writes that found another request's data and were tried again.
    conflicts,
    /// Sessions that were saved together with another request's changes.
    merges,
    /// Sessions that had ended when they were to be saved.
    gone,
    /// New ids that were taken already.
    collisions,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
