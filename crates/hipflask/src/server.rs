//! Sessions in a store: the cookie carries an id, the store the rest.

use std::sync::Arc;

use hipflask_core::plan::{CookieOp, Plan, Seen, plan};
use hipflask_core::session::{Session as Data, SessionError as Mistake};
#[cfg(feature = "inspector")]
use hipflask_core::tagged::KeyOrder;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Text, Value, ValueError};
use hipflask_store::id::{IdError, Ids};
use hipflask_store::record::Format;
use hipflask_store::save::{Opened, SaveError, Saved, ServerSessions, Slot, StoreOp, TransactError};
use hipflask_store::store::{RecordKind, Store, StoreError};

use crate::builder::SessionsBuilder;
use crate::commit::Commit;
use crate::config::ConfigError;
use crate::engine::Sessions;
use crate::error::SessionError;
use crate::failure::{FailureHook, OnStoreFailure};
#[cfg(feature = "inspector")]
use crate::record_seen::{Held, RecordSeen};
use crate::request::{Shared, State};
use crate::session::Session;

/// Where the sessions of an engine are.
#[derive(Debug)]
pub(crate) struct Server {
    sessions: ServerSessions,
    /// Whether a new session is permanent: Flask-Session's `SESSION_PERMANENT`.
    permanent: bool,
    on_failure: FailureHook,
}

/// How sessions in a store are kept, apart from the store itself.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    store: Option<Arc<dyn Store>>,
    permanent: bool,
    key_prefix: String,
    id_length: usize,
    use_signer: bool,
    format: Format,
    pub(crate) on_failure: FailureHook,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            store: None,
            permanent: true,
            key_prefix: "session:".into(),
            id_length: 32,
            use_signer: false,
            format: Format::Msgpack,
            on_failure: FailureHook::default(),
        }
    }
}

/// What came of a request's cookies.
#[derive(Debug)]
pub(crate) struct FoundStored {
    pub(crate) data: Data,
    pub(crate) slot: Option<Box<Slot>>,
    /// Why it is empty and must not be changed, if so.
    pub(crate) read_only: Option<Box<SessionError>>,
}

impl SessionsBuilder {
    /// Keeps sessions in `store`, as Flask-Session does: the cookie carries only an id. A secret key is then not needed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hipflask::{Sessions, store::memory::MemoryStore};
    /// let sessions = Sessions::builder().store(Arc::new(MemoryStore::new())).build()?;
    /// assert!(sessions.is_stored());
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[doc(alias = "SESSION_TYPE")]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.server.store = Some(store);
        self.named_store = Dict::new();
        self
    }

    /// Whether a new session in the store outlives the browser: true unless set.
    #[doc(alias = "SESSION_PERMANENT")]
    pub fn session_permanent(mut self, permanent: bool) -> Self {
        self.server.permanent = permanent;
        self
    }

    /// What stands before an id in the store: `session:` unless set.
    #[doc(alias = "SESSION_KEY_PREFIX")]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.server.key_prefix = prefix.into();
        self
    }

    /// How many random bytes a new id has: 32 unless set, 16 to 96.
    #[doc(alias = "SESSION_ID_LENGTH")]
    pub fn id_length(mut self, bytes: usize) -> Self {
        self.server.id_length = bytes;
        self
    }

    /// How records are written where Flask-Session uses msgspec, which is everywhere but in a directory: [`Format::Msgpack`]
    /// unless set, or [`Format::Json`]. Both are read in any case. A directory keeps pickles, as in Flask-Session; in the
    /// strict profile it keeps this format, and pickles are not read.
    #[doc(alias = "SESSION_SERIALIZATION_FORMAT")]
    pub fn serialization_format(mut self, format: Format) -> Self {
        self.server.format = format;
        self
    }

    /// Whether ids are signed in the cookie; needs a secret key.
    #[doc(alias = "SESSION_USE_SIGNER")]
    pub fn use_signer(mut self, signed: bool) -> Self {
        self.server.use_signer = signed;
        self
    }

    /// Whether sessions are to be in a store, connected or not.
    #[cfg(feature = "app")]
    pub(crate) fn is_stored(&self) -> bool {
        self.server.store.is_some() || self.named_store.contains("SESSION_TYPE")
    }

    /// What keeps the sessions, if they are not in the cookie.
    pub(crate) fn take_server(&mut self) -> Result<Option<Server>, ConfigError> {
        if let Some(kind) = self.named_store.get("SESSION_TYPE").and_then(Value::as_str) {
            let scheme = kind.split(':').next().unwrap_or_default().to_owned();
            // What no connecting would mend is said at once.
            crate::connect::url(&self.named_store)?;
            return Err(ConfigError::NotConnected { kind: scheme });
        }
        let settings = std::mem::take(&mut self.server);
        let Some(store) = settings.store else { return Ok(None) };
        let mut ids = Ids::builder().bytes(settings.id_length).prefix(settings.key_prefix);
        if settings.use_signer {
            ids = ids.signed(self.ring().ok_or_else(|| self.no_secret_key())?);
        }
        let ids = ids.hashed_at_rest(self.is_strict()).build();
        let ids = ids.map_err(|error| ConfigError::Store(error.to_string()))?;
        if !matches!(settings.format, Format::Msgpack | Format::Json) {
            return Err(ConfigError::UnsupportedFormat { format: settings.format.to_string() });
        }
        let is_pickled = store.describe().records == RecordKind::Pickle;
        let mut sessions = ServerSessions::new(store, ids, self.idle_lifetime())
            .with_refresh(self.refresh_each_request)
            .with_pickles(!self.is_strict());
        // The strict profile shares nothing with Flask, so its directories hold no pickles.
        if !is_pickled || self.is_strict() {
            sessions = sessions.with_format(settings.format);
        }
        Ok(Some(Server { sessions, permanent: settings.permanent, on_failure: settings.on_failure }))
    }
}

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
                Opened::Found { session, .. } if self.timeouts().is_over(&session, now) => {
                    tracing::debug!("a session has lasted too long; it starts empty");
                }
                Opened::Found { session, slot } => {
                    choice.accept(&value, FoundStored { data: session, slot: Some(slot), read_only: None });
                    if choice.is_decided() {
                        break;
                    }
                }
                Opened::NotAnId(IdError::BadSignature) => {
                    self.note_bad_signature(server.sessions.stats().opened, now);
                }
                Opened::Unknown | Opened::NotAnId(_) | Opened::Unreadable(_) => {}
            }
        }
        let fresh = || FoundStored { data: server.fresh(), slot: None, read_only: None };
        Ok(self.chosen(choice).unwrap_or_else(fresh))
    }
}

