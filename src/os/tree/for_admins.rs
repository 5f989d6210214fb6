//! Files that administrators may read, and other users may not.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;

use rustix::fs::{AtFlags, Gid, Mode};
use rustix::io::Errno;

use super::trust::ADMIN;
use super::{FileError, Files, plain_file, temporary_name, write_beside};

const MODE: u32 = 0o640;

impl Files {
    /// Replaces a file, or makes it, for root to write and administrators to read. Not written out: what is lost with the
    /// power is written anew by the next look.
    pub fn replace_for_admins(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.begin_for_admins(path, bytes).map(drop)
    }

    /// Puts a new, empty file in the place of what is there, and gives it to write to; administrators may read it. A
    /// reader of the old one goes on with that. Directories that are missing are made with 0o755.
    pub fn create_for_admins(&self, path: &str) -> Result<File, FileError> {
        self.begin_for_admins(path, &[])
    }

    fn begin_for_admins(&self, path: &str, bytes: &[u8]) -> Result<File, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        plain_file(&directory, name, &place)?;
        let temporary = temporary_name(name);
        let mut file = write_beside(&directory, &temporary, &place)?;
        let put = |file: &mut File| -> std::io::Result<()> {
            file.write_all(bytes)?;
            if self.strict {
                rustix::fs::fchown(&*file, None, Some(Gid::from_raw(ADMIN)))?;
            }
            // Only now: before, it had a group of other users perhaps.
            rustix::fs::fchmod(&*file, Mode::from_raw_mode(MODE as _))?;
            Ok(rustix::fs::renameat(directory.as_fd(), temporary.as_str(), directory.as_fd(), name)?)
        };
        put(&mut file).map_err(|error| {
            let _ = rustix::fs::unlinkat(directory.as_fd(), temporary.as_str(), AtFlags::empty());
            FileError::system("replace", &place, error)
        })?;
        Ok(file)
    }
}

impl FileError {
    /// Whether this user may not do it.
    pub fn is_denied(&self) -> bool {
        let denied = std::io::ErrorKind::PermissionDenied;
        matches!(self, FileError::System { source, .. } if source.kind() == denied)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_that_is_made_anew_leaves_the_old_one_to_its_readers() {
        let directory = tempfile::tempdir().unwrap();
        let (tree, path) = (Files::lab(directory.path()), directory.path().join("log/pcap"));
        tree.replace("/log/pcap", b"old", 0o644).unwrap();
        let mut reader = File::open(&path).unwrap();
        tree.create_for_admins("/log/pcap").unwrap().write_all(b"new").unwrap();
        let mut old = String::new();
        reader.read_to_string(&mut old).unwrap();
        assert_eq!((old.as_str(), tree.read("/log/pcap").unwrap().unwrap()), ("old", b"new".to_vec()));
        // Whatever its mode was.
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        tree.replace_for_admins("/log/pcap", b"newer").unwrap();
        assert_eq!(tree.read("/log/pcap").unwrap().unwrap(), b"newer");
        assert_eq!(tree.list("/log").unwrap(), ["pcap"], "nothing is left beside it");
    }

    #[test]
    fn no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        tree.replace("/real/file", b"mine", 0o600).unwrap();
        symlink(directory.path().join("real"), directory.path().join("linked")).unwrap();
        symlink(directory.path().join("real/file"), directory.path().join("real/alias")).unwrap();
        for path in ["/linked/file", "/real/alias"] {
            assert!(matches!(tree.create_for_admins(path), Err(FileError::Unsafe { .. })), "{path}");
            assert!(matches!(tree.replace_for_admins(path, b"x"), Err(FileError::Unsafe { .. })), "{path}");
        }
        assert_eq!(tree.read("/real/file").unwrap().unwrap(), b"mine");
    }
}
