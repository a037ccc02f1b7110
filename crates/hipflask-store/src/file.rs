//! [`FileStore`]: records as files, in cachelib's directory.

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

/// Records as files in a directory, as Flask-Session keeps them with `SESSION_TYPE = "filesystem"`: cachelib's names, four
/// bytes of expiry, and a pickle. A Flask app may use the same directory.
///
/// - **Names.** New records get the SHA-256 name of cachelib 0.16 and later; those with the MD5 name of earlier versions
///   are found, too, and keep it. An upgrade of cachelib orphans nobody here.
/// - **Whole or not at all.** A record is written beside its place and then renamed, so that a crash at any moment leaves the
///   old record or the new one. With [`with_sync`](Self::with_sync) that holds for a power failure, too.
/// - **Locks.** Whoever changes a record holds a lock (`flock`) on its file, across threads and processes. Python's cachelib
///   takes no lock: a Flask app on the same directory can still overwrite what we write, as it can its own.
///   A lock that another process does not release is waited for up to [`with_timeout`](Self::with_timeout).
/// - **Private.** A record is a login. The directory must belong to the user of this process or to root, and nobody else may
///   be able to write it or replace it: everything else is an error that says which `chmod` or `chown` helps. What has a
///   record's name and is not a file of this user or of root (a link, a pipe, another user's file) is never read.
///   [`danger_shared_directory`](Self::danger_shared_directory) is for a group that shares its sessions on purpose.
/// - **No eviction.** Nothing live is ever thrown out. (cachelib throws out the sessions that end soonest once there are more
///   than `SESSION_FILE_THRESHOLD`, whoever wrote them: set it high, or to 0. The file in which it counts is left alone.)
///
/// The names are digests, so a listing cannot tell keys, only [names](Key::at_rest).
///
/// Inside a tokio runtime the work is done on its threads for blocking work; elsewhere in the calling thread.
#[derive(Clone)]
pub struct FileStore {
    directory: Arc<Directory>,
    listing: Arc<Mutex<Option<Names>>>,
    queues: Arc<Queues>,
}

impl FileStore {
    /// Records in `directory`, which is made when it is needed. Files are for their owner alone (0600).
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Arc::new(Directory::new(directory.into())),
            listing: Arc::default(),
            queues: Arc::default(),
        }
    }

    /// The mode of new files: `SESSION_FILE_MODE`.
    #[doc(alias = "SESSION_FILE_MODE")]
    #[must_use]
    pub fn with_mode(self, mode: u32) -> Self {
        self.changed(|directory| directory.mode = mode)
    }

    /// Writes every record through to the disk before it is acknowledged. Slow; cachelib never does.
    #[must_use]
    pub fn with_sync(self, sync: bool) -> Self {
        self.changed(|directory| directory.sync = sync)
    }

    /// Gives new records the MD5 names of cachelib before 0.16, for a Flask app that has not been upgraded.
    #[must_use]
    pub fn with_md5_names(self, md5: bool) -> Self {
        self.changed(|directory| directory.md5 = md5)
    }

    /// Whether a missing directory is made: it is, unless said. If not, [`Store::ready`] writes nothing.
    #[must_use]
    pub fn make_directory(self, make: bool) -> Self {
        self.changed(|directory| directory.make = make)
    }

    /// How long to wait for a record that another process or thread has locked, before the call fails with
    /// [`ErrorKind::Timeout`]: 2 seconds by default.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.changed(|directory| directory.timeout = timeout)
    }

    /// Uses a directory and files that other users can write: for a Flask app that runs as another user and shares a group
    /// with this process. Off by default.
    ///
    /// Each user who can write the directory can log in as anybody. Such a setup needs a mode such as `0o660` as well, see
    /// [`with_mode`](Self::with_mode). Links, pipes and directories are still not read.
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

    /// Callers that write one record wait for their turns here, and not each in a thread.
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
    // Once begun it comes to its end, whether or not the caller is still there.
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
