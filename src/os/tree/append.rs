//! Appends to a file that is a log: whole lines only, and each of them survives a power loss.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{FileError, Files, entry_error};

impl Files {
    /// Appends one line to a plain file, made with 0o644 where it is missing, and writes it out. A part of a line that a
    /// crash left at the end goes. The caller holds a lock: two writers at once would cut each other's lines.
    ///
    /// Errors: the file is as it was, but for a line that could be written and not written out.
    pub fn append_line(&self, path: &str, line: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, Some(0o755))? else {
            return Err(FileError::system("make a directory for", &place, Errno::NOENT));
        };
        let fail = |error: std::io::Error| FileError::system("append to", &place, error);
        let mut file = open_log(&directory, name, OFlags::CREATE)
            .map_err(|error| entry_error("append to", &place, error))?;
        self.judge_file(&file, &place)?;
        let length = cut_torn_line(&mut file).map_err(fail)?;
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            // A disk that is full takes a part of a line.
            let _ = file.set_len(length);
            return Err(fail(error));
        }
        rustix::fs::fsync(&file).map_err(|error| fail(error.into()))?;
        if length == 0 {
            rustix::fs::fsync(directory.as_fd()).map_err(|error| fail(error.into()))?;
        }
        Ok(())
    }

    /// Takes away a part of a line that a crash left at the end of a log; gives the length that is left, 0 where there is no
    /// such file. The caller holds the lock that appending needs.
    pub fn cut_torn_line(&self, path: &str) -> Result<u64, FileError> {
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(0) };
        let mut file = match open_log(&directory, name, OFlags::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(0),
            Err(error) => return Err(entry_error("mend", &place, error)),
        };
        self.judge_file(&file, &place)?;
        cut_torn_line(&mut file).map_err(|error| FileError::system("mend", &place, error))
    }

    /// The length of a file in bytes; 0 where there is none.
    pub fn length(&self, path: &str) -> Result<u64, FileError> {
        use rustix::fs::AtFlags;
        let place = self.place(path);
        let Some((directory, name)) = self.walk(path, None)? else { return Ok(0) };
        match rustix::fs::statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(u64::try_from(stat.st_size).unwrap_or(0)),
            Err(Errno::NOENT) => Ok(0),
            Err(error) => Err(FileError::system("look at", &place, error)),
        }
    }

    /// Gives a file the `name` in its own directory, in the place of what has it; nothing where there is no such file.
    pub fn rename(&self, path: &str, name: &str) -> Result<(), FileError> {
        let place = self.place(path);
        let Some((directory, old)) = self.walk(path, None)? else { return Ok(()) };
        match rustix::fs::renameat(directory.as_fd(), old, directory.as_fd(), name) {
            Ok(()) => rustix::fs::fsync(directory.as_fd())
                .map_err(|error| FileError::system("write out the directory of", &place, error)),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(FileError::system("rename", &place, error)),
        }
    }
}

fn open_log(directory: &OwnedFd, name: &str, more: OFlags) -> Result<File, Errno> {
    // Without NONBLOCK a pipe would wait for its reader.
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    rustix::fs::openat(directory.as_fd(), name, flags, Mode::from_raw_mode(0o644)).map(File::from)
}

/// Cuts what stands behind the last line end; gives the length that is left.
fn cut_torn_line(file: &mut File) -> std::io::Result<u64> {
    const PIECE: u64 = 4096;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&*file).take(end - start).read_to_end(&mut piece)?;
        if let Some(newline) = piece.iter().rposition(|&byte| byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        (directory, tree)
    }

    #[test]
    fn a_torn_line_goes_before_the_next_one() {
        let (directory, tree) = tree();
        tree.append_line("/logs/log", "one").unwrap();
        let path = directory.path().join("logs/log");
        for torn in ["tw".to_owned(), "x".repeat(5000)] {
            std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
            tree.append_line("/logs/log", "two").unwrap();
        }
        assert_eq!(tree.read("/logs/log").unwrap().unwrap(), b"one\ntwo\ntwo\n");
        assert_eq!(tree.length("/logs/log").unwrap(), 12);
        std::fs::write(&path, "one\ntorn").unwrap();
        assert_eq!([tree.cut_torn_line("/logs/log").unwrap(), tree.length("/logs/log").unwrap()], [4, 4]);
        std::fs::write(&path, "torn").unwrap();
        tree.append_line("/logs/log", "one").unwrap();
        assert_eq!(tree.read("/logs/log").unwrap().unwrap(), b"one\n");
    }

    #[test]
    fn a_name_goes_over_to_another_file() {
        let (_directory, tree) = tree();
        tree.rename("/logs/log", "log.1").unwrap();
        tree.append_line("/logs/log", "one").unwrap();
        tree.rename("/logs/log", "log.1").unwrap();
        assert_eq!(tree.list("/logs").unwrap(), ["log.1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_and_a_link_are_refused() {
        let (directory, tree) = tree();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::os::unix::fs::symlink("elsewhere", directory.path().join("link")).unwrap();
        for path in ["/pipe", "/link"] {
            assert!(tree.append_line(path, "x").is_err() && tree.cut_torn_line(path).is_err(), "{path}");
        }
        assert_eq!(tree.cut_torn_line("/nothing").unwrap(), 0);
        assert_eq!(tree.list("/").err().map(|error| error.to_string().contains("no file")), Some(true));
        assert!(!directory.path().join("elsewhere").exists());
    }
}
