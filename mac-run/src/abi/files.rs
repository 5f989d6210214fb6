//! What files and directories look like (xnu, `bsd/sys/stat.h`, `bsd/sys/dirent.h`; the forms with 64-bit inodes).

use std::ffi::c_char;

/// `struct timespec`, the same on Linux.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: i64,
}

/// `struct stat` (`__DARWIN_STRUCT_STAT64`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Stat {
    pub device: i32,
    pub mode: u16,
    pub links: u16,
    pub inode: u64,
    pub user: u32,
    pub group: u32,
    pub special: i32,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    pub born: Time,
    pub size: i64,
    pub blocks: i64,
    pub block_size: i32,
    pub flags: u32,
    pub generation: u32,
    pub spare: i32,
    pub spares: [i64; 2],
}

/// `struct dirent` (`__DARWIN_STRUCT_DIRENTRY`). Its `type` has Linux's numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DirectoryEntry {
    pub inode: u64,
    pub offset: u64,
    pub length: u16,
    pub name_length: u16,
    pub kind: u8,
    pub name: [c_char; 1024],
}

const _: () = assert!(size_of::<Stat>() == 144 && size_of::<DirectoryEntry>() == 1048);
const _: () = assert!(std::mem::offset_of!(Stat, accessed) == 32 && std::mem::offset_of!(Stat, size) == 96);
const _: () = assert!(std::mem::offset_of!(DirectoryEntry, name) == 21);

impl Stat {
    /// What Linux says of a file, in macOS's form. `born` is unknown on some file systems: then it is `changed`.
    pub fn of(stat: &libc::stat, born: Option<Time>) -> Self {
        let changed = Time { seconds: stat.st_ctime, nanoseconds: stat.st_ctime_nsec };
        Stat {
            device: stat.st_dev as i32,
            mode: stat.st_mode as u16,
            links: u16::try_from(stat.st_nlink).unwrap_or(u16::MAX),
            inode: stat.st_ino,
            user: crate::identity::owner(stat.st_uid),
            group: stat.st_gid,
            special: stat.st_rdev as i32,
            accessed: Time { seconds: stat.st_atime, nanoseconds: stat.st_atime_nsec },
            modified: Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec },
            changed,
            born: born.unwrap_or(changed),
            size: stat.st_size,
            blocks: stat.st_blocks,
            block_size: stat.st_blksize as i32,
            ..Stat::default()
        }
    }
}
