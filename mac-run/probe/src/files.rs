//! Files and directories.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    DirBuilderExt as _, DirEntryExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};

use super::Folder;

fn number<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

#[test]
fn errors_have_macos_numbers() {
    let folder = Folder::new();
    fs::create_dir_all(folder.file("full/inner")).unwrap();
    std::os::unix::fs::symlink("full", folder.file("link")).unwrap();
    std::os::unix::fs::symlink("loop", folder.file("loop")).unwrap();
    assert_eq!(number(File::open(folder.file("missing"))), 2, "ENOENT");
    assert_eq!(number(fs::create_dir(folder.file("full"))), 17, "EEXIST");
    assert_eq!(number(File::open(folder.file("loop"))), 62, "ELOOP");
    assert_eq!(number(fs::remove_dir(folder.file("full"))), 66, "ENOTEMPTY");
    assert_eq!(number(fs::remove_file(folder.file("full"))), 1, "EPERM: a directory is not unlinked");
    assert_eq!(number(File::open(folder.file(&"x".repeat(300)))), 63, "ENAMETOOLONG");
    let mut links = OpenOptions::new();
    links.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY);
    assert_eq!(number(links.open(folder.file("link"))), 62, "ELOOP: a link in the place of a directory");
}

#[test]
fn the_text_of_an_error_is_that_of_its_number() {
    let text = |number| std::io::Error::from_raw_os_error(number).to_string();
    assert!(text(35).starts_with("Resource temporarily unavailable"), "{}", text(35));
    assert!(text(66).starts_with("Directory not empty"), "{}", text(66));
    assert_eq!(std::io::Error::from_raw_os_error(61).kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn what_a_file_is() {
    let folder = Folder::new();
    let path = folder.file("file");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).unwrap();
    file.write_all(b"twelve bytes").unwrap();
    let found = file.metadata().unwrap();
    assert_eq!((found.len(), found.nlink(), found.mode()), (12, 1, 0o100640));
    // SAFETY: takes nothing.
    assert_eq!(found.uid(), unsafe { libc::geteuid() });
    assert_eq!((found.ino(), found.dev()), {
        let other = fs::metadata(&path).unwrap();
        (other.ino(), other.dev())
    });
    assert!(found.created().unwrap() <= found.modified().unwrap());
    let age = found.modified().unwrap().elapsed().unwrap_or_default();
    assert!(age.as_secs() < 3600, "{age:?}");
    fs::hard_link(&path, folder.file("again")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 2);
    std::os::unix::fs::symlink("file", folder.file("link")).unwrap();
    assert!(fs::symlink_metadata(folder.file("link")).unwrap().is_symlink());
    assert_eq!(fs::read_link(folder.file("link")).unwrap().to_str(), Some("file"));
    assert!(fs::metadata(&folder.0).unwrap().is_dir());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn open_flags_do_what_they_say() {
    let folder = Folder::new();
    let path = folder.file("file");
    fs::write(&path, "one").unwrap();
    assert_eq!(number(OpenOptions::new().write(true).create_new(true).open(&path)), 17);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "onetwo");
    let mut both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    both.seek(SeekFrom::Start(3)).unwrap();
    both.write_all(b"TWO").unwrap();
    both.rewind().unwrap();
    let mut text = String::new();
    both.read_to_string(&mut text).unwrap();
    assert_eq!(text, "oneTWO");
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    // SAFETY: takes a number.
    let flags = unsafe { libc::fcntl(both.as_raw_fd(), libc::F_GETFL) };
    assert_eq!(flags & libc::O_ACCMODE, libc::O_RDWR);
    // SAFETY: as above.
    let flags = unsafe { libc::fcntl(both.as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags, libc::FD_CLOEXEC, "Rust opens every file so");
    both.sync_all().unwrap();
}

#[test]
fn directories_are_read_whole() {
    let folder = Folder::new();
    let names: Vec<String> = (0..200).map(|number| format!("{number:03}-é端")).collect();
    for name in &names {
        fs::write(folder.file(name), name).unwrap();
    }
    fs::create_dir(folder.file("inner")).unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder.0).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(entry.file_type().unwrap().is_dir(), name == "inner");
        assert_eq!(entry.ino(), entry.metadata().unwrap().ino());
        found.push(name);
    }
    found.sort();
    let mut expected = names;
    expected.push("inner".into());
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn modes_and_the_umask() {
    let folder = Folder::new();
    fs::DirBuilder::new().mode(0o750).create(folder.file("inner")).unwrap();
    assert_eq!(fs::metadata(folder.file("inner")).unwrap().mode() & 0o7777, 0o750);
    fs::set_permissions(folder.file("inner"), fs::Permissions::from_mode(0o1700)).unwrap();
    assert_eq!(fs::metadata(folder.file("inner")).unwrap().mode() & 0o7777, 0o1700);
}

#[test]
fn a_rename_replaces_what_is_there() {
    let folder = Folder::new();
    fs::write(folder.file("new"), "new").unwrap();
    fs::write(folder.file("old"), "old").unwrap();
    fs::rename(folder.file("new"), folder.file("old")).unwrap();
    assert_eq!(fs::read_to_string(folder.file("old")).unwrap(), "new");
    assert!(!folder.file("new").exists());
    fs::copy(folder.file("old"), folder.file("copy")).unwrap();
    assert_eq!(fs::read_to_string(folder.file("copy")).unwrap(), "new");
    assert!(folder.file("copy").canonicalize().unwrap().ends_with("copy"));
}

#[test]
fn locks_keep_others_out() {
    let folder = Folder::new();
    let path = folder.file("lock");
    let first = File::create(&path).unwrap();
    let second = File::open(&path).unwrap();
    first.try_lock().unwrap();
    assert!(matches!(second.try_lock(), Err(fs::TryLockError::WouldBlock)));
    drop(first);
    second.try_lock().unwrap();
}

#[test]
fn locks_of_a_process_tell_who_holds_them() {
    let folder = Folder::new();
    let file = File::create(folder.file("lock")).unwrap();
    // SAFETY: zeroes are a value of `flock`; the command takes one.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        (lock.l_type, lock.l_whence, lock.l_len) = (libc::F_WRLCK as i16, libc::SEEK_SET as i16, 10);
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw mut lock), 0);
        lock.l_type = libc::F_WRLCK as i16;
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock), 0);
        assert_eq!(lock.l_type, libc::F_UNLCK as i16, "one's own is in nobody's way");
    }
}
