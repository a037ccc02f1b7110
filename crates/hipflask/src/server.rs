//! Sessions in a store: the cookie carries an id, the store the rest.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hipflask_core::plan::{CookieOp, Plan, Seen, plan};
use hipflask_core::session::{Session as Data, SessionError as Mistake};
#[cfg(feature = "inspector")]
use hipflask_core::tagged::KeyOrder;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Text, Value, ValueError};
use hipflask_store::id::{IdError, Ids};
use hipflask_store::record::Format;
use hipflask_store::save::{Attempt, Opened, SaveError, Saved, ServerSessions, Slot, StoreOp, TransactError};
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
use crate::saves::{Outcome, Requested, SaveEnd, SaveTask};
use crate::saving::Begun;
use crate::session::Session;

/// Where the sessions of an engine are.
#[derive(Debug)]
pub(crate) struct Server {
    sessions: ServerSessions,
    /// Whether a new session is permanent: Flask-Session's `SESSION_PERMANENT`.
    permanent: bool,
    on_failure: FailureHook,
    spawner: Spawner,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks: tokio, unless another function was given.
#[derive(Clone, Default)]
struct Spawner(Option<Arc<dyn Fn(Task) + Send + Sync>>);

impl Spawner {
    /// Runs `task`, or drops it if no runtime is found.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(spawn) = &self.0 {
            spawn(Box::pin(task));
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(task));
        }
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Spawner(given)" } else { "Spawner(tokio)" })
    }
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
    spawner: Spawner,
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
            spawner: Spawner::default(),
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

    /// Runs saves that outlive their request with `spawn`, where tokio is not the runtime.
    ///
    /// A save that has begun is never broken off. If it has to wait for the store, a task finishes it, by default one of
    /// tokio. Outside of tokio and without this setting, the next save of the same request finishes it.
    pub fn spawn_saves_with(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.server.spawner = Spawner(Some(Arc::new(spawn)));
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
        let ServerSettings { permanent, on_failure, spawner, .. } = settings;
        Ok(Some(Server { sessions, permanent, on_failure, spawner }))
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
    /// Runs a save to its end.
    pub(crate) fn spawn(&self, save: impl Future<Output = ()> + Send + 'static) {
        self.spawner.spawn(save);
    }

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
    pub(crate) async fn finish_stored(self: &Arc<Self>, is_alone: bool) -> Result<Commit, SessionError> {
        let (seen, saved) = self.save(Stage::Last { is_alone }).await?;
        let (Some(server), Some(seen)) = (self.engine().server(), seen) else { return Ok(Commit::default()) };
        Ok(self.commit(server, &mut *self.lock()?, seen, saved))
    }

    /// [`finish_stored`](Self::finish_stored) where the store has nothing to do; `None` if it has, or that is not known.
    pub(crate) fn finish_unsaved(&self) -> Option<Commit> {
        let server = self.engine().server()?;
        let mut state = self.lock().ok()?;
        if state.saves.is_under_way() || state.read_only.is_some() {
            return None;
        }
        let (seen, op) = self.settle(server, &mut state)?;
        let saved = nothing_to_do(&mut state, op)?;
        state.closed = true;
        Some(self.commit(server, &mut state, seen, saved))
    }

    /// What has been done to the session, and what the store has to do; `None` if nobody has opened it.
    fn settle(&self, server: &Server, state: &mut State) -> Option<(Seen, StoreOp)> {
        let data = state.data.as_mut()?;
        self.engine().timeouts().settle(data, true, self.now());
        let seen = Seen { empty: data.is_blank(), ..data.seen() };
        let slot = state.slot.get_or_insert_default();
        Some((seen, server.sessions.op(data, slot, self.now())))
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

    /// Saves what is there now, once other saves of the request have ended. The session is then what was saved, another
    /// request's changes among it. Meanwhile it can be used, unless nobody is there who would.
    async fn save(self: &Arc<Self>, stage: Stage) -> Result<(Option<Seen>, Saved), SessionError> {
        let begin = |state: &mut State| {
            if state.saves.is_under_way() { None } else { Some(self.begin(state, stage)) }
        };
        let (seen, task) = match self.wait_for(begin).await?? {
            Beginning::NothingToDo(seen, saved) => return Ok((seen, saved)),
            Beginning::Save(seen, task) => (seen, task),
        };
        match self.run(task).await? {
            SaveEnd::Saved(saved) => Ok((Some(seen), saved)),
            SaveEnd::Conflict => Err(SessionError::NotWritten("another request was first".to_owned())),
        }
    }

    fn begin(&self, state: &mut State, stage: Stage) -> Result<Beginning, SessionError> {
        let is_alone = match stage {
            Stage::Last { is_alone } => {
                state.closed = true;
                let is_modified = state.data.as_ref().is_some_and(Data::is_modified);
                writable(state).or_else(|error| if is_modified { Err(error) } else { Ok(()) })?;
                is_alone
            }
            Stage::Early => false,
        };
        let nothing = Beginning::NothingToDo(None, Saved::Unchanged);
        let Some(server) = self.engine().server() else { return Ok(nothing) };
        let Some((seen, op)) = self.settle(server, state) else { return Ok(nothing) };
        if let Some(saved) = nothing_to_do(state, op) {
            return Ok(Beginning::NothingToDo(Some(seen), saved));
        }
        let needs_cookie = matches!(op, StoreOp::Create | StoreOp::Regenerate | StoreOp::Restart);
        if needs_cookie && state.closed && matches!(stage, Stage::Early) {
            return Err(SessionError::HeadHasLeft);
        }
        let Some((data, slot)) = state.begin_save(is_alone) else { return Ok(nothing) };
        Ok(Beginning::Save(seen, self.save_task(data, slot)))
    }

    fn save_task(&self, mut data: Data, mut slot: Box<Slot>) -> SaveTask {
        let (engine, now) = (self.engine().clone(), self.now());
        Box::pin(async move {
            let saved = match engine.server() {
                Some(server) => server.sessions.save(&mut data, &mut slot, now).await,
                None => Ok(Saved::Unchanged),
            };
            let result = saved.map(SaveEnd::Saved).map_err(|error| not_saved(&error));
            Outcome { data, slot, result }
        })
    }

    /// One attempt to save `next`, which a transaction has made of `data`.
    fn attempt_task(&self, data: Data, next: Data, mut slot: Box<Slot>) -> SaveTask {
        let (engine, now) = (self.engine().clone(), self.now());
        Box::pin(async move {
            let Some(server) = engine.server() else {
                return Outcome { data, slot, result: Err(SessionError::NotLoaded) };
            };
            match server.sessions.attempt(&data, next, &mut slot, now).await {
                Ok(Attempt::Saved(data, saved)) => Outcome { data, slot, result: Ok(SaveEnd::Saved(saved)) },
                Ok(Attempt::Conflict(data)) => Outcome { data, slot, result: Ok(SaveEnd::Conflict) },
                Ok(Attempt::Gone) => Outcome { data, slot, result: Ok(SaveEnd::Saved(Saved::Gone)) },
                Err(error) => Outcome { data, slot, result: Err(not_saved(&error)) },
            }
        })
    }

    /// Begins an attempt of a transaction: the session as it is now, and its slot.
    fn begin_attempt(&self, state: &mut State) -> Result<(Data, Box<Slot>), SessionError> {
        if state.closed && state.slot.as_ref().is_none_or(|slot| slot.id().is_none()) {
            return Err(SessionError::HeadHasLeft);
        }
        state.data.as_mut().ok_or(SessionError::NotLoaded)?.set_accessed(true);
        state.begin_save(false).ok_or(SessionError::NotLoaded)
    }

    /// Whether the session can be changed in this request.
    pub(crate) fn check_writable(&self) -> Result<(), SessionError> {
        writable(&*self.lock()?)
    }

    /// Whether the store's records can hold `value` under `key`.
    pub(crate) fn admit(&self, key: &Text, value: &Value) -> Result<(), SessionError> {
        let Some(server) = self.engine().server() else { return Ok(()) };
        server.sessions.check(key, value).map_err(|error| {
            let problem = format!("{} cannot hold {}", error.format, error.problem);
            Mistake::about(error.key, ValueError::Custom(problem)).into()
        })
    }

    pub(crate) async fn save_now(self: &Arc<Self>) -> Result<(), SessionError> {
        self.check_writable()?;
        self.save(Stage::Early).await.map(drop)
    }

    fn request(&self, requested: Requested) -> Result<(), SessionError> {
        self.check_writable()?;
        let mut state = self.lock()?;
        state.is_late |= state.closed;
        state.request(requested);
        Ok(())
    }
}

/// When a session is saved.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// By its handler.
    Early,
    /// With the response.
    Last { is_alone: bool },
}

/// What a save begins with.
enum Beginning {
    NothingToDo(Option<Seen>, Saved),
    Save(Seen, SaveTask),
}

/// The result of a save for which the store has nothing to do; `None` if it has.
fn nothing_to_do(state: &mut State, op: StoreOp) -> Option<Saved> {
    let slot = state.slot.as_ref()?;
    let saved = if slot.is_ended() { Saved::Gone } else { Saved::Unchanged };
    if op != StoreOp::Leave || slot.is_to_change() && saved != Saved::Gone {
        return None;
    }
    state.saved = Some(saved);
    Some(saved)
}

/// What was changed in a session that is read-only must not look as if it had been saved.
fn writable(state: &State) -> Result<(), SessionError> {
    state.read_only.as_ref().map_or(Ok(()), |error| Err((**error).clone()))
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
        mut change: impl FnMut(&mut Data) -> Result<R, hipflask_core::session::SessionError>,
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
                    return Err(SessionError::NotWritten(TransactError::<Mistake>::Gone.to_string()));
                }
                SaveEnd::Saved(_) => return Ok(answer),
                SaveEnd::Conflict => {}
            }
        }
        Err(not_saved(&SaveError::Contended { attempts: server.sessions.attempts() }))
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
