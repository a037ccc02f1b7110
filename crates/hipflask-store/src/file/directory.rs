//! The methods of the store, in the calling thread.

use core::time::Duration;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hipflask_core::time::UnixTime;
use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};

use super::fault::Fault;
use super::record::{Content, LockOutcome, Locked, OpenedFile, Patience, head, is_record_name, names};
use super::trust::Trust;
use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Entry, Key, Page, Replaced, Scan, Stored, Token, Touched, expiry,
};

/// The rest of a listing.
pub(super) struct Names {
    after: String,
    /// In reverse order.
    left: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) sync: bool,
    pub(super) md5: bool,
    pub(super) make: bool,
    /// The timeout for a record's lock.
    pub(super) timeout: Duration,
    pub(super) trust: Trust,
    /// The number of unusable files that were skipped.
    pub(super) skipped: Arc<AtomicU64>,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            mode: 0o600,
            sync: false,
            md5: false,
            make: true,
            timeout: TIMEOUT,
            trust: Trust::new(),
            skipped: Arc::default(),
        }
    }

    pub(super) fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, Fault> {
        if !self.trust.directory(&self.path)? {
            return Ok(None);
        }
        for name in names(key) {
            if let Some(content) = self.read(&name)?.filter(|content| content.is_live(now)) {
                return Ok(Some(content.into_stored()));
            }
        }
        Ok(None)
    }

    pub(super) fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
        patience: Patience,
    ) -> Result<Created, Fault> {
        let mut names = names(key);
        if self.md5 {
            names.reverse();
        }
        let [name, others @ ..] = names.as_slice() else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        };
        self.trusted_or_made()?;
        let mut locked = match Locked::at(&self.path.join(name), Some(self.mode), &self.trust, patience)? {
            LockOutcome::Locked(locked) => locked,
            LockOutcome::Untrusted => return Err(Fault::NameTaken),
            LockOutcome::Missing => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
        };
        // Ids are random, so two processes never create the same one under two names at the same time.
        let exists = locked.live(now).is_some() || self.is_live(others, now)?;
        let made = if exists { Err(None) } else { self.complete(data, expiry(now, ttl)).map_err(Some) };
        match made {
            Ok(complete) => Ok(locked.replace_by(&complete).map(|()| Created::Created(Token::Data))?),
            Err(error) => {
                if locked.content.is_none() {
                    locked.remove()?;
                }
                error.map_or(Ok(Created::Exists), |error| Err(error.into()))
            }
        }
    }

    pub(super) fn replace(
        &self,
        key: &Key,
        expected: &[u8],
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
        patience: Patience,
    ) -> Result<Replaced, Fault> {
        let Some(mut locked) = self.lock_live(key, now, patience)? else { return Ok(Replaced::Gone) };
        if let Some(other) = other_than(expected, &mut locked) {
            return Ok(Replaced::Conflict(other));
        }
        locked.replace_by(&self.complete(data, expiry(now, ttl))?)?;
        Ok(Replaced::Replaced(Token::Data))
    }

    pub(super) fn touch(
        &self,
        key: &Key,
        ttl: Duration,
        now: UnixTime,
        patience: Patience,
    ) -> Result<Touched, Fault> {
        let Some(locked) = self.lock_live(key, now, patience)? else { return Ok(Touched::Gone) };
        locked.set_expiry(expiry(now, ttl))?;
        Ok(Touched::Touched)
    }

    pub(super) fn delete(&self, key: &Key, now: UnixTime, patience: Patience) -> Result<Deleted, Fault> {
        let mut deleted = Deleted::Gone;
        if !self.trust.directory(&self.path)? {
            return Ok(deleted);
        }
        for name in names(key) {
            if let Some(mut locked) = self.lock(&name, patience)? {
                if locked.live(now).is_some() {
                    deleted = Deleted::Deleted;
                }
                locked.remove()?;
            }
        }
        Ok(deleted)
    }

    pub(super) fn delete_if(
        &self,
        key: &Key,
        expected: &[u8],
        now: UnixTime,
        patience: Patience,
    ) -> Result<DeletedIf, Fault> {
        let Some(mut locked) = self.lock_live(key, now, patience)? else { return Ok(DeletedIf::Gone) };
        if let Some(other) = other_than(expected, &mut locked) {
            return Ok(DeletedIf::Conflict(other));
        }
        locked.remove()?;
        Ok(DeletedIf::Deleted)
    }

    /// Returns a page of the records. `begun` has the names that the previous page left, so that
    /// the directory is read once per listing and not once per page.
    pub(super) fn scan(
        &self,
        scan: &Scan,
        now: UnixTime,
        begun: &Mutex<Option<Names>>,
    ) -> Result<Page, Fault> {
        if !self.trust.directory(&self.path)? {
            return Ok(Page::default());
        }
        let after = scan.after.as_ref().map_or("", Cursor::as_str);
        let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = match begun.take().filter(|names| !after.is_empty() && names.after == after) {
            Some(names) => names.left,
            None => self.names_from(after)?,
        };
        let page = names.split_off(names.len().saturating_sub(scan.limit.max(1)));
        let next = page.first().filter(|_| !names.is_empty()).cloned();
        *begun = next.clone().map(|after| Names { after, left: names });
        drop(begun);
        let mut entries = Vec::new();
        for name in page.into_iter().rev() {
            let content = match self.read(&name) {
                Ok(content) => content.filter(|content| content.is_live(now)),
                Err(_) => {
                    self.skip();
                    continue;
                }
            };
            let Ok(key) = Key::at_rest(name) else { continue };
            if let Some(stored) = content.map(Content::into_stored) {
                let (bytes, expires) = (stored.data.len(), stored.expires);
                entries.push(Entry { key, bytes, expires, data: scan.with_data.then_some(stored.data) });
            }
        }
        Ok(Page { entries, next: next.map(Cursor::new) })
    }

    /// Returns the names of the records after `after`, in reverse order.
    fn names_from(&self, after: &str) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = self.names()?.into_iter().filter(|name| name.as_str() > after).collect();
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(names)
    }

    pub(super) fn purge(&self, now: UnixTime) -> Result<u64, Fault> {
        let mut purged = 0;
        if !self.trust.directory(&self.path)? {
            return Ok(purged);
        }
        for name in self.names()? {
            match Locked::at(&self.path.join(name), None, &self.trust, Patience::none()) {
                Ok(LockOutcome::Locked(mut locked)) => {
                    if locked.live(now).is_none() {
                        locked.remove()?;
                        purged += 1;
                    }
                }
                Ok(LockOutcome::Missing) => {}
                Ok(LockOutcome::Untrusted) | Err(_) => self.skip(),
            }
        }
        self.sweep(now)?;
        Ok(purged)
    }

    /// Writes nothing into an existing directory: on a full disk the sessions can still be read and deleted.
    pub(super) fn ready(&self) -> Result<(), Fault> {
        self.trust.mode(self.mode)?;
        match self.trusted_or_made() {
            Err(Fault::Io(error)) if self.make && is_full(&error) => {
                warn_of_a_full_disk(&self.path);
                return Ok(());
            }
            answer => answer?,
        }
        let needed = if self.make { Access::READ_OK | Access::WRITE_OK } else { Access::READ_OK };
        accessat(CWD, &self.path, needed | Access::EXEC_OK, AtFlags::EACCESS).map_err(io::Error::from)?;
        // If the file system does not report it, the first write will.
        if self.make && statvfs(&self.path).is_ok_and(|disk| disk.f_bavail == 0 && disk.f_blocks > 0) {
            warn_of_a_full_disk(&self.path);
        }
        Ok(())
    }

    /// Checks the directory, and creates a missing one.
    fn trusted_or_made(&self) -> Result<(), Fault> {
        if self.trust.directory(&self.path)? {
            return Ok(());
        }
        if !self.make {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        self.trust.directory(&self.path).map(drop)
    }

    fn skip(&self) {
        if self.skipped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                directory = %self.path.display(),
                "skipped an entry of the session directory that is not a usable session file"
            );
        }
    }

    fn is_live(&self, names: &[String], now: UnixTime) -> Result<bool, Fault> {
        for name in names {
            if self.read(name)?.is_some_and(|content| content.is_live(now)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read(&self, name: &str) -> Result<Option<Content>, Fault> {
        match OpenedFile::open(&self.path.join(name), OpenOptions::new().read(true), &self.trust)? {
            OpenedFile::Record(file) => Ok(Content::read(&file)?),
            OpenedFile::Missing => Ok(None),
            OpenedFile::Untrusted => {
                self.skip();
                Ok(None)
            }
        }
    }

    fn lock(&self, name: &str, patience: Patience) -> Result<Option<Locked>, Fault> {
        match Locked::at(&self.path.join(name), None, &self.trust, patience)? {
            LockOutcome::Locked(locked) => Ok(Some(locked)),
            LockOutcome::Missing => Ok(None),
            LockOutcome::Untrusted => {
                self.skip();
                Ok(None)
            }
        }
    }

    /// Locks the live record of a key, under its current or its old name.
    fn lock_live(&self, key: &Key, now: UnixTime, patience: Patience) -> Result<Option<Locked>, Fault> {
        if !self.trust.directory(&self.path)? {
            return Ok(None);
        }
        for name in names(key) {
            if let Some(mut locked) = self.lock(&name, patience)?
                && locked.live(now).is_some()
            {
                return Ok(Some(locked));
            }
        }
        Ok(None)
    }

    /// Writes a complete record to a new file with a name that cachelib takes for its own temporary file.
    fn complete(&self, data: &[u8], expires: UnixTime) -> io::Result<PathBuf> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = self.path.join(format!("{TEMPORARY}{}-{count}{SUFFIX}", std::process::id()));
            let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                // A leftover of a process with the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            let written = file
                .write_all(&[&head(expires), data].concat())
                .and_then(|()| file.set_permissions(fs::Permissions::from_mode(self.mode)))
                .and_then(|()| if self.sync { file.sync_all() } else { Ok(()) });
            if let Err(error) = written {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
            return Ok(path);
        }
    }

    /// Returns the names of the records.
    fn names(&self) -> io::Result<Vec<String>> {
        let names = self.files()?;
        Ok(names.into_iter().filter(|name| is_record_name(name)).collect())
    }

    fn files(&self) -> io::Result<Vec<String>> {
        match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            files => files?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned())).collect(),
        }
    }

    /// Removes incomplete files that a process left more than an hour ago.
    fn sweep(&self, now: UnixTime) -> io::Result<()> {
        for name in self.files()? {
            if name.starts_with(TEMPORARY) && name.ends_with(SUFFIX) {
                let path = self.path.join(name);
                if is_older_than_an_hour(&path, now) {
                    let _ = fs::remove_file(path);
                }
            }
        }
        Ok(())
    }
}

fn is_older_than_an_hour(path: &Path, now: UnixTime) -> bool {
    let written = fs::symlink_metadata(path).ok().and_then(|metadata| u64::try_from(metadata.mtime()).ok());
    written.is_some_and(|written| written.saturating_add(3600) < now.as_secs())
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn warn_of_a_full_disk(path: &Path) {
    tracing::warn!(
        directory = %path.display(),
        "the disk of the session directory is full; sessions cannot be saved until there is room"
    );
}

/// Returns the current record if it is not the expected one.
fn other_than(expected: &[u8], locked: &mut Locked) -> Option<Stored> {
    let content = locked.content.take_if(|content| content.data != expected)?;
    Some(content.into_stored())
}

/// Same as the timeout of other stores.
const TIMEOUT: Duration = Duration::from_secs(2);

const TEMPORARY: &str = "hipflask-";

/// cachelib neither counts nor removes files with this suffix.
const SUFFIX: &str = ".__wz_cache";
