//! The methods of [`Session`] for sessions in a store.

use hipflask_core::session::{EntryError, SessionDict};
use hipflask_store::save::{SaveError, Saved, TransactError};

use super::finish::Stage;
use super::handle::Session;
use super::saves::{Requested, SaveEnd};
use super::saving::Begun;
use super::state::State;
use crate::engine::not_saved;
use crate::error::SessionError;

impl Session {
    /// Gives the session a new id with the response, so that an id that somebody planted or saw before is worth nothing:
    /// at login, and wherever rights change. Works on an empty session, too, before anything is set. Flask-Session's
    /// `session_interface.regenerate(session)`.
    ///
    /// The absolute timeout of the strict profile counts from here.
    ///
    /// A session in a cookie has no id; nothing else happens then.
    ///
    /// # Errors
    /// [`SessionError::InUse`]; [`SessionError::HeadHasLeft`] if the new id cannot be sent any more.
    pub fn regenerate(&self) -> Result<(), SessionError> {
        let shared = self.shared();
        let (timeouts, now) = (shared.engine().timeouts(), shared.now());
        if shared.engine().server().is_some() && shared.lock()?.closed {
            return Err(SessionError::HeadHasLeft);
        }
        self.try_with(|data| timeouts.restart(data, now))?;
        shared.request(Requested { regenerate: true, restart: false })
    }

    /// Ends the session, for example at logout: its record is deleted, whatever other requests do with it, and the cookie is
    /// removed. The handler goes on with an empty session. If it sets something there, a farewell message for example, that
    /// is the visitor's next session, under a new id.
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn logout(session: Session) -> Result<(), SessionError> {
    ///     session.destroy()?;
    ///     session.flash("You were logged out")
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SessionError::InUse`].
    pub fn destroy(&self) -> Result<(), SessionError> {
        let shared = self.shared();
        shared.check_writable()?;
        let is_permanent = shared.engine().server().is_some_and(|server| server.permanent);
        self.try_with(|data| {
            data.clear();
            if is_permanent {
                data.set_permanent(true);
            }
        })?;
        shared.request(Requested { restart: true, regenerate: false })
    }

    /// Changes the session and saves it at once. Should another request be first, the closure runs again on what that one
    /// left, so that a decision ("is one left?") is never made on old data.
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn buy_the_last_one(session: Session) -> Result<(), SessionError> {
    ///     session.transact(|s| s.increment("bought", 1)).await.map(drop)
    /// }
    /// ```
    ///
    /// A session in a cookie is changed and goes with the response; two responses race in the browser then.
    ///
    /// The returned future can be dropped: an attempt to save that has begun is finished all the same.
    ///
    /// # Errors
    /// What the closure returns, and then nothing is saved; [`SessionError::Store`] if the store failed;
    /// [`SessionError::HeadHasLeft`] for a session in a cookie or a new one, after the response head has left.
    pub async fn transact<R>(
        &self,
        mut change: impl FnMut(&mut SessionDict) -> Result<R, hipflask_core::session::EntryError>,
    ) -> Result<R, SessionError> {
        let shared = self.shared();
        shared.check_writable()?;
        let Some(server) = shared.engine().server() else {
            if shared.lock()?.closed {
                return Err(SessionError::HeadHasLeft);
            }
            return Ok(self.try_with(change)??);
        };
        let is_to_change = |state: &mut State| {
            let is_free = !state.saves.is_under_way();
            is_free.then(|| state.slot.as_ref().is_some_and(|slot| slot.is_to_change()))
        };
        // The transaction is on the session that follows.
        if shared.wait_for(is_to_change).await? {
            let _ = shared.save(Stage::Early).await?;
        }
        for _ in 0..server.sessions.attempts() {
            let begin = |state: &mut State| {
                if state.saves.is_under_way() { None } else { Some(shared.begin_attempt(state)) }
            };
            let (data, slot) = shared.wait_for(begin).await??;
            // Should the closure fail or panic, the session is as it was.
            let begun = Begun::of(shared);
            let mut next = data.clone();
            let answer = change(&mut next)?;
            shared.engine().timeouts().settle(&mut next, true, shared.now());
            begun.goes_on();
            match shared.run(shared.attempt_task(data, next, slot)).await? {
                SaveEnd::Saved(Saved::Gone) => {
                    return Err(SessionError::NotWritten(TransactError::<EntryError>::Gone.to_string()));
                }
                SaveEnd::Saved(_) => return Ok(answer),
                SaveEnd::Conflict => {}
            }
        }
        Err(not_saved(&SaveError::Contended { attempts: server.sessions.attempts() }))
    }
}
