//! Files of root's own, which nothing that lies in their place may shape: programs, and what launchd reads.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;

use super::{FileError, Files, temporary_name, write_beside};

impl Files {
    /// Puts a new file with just this `mode` (octal, such as 0o755) in the place of whatever file or link has its name; on
    /// the system it is root:wheel. Nothing of the old one goes over. Directories that are missing are made with 0o755.
    pub fn put(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        let temporary = temporary_name(name);
        let mut file = write_beside(&directory, &temporary, &place)?;
        let mut put = || -> std::io::Result<()> {
            file.write_all(bytes)?;
            if self.strict {
                rustix::fs::fchown(&file, Some(Uid::ROOT), Some(Gid::ROOT))?;
            }
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode as _))?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(directory.as_fd(), temporary.as_str(), directory.as_fd(), name)?)
        };
        put().map_err(|error| {
            let _ = rustix::fs::unlinkat(directory.as_fd(), temporary.as_str(), AtFlags::empty());
            FileError::system("replace", &place, error)
        })?;
        rustix::fs::fsync(directory.as_fd())
            .map_err(|error| FileError::unclear("write out the directory of", &place, error))
    }

    /// The mode of what lies there, whatever it is, in octal without its kind; `None` where nothing does.
    pub fn mode(&self, path: &str) -> Result<Option<u32>, FileError> {
        let place = self.place(path);
        if self.walk(path, None)?.is_none() {
            return Ok(None);
        }
        match place.symlink_metadata() {
            Ok(meta) => Ok(Some(meta.mode() & 0o7777)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::system("look at", &place, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn whatever_was_there_the_new_file_has_its_own_mode_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        let place = directory.path().join("tools/helper");
        for mode in [0o755, 0o644] {
            tree.put("/tools/helper", b"new", mode).unwrap();
            assert_eq!(tree.mode("/tools/helper").unwrap(), Some(mode));
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o666)).unwrap();
        }
        std::fs::write(directory.path().join("other"), "kept").unwrap();
        std::fs::remove_file(&place).unwrap();
        symlink(directory.path().join("other"), &place).unwrap();
        tree.put("/tools/helper", b"new", 0o755).unwrap();
        assert_eq!(tree.read("/tools/helper").unwrap().unwrap(), b"new");
        assert_eq!(std::fs::read(directory.path().join("other")).unwrap(), b"kept");
        assert_eq!(tree.list("/tools").unwrap(), ["helper"], "nothing is left beside it");
        assert_eq!(tree.mode("/nowhere").unwrap(), None);
    }
}
