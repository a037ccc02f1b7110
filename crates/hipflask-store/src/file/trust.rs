//! [`Trust`]: a directory and files that nobody but this user and root can write.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::Fault;

/// Decides which directory and which files are read.
///
/// A record is a login. Anybody who can write one into the directory, or put another directory in
/// its place, is logged in as anybody else.
#[derive(Clone)]
pub(super) struct Trust {
    /// The effective user of this process.
    user: u32,
    /// Others may write the sessions, on purpose.
    pub(super) shared: bool,
    /// The directory as it was when it was last checked.
    checked: Arc<Mutex<Option<Identity>>>,
}

/// A directory, and everything that the check of it looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    owner: u32,
    mode: u32,
}

impl Trust {
    pub(super) fn new() -> Self {
        Self { user: rustix::process::geteuid().as_raw(), shared: false, checked: Arc::default() }
    }

    /// Checks the directory at `path`. Returns `false` if it is missing.
    ///
    /// One `stat` if the directory is as it was at the last check: only its owner and root can
    /// change what is above it.
    pub(super) fn directory(&self, path: &Path) -> Result<bool, Fault> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            metadata => metadata?,
        };
        if !metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
        }
        if self.shared {
            return Ok(true);
        }
        let identity = Identity::of(&metadata);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if *checked != Some(identity) {
            self.walk(path)?;
            *checked = Some(identity);
        }
        Ok(true)
    }

    /// Returns `true` if a file with this metadata may be read as a record.
    pub(super) fn accepts(&self, file: &Metadata) -> bool {
        file.is_file() && (self.shared || self.is_ours(file.uid()) && file.mode() & OTHERS_WRITE == 0)
    }

    /// Returns an error if new files with this mode would not be accepted.
    pub(super) fn mode(&self, mode: u32) -> Result<(), Fault> {
        if self.shared || mode & OTHERS_WRITE == 0 {
            return Ok(());
        }
        Err(Fault::Untrusted(format!(
            "session files of mode {mode:o} can be changed by other users; use a mode such as 640, or set {SHARED}"
        )))
    }

    /// Goes from the root to the directory, through symbolic links, and checks each directory on the way.
    fn walk(&self, path: &Path) -> Result<(), Fault> {
        let mut pending = names(&std::path::absolute(path)?);
        let (mut here, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let metadata = fs::symlink_metadata(&next)?;
            self.check(&next, &metadata, Role::Above)?;
            if !metadata.is_symlink() {
                here = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            let mut names = names(&target);
            names.append(&mut pending);
            pending = names;
        }
        self.check(&here, &fs::symlink_metadata(&here)?, Role::Sessions)
    }

    fn check(&self, path: &Path, metadata: &Metadata, role: Role) -> Result<(), Fault> {
        if !self.is_ours(metadata.uid()) {
            return Err(Fault::Untrusted(self.wrong_owner(path, metadata.uid())));
        }
        // The mode of a link means nothing.
        if metadata.is_symlink() || metadata.mode() & OTHERS_WRITE == 0 {
            return Ok(());
        }
        // In a sticky directory others can neither rename nor remove what is ours.
        let is_sticky = metadata.mode() & STICKY != 0;
        let is_harmless = role == Role::Above
            && (is_sticky
                || metadata.mode() & EVERYONE_WRITES == 0 && is_private_group(metadata.gid(), self.user));
        if is_harmless { Ok(()) } else { Err(Fault::Untrusted(writable(path, metadata.mode()))) }
    }

    const fn is_ours(&self, user: u32) -> bool {
        user == self.user || user == ROOT
    }

    fn wrong_owner(&self, path: &Path, owner: u32) -> String {
        let (path, user) = (path.display(), self.user);
        format!(
            "{path} belongs to user {owner}, who can write sessions there, and this process runs as user {user}; \
             run it as user {owner}, or `chown -R {user} {path}`, or set {SHARED}"
        )
    }
}

/// The role of a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It holds the sessions.
    Sessions,
    /// It is on the way to them.
    Above,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), owner: metadata.uid(), mode: metadata.mode() }
    }
}

