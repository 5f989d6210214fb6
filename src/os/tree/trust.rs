//! Whom root trusts: files and folders that root alone can change.

use std::fs::Metadata;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::FileError;

/// The group `admin` of macOS, whose members can become root.
pub(super) const ADMIN: u32 = 80;
/// Folders of Apple's that its installers give to that group to write. No folder of Apple's on our paths is sticky and
/// open to every user, so that bit excuses nothing.
const ADMIN_FOLDERS: [&str; 4] =
    ["/Library", "/Library/Application Support", "/Library/Logs", "/Library/PrivilegedHelperTools"];

/// A folder on the way: root's, and open to no other's writes, but for those of Apple's that administrators may write.
pub(super) fn judge_folder(folder: impl AsFd, meta: &Metadata, place: &Path) -> Result<(), FileError> {
    let is_admins = meta.gid() == ADMIN && ADMIN_FOLDERS.iter().any(|path| place == Path::new(path));
    judge_owner(meta.uid(), if is_admins { meta.mode() & !0o020 } else { meta.mode() }, place)?;
    judge_acl(folder, place)
}

/// A file: root's, and open to no other's writes.
pub(super) fn judge_plain_file(file: impl AsFd, meta: &Metadata, place: &Path) -> Result<(), FileError> {
    judge_owner(meta.uid(), meta.mode(), place)?;
    judge_acl(file, place)
}

fn judge_owner(user: u32, mode: u32, place: &Path) -> Result<(), FileError> {
    if user != 0 {
        return Err(FileError::refuse(place, format!("it belongs to user {user}, not to root")));
    }
    if mode & 0o022 != 0 {
        let mode = mode & 0o7777;
        return Err(FileError::refuse(place, format!("others than root can write to it (mode {mode:04o})")));
    }
    Ok(())
}

#[cfg(target_os = "macos")]
fn judge_acl(file: impl AsFd, place: &Path) -> Result<(), FileError> {
    match crate::os::acl::grants_writing(file.as_fd()) {
        Ok(false) => Ok(()),
        Ok(true) => {
            Err(FileError::refuse(place, "an access control list lets others write to it (ls -le shows it)"))
        }
        Err(error) => Err(FileError::system("read the access control list of", place, error)),
    }
}

#[cfg(not(target_os = "macos"))]
#[expect(clippy::unnecessary_wraps, reason = "as on macOS")]
fn judge_acl(_file: impl AsFd, _place: &Path) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mode_that_lets_others_write_is_trusted() {
        let place = Path::new("/x");
        for mode in 0..0o10000 {
            assert_eq!(judge_owner(0, mode, place).is_ok(), mode & 0o022 == 0, "{mode:04o}");
            assert!(judge_owner(501, mode, place).is_err(), "{mode:04o}");
        }
    }
}
