//! Replaces a file whole: a new one is written beside it, gets what the old one had beside its bytes, and is renamed.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::{FileError, Files, entry_error, plain_file, temporary_name, write_beside};

/// What must still be there when a file is replaced.
#[derive(Clone, Copy)]
enum OldContent<'a> {
    Whatever,
    /// These bytes; `None`: no file.
    Seen(Option<&'a [u8]>),
}

impl Files {
    /// Replaces a file, or makes it, with `mode` (octal, such as 0o644) where it is new; one that is there keeps its mode,
    /// group, flags, extended attributes and access control list. Its owner is root; in a lab, who owned it. Directories
    /// that are missing are made with 0o755. An error says whether the file is as it was ([`FileError::is_as_it_was`]).
    pub fn replace(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.replace_expected(path, OldContent::Whatever, bytes, mode)
    }

    /// As [`Files::replace`], where the file still holds what was `seen` of it (`None`: there was none). Errors: also
    /// [`FileError::Changed`].
    pub fn replace_seen(
        &self,
        path: &str,
        seen: Option<&[u8]>,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FileError> {
        self.replace_expected(path, OldContent::Seen(seen), bytes, mode)
    }

    fn replace_expected(
        &self,
        path: &str,
        expected: OldContent,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        let old = self.open_old(&directory, name, &place)?;
        let temporary = temporary_name(name);
        let file = write_beside(&directory, &temporary, &place)?;
        let prepared = self.prepare(file, bytes, old.as_ref(), mode, &place).and_then(|()| match expected {
            OldContent::Seen(seen) if self.read(path)?.as_deref() != seen => {
                Err(FileError::Changed { path: place.clone() })
            }
            _ => Ok(()),
        });
        let renamed = prepared.and_then(|()| {
            rustix::fs::renameat(directory.as_fd(), temporary.as_str(), directory.as_fd(), name)
                .map_err(|error| FileError::system("replace", &place, error))
        });
        renamed.inspect_err(|_| {
            let _ = rustix::fs::unlinkat(directory.as_fd(), temporary.as_str(), AtFlags::empty());
        })?;
        rustix::fs::fsync(directory.as_fd())
            .map_err(|error| FileError::unclear("write out the directory of", &place, error))?;
        match self.read(path) {
            Ok(Some(back)) if back == bytes => Ok(()),
            Err(FileError::System { source, .. }) => Err(FileError::unclear("read back", &place, source)),
            _ => {
                let other = std::io::Error::other("it does not read back as it was written");
                Err(FileError::unclear("replace", &place, other))
            }
        }
    }

    /// What is there to be replaced, judged as what is read.
    fn open_old(&self, directory: &OwnedFd, name: &str, place: &Path) -> Result<Option<File>, FileError> {
        if plain_file(directory, name, place)?.is_none() {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match rustix::fs::openat(directory.as_fd(), name, flags, Mode::empty()) {
            Ok(file) => {
                let file = File::from(file);
                self.judge_file(&file, place)?;
                Ok(Some(file))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(entry_error("open", place, error)),
        }
    }

    /// Writes the new file, gives it what the old one had, and writes it out.
    fn prepare(
        &self,
        mut file: File,
        bytes: &[u8],
        old: Option<&File>,
        mode: u32,
        place: &Path,
    ) -> Result<(), FileError> {
        let fail = |verb| move |error: std::io::Error| FileError::system(verb, place, error);
        file.write_all(bytes).map_err(fail("write"))?;
        let old = match old {
            Some(old) => Some((old, old.metadata().map_err(fail("look at"))?)),
            None => None,
        };
        if let Some((_, old)) = &old {
            let new = file.metadata().map_err(fail("look at"))?;
            // Never given to another than root: a file that others own is not replaced.
            let user = (!self.strict && new.uid() != old.uid()).then(|| Uid::from_raw(old.uid()));
            let group = (new.gid() != old.gid()).then(|| Gid::from_raw(old.gid()));
            if user.is_some() || group.is_some() {
                rustix::fs::fchown(&file, user, group)
                    .map_err(|error| fail("set the group of")(error.into()))?;
            }
        }
        let bits = old.as_ref().map_or(mode, |(_, meta)| meta.mode() & 0o7777);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(bits as _))
            .map_err(|error| fail("set the mode of")(error.into()))?;
        if let Some((old, meta)) = &old {
            copy_attributes(old, &file).map_err(fail("copy the attributes of"))?;
            copy_flags(meta, &file, old).map_err(fail("copy the flags of"))?;
        }
        // File::sync_all is F_FULLFSYNC on macOS.
        file.sync_all().map_err(fail("write out"))
    }
}

/// Gives a file the extended attributes of another. What the kernel itself gave the new one is left.
fn copy_attributes(from: &File, to: &File) -> std::io::Result<()> {
    let length = match rustix::fs::flistxattr_query(from) {
        Ok(length) => length,
        // A file system without attributes.
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if length == 0 {
        return Ok(());
    }
    let mut names = vec![0u8; length];
    let length = rustix::fs::flistxattr(from, names.as_mut_slice())?;
    names.truncate(length);
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0u8; rustix::fs::fgetxattr_query(from, name)?];
        let length =
            if value.is_empty() { 0 } else { rustix::fs::fgetxattr(from, name, value.as_mut_slice())? };
        value.truncate(length);
        match rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            // Labels of security modules and of the system are the kernel's to give.
            Err(_) if !name.starts_with(b"user.") && cfg!(target_os = "linux") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives a file the flags (chflags(2)) and the access control list of another.
#[cfg(target_os = "macos")]
fn copy_flags(meta: &std::fs::Metadata, to: &File, from: &File) -> std::io::Result<()> {
    use std::os::macos::fs::MetadataExt as _;
    crate::os::acl::copy(from.as_fd(), to.as_fd())?;
    if meta.st_flags() == 0 { Ok(()) } else { crate::os::acl::set_flags(to.as_fd(), meta.st_flags()) }
}

#[cfg(not(target_os = "macos"))]
#[expect(clippy::unnecessary_wraps, reason = "as on macOS")]
fn copy_flags(_meta: &std::fs::Metadata, _to: &File, _from: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_since_it_was_seen_stays() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        tree.replace_seen("/etc/pf.conf", None, b"pass\n", 0o644).unwrap();
        tree.replace_seen("/etc/pf.conf", Some(b"pass\n"), b"block\n", 0o644).unwrap();
        for seen in [None, Some(&b"pass\n"[..])] {
            let error = tree.replace_seen("/etc/pf.conf", seen, b"lost\n", 0o644).unwrap_err();
            assert!(matches!(error, FileError::Changed { .. }) && error.is_as_it_was(), "{error}");
        }
        assert_eq!(tree.read("/etc/pf.conf").unwrap().unwrap(), b"block\n");
        assert_eq!(tree.list("/etc").unwrap(), ["pf.conf"], "nothing is left beside it");
    }

    #[test]
    fn extended_attributes_go_over() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        tree.replace("/etc/pf.conf", b"pass\n", 0o644).unwrap();
        let open = || File::open(directory.path().join("etc/pf.conf")).unwrap();
        let set = |name: &str, value: &[u8]| rustix::fs::fsetxattr(open(), name, value, XattrFlags::empty());
        if matches!(set("user.note", b"kept"), Err(Errno::NOTSUP)) {
            println!("skipped: no extended attributes here");
            return;
        }
        set("user.empty", b"").unwrap();
        tree.replace("/etc/pf.conf", b"block\n", 0o644).unwrap();
        let mut value = [0; 16];
        let length = rustix::fs::fgetxattr(open(), "user.note", &mut value).unwrap();
        assert_eq!(&value[..length], b"kept");
        assert_eq!(rustix::fs::fgetxattr_query(open(), "user.empty"), Ok(0));
    }
}
