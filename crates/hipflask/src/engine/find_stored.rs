//! Finds the session of a request in the store.

use hipflask_core::time::UnixTime;
use hipflask_store::id::IdError;
use hipflask_store::save::{Opened, ServerSessions};

use super::sessions::Sessions;
use super::stored::FoundStored;
use crate::error::SessionError;

impl Sessions {
    /// The sessions in the store, for tools: what ids look like, what has been counted; `None` if they are in the cookie.
    #[must_use]
    pub fn server_sessions(&self) -> Option<&ServerSessions> {
        self.server().map(|server| &server.sessions)
    }

    /// Finds the session whose id is in the `Cookie` lines: an id that the store knows. `Choice` decides between several.
    pub(crate) async fn find_stored(
        &self,
        lines: impl Iterator<Item = &[u8]> + Send,
        now: UnixTime,
    ) -> Result<FoundStored, SessionError> {
        let Some(server) = self.server() else { return Err(SessionError::NotLoaded) };
        let mut choice = self.choice();
        for value in self.values(lines) {
            if !choice.is_needed(&value) {
                continue;
            }
            let opened = match server.sessions.open(&value, now).await {
                Ok(opened) => opened,
                Err(error) => return server.without_store(&error),
            };
            match opened {
                Opened::Found { session, slot } if self.timeouts().is_over(&session, now) => {
                    tracing::debug!("a session has lasted too long; it starts empty");
                    if let Err(error) = server.sessions.delete_unchanged(&slot, now).await {
                        tracing::warn!(%error, "a session that has lasted too long could not be deleted; it expires");
                    }
                }
                Opened::Found { session, slot } => {
                    choice.accept(&value, FoundStored { data: session, slot: Some(slot), read_only: None });
                    if choice.is_decided() {
                        break;
                    }
                }
                Opened::NotAnId(IdError::BadSignature(_)) => {
                    self.note_bad_signature(server.sessions.stats().opened, now);
                }
                Opened::Unknown | Opened::NotAnId(_) | Opened::Unreadable(_) => {}
            }
        }
        let fresh = || FoundStored { data: server.fresh(), slot: None, read_only: None };
        Ok(self.chosen(choice).unwrap_or_else(fresh))
    }
}
