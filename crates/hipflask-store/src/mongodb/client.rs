//! The driver's client, which is replaced when it hangs.
//!
//! The driver has no timeout for the handshake of a new connection, and opens two at a time. If the
//! network drops the packets of both, all calls hang for minutes, until the system closes them.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mongodb::bson::Document;
use mongodb::error::Result;
use mongodb::options::{ClientOptions, CollectionOptions, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection};

/// The collection as one client sees it.
pub(super) struct ClientHandle {
    sessions: Collection<Document>,
    answers: AtomicU64,
}

impl ClientHandle {
    fn new(client: &Client, database: &str, collection: &str) -> Self {
        let options = CollectionOptions::builder()
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .write_concern(WriteConcern::majority())
            .build();
        let sessions = client.database(database).collection_with_options(collection, options);
        Self { sessions, answers: AtomicU64::new(0) }
    }

    pub(super) const fn sessions(&self) -> &Collection<Document> {
        &self.sessions
    }

    /// Returns the number of calls that got a reply.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// The current client, and the options to create another one.
pub(super) struct RenewableClient {
    current: RwLock<Arc<ClientHandle>>,
    /// `None` for a client that the application created.
    options: Option<ClientOptions>,
}

impl RenewableClient {
    pub(super) fn of(client: &Client, database: &str, collection: &str) -> Self {
        let client = ClientHandle::new(client, database, collection);
        Self { current: RwLock::new(Arc::new(client)), options: None }
    }

    pub(super) fn renewed(options: ClientOptions, database: &str, collection: &str) -> Result<Self> {
        let client = Client::with_options(options.clone())?;
        Ok(Self { options: Some(options), ..Self::of(&client, database, collection) })
    }

    pub(super) fn current(&self) -> Arc<ClientHandle> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces `stuck`, which gave no reply in time to any call.
    pub(super) fn renew(&self, stuck: &Arc<ClientHandle>) {
        let Some(options) = &self.options else { return };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, stuck) {
            return;
        }
        if let Ok(client) = Client::with_options(options.clone()) {
            let namespace = stuck.sessions.namespace();
            *current = Arc::new(ClientHandle::new(&client, &namespace.db, &namespace.coll));
        }
    }
}
