//! What `open` and `fcntl` are asked for (xnu, `bsd/sys/fcntl.h`).

use libc::c_int;

use super::Pairs;

/// The last two bits: read, write, both. The same on Linux.
pub const ACCESS: c_int = 3;

pub const OPEN_FLAGS: &Pairs<c_int> = &[
    (0x0000_0004, libc::O_NONBLOCK),
    (0x0000_0008, libc::O_APPEND),
    (0x0000_0080, libc::O_SYNC),
    (0x0000_0100, libc::O_NOFOLLOW),
    (0x0000_0200, libc::O_CREAT),
    (0x0000_0400, libc::O_TRUNC),
    (0x0000_0800, libc::O_EXCL),
    (0x0002_0000, libc::O_NOCTTY),
    (0x0010_0000, libc::O_DIRECTORY),
    (0x0040_0000, libc::O_DSYNC),
    (0x0100_0000, libc::O_CLOEXEC),
];
pub const O_NOFOLLOW: c_int = 0x100;
pub const O_DIRECTORY: c_int = 0x10_0000;

/// `AT_FDCWD`.
pub const AT_FDCWD: c_int = -2;
/// Flags of the calls whose names end in `at`.
pub const AT_FLAGS: &Pairs<c_int> =
    &[(0x10, libc::AT_EACCESS), (0x20, libc::AT_SYMLINK_NOFOLLOW), (0x40, libc::AT_SYMLINK_FOLLOW)];
/// `AT_REMOVEDIR`, which has a bit that AT_EACCESS shares on Linux.
pub const AT_REMOVEDIR: c_int = 0x80;

/// Commands whose third argument means the same on both.
pub const COMMANDS: &Pairs<c_int> = &[
    (0, libc::F_DUPFD),
    (1, libc::F_GETFD),
    (2, libc::F_SETFD),
    (5, libc::F_GETOWN),
    (6, libc::F_SETOWN),
    (67, libc::F_DUPFD_CLOEXEC),
];
pub const F_GETFL: c_int = 3;
pub const F_SETFL: c_int = 4;
/// Locks of a process and of an open file; their third argument is a [`Flock`].
pub const LOCKS: &Pairs<c_int> = &[
    (7, libc::F_GETLK),
    (8, libc::F_SETLK),
    (9, libc::F_SETLKW),
    (90, libc::F_OFD_SETLK),
    (91, libc::F_OFD_SETLKW),
    (92, libc::F_OFD_GETLK),
];
pub const F_NOCACHE: c_int = 48;
pub const F_GETPATH: c_int = 50;
pub const F_FULLFSYNC: c_int = 51;
pub const F_SETNOSIGPIPE: c_int = 73;
pub const F_BARRIERFSYNC: c_int = 85;

pub const LOCK_KINDS: &Pairs<i16> =
    &[(1, libc::F_RDLCK as i16), (2, libc::F_UNLCK as i16), (3, libc::F_WRLCK as i16)];

/// `struct flock`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Flock {
    pub start: i64,
    pub length: i64,
    pub pid: i32,
    pub kind: i16,
    pub whence: i16,
}

const _: () = assert!(size_of::<Flock>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(OPEN_FLAGS);
        crate::abi::assert_one_to_one(AT_FLAGS);
        crate::abi::assert_one_to_one(COMMANDS);
        crate::abi::assert_one_to_one(LOCKS);
        crate::abi::assert_one_to_one(LOCK_KINDS);
    }

    #[test]
    fn open_flags_as_rust_writes_them() {
        // O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC.
        let flags = crate::abi::flags_to_linux(OPEN_FLAGS, 0x0100_0a00);
        assert_eq!(flags, Ok(libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC));
    }
}
