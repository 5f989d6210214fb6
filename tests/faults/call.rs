//! What a system call that is held up does, and to what: read from the process that makes it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A call that is held up, as the kernel tells it.
pub struct Trapped {
    /// The thread that makes it.
    pub task: u32,
    pub number: i64,
    pub arguments: [u64; 6],
}

/// Where the arguments of a call name what it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Writes to the descriptor of its first argument; the third is the length, where it is one.
    Write,
    /// Works on the descriptor of its first argument.
    Descriptor,
    /// Works on a path: a folder's descriptor in one argument (`None`: the working folder), the name in another.
    Path { folder: Option<u8>, name: u8 },
    /// Opens a path, named in the same way, as the flags in this argument say.
    Open { folder: Option<u8>, name: u8, flags: u8 },
    /// Starts a program.
    Execute { name: u8, words: u8 },
    /// Makes a process, or a thread: the flags say which.
    Fork,
}

const fn at(folder: u8, name: u8) -> Kind {
    Kind::Path { folder: Some(folder), name }
}

/// The flags of what is opened to be written to.
pub const WRITES: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).unsigned_abs();

/// The calls that are held up.
pub const HELD_UP: &[(i64, &str, Kind)] = &[
    (libc::SYS_write, "write", Kind::Write),
    (libc::SYS_pwrite64, "pwrite", Kind::Write),
    (libc::SYS_writev, "writev", Kind::Descriptor),
    (libc::SYS_pwritev, "pwritev", Kind::Descriptor),
    (libc::SYS_pwritev2, "pwritev2", Kind::Descriptor),
    (libc::SYS_sendfile, "sendfile", Kind::Descriptor),
    (libc::SYS_openat, "open", Kind::Open { folder: Some(0), name: 1, flags: 2 }),
    (libc::SYS_openat2, "open", at(0, 1)),
    (libc::SYS_renameat, "rename", at(2, 3)),
    (libc::SYS_renameat2, "rename", at(2, 3)),
    (libc::SYS_linkat, "link", at(2, 3)),
    (libc::SYS_symlinkat, "symlink", at(1, 2)),
    (libc::SYS_unlinkat, "unlink", at(0, 1)),
    (libc::SYS_mkdirat, "mkdir", at(0, 1)),
    (libc::SYS_mknodat, "mknod", at(0, 1)),
    (libc::SYS_fsync, "fsync", Kind::Descriptor),
    (libc::SYS_fdatasync, "fdatasync", Kind::Descriptor),
    (libc::SYS_syncfs, "syncfs", Kind::Descriptor),
    (libc::SYS_ftruncate, "truncate", Kind::Descriptor),
    (libc::SYS_truncate, "truncate", Kind::Path { folder: None, name: 0 }),
    (libc::SYS_fallocate, "fallocate", Kind::Descriptor),
    (libc::SYS_fchmod, "chmod", Kind::Descriptor),
    (libc::SYS_fchmodat, "chmod", at(0, 1)),
    (libc::SYS_fchown, "chown", Kind::Descriptor),
    (libc::SYS_fchownat, "chown", at(0, 1)),
    (libc::SYS_utimensat, "utimens", at(0, 1)),
    (libc::SYS_fsetxattr, "setxattr", Kind::Descriptor),
    (libc::SYS_fremovexattr, "removexattr", Kind::Descriptor),
    (libc::SYS_setxattr, "setxattr", Kind::Path { folder: None, name: 0 }),
    (libc::SYS_lsetxattr, "setxattr", Kind::Path { folder: None, name: 0 }),
    (libc::SYS_execve, "execute", Kind::Execute { name: 0, words: 1 }),
    (libc::SYS_execveat, "execute", Kind::Execute { name: 1, words: 2 }),
    (libc::SYS_clone, "fork", Kind::Fork),
    (libc::SYS_clone3, "fork", Kind::Fork),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, "fork", Kind::Fork),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "fork", Kind::Fork),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open", Kind::Open { folder: None, name: 0, flags: 1 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, "creat", Kind::Path { folder: None, name: 0 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename", Kind::Path { folder: None, name: 1 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, "link", Kind::Path { folder: None, name: 1 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_symlink, "symlink", Kind::Path { folder: None, name: 1 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink", Kind::Path { folder: None, name: 0 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, "rmdir", Kind::Path { folder: None, name: 0 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir", Kind::Path { folder: None, name: 0 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "chmod", Kind::Path { folder: None, name: 0 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chown, "chown", Kind::Path { folder: None, name: 0 }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lchown, "chown", Kind::Path { folder: None, name: 0 }),
];

/// A call that is held up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub name: &'static str,
    /// The process that makes it.
    pub process: u32,
    pub what: What,
}

/// What a call works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file or folder, or what a descriptor leads to (`pipe:[7]`).
    Place(PathBuf),
    /// The same, with so many bytes to write to it by descriptor, which stand in the file from this offset on.
    Bytes { place: PathBuf, length: u64, from: u64 },
    /// A program and its arguments, its own name among them.
    Program { file: PathBuf, words: Vec<String> },
    /// A new process.
    Process,
}

/// The program that runs in a thread; `None` where it has ended.
pub fn program(task: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{task}/exe")).ok()
}

/// Reads a call. `None`: it makes a thread or opens what it only reads, which is nothing to hold up, or who makes it has ended.
pub fn read(trapped: &Trapped) -> Option<Call> {
    let &(_, name, kind) = HELD_UP.iter().find(|(number, ..)| *number == trapped.number)?;
    let task = trapped.task;
    let argument = |index: u8| trapped.arguments.get(usize::from(index)).copied().unwrap_or_default();
    // openat2(2) has its flags in memory, first thing.
    if trapped.number == libc::SYS_openat2 && word(task, argument(2))? & u64::from(WRITES) == 0 {
        return None;
    }
    let path = |folder: Option<u8>, name: u8| {
        let folder = folder.map_or(libc::AT_FDCWD, |index| argument(index) as i32);
        in_folder(task, folder, &text(task, argument(name))?)
    };
    let what = match kind {
        Kind::Write => {
            let place = descriptor(task, argument(0) as i32)?;
            let from = offset(task, argument(0) as i32, &place);
            What::Bytes { place, length: argument(2), from }
        }
        Kind::Descriptor => What::Place(descriptor(task, argument(0) as i32)?),
        Kind::Path { folder, name } | Kind::Open { folder, name, .. } => What::Place(path(folder, name)?),
        Kind::Execute { name, words } => {
            What::Program { file: text(task, argument(name))?.into(), words: texts(task, argument(words))? }
        }
        Kind::Fork => {
            // clone3(2) has its flags in memory, first thing.
            let flags = match trapped.number {
                libc::SYS_clone => argument(0),
                libc::SYS_clone3 => word(task, argument(0))?,
                _ => 0,
            };
            if flags & u64::from(libc::CLONE_THREAD.unsigned_abs()) != 0 {
                return None;
            }
            What::Process
        }
    };
    Some(Call { name, process: status(task, "Tgid:")?, what })
}

/// A number from a process's status: its parent (`PPid:`), the process that a thread is of (`Tgid:`).
pub fn status(task: u32, key: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{task}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

fn descriptor(task: u32, number: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{task}/fd/{number}")).ok()
}

fn in_folder(task: u32, folder: i32, name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        return Some(name.into());
    }
    let folder = match folder {
        libc::AT_FDCWD => std::fs::read_link(format!("/proc/{task}/cwd")).ok()?,
        folder => descriptor(task, folder)?,
    };
    Some(if name.is_empty() { folder } else { folder.join(name) })
}

/// Where in its file the next byte goes.
fn offset(task: u32, number: i32, place: &Path) -> u64 {
    let known = std::fs::read_to_string(format!("/proc/{task}/fdinfo/{number}")).unwrap_or_default();
    let field = |key: &str| known.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
    let flags = field("flags:").and_then(|octal| i32::from_str_radix(&octal, 8).ok()).unwrap_or(0);
    if flags & libc::O_APPEND != 0 {
        return place.metadata().map_or(0, |metadata| metadata.len());
    }
    field("pos:").and_then(|position| position.parse().ok()).unwrap_or(0)
}

/// The text at an address in a process, up to its NUL.
fn text(task: u32, address: u64) -> Option<String> {
    const LONGEST: usize = 64 * 1024;
    let memory = File::open(format!("/proc/{task}/mem")).ok()?;
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST {
        // Not beyond the page: the next one may not be there.
        let at = address + bytes.len() as u64;
        let mut piece = vec![0; (4096 - at % 4096) as usize];
        let length = memory.read_at(&mut piece, at).ok()?;
        piece.truncate(length);
        if let Some(end) = piece.iter().position(|&byte| byte == 0) {
            bytes.extend_from_slice(&piece[..end]);
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        if piece.is_empty() {
            return None;
        }
        bytes.extend(piece);
    }
    None
}

fn word(task: u32, address: u64) -> Option<u64> {
    let memory = File::open(format!("/proc/{task}/mem")).ok()?;
    let mut bytes = [0; 8];
    memory.read_exact_at(&mut bytes, address).ok()?;
    Some(u64::from_ne_bytes(bytes))
}

/// The texts whose addresses stand at an address, up to the NULL.
fn texts(task: u32, address: u64) -> Option<Vec<String>> {
    const MOST: u64 = 256;
    let mut found = Vec::new();
    for index in 0..MOST {
        match word(task, address + 8 * index)? {
            0 => break,
            address => found.push(text(task, address)?),
        }
    }
    Some(found)
}
