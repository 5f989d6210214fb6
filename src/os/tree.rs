//! Files below a base directory (`/`, or a lab): read, replaced and removed without following a link.
//!
//! Purpose: root writes only what it means to write. Every path is walked from the base, each directory opened
//! relative to the one before it and never through a symbolic link, so that a user who can write somewhere on the
//! way cannot lead a write astray. A file is replaced by writing a new one beside it and renaming that: a reader sees
//! the old bytes or the new ones, never half of them; after [`Files::replace`] returns, the new ones survive a
//! power loss.

mod append;
mod aside;
pub mod bell;
mod for_admins;
mod put;
mod replace;
mod trust;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::os::children::process_runs;

/// A base directory and the rules for what lies below it.
#[derive(Clone, Debug)]
pub struct Files {
    base: PathBuf,
    /// Whether directories and files must be root's and closed to others' writes.
    strict: bool,
}

/// What was tried on which file, and why it failed. The file is as it was, but for [`FileError::Unclear`].
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot {verb} {}: {source}", path.display())]
    System { verb: &'static str, path: PathBuf, source: std::io::Error },
    /// The change was made, and may not outlive a power loss.
    #[error("cannot {verb} {}, which may be changed already: {source}", path.display())]
    Unclear { verb: &'static str, path: PathBuf, source: std::io::Error },
    /// A symbolic link, or something else that is no plain file or directory, is in the way.
    #[error("will not use {}: {what}; look at it and take it away", path.display())]
    Unsafe { path: PathBuf, what: String },
    /// Another process changed it after it was seen.
    #[error("{} was changed meanwhile: try again", path.display())]
    Changed { path: PathBuf },
    /// Larger than anything that belongs there.
    #[error("will not read {}: it is larger than {max} bytes", path.display())]
    TooLarge {
        path: PathBuf,
        /// The bound in bytes.
        max: u64,
    },
    /// Another process holds the lock.
    #[error("another change has been under way for {} s: try again when it is done", waited.as_secs())]
    Busy { waited: Duration },
}

impl FileError {
    fn system(verb: &'static str, path: &Path, source: impl Into<std::io::Error>) -> Self {
        FileError::System { verb, path: path.to_owned(), source: source.into() }
    }

    fn unclear(verb: &'static str, path: &Path, source: impl Into<std::io::Error>) -> Self {
        FileError::Unclear { verb, path: path.to_owned(), source: source.into() }
    }

    /// Whether the file is as it was; else it may be the new one.
    pub fn is_as_it_was(&self) -> bool {
        !matches!(self, FileError::Unclear { .. })
    }

    fn refuse(path: &Path, what: impl Into<String>) -> Self {
        FileError::Unsafe { path: path.to_owned(), what: what.into() }
    }
}

/// What should have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    PlainFile,
    Folder,
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock goes when the file is closed")] File);

/// The largest file that is read, in bytes: a pf.conf of a large site is a few hundred kilobytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

impl Files {
    /// The system itself: every directory on the way must be root's and not open to others' writes.
    pub fn system() -> Self {
        Files { base: PathBuf::from("/"), strict: true }
    }

    /// A folder that plays `/` with the rules of the system.
    pub fn of_root(base: &Path) -> Self {
        Files { base: base.to_owned(), strict: true }
    }

    /// A lab: links are not followed either, but any owner is accepted.
    pub fn lab(base: &Path) -> Self {
        Files { base: base.to_owned(), strict: false }
    }

    /// The whole path of `path` (absolute, as on a Mac) in this tree.
    pub fn place(&self, path: &str) -> PathBuf {
        self.base.join(path.trim_start_matches('/'))
    }

    /// The bytes of a plain file, or `None` where there is none. Errors: it cannot be read, it is a link or no
    /// plain file, it has more than 16 MiB, or (on the system) others could have written it.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(directory.as_fd(), name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(entry_error("open", &place, error)),
        };
        self.judge_file(&file, &place)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| FileError::system("read", &place, error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(FileError::TooLarge { path: place, max: MAX_BYTES });
        }
        Ok(Some(bytes))
    }

    /// Removes a plain file; nothing where there is none.
    pub fn remove(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(()) };
        match rustix::fs::unlinkat(directory.as_fd(), name, AtFlags::empty()) {
            Ok(()) => rustix::fs::fsync(directory.as_fd())
                .map_err(|error| FileError::unclear("write out the directory of", &place, error)),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(FileError::system("remove", &place, error)),
        }
    }

    /// Writes out the folder that holds `path`, so that names that came or went outlive a power loss.
    pub fn sync_folder_of(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, _)) = self.walk(path, None)? else { return Ok(()) };
        rustix::fs::fsync(directory.as_fd())
            .map_err(|error| FileError::unclear("write out the directory of", &place, error))
    }

    /// Removes what writers that were killed left in a folder: files of ours to be renamed, of processes that have ended.
    /// Of files that are not ours to begin with, only those that were to become one of `names`; all where that is empty.
    pub fn sweep(&self, folder: &str, names: &[&str]) -> Result<(), FileError> {
        for name in self.list(folder)? {
            let Some((target, pid)) = temporary_parts(&name) else { continue };
            if (names.is_empty() || names.contains(&target)) && !process_runs(pid) {
                self.remove(&format!("{folder}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Opens a file for appending, made with `mode` where it is missing.
    pub fn append(&self, path: &str, mode: u32) -> Result<File, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = flags | OFlags::NONBLOCK;
        let file = rustix::fs::openat(directory.as_fd(), name, flags, Mode::from_raw_mode(mode as _))
            .map_err(|error| entry_error("append to", &place, error))?;
        let file = File::from(file);
        self.judge_file(&file, &place)?;
        Ok(file)
    }

    /// Removes an empty directory; nothing where there is none.
    pub fn remove_directory(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(()) };
        match rustix::fs::unlinkat(directory.as_fd(), name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(FileError::system("remove", &place, error)),
        }
    }

    /// Makes a directory with `mode`, and those above it with 0o755.
    pub fn make_directory(&self, path: &str, mode: u32) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        match rustix::fs::mkdirat(directory.as_fd(), name, Mode::from_raw_mode(mode as _)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(FileError::system("make", &place, error)),
        }
    }

    /// Names of what lies in a directory, sorted; none where there is no such directory.
    pub fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(Vec::new()) };
        let Some(directory) = self.step(&directory, name, &place, None)? else { return Ok(Vec::new()) };
        let fail = |error: Errno| FileError::system("list", &place, error);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(directory.as_fd()).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy();
            if name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Takes the lock at `path`, waiting up to `patience`. Errors: another process holds it longer than that.
    pub fn lock(&self, path: &str, patience: Duration) -> Result<Lock, FileError> {
        let place = self.place(path);
        let began = Instant::now();
        let mut file = self.open_lock(path)?;
        loop {
            match file.try_lock() {
                // An uninstallation takes the lock's file away while it holds it, and what cannot be used is set aside: who
                // waited for that one locks nothing.
                Ok(()) if !self.has_name(&file, path) && began.elapsed() < patience => {
                    file = self.open_lock(path)?
                }
                Ok(()) => return Ok(Lock(file)),
                Err(std::fs::TryLockError::WouldBlock) if began.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(std::fs::TryLockError::WouldBlock) => return Err(FileError::Busy { waited: patience }),
                Err(std::fs::TryLockError::Error(error)) => {
                    return Err(FileError::system("lock", &place, error));
                }
            }
        }
    }

    /// Whether a file that is open is the one that has the name, and not one that was taken away or set aside.
    fn has_name(&self, file: &File, path: &str) -> bool {
        let Ok(Some((directory, name))) = self.walk(path, None) else { return false };
        let named = rustix::fs::statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW);
        let (Ok(named), Ok(meta)) = (named, file.metadata()) else { return false };
        named.st_ino == meta.ino()
    }

    fn open_lock(&self, path: &str) -> Result<File, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(directory.as_fd(), name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| entry_error("open the lock", &place, error))?;
        let file = File::from(file);
        self.judge_file(&file, &place)?;
        Ok(file)
    }

    /// Opens the directory that holds `path` and gives it with the last name; `None` where a directory is
    /// missing and `make` (the mode to make it with) is not given.
    fn walk<'a>(&self, path: &'a str, make: Option<u32>) -> Result<Option<(OwnedFd, &'a str)>, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut directory = match rustix::fs::open(&self.base, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) if make.is_none() => return Ok(None),
            Err(error) => return Err(FileError::system("open", &self.base, error)),
        };
        directory = self.judge_folder(directory, &self.base)?;
        let mut so_far = self.base.clone();
        // On a Mac these three are links of the system's own into /private.
        let private =
            if self.strict && cfg!(target_os = "macos") { ["etc", "var", "tmp"].as_slice() } else { &[] };
        let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        if names.first().is_some_and(|first| private.contains(first)) {
            names.insert(0, "private");
        }
        let Some((last, parents)) = names.split_last() else {
            return Err(FileError::refuse(&self.base, "it is no file"));
        };
        for name in names.iter() {
            if *name == "." || *name == ".." {
                return Err(FileError::refuse(&self.base.join(path), "its path goes through . or .."));
            }
        }
        for name in parents {
            so_far.push(name);
            match self.step(&directory, name, &so_far, make)? {
                Some(next) => directory = next,
                None => return Ok(None),
            }
        }
        Ok(Some((directory, last)))
    }

    fn step(
        &self,
        parent: &OwnedFd,
        name: &str,
        place: &Path,
        make: Option<u32>,
    ) -> Result<Option<OwnedFd>, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || match name {
            bell::FOLDER => bell::open_on_volume(parent, name, flags),
            _ => rustix::fs::openat(parent.as_fd(), name, flags, Mode::empty()),
        };
        let directory = match (open(), make) {
            // What a volume hides is not there for us.
            (Err(Errno::NOENT | Errno::XDEV), None) => return Ok(None),
            (Err(Errno::NOENT), Some(mode)) => {
                match rustix::fs::mkdirat(parent.as_fd(), name, Mode::from_raw_mode(mode as _)) {
                    Ok(()) | Err(Errno::EXIST) => open(),
                    Err(error) => return Err(FileError::system("make", place, error)),
                }
            }
            (result, _) => result,
        };
        let directory = match directory {
            Ok(directory) => directory,
            Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => {
                return Err(FileError::refuse(place, "it is a symbolic link or no directory"));
            }
            Err(error) => return Err(FileError::system("open", place, error)),
        };
        self.judge_folder(directory, place).map(Some)
    }

    fn judge_file(&self, file: &File, place: &Path) -> Result<(), FileError> {
        let meta = file.metadata().map_err(|error| FileError::system("look at", place, error))?;
        if !meta.is_file() {
            return Err(FileError::refuse(place, "it is no plain file"));
        }
        if meta.nlink() > 1 {
            return Err(FileError::refuse(place, "it has a second name (a hard link)"));
        }
        if self.strict {
            trust::judge_plain_file(file, &meta, place)?;
        }
        Ok(())
    }

    fn judge_folder(&self, folder: OwnedFd, place: &Path) -> Result<OwnedFd, FileError> {
        if !self.strict {
            return Ok(folder);
        }
        let folder = File::from(folder);
        let meta = folder.metadata().map_err(|error| FileError::system("look at", place, error))?;
        trust::judge_folder(&folder, &meta, place)?;
        Ok(folder.into())
    }
}

