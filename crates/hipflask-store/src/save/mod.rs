//! The save protocol: loads and saves sessions so that no update is lost and no deleted session comes back.
//!
//! [`decide`] decides what must happen, and [`ServerSessions`] carries it out with any
//! [`Store`](crate::Store):
//!
//! - An unchanged session is not written. A touch extends its expiry, at most once per [`touch_interval`].
//! - A new session never overwrites another one. If its id exists already, it gets another id.
//! - A changed session replaces exactly the bytes that were read. If another request was faster,
//!   the [changes](hipflask_core::session::Changes) are replayed on its record, and the write is
//!   tried again at once. Requests of one process that meet a conflict queue up, so that none of
//!   them starves.
//! - A deleted record is never created again: [`Saved::Gone`].
//! - Deletion is unconditional. Values that are set afterwards start a new session.
//! - A new id means a new record, and then the deletion of the old one if it is unchanged.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use hipflask_core::{session::SessionDict, time::UnixTime};
//! use hipflask_store::{id::Ids, memory::MemoryStore, save::{Opened, Saved, ServerSessions, Slot}};
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     let mut future = std::pin::pin!(future);
//! #     match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
//! #         std::task::Poll::Ready(output) => output,
//! #         std::task::Poll::Pending => unreachable!("the memory store answers at once"),
//! #     }
//! # }
//! # block_on(async {
//! let store = Arc::new(MemoryStore::new());
//! let sessions = ServerSessions::new(store, Ids::builder().build()?, Duration::from_secs(3600));
//! let now = UnixTime::from_secs(1_700_000_000);
//!
//! let (mut session, mut slot) = (SessionDict::new(), Slot::default());
//! session.set("username", "ada")?;
//! assert_eq!(sessions.save(&mut session, &mut slot, now).await?, Saved::Created);
//! let cookie = sessions.ids().to_cookie(slot.id().expect("it has been created"));
//!
//! let Opened::Found { session, .. } = sessions.open(cookie.as_bytes(), now).await? else { panic!() };
//! assert_eq!(session.get::<String>("username")?.as_deref(), Some("ada"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod counters;
mod decide;
mod error;
mod outcome;
mod protocol;
mod queue;
mod sessions;
mod slot;
mod write;

pub use counters::Stats;
pub use decide::{SaveFacts, StoreOp, decide, is_touch_due};
pub use error::SaveError;
pub use hipflask_core::plan::touch_interval;
pub use protocol::{Attempt, TransactError};
pub use sessions::ServerSessions;
pub use slot::Slot;

use hipflask_core::session::SessionDict;

use crate::id::IdError;
use crate::record::RecordError;

/// The outcome of opening a session. Only `Found` has a session. Otherwise the user has none, and
/// no id is adopted.
#[derive(Debug)]
#[must_use]
pub enum Opened {
    /// The session and its origin.
    Found {
        /// The session, unmodified.
        session: SessionDict,
        /// Its origin.
        slot: Box<Slot>,
    },
    /// No record has this id: it expired, was deleted, or never existed.
    Unknown,
    /// The value is not an id. It did not reach the store.
    NotAnId(IdError),
    /// The record is unreadable. It is left unchanged.
    Unreadable(RecordError),
}

/// The outcome of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// Nothing had to be done.
    Unchanged,
    /// The record's expiry was extended.
    Touched,
    /// A record was created under a new id.
    Created,
    /// The record was replaced.
    Replaced {
        /// It was merged with another request's changes.
        merged: bool,
    },
    /// The record was deleted as requested.
    Deleted,
    /// The session has a new id, and the old record was deleted.
    Regenerated,
    /// The session was already missing: logged out, expired, or moved to a new id by another
    /// request. Nothing was written, and the response must not send its cookie.
    Gone,
}
