//! Files that a user may write to and root only looks at: whether one was touched is all that is taken from it.
//!
//! They lie in a folder of root's, so that their names are root's alone to give and to take. A user can make the file longer,
//! give it a second name elsewhere, or make it hard to take away, and nothing else.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::{FileError, Files, temporary_name, write_beside};

/// The folder that bells lie in, by whatever path.
pub(super) const FOLDER: &str = "bell";

/// How a bell is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BellFile {
    Missing,
    /// Empty, as root made it.
    Silent,
    /// So many bytes were written to it.
    Rung(u64),
    /// No plain file with one name any more.
    Other,
}

impl Files {
    /// Looks at a bell without reading it, following a link or waiting for what it is. What is in its place instead of the
    /// plain file that root made was put there to be noticed.
    pub fn look_at_bell(&self, path: &str) -> Result<BellFile, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(BellFile::Missing) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match open_on_volume(&directory, name, flags) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(BellFile::Missing),
            Err(Errno::LOOP | Errno::MLINK | Errno::NXIO | Errno::XDEV) => return Ok(BellFile::Other),
            Err(error) => return Err(FileError::system("look at", &place, error)),
        };
        let meta = file.metadata().map_err(|error| FileError::system("look at", &place, error))?;
        Ok(match meta.len() {
            _ if !meta.is_file() || meta.nlink() != 1 => BellFile::Other,
            0 => BellFile::Silent,
            length => BellFile::Rung(length),
        })
    }

    /// Puts a new, empty bell with `mode` (octal) in the place of what is there; `owner` is the user who may ring it. Not
    /// written out: a bell that is lost with the power is missed by none.
    pub fn put_bell(&self, path: &str, owner: u32, mode: u32) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        let temporary = temporary_name(name);
        let file = write_beside(&directory, &temporary, &place)?;
        let prepare = || -> std::io::Result<()> {
            if file.metadata()?.uid() != owner {
                rustix::fs::fchown(&file, Some(Uid::from_raw(owner)), None)?;
            }
            Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode as _))?)
        };
        let rename = || rustix::fs::renameat(directory.as_fd(), temporary.as_str(), directory.as_fd(), name);
        let put = prepare().and_then(|()| match rename() {
            Ok(()) => Ok(()),
            Err(_) => {
                take_away(&directory, name, &place)?;
                Ok(rename()?)
            }
        });
        put.map_err(|error| {
            let _ = rustix::fs::unlinkat(directory.as_fd(), temporary.as_str(), AtFlags::empty());
            FileError::system("make anew", &place, error)
        })
    }

    /// Removes a bell, whatever has become of it; nothing where there is none.
    pub fn remove_bell(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(()) };
        take_away(&directory, name, &place).map_err(|error| FileError::system("remove", &place, error))
    }

    /// What its user does to ring a bell: one byte more, and the other programs' bells beside it are not touched. Errors:
    /// there is none, or this user may not.
    pub fn ring_bell(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let no_bell = || FileError::system("ring", &place, Errno::NOENT);
        let (directory, name) = self.walk(path, None)?.ok_or_else(no_bell)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = open_on_volume(&directory, name, flags)
            .map_err(|error| FileError::system("ring", &place, error))?;
        File::from(file).write_all(b"1").map_err(|error| FileError::system("ring", &place, error))
    }
}

/// As openat(2), but what is mounted there is not entered: a volume may never answer, and who waits for it closes nothing. On
/// a Mac only root can mount on what is root's, and nothing can be mounted on a file.
#[cfg(target_os = "linux")]
pub(super) fn open_on_volume(directory: &OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    match openat2(directory, name, flags, Mode::empty(), ResolveFlags::NO_XDEV) {
        // Older than Linux 5.6, or kept from it.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(directory, name, flags, Mode::empty()),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_on_volume(directory: &OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

fn take_away(directory: &OwnedFd, name: &str, place: &Path) -> std::io::Result<()> {
    let unlink = |flags| match rustix::fs::unlinkat(directory.as_fd(), name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    };
    let again = |first: Errno| match first {
        Errno::ISDIR => unlink(AtFlags::REMOVEDIR),
        // unlink(2) of a folder on macOS; or the file's user has made it immutable.
        Errno::PERM => unlink(AtFlags::REMOVEDIR).or_else(|_| {
            unlock(directory, name);
            unlink(AtFlags::empty())
        }),
        other => Err(other),
    };
    unlink(AtFlags::empty()).or_else(again).map_err(|error| {
        std::io::Error::new(std::io::Error::from(error).kind(), format!("{}: {error}", place.display()))
    })
}

/// Takes the flags away that keep root from removing it (chflags(1) uchg).
#[cfg(target_os = "macos")]
fn unlock(directory: &OwnedFd, name: &str) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    if let Ok(file) = rustix::fs::openat(directory.as_fd(), name, flags, Mode::empty()) {
        let _ = crate::os::acl::set_flags(file.as_fd(), 0);
    }
}

#[cfg(not(target_os = "macos"))]
fn unlock(_directory: &OwnedFd, _name: &str) {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_bell_is_rung_by_a_byte_and_by_whatever_takes_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::lab(directory.path());
        let owner = rustix::process::getuid().as_raw();
        let bell = "/bell/501.2345";
        let place = directory.path().join("bell/501.2345");
        let fresh = || {
            files.put_bell(bell, owner, 0o600).unwrap();
            assert_eq!(files.look_at_bell(bell).unwrap(), BellFile::Silent);
        };
        assert_eq!(files.look_at_bell(bell).unwrap(), BellFile::Missing);
        assert!(files.ring_bell(bell).is_err());
        fresh();
        files.ring_bell(bell).unwrap();
        assert_eq!(files.look_at_bell(bell).unwrap(), BellFile::Rung(1));
        fresh();
        std::fs::hard_link(&place, directory.path().join("second")).unwrap();
        assert_eq!(files.look_at_bell(bell).unwrap(), BellFile::Other);
        let replaced: [&dyn Fn(); 3] =
            [&|| symlink("/etc/passwd", &place).unwrap(), &|| std::fs::create_dir(&place).unwrap(), &|| {
                symlink("nowhere", &place).unwrap()
            }];
        for put in replaced {
            files.remove_bell(bell).unwrap();
            put();
            assert_eq!(files.look_at_bell(bell).unwrap(), BellFile::Other);
            fresh();
        }
        files.remove_bell(bell).unwrap();
        files.remove_bell(bell).unwrap();
        assert_eq!(files.list("/bell").unwrap(), [""; 0], "nothing is left beside it");
    }
}