/// Why what has a name does not open: a link, or a kind of file that cannot be opened so.
fn entry_error(verb: &'static str, place: &Path, error: Errno) -> FileError {
    match error {
        Errno::LOOP | Errno::MLINK => FileError::refuse(place, "it is a symbolic link"),
        Errno::ISDIR | Errno::NXIO | Errno::OPNOTSUPP => FileError::refuse(place, "it is no plain file"),
        error => FileError::system(verb, place, error),
    }
}

/// What is there to be replaced: a plain file, or nothing.
fn plain_file(directory: &OwnedFd, name: &str, place: &Path) -> Result<Option<rustix::fs::Stat>, FileError> {
    match rustix::fs::statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat)
            if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile =>
        {
            Err(FileError::refuse(place, "it is no plain file"))
        }
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(FileError::system("look at", place, error)),
    }
}

fn temporary_name(name: &str) -> String {
    format!(".{name}.{}.portcullis", std::process::id())
}

/// The name that a temporary file was to get, and the process that wrote it.
fn temporary_parts(temporary: &str) -> Option<(&str, u32)> {
    let (name, pid) = temporary.strip_prefix('.')?.strip_suffix(".portcullis")?.rsplit_once('.')?;
    Some((name, pid.parse().ok()?))
}

/// Opens a new file for writing.
fn write_beside(directory: &OwnedFd, temporary: &str, place: &Path) -> Result<File, FileError> {
    // What a crash left under this name is ours: only we write here.
    let _ = rustix::fs::unlinkat(directory.as_fd(), temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory.as_fd(), temporary, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|error| FileError::system("write beside", place, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn tree() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        (directory, tree)
    }

    #[test]
    fn replaces_and_reads_back() {
        let (directory, tree) = tree();
        assert_eq!(tree.read("/etc/pf.conf").unwrap(), None);
        tree.replace("/etc/pf.conf", b"pass\n", 0o644).unwrap();
        std::fs::set_permissions(
            directory.path().join("etc/pf.conf"),
            std::fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        tree.replace("/etc/pf.conf", b"block\n", 0o644).unwrap();
        assert_eq!(tree.read("/etc/pf.conf").unwrap().unwrap(), b"block\n");
        let mode = std::fs::metadata(directory.path().join("etc/pf.conf")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640, "a file keeps its mode");
        assert_eq!(tree.list("/etc").unwrap(), ["pf.conf"], "nothing is left beside it");
        tree.remove("/etc/pf.conf").unwrap();
        tree.remove("/etc/pf.conf").unwrap();
        assert_eq!(tree.list("/etc").unwrap(), [""; 0]);
        assert_eq!(tree.list("/nowhere").unwrap(), [""; 0]);
    }

    #[test]
    fn follows_no_link() {
        let (directory, tree) = tree();
        tree.replace("/real/file", b"mine", 0o600).unwrap();
        symlink(directory.path().join("real"), directory.path().join("linked")).unwrap();
        symlink(directory.path().join("real/file"), directory.path().join("real/alias")).unwrap();
        for path in ["/linked/file", "/real/alias"] {
            assert!(matches!(tree.read(path), Err(FileError::Unsafe { .. })), "{path}");
            assert!(matches!(tree.replace(path, b"x", 0o600), Err(FileError::Unsafe { .. })), "{path}");
        }
        assert!(tree.read("/real/../real/file").is_err());
        assert_eq!(tree.read("/real/file").unwrap().unwrap(), b"mine");
    }

    #[test]
    fn a_second_name_is_refused() {
        let (directory, tree) = tree();
        tree.replace("/real/file", b"mine", 0o600).unwrap();
        std::fs::hard_link(directory.path().join("real/file"), directory.path().join("real/other")).unwrap();
        assert!(tree.read("/real/file").unwrap_err().to_string().contains("hard link"));
        assert!(tree.append_line("/real/file", "x").is_err());
    }

    // Making one without mkfifo(1) is in rustix for Linux alone.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_does_not_block() {
        let (directory, tree) = tree();
        let path = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(matches!(tree.read("/pipe"), Err(FileError::Unsafe { .. })));
        assert!(matches!(tree.replace("/pipe", b"x", 0o600), Err(FileError::Unsafe { .. })));
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_up() {
        let (directory, tree) = tree();
        tree.replace("/etc/pf.conf", b"pass\n", 0o644).unwrap();
        let mut gone = std::process::Command::new("/bin/sh").args(["-c", ":"]).spawn().unwrap();
        gone.wait().unwrap();
        let left = |name: &str| std::fs::write(directory.path().join("etc").join(name), "half a").unwrap();
        let dead = format!(".pf.conf.{}.portcullis", gone.id());
        let (other, own) = (format!(".hosts.{}.portcullis", gone.id()), temporary_name("pf.conf"));
        [dead.as_str(), &other, &own, ".pf.conf.1x.portcullis", ".pf.conf.swp"].into_iter().for_each(left);
        tree.sweep("/etc", &["pf.conf"]).unwrap();
        assert_eq!(tree.list("/etc").unwrap().iter().filter(|name| **name == dead).count(), 0);
        assert_eq!(
            tree.list("/etc").unwrap().len(),
            5,
            "what others wrote, and what is being written, stays"
        );
        tree.sweep("/etc", &[]).unwrap();
        assert!(!tree.list("/etc").unwrap().contains(&other));
        tree.sweep("/nowhere", &[]).unwrap();
    }

    #[test]
    fn one_lock_at_a_time() {
        let (_directory, tree) = tree();
        let held = tree.lock("/lock", Duration::ZERO).unwrap();
        assert!(matches!(tree.lock("/lock", Duration::ZERO), Err(FileError::Busy { .. })));
        drop(held);
        let held = tree.lock("/lock", Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| tree.lock("/lock", Duration::from_secs(10)).unwrap());
            tree.remove("/lock").unwrap();
            drop(held);
            let _there = waits.join().unwrap();
            assert!(
                matches!(tree.lock("/lock", Duration::ZERO), Err(FileError::Busy { .. })),
                "of the new file"
            );
        });
    }
}