impl Server {
    /// A session that came from nowhere. As in Flask-Session it is permanent from the start, and still counts as empty.
    fn fresh(&self) -> Data {
        let mut data = if self.permanent {
            Data::from_dict(Dict::from([("_permanent", Value::Bool(true))]))
        } else {
            Data::new()
        };
        data.set_new(true);
        data
    }

    /// What a request gets that came with an id whose record could not be loaded.
    fn without_store(&self, error: &StoreError) -> Result<FoundStored, SessionError> {
        let refused = failed(error);
        match self.on_failure.decide(error) {
            OnStoreFailure::Refuse => Err(refused),
            OnStoreFailure::ReadOnly => {
                let read_only = Some(Box::new(SessionError::ReadOnly(error.to_string())));
                Ok(FoundStored { data: self.fresh(), slot: None, read_only })
            }
        }
    }
}

impl Shared {
    /// Saves the session and decides what becomes of the cookie. Who `is_alone` with it does not need a copy for that.
    pub(crate) async fn finish_stored(&self, is_alone: bool) -> Result<Commit, SessionError> {
        self.lock()?.closed = true;
        self.check_unchanged_if_read_only()?;
        let (seen, saved) = self.save(is_alone).await?;
        let (Some(server), Some(seen)) = (self.engine().server(), seen) else { return Ok(Commit::default()) };
        Ok(self.commit(server, &mut *self.lock()?, seen, saved))
    }

    /// [`finish_stored`](Self::finish_stored) where the store has nothing to do; `None` if it has, or that is not known.
    pub(crate) fn finish_unsaved(&self) -> Option<Commit> {
        let server = self.engine().server()?;
        let mut state = self.lock().ok()?;
        let (seen, is_to_do) = self.settle(server, &mut state)?;
        if is_to_do || state.read_only.is_some() {
            return None;
        }
        state.closed = true;
        Some(self.commit(server, &mut state, seen, Saved::Unchanged))
    }

    /// What has been done to the session, and whether the store has something to do; `None` if nobody has opened it.
    fn settle(&self, server: &Server, state: &mut State) -> Option<(Seen, bool)> {
        let data = state.data.as_mut()?;
        self.engine().timeouts().settle(data, true, self.now());
        let seen = Seen { empty: data.is_blank(), ..data.seen() };
        let slot = state.slot.get_or_insert_default();
        let is_to_do = slot.is_destroyed()
            || slot.is_regenerated()
            || server.sessions.op(data, slot, self.now()) != StoreOp::Leave;
        if !is_to_do {
            state.saved = Some(Saved::Unchanged);
        }
        Some((seen, is_to_do))
    }

