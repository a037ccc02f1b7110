//! Records as files in a directory, as cachelib writes them.

mod directory;
mod fault;
mod queue;
mod record;
mod trust;

use core::fmt;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use hipflask_core::time::UnixTime;

use crate::store::{
    Created, Deleted, DeletedIf, Description, ErrorKind, Key, Page, RecordKind, Replaced, Scan, Store,
    StoreError, StoreFuture, Stored, Touched,
};

use directory::{Directory, Names};
use fault::Fault;
use queue::Queues;
use record::Patience;

/// Records as files in a directory, as Flask-Session writes them with
/// `SESSION_TYPE = "filesystem"`: cachelib's names, four bytes of expiry, and a pickle. A Flask app
/// may use the same directory.
///
/// - **Names.** New records get the SHA-256 name of cachelib 0.16 and later. Records with the MD5
///   name of earlier versions are found as well and keep it, so that an upgrade of cachelib loses
///   no session.
/// - **Atomic writes.** A record is written to a temporary file and then renamed, so that a crash
///   leaves the old record or the new one. With [`with_sync`](Self::with_sync) this includes power
///   failures.
/// - **Locks.** A writer locks the file of the record (`flock`), across threads and processes, and
///   waits up to [`with_timeout`](Self::with_timeout) for the lock. Python's cachelib takes no
///   lock: a Flask app on the same directory can still overwrite a record.
/// - **Permissions.** Write access to a record is enough to log in. The directory must belong to
///   the user of this process or to root, and nobody else may be able to write or replace it;
///   otherwise the error names the `chmod` or `chown` that helps. Links, pipes and other users'
///   files are never read. [`danger_shared_directory`](Self::danger_shared_directory) is for a
///   group that shares its sessions.
/// - **No eviction.** Live sessions are never removed. (cachelib removes those that expire soonest
///   once there are more than `SESSION_FILE_THRESHOLD`, including those written here: set it high,
///   or to 0. The store does not touch cachelib's counter file.)
///
/// The names are digests, so a listing contains [names](Key::at_rest) instead of keys.
///
/// Inside a tokio runtime the work runs on its blocking threads, elsewhere in the calling thread.
#[derive(Clone)]
pub struct FileStore {
    directory: Arc<Directory>,
    listing: Arc<Mutex<Option<Names>>>,
    queues: Arc<Queues>,
}

impl FileStore {
    /// Stores records in `directory`, which is created when needed. Files are accessible to their
    /// owner only (0600).
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Arc::new(Directory::new(directory.into())),
            listing: Arc::default(),
            queues: Arc::default(),
        }
    }

    /// Sets the mode of new files: `SESSION_FILE_MODE`.
    #[doc(alias = "SESSION_FILE_MODE")]
    #[must_use]
    pub fn with_mode(self, mode: u32) -> Self {
        self.changed(|directory| directory.mode = mode)
    }

    /// Syncs every record to the disk before a write succeeds. Slow; cachelib never does.
    #[must_use]
    pub fn with_sync(self, sync: bool) -> Self {
        self.changed(|directory| directory.sync = sync)
    }

    /// Gives new records the MD5 names of cachelib before 0.16, for a Flask app that uses such a version.
    #[must_use]
    pub fn with_md5_names(self, md5: bool) -> Self {
        self.changed(|directory| directory.md5 = md5)
    }

    /// Sets whether a missing directory is created, which is the default. If not, [`Store::ready`]
    /// writes nothing.
    #[must_use]
    pub fn make_directory(self, make: bool) -> Self {
        self.changed(|directory| directory.make = make)
    }

    /// Sets how long to wait for a record that another process or thread has locked: 2 seconds by
    /// default. Then the call fails with [`ErrorKind::Timeout`].
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.changed(|directory| directory.timeout = timeout)
    }

    /// Uses a directory and files that other users can write: for a Flask app that runs as another
    /// user and shares a group with this process. Off by default.
    ///
    /// Each user with write access to the directory can log in as anybody. Set a mode such as
    /// `0o660` as well, see [`with_mode`](Self::with_mode). Links, pipes and directories are still
    /// not read.
    #[must_use]
    pub fn danger_shared_directory(self, shared: bool) -> Self {
        self.changed(|directory| directory.trust.shared = shared)
    }

    fn changed(self, change: impl FnOnce(&mut Directory)) -> Self {
        let mut directory = Directory::clone(&self.directory);
        change(&mut directory);
        Self { directory: Arc::new(directory), listing: Arc::default(), queues: self.queues }
    }

    fn read<'a, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T, Fault> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let directory = self.directory.clone();
        Box::pin(async move { run(move || work(&directory)).await })
    }

    /// Callers that write the same record queue here, so that none of them blocks a thread.
    fn write<'a, T: Send + 'static>(
        &self,
        key: &Key,
        work: impl FnOnce(&Directory, Patience) -> Result<T, Fault> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let (directory, queues, key) = (self.directory.clone(), self.queues.clone(), key.clone());
        Box::pin(async move {
            let patience = Patience::of(directory.timeout);
            let turn = queues.wait(key).await.map_err(|fault| fault.into_error(KIND))?;
            run(move || {
                let _turn = turn;
                work(&directory, patience)
            })
            .await
        })
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, StoreError> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return work().map_err(|fault| fault.into_error(KIND));
    };
    // Once begun it finishes, even if the caller is cancelled.
    match runtime.spawn_blocking(work).await {
        Ok(done) => done.map_err(|fault| fault.into_error(KIND)),
        Err(stopped) => {
            let error = StoreError::new(KIND, ErrorKind::Unavailable, "the runtime is stopping");
            Err(error.caused_by(stopped))
        }
    }
}

impl Store for FileStore {
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        let key = key.clone();
        self.read(move |directory| directory.load(&key, now))
    }

    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created> {
        let (name, data) = (key.clone(), data.to_vec());
        self.write(key, move |directory, patience| directory.create(&name, &data, ttl, now, patience))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced> {
        let (name, expected, data) = (key.clone(), expected.data.clone(), data.to_vec());
        self.write(key, move |directory, patience| {
            directory.replace(&name, &expected, &data, ttl, now, patience)
        })
    }

    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched> {
        let name = key.clone();
        self.write(key, move |directory, patience| directory.touch(&name, ttl, now, patience))
    }

    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted> {
        let name = key.clone();
        self.write(key, move |directory, patience| directory.delete(&name, now, patience))
    }

    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf> {
        let (name, expected) = (key.clone(), expected.data.clone());
        self.write(key, move |directory, patience| directory.delete_if(&name, &expected, now, patience))
    }

    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page> {
        let (scan, listing) = (scan.clone(), self.listing.clone());
        self.read(move |directory| directory.scan(&scan, now, &listing))
    }

    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64> {
        self.read(move |directory| directory.purge(now))
    }

    fn ready(&self) -> StoreFuture<'_, ()> {
        self.read(Directory::ready)
    }

    fn skipped(&self) -> u64 {
        self.directory.skipped.load(Ordering::Relaxed)
    }

    fn describe(&self) -> Description {
        let mut description = Description::new(KIND, format!("file:{}", self.directory.path.display()));
        description.records = RecordKind::Pickle;
        description.expires_by_itself = false;
        description.max_bytes = Some(record::MAX_FILE_BYTES);
        description
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileStore").field(&self.directory.path).finish()
    }
}

const KIND: &str = "file";
