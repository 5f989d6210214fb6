//! Takes what cannot be used out of the way: it gets another name in its folder, whatever it is, and is not followed.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Expected, FileError, Files, MAX_BYTES, entry_error};

/// How deep folders may lie in one that is removed with what is in it.
const DEEPEST: u32 = 16;

impl Files {
    /// Gives what has the name of a file or folder of ours and cannot be used as one (of another kind, with a second name,
    /// open to others' writes, too large) the name `NAME.damaged-STAMP`. Gives the new name; `None` where there is nothing
    /// or it can be used. Errors: a folder above cannot be used, or it cannot be renamed.
    pub fn set_aside(
        &self,
        path: &str,
        expected: Expected,
        stamp: &str,
    ) -> Result<Option<String>, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(None) };
        take_turns(&directory);
        if self.is_fit(&directory, name, path, expected)? {
            return Ok(None);
        }
        let stamp: String = stamp.chars().filter(char::is_ascii_alphanumeric).collect();
        let names = std::iter::once(format!("{name}.damaged-{stamp}"))
            .chain((2..1000).map(|number| format!("{name}.damaged-{stamp}-{number}")));
        for aside in names {
            match rustix::fs::statat(directory.as_fd(), aside.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(FileError::system("look at", &place, error)),
            }
            rustix::fs::renameat(directory.as_fd(), name, directory.as_fd(), aside.as_str())
                .map_err(|error| FileError::system("set aside", &place, error))?;
            rustix::fs::fsync(directory.as_fd())
                .map_err(|error| FileError::unclear("write out the directory of", &place, error))?;
            return Ok(Some(aside));
        }
        Err(FileError::system("set aside", &place, Errno::EXIST))
    }

    /// Whether what has the name is nothing, or can be used. Errors: that cannot be told.
    fn is_fit(
        &self,
        directory: &OwnedFd,
        name: &str,
        path: &str,
        expected: Expected,
    ) -> Result<bool, FileError> {
        let place = self.place(path);
        let fit = match expected {
            Expected::Folder => match self.step(directory, name, &place, None) {
                Err(FileError::System { source, .. })
                    if source.kind() == std::io::ErrorKind::NotADirectory =>
                {
                    return Ok(false);
                }
                folder => folder.map(drop),
            },
            Expected::PlainFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                match rustix::fs::openat(directory.as_fd(), name, flags, Mode::empty()) {
                    Ok(file) => self.judge_length(&File::from(file), &place),
                    Err(Errno::NOENT) => Ok(()),
                    Err(error) => Err(entry_error("open", &place, error)),
                }
            }
        };
        match fit {
            Ok(()) => Ok(true),
            Err(error) if error.is_unfit() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn judge_length(&self, file: &File, place: &std::path::Path) -> Result<(), FileError> {
        self.judge_file(file, place)?;
        let length = file.metadata().map_err(|error| FileError::system("look at", place, error))?.len();
        if length > MAX_BYTES {
            return Err(FileError::TooLarge { path: place.to_owned(), max: MAX_BYTES });
        }
        Ok(())
    }

    /// Removes whatever has this name; of a folder what is in it too. No link is followed.
    pub fn remove_whole(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(()) };
        remove_entry(&directory, name, DEEPEST)
            .map_err(|error| FileError::system("remove", &place, error))?;
        rustix::fs::fsync(directory.as_fd())
            .map_err(|error| FileError::unclear("write out the directory of", &place, error))
    }
}

/// Two that set the same aside at once would take what the first has put in its place. A user who can read the folder can
/// hold it too: it is waited for a moment, and no longer.
fn take_turns(directory: &OwnedFd) {
    for _ in 0..50 {
        match rustix::fs::flock(directory.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(std::time::Duration::from_millis(20)),
            _ => return,
        }
    }
}

fn remove_entry(parent: &OwnedFd, name: &str, deepest: u32) -> Result<(), Errno> {
    let kind = match rustix::fs::statat(parent.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind != FileType::Directory {
        return rustix::fs::unlinkat(parent.as_fd(), name, AtFlags::empty());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent.as_fd(), name, flags, Mode::empty())?;
    let deepest = deepest.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
    for entry in rustix::fs::Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name().to_str().map_err(|_| Errno::ILSEQ)?;
        if name != "." && name != ".." {
            remove_entry(&folder, name, deepest)?;
        }
    }
    rustix::fs::unlinkat(parent.as_fd(), name, AtFlags::REMOVEDIR)
}

impl FileError {
    /// Whether something is there that is not used for what it is: it is of another kind, others could have written it, or
    /// it is too large.
    pub fn is_unfit(&self) -> bool {
        matches!(self, FileError::Unsafe { .. } | FileError::TooLarge { .. })
    }
}

// A pipe in a folder is made otherwise on a Mac.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_gets_another_name_and_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        tree.replace("/state/file", b"good", 0o600).unwrap();
        assert_eq!(tree.set_aside("/state/file", Expected::PlainFile, "1").unwrap(), None);
        assert_eq!(tree.set_aside("/state", Expected::Folder, "1").unwrap(), None);
        assert_eq!(tree.set_aside("/state/none", Expected::PlainFile, "1").unwrap(), None);
        assert_eq!(tree.set_aside("/nowhere/none", Expected::Folder, "1").unwrap(), None);
        let place = |name: &str| directory.path().join("state").join(name);
        std::fs::write(directory.path().join("outside"), "theirs").unwrap();
        let plant: [(&str, &dyn Fn()); 6] = [
            ("folder", &|| std::fs::create_dir(place("odd")).unwrap()),
            ("link", &|| std::os::unix::fs::symlink("../outside", place("odd")).unwrap()),
            ("hard link", &|| std::fs::hard_link(directory.path().join("outside"), place("odd")).unwrap()),
            ("pipe", &|| {
                rustix::fs::mknodat(rustix::fs::CWD, place("odd"), FileType::Fifo, Mode::RUSR, 0).unwrap();
            }),
            ("socket", &|| drop(std::os::unix::net::UnixListener::bind(place("odd")).unwrap())),
            ("large", &|| File::create(place("odd")).unwrap().set_len(MAX_BYTES + 1).unwrap()),
        ];
        for (number, (what, plant)) in plant.iter().enumerate() {
            plant();
            let aside = tree.set_aside("/state/odd", Expected::PlainFile, "2026-11:1").unwrap();
            let wanted = match number {
                0 => "odd.damaged-2026111".to_owned(),
                _ => format!("odd.damaged-2026111-{}", number + 1),
            };
            assert_eq!(aside, Some(wanted), "{what}");
            assert!(place("odd").symlink_metadata().is_err(), "{what}");
        }
        std::fs::write(place("odd"), "no folder").unwrap();
        assert!(tree.set_aside("/state/odd", Expected::Folder, "3").unwrap().is_some());
        std::fs::create_dir_all(place("deep/er")).unwrap();
        std::os::unix::fs::symlink("../../../outside", place("deep/er/link")).unwrap();
        tree.remove_whole("/state").unwrap();
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1);
        assert_eq!(std::fs::read(directory.path().join("outside")).unwrap(), b"theirs");
    }
}