    /// What becomes of the cookie.
    fn commit(&self, server: &Server, state: &mut State, seen: Seen, saved: Saved) -> Commit {
        let plan = self.plan(seen, saved);
        let id = state.slot.as_ref().and_then(|slot| slot.id());
        let value = match plan.cookie {
            CookieOp::Set { .. } => id.map(|id| server.sessions.ids().to_cookie(id)),
            _ => None,
        };
        let commit = self.engine().commit_id(plan, value.as_deref(), self.now());
        state.varies = commit.vary_cookie;
        commit
    }

    fn plan(&self, seen: Seen, saved: Saved) -> Plan {
        let has_new_id = matches!(saved, Saved::Created | Saved::Regenerated);
        let decided = plan(Seen { modified: seen.modified || has_new_id, ..seen }, self.engine().rules());
        let cookie = match saved {
            // Another request has ended it, or given it a new id whose cookie must not be overwritten.
            Saved::Gone => CookieOp::Leave,
            Saved::Deleted => CookieOp::Remove,
            _ => decided.cookie,
        };
        let sends = cookie != CookieOp::Leave;
        Plan { cookie, vary_cookie: seen.accessed || sends, no_store: decided.no_store && sends }
    }

    /// Saves what is there now; the session is what was saved then, another request's changes among it. Meanwhile it can be
    /// read, unless nobody is there who would.
    async fn save(&self, is_alone: bool) -> Result<(Option<Seen>, Saved), SessionError> {
        let Some(server) = self.engine().server() else { return Ok((None, Saved::Unchanged)) };
        let (seen, mut data, mut slot) = {
            let mut state = self.lock()?;
            let Some((seen, is_to_do)) = self.settle(server, &mut state) else {
                return Ok((None, Saved::Unchanged));
            };
            if !is_to_do {
                return Ok((Some(seen), Saved::Unchanged));
            }
            let data = if is_alone { state.data.take() } else { state.data.clone() };
            (seen, data.unwrap_or_default(), state.slot.take().unwrap_or_default())
        };
        let saved = server.sessions.save(&mut data, &mut slot, self.now()).await;
        let mut state = self.lock()?;
        state.slot = Some(slot);
        if is_alone || saved.is_ok() {
            state.data = Some(data);
        }
        let saved = saved.map_err(|error| not_saved(&error))?;
        state.saved = Some(saved);
        Ok((Some(seen), saved))
    }

    /// Whether the session can be changed in this request.
    pub(crate) fn check_writable(&self) -> Result<(), SessionError> {
        match &self.lock()?.read_only {
            None => Ok(()),
            Some(error) => Err((**error).clone()),
        }
    }

    /// What was changed by a method that returns no error must not look as if it had been saved.
    fn check_unchanged_if_read_only(&self) -> Result<(), SessionError> {
        let is_modified = self.lock()?.data.as_ref().is_some_and(Data::is_modified);
        if is_modified { self.check_writable() } else { Ok(()) }
    }

    /// Whether the store's records can hold `value` under `key`.
    pub(crate) fn admit(&self, key: &Text, value: &Value) -> Result<(), SessionError> {
        let Some(server) = self.engine().server() else { return Ok(()) };
        server.sessions.check(key, value).map_err(|error| {
            let problem = format!("{} cannot hold {}", error.format, error.problem);
            Mistake::about(error.key, ValueError::Custom(problem)).into()
        })
    }

    pub(crate) async fn save_now(&self) -> Result<(), SessionError> {
        self.check_writable()?;
        self.save(false).await.map(drop)
    }

    fn with_slot(&self, change: impl FnOnce(&mut Slot)) -> Result<(), SessionError> {
        self.check_writable()?;
        change(self.lock()?.slot.get_or_insert_default());
        Ok(())
    }
}

#[cfg(feature = "inspector")]
impl Shared {
    /// The record as this request leaves it.
    pub(crate) fn record(&self) -> Option<RecordSeen> {
        let ids = self.engine().server()?.sessions.ids();
        let description = self.engine().server()?.sessions.store().describe();
        let state = self.lock().ok()?;
        let data = state.data.as_ref()?;
        let slot = state.slot.as_deref();
        let held = slot.and_then(Slot::stored).map(|stored| Held {
            format: Format::of(&stored.data).to_string(),
            bytes: stored.data.len(),
            expires: stored.expires,
            contents: data
                .to_json(KeyOrder::Insertion)
                .map_or_else(|error| error.to_string(), |json| String::from_utf8_lossy(&json).into_owned()),
        });
        let sent = || self.sent().find_map(|value| ids.read(&value).ok()).map(|id| ids.key(&id));
        let key = slot.and_then(Slot::key).cloned().or_else(sent);
        let (outcome, says) = outcome(&state, key.is_some());
        Some(RecordSeen {
            key: key.map(|key| key.short_hash()),
            kind: description.kind,
            place: description.place,
            limit: description.max_bytes,
            held,
            outcome,
            says,
        })
    }
}

