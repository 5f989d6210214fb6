//! Files that others may have written, read without being led astray.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::user::{is_root, sudo_uid, user_of};

/// No path leads over more links than this, as in the kernel.
const MOST_LINKS: usize = 40;

/// A file is not read.
#[derive(Debug, thiserror::Error)]
pub enum PlainFileError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("it is not a file")]
    NotPlain,
    #[error("it is longer than {} KiB", .0 >> 10)]
    TooLong(u64),
    /// Holds the user's name.
    #[error("it belongs to {0}, so root does not read it")]
    OfAnother(String),
    #[error("it leads over more than {MOST_LINKS} links")]
    TooManyLinks,
}

impl PlainFileError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        matches!(self, PlainFileError::Read(error) if kinds.contains(&error.kind()))
    }
}

/// The bytes of a plain file of at most `longest` bytes. No pipe is waited for and no device opened; root reads no file
/// and follows no link of a user other than itself and the one who ran sudo(8).
pub fn read_plain(path: &Path, longest: u64) -> Result<Vec<u8>, PlainFileError> {
    if is_root() {
        check_links(path, &mut MOST_LINKS.clone())?;
    }
    if !std::fs::metadata(path)?.is_file() {
        return Err(PlainFileError::NotPlain);
    }
    // Without NONBLOCK a pipe that took the file's place meanwhile would wait for its writer.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(PlainFileError::NotPlain);
    }
    if is_root() {
        check_owner(data.uid())?;
    }
    let mut bytes = Vec::new();
    if data.len() <= longest {
        file.take(longest + 1).read_to_end(&mut bytes)?;
    }
    if data.len() > longest || bytes.len() as u64 > longest {
        return Err(PlainFileError::TooLong(longest));
    }
    Ok(bytes)
}

fn check_owner(uid: u32) -> Result<(), PlainFileError> {
    let is_trusted = uid == 0 || sudo_uid() == Some(uid);
    if is_trusted { Ok(()) } else { Err(PlainFileError::OfAnother(user_of(uid))) }
}

fn check_links(path: &Path, left: &mut usize) -> Result<(), PlainFileError> {
    for part in path.ancestors() {
        let Ok(data) = part.symlink_metadata() else { continue };
        if !data.is_symlink() {
            continue;
        }
        check_owner(data.uid())?;
        *left = left.checked_sub(1).ok_or(PlainFileError::TooManyLinks)?;
        check_links(&part.parent().unwrap_or(part).join(std::fs::read_link(part)?), left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, lchown, symlink};

    #[test]
    fn plain_files_within_the_limit_are_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        assert_eq!(read_plain(&at("file"), 4).unwrap(), b"text");
        assert_eq!(read_plain(&at("link"), 4).unwrap(), b"text");
        assert!(matches!(read_plain(&at("file"), 3), Err(PlainFileError::TooLong(3))));
        assert!(matches!(read_plain(&at("pipe"), 4), Err(PlainFileError::NotPlain)));
        assert!(matches!(read_plain(folder.path(), 4), Err(PlainFileError::NotPlain)));
        assert!(read_plain(&at("loop"), 4).is_err());
        assert!(read_plain(&at("none"), 4).unwrap_err().is_missing());
    }

    #[test]
    fn root_reads_no_file_and_follows_no_link_of_another_user() {
        if !crate::os::is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("own"), "text").unwrap();
        std::fs::write(at("other's"), "text").unwrap();
        chown(at("other's"), Some(54321), None).unwrap();
        symlink("own", at("link")).unwrap();
        symlink("link", at("way")).unwrap();
        let refused = |name: &str| matches!(read_plain(&at(name), 4), Err(PlainFileError::OfAnother(_)));
        assert!(refused("other's") && !refused("way"));
        lchown(at("link"), Some(54321), None).unwrap();
        assert!(refused("link") && refused("way"));
    }
}
