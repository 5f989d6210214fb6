//! A copy of the helper where root may read it, for an app in a place that macOS keeps from root (see [`super::place`]).
//!
//! It is made of the bytes that the app has hashed, in the user's own cache folder. Root trusts it no more than the
//! original: it copies it, and hashes its own copy.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::os::{hash, process_exists};

/// Below the user's home.
const FOLDER: &str = "Library/Caches/dev.portcullis.Portcullis";
const PREFIX: &str = "helper.";

/// The copy; it goes with this value.
#[derive(Debug)]
pub(super) struct HandedOver(PathBuf);

impl HandedOver {
    /// Copies `helper` to the cache folder of `home`, where its SHA-256 is `digest`.
    ///
    /// Errors: with the path that could not be read or written; the file has another hash by now.
    pub fn make(home: &Path, helper: &Path, digest: &str) -> Result<Self, (PathBuf, std::io::Error)> {
        let bytes = fs::read(helper).map_err(|error| (helper.to_owned(), error))?;
        if hash::of_bytes(&bytes) != digest {
            return Err((helper.to_owned(), std::io::Error::other("it changed after it was checked")));
        }
        let folder = home.join(FOLDER);
        let copy = HandedOver(folder.join(format!("{PREFIX}{}", std::process::id())));
        copy.write(&folder, &bytes).map_err(|error| (folder, error))?;
        Ok(copy)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        sweep(folder)?;
        // A name that is taken is never used.
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)?.write_all(bytes)
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        // What cannot be removed is a cache, which the next copy sweeps.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes the copies of processes that have ended, and that of an earlier process with our number.
fn sweep(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| pid == std::process::id() || !process_exists(pid)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_copy_is_the_users_alone_and_goes() {
        let home = tempfile::tempdir().unwrap();
        let helper = home.path().join("portcullis-helper");
        fs::write(&helper, "bytes").unwrap();
        let digest = hash::of_bytes(b"bytes");
        let folder = home.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let (left, other) = (folder.join("helper.4294967290"), folder.join("icons"));
        fs::write(&left, "of a process that was killed").unwrap();
        fs::write(&other, "not ours").unwrap();

        let copy = HandedOver::make(home.path(), &helper, &digest).unwrap();
        let path = copy.path().to_owned();
        assert_eq!(fs::read(&path).unwrap(), b"bytes");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(path.starts_with(&folder) && !left.exists() && other.exists());
        drop(copy);
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_handed_over_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let helper = home.path().join("portcullis-helper");
        fs::write(&helper, "bytes").unwrap();
        let (path, error) = HandedOver::make(home.path(), &helper, &hash::of_bytes(b"other")).unwrap_err();
        assert_eq!((path, error.to_string()), (helper.clone(), "it changed after it was checked".to_owned()));
        fs::write(home.path().join("Library"), "a file is in the way").unwrap();
        let (path, _) = HandedOver::make(home.path(), &helper, &hash::of_bytes(b"bytes")).unwrap_err();
        assert_eq!(path, home.path().join(FOLDER));
        assert_eq!(fs::read(&helper).unwrap(), b"bytes");
    }
}
