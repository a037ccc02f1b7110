//! The driver's client, and another one in its place when it is stuck.
//!
//! The driver gives a new connection no time to be answered: as many as it opens at once (two) that the network has swallowed
//! keep all calls waiting, until the system finds after minutes that they are dead.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mongodb::bson::Document;
use mongodb::error::Result;
use mongodb::options::{ClientOptions, CollectionOptions, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection};

/// The sessions by way of one client.
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

    /// How many calls have come to an end.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// The line in use, and how to get another.
pub(super) struct RenewableClient {
    current: RwLock<Arc<ClientHandle>>,
    /// `None` for a client that is not ours.
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

    /// To be called when a call by `stuck` has had no answer in time, nor any other one meanwhile.
    pub(super) fn renew(&self, stuck: &Arc<ClientHandle>) {
        let Some(options) = &self.options else { return };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, stuck) {
            return;
        }
        if let Ok(client) = Client::with_options(options.clone()) {
            let place = stuck.sessions.namespace();
            *current = Arc::new(ClientHandle::new(&client, &place.db, &place.coll));
        }
    }
}
