//! A file that records what earlier runs copied to the destination.

use core::fmt;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hipflask_core::hex;
use hipflask_core::time::UnixTime;
use sha2::{Digest, Sha256};

use crate::store::Key;

/// The sessions that earlier runs copied to the destination, so that a later run can detect which
/// were changed or deleted there since.
///
/// Each line of the file has a digest of the key, a digest of the record with its key, and the
/// expiry. No session can be recovered or guessed from it. One process can open it at a time. A
/// line that a crash truncated is ignored.
pub struct Journal {
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    left: HashMap<KeyDigest, Leftover>,
    /// The sessions that this run has found at the source.
    seen: HashSet<KeyDigest>,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be opened, read or written.
    #[error("the journal cannot be used; check that its directory exists and is writable")]
    Io(#[from] io::Error),
    /// Another process has opened it.
    #[error("another run is using this journal; wait until it has finished")]
    InUse,
    /// The file is not a journal, or is one of other stores.
    #[error("the file is not a journal of this source and this destination; use another file")]
    NotOurs,
}

impl Journal {
    /// Opens the journal in the file at `path` for copies from one address to another. Creates a
    /// missing file.
    ///
    /// # Errors
    /// [`JournalError`] says what to do.
    pub fn open(path: &Path, from: &str, to: &str) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Ok(()) => {}
        }
        let head = format!("hipflask copy 1 {}\n", short(&[from.as_bytes(), b"\n", to.as_bytes()]));
        let left = read(&file, &head)?;
        if file.seek(SeekFrom::End(0))? == 0 {
            file.write_all(head.as_bytes())?;
        }
        Ok(Self { inner: Mutex::new(Inner { file, left, seen: HashSet::new() }) })
    }

    /// Returns the number of sessions that runs copied to the destination.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().left.values().filter(|left| !left.is_nothing()).count()
    }

    /// Returns `true` if runs have copied no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn left(&self, name: KeyDigest) -> Option<Leftover> {
        self.lock().left.get(&name).copied()
    }

    /// Notes that the source has the session.
    pub(super) fn see(&self, name: KeyDigest) {
        self.lock().seen.insert(name);
    }

    /// Returns the copy of a session that this run has not found at the source.
    pub(super) fn left_of_unseen(&self, name: KeyDigest) -> Option<Leftover> {
        let inner = self.lock();
        inner.left.get(&name).filter(|_| !inner.seen.contains(&name)).copied()
    }

    pub(super) fn note(&self, name: KeyDigest, left: Leftover) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.left.insert(name, left) != Some(left) {
            let line = format!(
                "{} {} {:020}\n",
                hex::encode(&name.0),
                hex::encode(&left.digest),
                left.ends.as_secs()
            );
            inner.file.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the number of sessions.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("sessions", &self.len()).finish()
    }
}

/// The digest of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyDigest([u8; 16]);

impl KeyDigest {
    pub(super) fn of(key: &Key) -> Self {
        Self(digest(&[key.as_str().as_bytes()]))
    }
}

/// The copy that a run left at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leftover {
    digest: [u8; 16],
    pub(super) ends: UnixTime,
}

impl Leftover {
    pub(super) fn new(key: &Key, data: &[u8], ends: UnixTime) -> Self {
        Self { digest: Self::digest(key, data), ends }
    }

    /// Marks a session that a copier has deleted at the destination.
    pub(super) const fn nothing() -> Self {
        Self { digest: [0; 16], ends: UnixTime::from_secs(0) }
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::nothing()
    }

    /// Returns `true` if the copy is this record.
    pub(super) fn matches(&self, key: &Key, data: &[u8]) -> bool {
        self.digest == Self::digest(key, data)
    }

    /// Includes the key, which is secret: otherwise a session with little content could be guessed.
    fn digest(key: &Key, data: &[u8]) -> [u8; 16] {
        digest(&[key.as_str().as_bytes(), b"\n", data])
    }
}

fn read(file: &File, head: &str) -> Result<HashMap<KeyDigest, Leftover>, JournalError> {
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    let mut left = HashMap::new();
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => JournalError::NotOurs,
        _ => JournalError::Io(error),
    };
    let mut is_first = true;
    loop {
        line.clear();
        if lines.read_line(&mut line).map_err(broken)? == 0 {
            return Ok(left);
        }
        if std::mem::take(&mut is_first) {
            if head.starts_with(&line) && line.len() < head.len() {
                // Truncated when it was created: start again.
                file.set_len(0)?;
                return Ok(left);
            }
            if line != head {
                return Err(JournalError::NotOurs);
            }
        } else if let Some((name, what)) = parse(&line) {
            left.insert(name, what);
        }
    }
}

/// Parses a whole line, which may begin with the rest of a line that a crash truncated.
fn parse(line: &str) -> Option<(KeyDigest, Leftover)> {
    let line = line.strip_suffix('\n')?;
    let line = line.get(line.len().checked_sub(LINE)?..)?;
    let bytes = |text: &str| -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(bytes)
    };
    let mut parts = line.split(' ');
    let (name, digest) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
    let ends = UnixTime::from_secs(parts.next()?.parse().ok()?);
    Some((KeyDigest(name), Leftover { digest, ends }))
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

fn short(parts: &[&[u8]]) -> String {
    hex::encode(&digest(parts))
}

/// Two digests in hex, twenty digits, and two spaces.
const LINE: usize = 32 + 1 + 32 + 1 + 20;