fn writable(path: &Path, mode: u32) -> String {
    let who = if mode & EVERYONE_WRITES == 0 { "its group" } else { "everyone" };
    let path = path.display();
    if mode & STICKY != 0 {
        return format!(
            "{path} can be written by {who}, who could plant sessions there; use a directory of its own, such as \
             {path}/sessions"
        );
    }
    format!(
        "{path} can be written by {who}, who could plant sessions there; run `chmod go-w {path}`, or set {SHARED}"
    )
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// Returns `true` if this machine's files of users know nobody but `user` in the group, as where
/// each user has a group of the same name and a umask of 002.
fn is_private_group(group: u32, user: u32) -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    has_no_other_member(group, user, &read("/etc/passwd"), &read("/etc/group"))
}

fn has_no_other_member(group: u32, user: u32, passwd: &str, groups: &str) -> bool {
    let users = || {
        passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _, user) = (fields.next()?, fields.next()?, fields.next()?.parse::<u32>().ok()?);
            Some((name, user, fields.next()?.parse::<u32>().ok()?))
        })
    };
    let is_us = |member: &str| users().any(|(name, id, _)| name == member && id == user);
    let members = groups.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next()?.parse() == Ok(group)).then(|| fields.next().unwrap_or_default())
    });
    let is_primary_of_others = users().any(|(_, id, primary)| primary == group && id != user);
    let is_primary = users().any(|(_, id, primary)| primary == group && id == user);
    is_primary
        && !is_primary_of_others
        && members.is_some_and(|members| {
            members.split(',').map(str::trim).filter(|name| !name.is_empty()).all(is_us)
        })
}

/// The option that switches the checks off, as a URL spells it.
const SHARED: &str =
    "danger_shared_directory=true in the store's URL if these users share sessions on purpose";

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;
const EVERYONE_WRITES: u32 = 0o002;
const OTHERS_WRITE: u32 = 0o022;

/// As many as Linux follows.
const MOST_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(trust: &Trust, path: &Path) -> String {
        match trust.directory(path) {
            Err(Fault::Untrusted(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_directory_above_is_checked_through_links() {
        let base = tempfile::tempdir().unwrap();
        let (open, link) = (base.path().join("open"), base.path().join("link"));
        let sessions = open.join("sessions");
        fs::create_dir_all(&sessions).unwrap();
        symlink(&sessions, &link).unwrap();
        for path in [&sessions, &link, &open.join("sessions/../sessions")] {
            let trust = Trust::new();
            assert!(matches!(trust.directory(path), Ok(true)));
            chmod(&open, 0o777);
            // As long as the process runs, nobody but its user could have changed the modes above.
            assert!(matches!(trust.directory(path), Ok(true)));
            let what = refusal(&Trust::new(), path);
            assert!(what.contains(&format!("`chmod go-w {}`", open.display())), "{what}");
            chmod(&open, 0o1777);
            assert!(matches!(Trust::new().directory(path), Ok(true)), "nobody can replace it there");
            chmod(&open, 0o755);
        }
    }

    #[test]
    fn a_change_of_the_directory_is_noticed() {
        let base = tempfile::tempdir().unwrap();
        let trust = Trust::new();
        assert!(matches!(trust.directory(base.path()), Ok(true)));
        chmod(base.path(), 0o770);
        assert!(refusal(&trust, base.path()).contains("its group"));
        chmod(base.path(), 0o1777);
        assert!(refusal(&trust, base.path()).contains("/sessions"), "no chmod of a shared /tmp");
    }

    #[test]
    fn another_user_is_not_trusted_and_root_is() {
        let (mine, others) = (Trust { user: 1000, ..Trust::new() }, 1001);
        assert!(mine.is_ours(1000) && mine.is_ours(ROOT) && !mine.is_ours(others));
        let what = mine.wrong_owner(Path::new("/srv/s"), others);
        assert!(what.contains("run it as user 1001, or `chown -R 1000 /srv/s`"), "{what}");
    }

    #[test]
    fn a_group_of_one_user_is_private() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n";
        let private = |groups| has_no_other_member(1000, 1000, passwd, groups);
        assert!(private("ada:x:1000:\n"));
        assert!(private("ada:x:1000:ada\n"));
        assert!(!private("ada:x:1000:ada,bob\n"));
        assert!(!private("staff:x:50:\n"));
        assert!(!has_no_other_member(50, 1000, passwd, "staff:x:50:\n"));
        let shared = format!("{passwd}eve:x:1002:1000::/:/bin/sh\n");
        assert!(!has_no_other_member(1000, 1000, &shared, "ada:x:1000:\n"));
    }
}
