//! Processes that write themselves down before they run a program, so that they can be ended after their parent was killed.
//!
//! A child that is only known to its parent is lost with it, and may change pf long after everything else was put right.
//! So while a [`Register`] is open each child of its thread appends its number and its start to a file, in the moment
//! between fork(2) and execve(2), and does not run its program where that fails or its parent has ended by then.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

thread_local! {
    /// The descriptor of this thread's open register; -1 where there is none. Of the thread, because a change belongs to
    /// one: with two of them in a process, a child of one would write to what the other has closed.
    static REGISTER: Cell<i32> = const { Cell::new(-1) };
}

/// While it lives, the children of the thread that opened it write themselves down in its file. It stays in that thread.
#[derive(Debug)]
pub struct Register(
    #[expect(dead_code, reason = "children write to its descriptor")] File,
    PhantomData<*const ()>,
);

impl Register {
    /// `file` is open for appending.
    pub fn open(file: File) -> Self {
        REGISTER.set(file.as_raw_fd());
        Register(file, PhantomData)
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        REGISTER.set(-1);
    }
}

/// One process. Numbers are given again; a number together with a start is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    pub pid: u32,
    /// In the kernel's own unit; only equality counts, and only within one boot.
    pub start: u64,
}

impl ProcessId {
    /// This process.
    pub fn own() -> Self {
        ProcessId::of(std::process::id())
    }

    /// The process that has this number now.
    pub fn of(pid: u32) -> Self {
        ProcessId { pid, start: start_of(pid).unwrap_or(0) }
    }

    /// Asks it and its process group, which it leads, to end.
    pub fn ask_to_end(self) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw)
            && self.runs()
        {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
        }
    }

    /// Whether it runs still. One that has ended and was not waited for does not.
    pub fn runs(self) -> bool {
        start_of(self.pid) == Some(self.start)
    }

    /// Ends it and its process group, which it leads. `false`: it goes on after `patience` all the same.
    pub fn end(self, patience: Duration) -> bool {
        let began = Instant::now();
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        while self.runs() {
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

/// Ends what is left of a process group whose leader has ended.
pub fn end_group(leader: u32) {
    if let Some(pid) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

/// Whether there is a process of this number, of any user.
pub fn process_exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Whether a process of this number runs. One that has ended and was not waited for does not.
pub fn process_runs(pid: u32) -> bool {
    start_of(pid).is_some()
}

/// Reads a register: those who wrote themselves down, in that order. A line that is not whole is of a process that did
/// not come to run its program.
pub fn read_register(bytes: &[u8]) -> Vec<ProcessId> {
    let text = String::from_utf8_lossy(bytes);
    let line = |line: &str| {
        let (pid, start) = line.strip_suffix('\n')?.split_once(' ')?;
        Some(ProcessId { pid: pid.parse().ok()?, start: start.parse().ok()? })
    };
    text.split_inclusive('\n').filter_map(line).collect()
}

/// Has the process that `command` makes write itself down, where a register is open.
#[expect(unsafe_code, reason = "what runs between fork and execve is for the caller to judge")]
pub(super) fn enlist(command: &mut Command) {
    let register = REGISTER.get();
    if register < 0 {
        return;
    }
    let parent = std::process::id();
    // SAFETY: what runs there makes system calls alone: it takes no lock and no memory.
    unsafe {
        command.pre_exec(move || write_down(register, parent));
    }
}

/// Runs in the child: only system calls, no allocation.
#[expect(unsafe_code, reason = "write, getppid and _exit are C functions")]
fn write_down(register: i32, parent: u32) -> io::Result<()> {
    let failed = || io::Error::from_raw_os_error(libc::EIO);
    let start = start_of_self().ok_or_else(failed)?;
    let mut line = Line::default();
    line.number(u64::from(std::process::id()));
    line.byte(b' ');
    line.number(start);
    line.byte(b'\n');
    let bytes = line.bytes.get(..line.length).ok_or_else(failed)?;
    // SAFETY: the pointer and the length are those of one slice.
    let written = unsafe { libc::write(register, bytes.as_ptr().cast(), bytes.len()) };
    match usize::try_from(written) {
        Err(_) => return Err(io::Error::last_os_error()),
        Ok(written) if written != bytes.len() => return Err(failed()),
        Ok(_) => {}
    }
    // SAFETY: both calls take no pointer. Where the parent has ended, its cleaner may have read the register already.
    unsafe {
        if u32::try_from(libc::getppid()) != Ok(parent) {
            libc::_exit(127);
        }
    }
    Ok(())
}

/// A short text without an allocation.
struct Line {
    bytes: [u8; 64],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line { bytes: [0; 64], length: 0 }
    }
}

impl Line {
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn number(&mut self, number: u64) {
        let mut scale = 1;
        while number / scale >= 10 {
            scale *= 10;
        }
        while scale > 0 {
            // A digit is less than 10.
            self.byte(b'0' + (number / scale % 10) as u8);
            scale /= 10;
        }
    }
}

/// When a process started; `None` where there is none of this number, or it has ended.
#[cfg(target_os = "linux")]
fn start_of(pid: u32) -> Option<u64> {
    start_in(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "open, read and close are C functions")]
fn start_of_self() -> Option<u64> {
    let mut bytes = [0u8; 1024];
    // SAFETY: the path ends in NUL, and the buffer is as long as said.
    let length = unsafe {
        let file = libc::open(c"/proc/self/stat".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = libc::read(file, bytes.as_mut_ptr().cast(), bytes.len());
        libc::close(file);
        length
    };
    start_in(bytes.get(..usize::try_from(length).ok()?)?)
}

/// proc(5): the third field is the state, the 22nd the start in clock ticks after the boot. The second, in parentheses,
/// may hold anything.
#[cfg(target_os = "linux")]
fn start_in(stat: &[u8]) -> Option<u64> {
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 1..)?;
    let mut fields = after_name.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let state = fields.next()?;
    let start = fields.nth(18)?;
    let has_ended = matches!(state, b"Z" | b"X");
    let digit = |number: u64, byte: &u8| number * 10 + u64::from(byte - b'0');
    (!has_ended && start.iter().all(u8::is_ascii_digit)).then(|| start.iter().fold(0, digit))
}

/// When a process started; `None` where there is none of this number, or it has ended.
#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "proc_pidinfo is a C function")]
fn start_of(pid: u32) -> Option<u64> {
    let pid = i32::try_from(pid).ok()?;
    let mut info = std::mem::MaybeUninit::<libc::proc_bsdinfo>::zeroed();
    let size = i32::try_from(size_of::<libc::proc_bsdinfo>()).ok()?;
    // SAFETY: the buffer is as long as said, and all its fields are numbers, for which zero is a value.
    let info = unsafe {
        let filled = libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), size);
        (filled == size).then(|| info.assume_init())
    }?;
    let start = info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec;
    (info.pbi_status != libc::SZOMB).then_some(start)
}

