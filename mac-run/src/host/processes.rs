//! This machine's processes, from `/proc` (proc(5)).

use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use crate::start;

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub group: u32,
    /// What it calls itself: 15 bytes at most.
    pub name: String,
    pub uid: [u32; 3],
    pub gid: [u32; 3],
    /// It has ended, and was not waited for.
    pub has_ended: bool,
    /// Microseconds since 1970.
    pub started: u64,
}

/// The numbers of all processes.
pub fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// `None`: there is no such process.
pub fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let name = start.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let has_ended = matches!(*fields.first()?, "Z" | "X");
    let (parent, group) = (fields.get(1)?.parse().ok()?, fields.get(2)?.parse().ok()?);
    let started = microseconds(fields.get(19)?.parse().ok()?)?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let mut ids = line.split_whitespace().map_while(|id| id.parse().ok());
        Some([ids.next()?, ids.next()?, ids.next()?])
    };
    Some(Process { pid, parent, group, name, uid: ids("Uid:")?, gid: ids("Gid:")?, has_ended, started })
}

/// The time of so many clock ticks after the boot.
fn microseconds(ticks: u64) -> Option<u64> {
    static BOOT: OnceLock<Option<u64>> = OnceLock::new();
    let boot = || {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    };
    // SAFETY: takes a number alone.
    let second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    Some(BOOT.get_or_init(boot).as_ref()? * 1_000_000 + ticks * 1_000_000 / second)
}

/// The program that a process runs: of a Mac's, that one and not this.
pub fn path(pid: u32) -> Option<Vec<u8>> {
    mac_program(pid).or_else(|| {
        let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        Some(path.as_os_str().as_bytes().to_vec())
    })
}

/// The Mac program that a process runs, as a path of this machine.
fn mac_program(pid: u32) -> Option<Vec<u8>> {
    variable(pid, start::PROGRAM)
}

/// A variable of the environment that a process was started with, which stands in `/proc` even after it was taken away.
pub fn variable(pid: u32, name: &str) -> Option<Vec<u8>> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let key = [name.as_bytes(), b"="].concat();
    let value = environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(&key[..]))?;
    Some(value.to_vec())
}

/// Its arguments, each closed by a NUL.
pub fn arguments(pid: u32) -> Option<Vec<u8>> {
    std::fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// Its open files by number, each with what the kernel calls it, such as `socket:[123]`. Errors: another user's process.
pub fn files(pid: u32) -> std::io::Result<Vec<(u32, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        files.extend(number.map(|number| (number, target.to_string_lossy().into_owned())));
    }
    files.sort_unstable();
    Ok(files)
}

/// The number in `socket:[NUMBER]`.
pub fn socket_inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told() {
        let pid = std::process::id();
        let process = process(pid).unwrap();
        assert_eq!((process.pid, process.parent), (pid, std::os::unix::process::parent_id()));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        assert!(!process.has_ended && u128::from(process.started) < now + 1_000_000);
        assert!(pids().contains(&pid));
        assert_eq!(path(pid).unwrap(), std::env::current_exe().unwrap().as_os_str().as_bytes());
        assert!(files(pid).unwrap().iter().any(|(number, _)| *number == 1));
        assert_eq!((socket_inode("socket:[12]"), socket_inode("pipe:[12]")), (Some(12), None));
    }
}
