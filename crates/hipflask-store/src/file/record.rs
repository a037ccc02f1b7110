//! The file of a record: its name, its four bytes of expiry, and its lock.

use core::time::Duration;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use hipflask_core::hex;
use hipflask_core::time::UnixTime;
use md5::Md5;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::trust::Trust;
use crate::record::MAX_BYTES;
use crate::store::{Key, Stored};

/// The maximum length of a file: a record and its expiry.
pub(super) const MAX_FILE_BYTES: usize = MAX_BYTES + EXPIRY_BYTES;

const EXPIRY_BYTES: usize = 4;

/// Returns cachelib's names for a key, the current one (SHA-256) first, then the old one (MD5).
/// Returns none for the key of another store.
pub(super) fn names(key: &Key) -> Vec<String> {
    let text = key.as_str();
    if key.is_at_rest() {
        return if is_record_name(text) { vec![text.to_owned()] } else { Vec::new() };
    }
    vec![hex::encode(&Sha256::digest(text)), hex::encode(&Md5::digest(text))]
}

/// Returns `true` if a file of this name contains a record: the name is a digest in hex, but not
/// that of cachelib's counter.
pub(super) fn is_record_name(name: &str) -> bool {
    matches!(name.len(), 32 | 64)
        && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && !COUNT_FILES.contains(&name)
}

/// `__wz_cache_count` in SHA-256 and in MD5.
const COUNT_FILES: [&str; 2] =
    ["79bc207ee04a581ab2348ca1f3494e64cd0ec36128735b8c6bc85ddd8fe1938c", "2029240f6d1128be89ddc32729463129"];

/// The content of a file.
pub(super) struct Content {
    /// 0 means never.
    expiry: u32,
    pub(super) data: Vec<u8>,
}

impl Content {
    /// Reads a whole file; `None` if it is too short to be a record, such as one that is just being created.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let mut limited = file.take(MAX_FILE_BYTES as u64 + 1);
        limited.read_to_end(&mut bytes)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(head) = bytes.first_chunk::<EXPIRY_BYTES>() else { return Ok(None) };
        let expiry = u32::from_ne_bytes(*head);
        bytes.drain(..EXPIRY_BYTES);
        Ok(Some(Self { expiry, data: bytes }))
    }

    /// Returns the expiry; `None` if it never expires.
    pub(super) fn expires(&self) -> Option<UnixTime> {
        (self.expiry != 0).then(|| UnixTime::from_secs(self.expiry.into()))
    }

    pub(super) fn is_live(&self, now: UnixTime) -> bool {
        self.expires().is_none_or(|expires| expires > now)
    }

    pub(super) fn into_stored(self) -> Stored {
        let expires = self.expires();
        Stored::new(self.data, expires)
    }
}

/// Returns the four bytes of an expiry. A later expiry than 2106 becomes 2106.
pub(super) fn head(expires: UnixTime) -> [u8; EXPIRY_BYTES] {
    u32::try_from(expires.as_secs()).unwrap_or(u32::MAX).to_ne_bytes()
}

/// The outcome of opening a record's file.
pub(super) enum OpenedFile {
    Record(File),
    /// A link, a directory, a pipe or another user's file, which must not be read.
    Untrusted,
    Missing,
}

impl OpenedFile {
    /// Opens the file at `path`. Does not follow a link, and does not wait for the other end of a pipe.
    pub(super) fn open(path: &Path, options: &mut OpenOptions, trust: &Trust) -> io::Result<Self> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match options.custom_flags(flags.bits() as i32).open(path) {
            Ok(file) if trust.accepts(&file.metadata()?) => Ok(Self::Record(file)),
            Ok(_) => Ok(Self::Untrusted),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Missing),
            Err(error) => match fs::symlink_metadata(path) {
                Ok(metadata) if !trust.accepts(&metadata) => Ok(Self::Untrusted),
                _ => Err(error),
            },
        }
    }
}

/// The deadline for a record's lock.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    deadline: Instant,
    whole: Duration,
}

impl Patience {
    /// Starts now.
    pub(super) fn of(whole: Duration) -> Self {
        let now = Instant::now();
        Self { deadline: now.checked_add(whole).unwrap_or(now), whole }
    }

    pub(super) fn none() -> Self {
        Self::of(Duration::ZERO)
    }

    fn check(&self) -> Result<(), Fault> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(Fault::Locked(self.whole)) }
    }
}

/// The outcome of [`Locked::at`].
pub(super) enum LockOutcome {
    Locked(Locked),
    Untrusted,
    Missing,
}

/// A locked file. Only this caller may change it, as long as all others take the lock as well.
pub(super) struct Locked {
    file: LockedFile,
    path: PathBuf,
    /// `None` if it is not a record.
    pub(super) content: Option<Content>,
}

impl Locked {
    /// Locks the file that is at `path` once the lock is held. Creates a missing file if `new_mode`
    /// is given: it is empty, which no reader takes for a record.
    pub(super) fn at(
        path: &Path,
        new_mode: Option<u32>,
        trust: &Trust,
        patience: Patience,
    ) -> Result<LockOutcome, Fault> {
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            if let Some(mode) = new_mode {
                options.create(true).mode(mode);
            }
            let file = match OpenedFile::open(path, &mut options, trust)? {
                OpenedFile::Record(file) => LockedFile::at(file, patience)?,
                OpenedFile::Untrusted => return Ok(LockOutcome::Untrusted),
                OpenedFile::Missing => return Ok(LockOutcome::Missing),
            };
            // The previous holder may have replaced or removed the file.
            if is_at(&file.0, path)? {
                let content = Content::read(&file.0)?;
                return Ok(LockOutcome::Locked(Self { file, path: path.to_owned(), content }));
            }
            patience.check()?;
        }
    }

    /// Returns the record, if it has not expired.
    pub(super) fn live(&mut self, now: UnixTime) -> Option<&mut Content> {
        self.content.as_mut().filter(|content| content.is_live(now))
    }

    /// Writes the expiry alone. Four bytes at the beginning of a file are written atomically.
    pub(super) fn set_expiry(&self, expires: UnixTime) -> io::Result<()> {
        self.file.0.write_all_at(&head(expires), 0)
    }

    /// Replaces this file with a complete one.
    pub(super) fn replace_by(self, complete: &Path) -> io::Result<()> {
        fs::rename(complete, &self.path).inspect_err(|_| drop(fs::remove_file(complete)))
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// A file with its lock, which is released on drop. Closing it is not enough: a process that was
/// forked meanwhile has the file open as well.
struct LockedFile(File);

impl LockedFile {
    /// Polls for the lock, because the system's own wait has no deadline.
    fn at(file: File, patience: Patience) -> Result<Self, Fault> {
        let mut pause = FIRST_PAUSE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) => patience.check()?,
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // If unlocking fails, closing the file usually releases the lock.
        let _ = self.0.unlock();
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_released_despite_a_forked_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        let found = Locked::at(&path, Some(0o600), &Trust::new(), Patience::none()).unwrap();
        let LockOutcome::Locked(locked) = found else { panic!("it was created") };
        // After a fork the lock belongs to both processes.
        let forked = locked.file.0.try_clone().unwrap();
        drop(locked);
        File::open(&path).unwrap().try_lock().unwrap();
        drop(forked);
    }
}