#[cfg(target_os = "macos")]
fn start_of_self() -> Option<u64> {
    start_of(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_write_themselves_down_before_they_run() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("children");
        let file = File::options().append(true).create(true).open(&place).unwrap();
        let register = file.as_raw_fd();
        let mut command = Command::new("/bin/sleep");
        command.arg("60").process_group(0);
        let parent = std::process::id();
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as in `enlist`.
        unsafe {
            command.pre_exec(move || write_down(register, parent));
        }
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut &file, b"7").unwrap();
        let written = read_register(&std::fs::read(&place).unwrap());
        assert_eq!(written.len(), 1, "a line that is not whole is left out");
        assert_eq!((written[0].pid, written[0].runs()), (child.id(), true));
        // The number of another process is not the process.
        let other = ProcessId { start: written[0].start + 1, ..written[0] };
        assert!(!other.runs() && other.end(Duration::ZERO) && written[0].runs());
        assert!(
            written[0].end(Duration::from_secs(30)),
            "one that was not waited for has ended all the same"
        );
        assert!(!child.wait().unwrap().success());
        assert!(ProcessId::own().runs());
    }

    #[test]
    fn a_register_is_of_the_thread_that_opened_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("children");
        let register = Register::open(File::options().append(true).create(true).open(&place).unwrap());
        let run = || {
            let mut command = Command::new("/usr/bin/true");
            enlist(&mut command);
            assert!(command.status().unwrap().success());
        };
        std::thread::scope(|threads| threads.spawn(run).join().unwrap());
        assert_eq!(std::fs::read(&place).unwrap(), b"");
        run();
        let written = std::fs::read(&place).unwrap();
        assert_eq!(read_register(&written).len(), 1);
        drop(register);
        run();
        assert_eq!(std::fs::read(&place).unwrap(), written);
    }

    #[test]
    fn numbers_are_written_without_memory() {
        let mut line = Line::default();
        for number in [0, 9, 10, u64::MAX] {
            line.number(number);
            line.byte(b' ');
        }
        assert_eq!(&line.bytes[..line.length], b"0 9 10 18446744073709551615 ");
    }
}
