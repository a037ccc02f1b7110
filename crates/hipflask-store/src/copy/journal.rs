//! [`Journal`]: what earlier runs left at the destination, in a file.

use core::fmt;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hipflask_core::time::UnixTime;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::store::Key;

/// What runs left at the destination, so that a later one can tell what was changed or ended there since.
///
/// A file of lines: a digest of the key, a digest of the record with its key, and when it ends there. No session can be found
/// from it, and none can be guessed. One process has it at a time; a line that a crash cut off counts as none.
pub struct Journal {
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    left: HashMap<KeyDigest, Leftover>,
    /// What this run has found at the source.
    seen: HashSet<KeyDigest>,
}

/// A journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be opened, read or written.
    #[error("the journal cannot be used; see that its directory is there and may be written")]
    Io(#[from] io::Error),
    /// Another process has it.
    #[error("another run is using this journal; wait until it has ended")]
    InUse,
    /// It is no journal, or one of other stores.
    #[error("the file is no journal of this source and this destination; name another file")]
    NotOurs,
}

impl Journal {
    /// The journal in the file at `path`, which is made if it is missing, for copies from one place to another.
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

    /// How many sessions it knows to be left at the destination.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().left.values().filter(|left| !left.is_nothing()).count()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn left(&self, name: KeyDigest) -> Option<Leftover> {
        self.lock().left.get(&name).copied()
    }

    /// The source has it.
    pub(super) fn see(&self, name: KeyDigest) {
        self.lock().seen.insert(name);
    }

    /// What was left of a session that this run has not found at the source.
    pub(super) fn left_of_unseen(&self, name: KeyDigest) -> Option<Leftover> {
        let inner = self.lock();
        inner.left.get(&name).filter(|_| !inner.seen.contains(&name)).copied()
    }

    pub(super) fn note(&self, name: KeyDigest, left: Leftover) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.left.insert(name, left) != Some(left) {
            let line = format!("{} {} {:020}\n", hex(&name.0), hex(&left.digest), left.ends.as_secs());
            inner.file.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many sessions it knows.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("sessions", &self.len()).finish()
    }
}

/// What stands for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyDigest([u8; 16]);

impl KeyDigest {
    pub(super) fn of(key: &Key) -> Self {
        Self(digest(&[key.as_str().as_bytes()]))
    }
}

/// What was left at the destination under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leftover {
    digest: [u8; 16],
    pub(super) ends: UnixTime,
}

impl Leftover {
    pub(super) fn new(key: &Key, data: &[u8], ends: UnixTime) -> Self {
        Self { digest: Self::digest(key, data), ends }
    }

    /// What stands for a session that a copier has ended itself.
    pub(super) const fn nothing() -> Self {
        Self { digest: [0; 16], ends: UnixTime::from_secs(0) }
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::nothing()
    }

    /// Whether it is this.
    pub(super) fn is(&self, key: &Key, data: &[u8]) -> bool {
        self.digest == Self::digest(key, data)
    }

    /// With the key, which nobody knows: a session with little in it could be guessed otherwise.
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
                // Cut off when it was made; what is written next begins anew.
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

/// A whole line, or the rest of one that begins behind what a crash cut off.
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
    hex(&digest(parts))
}

/// Two digests in hex, twenty digits, and two spaces.
const LINE: usize = 32 + 1 + 32 + 1 + 20;
