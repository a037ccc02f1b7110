//! [`FileStore`]: records as files, in cachelib's directory.

mod directory;
mod record;

use core::fmt;
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hipflask_core::time::UnixTime;

use crate::store::{
    Created, Deleted, DeletedIf, Description, ErrorKind, Key, Page, RecordKind, Replaced, Scan, Store,
    StoreError, StoreFuture, Stored, Touched,
};

use directory::{Directory, Names};

/// Records as files in a directory, as Flask-Session keeps them with `SESSION_TYPE = "filesystem"`: cachelib's names, four
/// bytes of expiry, and a pickle. A Flask app may use the same directory.
///
/// - **Names.** New records get the SHA-256 name of cachelib 0.16 and later; those with the MD5 name of earlier versions
///   are found, too, and keep it. An upgrade of cachelib orphans nobody here.
/// - **Whole or not at all.** A record is written beside its place and then renamed, so that a crash at any moment leaves the
///   old record or the new one. With [`with_sync`](Self::with_sync) that holds for a power failure, too.
/// - **Locks.** Whoever changes a record holds a lock (`flock`) on its file, across threads and processes. Python's cachelib
///   takes no lock: a Flask app on the same directory can still overwrite what we write, as it can its own.
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
}

impl FileStore {
    /// Records in `directory`, which is made when it is needed. Files are for their owner alone (0600).
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Arc::new(Directory::new(directory.into())), listing: Arc::default() }
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

    fn changed(self, change: impl FnOnce(&mut Directory)) -> Self {
        let mut directory = Directory::clone(&self.directory);
        change(&mut directory);
        Self { directory: Arc::new(directory), listing: Arc::default() }
    }

    fn run<'a, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let directory = self.directory.clone();
        Box::pin(async move {
            let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                return work(&directory).map_err(failed);
            };
            // Once begun it comes to its end, whether or not the caller is still there.
            match runtime.spawn_blocking(move || work(&directory)).await {
                Ok(done) => done.map_err(failed),
                Err(stopped) => {
                    let error = StoreError::new(KIND, ErrorKind::Unavailable, "the runtime is stopping");
                    Err(error.caused_by(stopped))
                }
            }
        })
    }
}

fn failed(error: io::Error) -> StoreError {
    let (kind, what) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Refused, "the session directory may not be used")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (ErrorKind::Full, "the disk of the session directory is full")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            (ErrorKind::Misconfigured, "the session directory is not there")
        }
        io::ErrorKind::InvalidData => (ErrorKind::Corrupt, "a session file is larger than a session may be"),
        _ => (ErrorKind::Unavailable, "the session directory cannot be used"),
    };
    StoreError::new(KIND, kind, what).caused_by(error)
}

impl Store for FileStore {
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        let key = key.clone();
        self.run(move |directory| directory.load(&key, now))
    }

    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created> {
        let (key, data) = (key.clone(), data.to_vec());
        self.run(move |directory| directory.create(&key, &data, ttl, now))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced> {
        let (key, expected, data) = (key.clone(), expected.data.clone(), data.to_vec());
        self.run(move |directory| directory.replace(&key, &expected, &data, ttl, now))
    }

    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched> {
        let key = key.clone();
        self.run(move |directory| directory.touch(&key, ttl, now))
    }

    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted> {
        let key = key.clone();
        self.run(move |directory| directory.delete(&key, now))
    }

    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf> {
        let (key, expected) = (key.clone(), expected.data.clone());
        self.run(move |directory| directory.delete_if(&key, &expected, now))
    }

    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page> {
        let (scan, listing) = (scan.clone(), self.listing.clone());
        self.run(move |directory| directory.scan(&scan, now, &listing))
    }

    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64> {
        self.run(move |directory| directory.purge(now))
    }

    fn ready(&self) -> StoreFuture<'_, ()> {
        self.run(Directory::ready)
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