/// What a request did to its record.
#[cfg(feature = "inspector")]
fn outcome(state: &State, has_id: bool) -> (&'static str, String) {
    let is_stored = state.slot.as_deref().is_some_and(|slot| slot.stored().is_some());
    let (word, says) = match state.saved {
        _ if state.read_only.is_some() => {
            let why = state.read_only.as_deref().map(ToString::to_string).unwrap_or_default();
            return ("read_only", format!("Nothing was written: {why}."));
        }
        None if state.closed => ("failed", "The session could not be saved; the log says why."),
        None => ("open", "The session has not been saved yet."),
        Some(Saved::Unchanged) if is_stored => (
            "unchanged",
            "Nothing was written: the session was not changed, and its life was extended not long ago.",
        ),
        Some(Saved::Unchanged) if has_id => (
            "unknown",
            "The store knows no session of the id that came. The id is not taken over, and nothing was written.",
        ),
        Some(Saved::Unchanged) => {
            ("none", "Nothing was written: who leaves nothing in a session gets no record.")
        }
        Some(Saved::Touched) => ("touched", "The record lives longer now; its data was not written."),
        Some(Saved::Created) => ("created", "A record was made under a new id."),
        Some(Saved::Replaced { merged: false }) => {
            ("replaced", "The record was replaced: it still was the one that this request had read.")
        }
        Some(Saved::Replaced { merged: true }) => (
            "merged",
            "Another request had changed the session meanwhile. The changes were made again on what it left, and both are kept.",
        ),
        Some(Saved::Deleted) => ("deleted", "The record was ended, whatever was in it."),
        Some(Saved::Regenerated) => {
            ("regenerated", "The session moved to a new id, and the record of the old one was ended.")
        }
        Some(Saved::Gone) => (
            "gone",
            "The session had ended when it was to be saved: it was logged out, expired, or moved to a new id. Nothing was \
             written, and it stays ended.",
        ),
    };
    (word, says.to_owned())
}

impl Session {
    /// Gives the session a new id with the response, so that an id that somebody planted or saw before is worth nothing:
    /// at login, and wherever rights change. Works on an empty session, too, before anything is set. Flask-Session's
    /// `session_interface.regenerate(session)`.
    ///
    /// A session in a cookie has no id; nothing happens then.
    ///
    /// # Errors
    /// [`SessionError::InUse`].
    pub fn regenerate(&self) -> Result<(), SessionError> {
        self.try_with(|_| ())?;
        self.shared().with_slot(Slot::regenerate)
    }

    /// Ends the session: the record goes, whatever other requests do with it, and the cookie is removed.
    ///
    /// # Errors
    /// [`SessionError::InUse`].
    pub fn destroy(&self) -> Result<(), SessionError> {
        self.shared().check_writable()?;
        self.try_with(Data::clear)?;
        self.shared().with_slot(Slot::destroy)
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
    /// # Errors
    /// What the closure returns, and then nothing is saved; [`SessionError::Store`] if the store failed.
    pub async fn transact<R>(
        &self,
        mut change: impl FnMut(&mut Data) -> Result<R, hipflask_core::session::SessionError>,
    ) -> Result<R, SessionError> {
        let shared = self.shared();
        shared.check_writable()?;
        let Some(server) = shared.engine().server() else { return Ok(self.try_with(change)??) };
        let (mut data, mut slot) = {
            let mut state = shared.lock()?;
            let data = state.data.clone().ok_or(SessionError::NotLoaded)?;
            (data, state.slot.take().unwrap_or_default())
        };
        let result = server.sessions.transact(&mut data, &mut slot, shared.now(), &mut change).await;
        let mut state = shared.lock()?;
        state.slot = Some(slot);
        match result {
            Ok(answer) => {
                data.set_accessed(true);
                state.data = Some(data);
                Ok(answer)
            }
            Err(TransactError::Refused(error)) => Err(error.into()),
            Err(error) => Err(SessionError::NotWritten(error.to_string())),
        }
    }
}

/// The log gets the causes, too; whoever handles the error gets its text.
fn failed(error: &StoreError) -> SessionError {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    tracing::error!(%error, ?causes, "the session store failed");
    SessionError::Store(error.to_string())
}

fn not_saved(error: &SaveError) -> SessionError {
    match error {
        SaveError::Store(error) => failed(error),
        SaveError::Contended { .. } => SessionError::Store(error.to_string()),
        other => SessionError::NotWritten(other.to_string()),
    }
}
