//! The save protocol: how a session is loaded and saved so that no update is lost and no ended session comes back.
//!
//! [`decide`] says what must happen; [`ServerSessions`] makes it happen, over any [`Store`](crate::store::Store):
//!
//! - What nobody changed is not written. Its life is extended by a touch, not more often than
//!   [`touch_interval`].
//! - A new session is created, never put over another; should its id be taken, it gets another id.
//! - A changed session replaces exactly the bytes that were read. If another request was first, the
//!   [changes](hipflask_core::session::Changes) are replayed on what it left, and the write is tried again at
//!   once. Those of one process that lost to others take turns, so that none of them starves.
//! - A record that is gone is never made again: [`Saved::Gone`].
//! - Destroying is unconditional. What is set afterwards begins a new session.
//! - A new id is a new record and then the end of the old one, provided that it still is what was copied.
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
//! let sessions = ServerSessions::new(Arc::new(MemoryStore::new()), Ids::builder().build()?, Duration::from_secs(3600));
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

/// What a cookie's value led to. Only `Found` is a session; with all others the visitor has none, and no id is adopted.
#[derive(Debug)]
#[must_use]
pub enum Opened {
    /// The session and where it came from.
    Found {
        /// The session, unmodified.
        session: SessionDict,
        /// Where it came from.
        slot: Box<Slot>,
    },
    /// No record has that id: it expired, was ended, or never was.
    Unknown,
    /// The value is no id; the store was not asked.
    NotAnId(IdError),
    /// The record cannot be read. It is left as it is.
    Unreadable(RecordError),
}

/// What came of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// Nothing had to be done.
    Unchanged,
    /// The record's life was extended.
    Touched,
    /// There is a record now, under a new id.
    Created,
    /// The record holds the session now.
    Replaced {
        /// Together with what another request changed meanwhile.
        merged: bool,
    },
    /// The record has ended, by our own wish.
    Deleted,
    /// The session has a new id, and the old one ended.
    Regenerated,
    /// The session had ended when it was to be saved: logged out, expired, or moved to a new id by another request.
    /// Nothing was written, and the response must not send its cookie.
    Gone,
}
