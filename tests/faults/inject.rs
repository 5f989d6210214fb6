//! Runs the helper so that each of its system calls that matters is held up until we say how it goes on.
//!
//! A seccomp filter hands the calls that write, rename, link, unlink, sync, truncate, open for writing, change owner or
//! mode, or start a process to the thread that watches (`seccomp_unotify(2)`); all others run at full speed. The filter
//! is inherited, so the watch sees what the helper's children do, and ends when the last of them has ended.
//!
//! A kill *after* a call needs no fault of its own: between two calls that are held up nothing that lasts can happen,
//! so it leaves what a kill *before* the next call leaves.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use libc::{seccomp_notif, seccomp_notif_resp, sock_filter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::call::{self, Trapped};
use crate::direct::{Direction, Director};

/// How long a helper may take with all that it starts, before it counts as stuck: so many waits of a second, which do
/// not count the time in which this process was stopped itself.
const STUCK: u32 = 90;
const WAIT: Duration = Duration::from_secs(1);

/// A run of the helper, and the watch over it.
pub struct Running {
    child: Child,
    answer: PathBuf,
    watch: Option<JoinHandle<()>>,
    director: Arc<Mutex<Director>>,
}

/// How the helper ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; `None` where a signal ended it, or we did because it was stuck.
    pub code: Option<i32>,
    pub stuck: bool,
    pub stdout: String,
}

/// Starts `program` under the watch of `director`. Its standard output goes to the file `answer`.
pub fn start(
    program: &Path,
    arguments: &[OsString],
    answer: &Path,
    director: Director,
) -> io::Result<Running> {
    let director = Arc::new(Mutex::new(director));
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let watched = Arc::clone(&director);
    let watch = std::thread::spawn(move || {
        if let Ok(listener) = receive(&ours) {
            watch(&listener, &watched);
        }
    });
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("USER", "ada").current_dir("/");
    command.stdin(Stdio::null()).stdout(std::fs::File::create(answer)?).stderr(Stdio::null());
    let filter = filter();
    let sender = theirs.as_raw_fd();
    put_under_watch(&mut command, filter, sender);
    let child = command.spawn()?;
    drop(theirs);
    lock(&director).helper = child.id();
    Ok(Running { child, answer: answer.to_owned(), watch: Some(watch), director })
}

impl Running {
    /// Waits until the helper has ended; what it started may go on.
    pub fn wait(&mut self) -> io::Result<Ended> {
        self.wait_for(STUCK)
    }

    /// The same, so many seconds at most: then it counts as stuck, and is killed.
    pub fn wait_for(&mut self, seconds: u32) -> io::Result<Ended> {
        let pid = Pid::from_child(&self.child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let stuck = !(0..seconds).any(|_| readable(&pidfd, WAIT));
        if stuck {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        let status = self.child.wait()?;
        let code = if stuck || status.signal().is_some() { None } else { status.code() };
        let stdout = String::from_utf8_lossy(&std::fs::read(&self.answer)?).into_owned();
        Ok(Ended { code, stuck, stdout })
    }

    /// Waits until everything has ended that the helper started. `false`: something goes on, which is left to the
    /// caller: a recorder, or a pfctl that is held up.
    pub fn settles(&self) -> bool {
        const SHORTLY: Duration = Duration::from_millis(1);
        // A process that just began has made no call yet that would tell what it is.
        let mut lasting = 0;
        for _ in 0..STUCK * 1000 {
            if self.has_settled() {
                return true;
            }
            lasting = if lock(&self.director).only_lasting() { lasting + 1 } else { 0 };
            if lasting > 100 || lock(&self.director).waits {
                return false;
            }
            std::thread::sleep(SHORTLY);
        }
        false
    }

    /// Whether nothing of what the helper started is left.
    pub fn has_settled(&self) -> bool {
        self.watch.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits a while until nothing is left.
    pub fn settles_within(&self, patience: Duration) -> bool {
        const SHORTLY: Duration = Duration::from_millis(2);
        for _ in 0..patience.as_millis() / SHORTLY.as_millis() {
            if self.has_settled() {
                break;
            }
            std::thread::sleep(SHORTLY);
        }
        self.has_settled()
    }

    /// What was seen so far.
    pub fn director(&self) -> MutexGuard<'_, Director> {
        lock(&self.director)
    }

    /// Ends what is left of the run, by the process ids that were seen in it.
    pub fn end(mut self) {
        if !self.has_settled() {
            lock(&self.director).kill_all();
        }
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

fn lock(director: &Mutex<Director>) -> MutexGuard<'_, Director> {
    director.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Answers each call that is held up, until nobody is left who could make one.
fn watch(listener: &OwnedFd, director: &Mutex<Director>) {
    loop {
        let mut ready = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let ready = ready[0].revents();
        if !ready.contains(PollFlags::IN) {
            return;
        }
        let Some(notice) = next_notice(listener) else { continue };
        let trapped =
            Trapped { task: notice.pid, number: i64::from(notice.data.nr), arguments: notice.data.args };
        let direction = match call::program(trapped.task) {
            Some(program) => lock(director).direct(&program, &trapped),
            None => Direction::GoOn,
        };
        reply(listener, notice.id, direction);
    }
}

fn readable(fd: &OwnedFd, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.is_ok_and(|count| count > 0),
        }
    }
}

/// The filter: hold up each call of [`call::HELD_UP`], those that open only where they open for writing.
fn filter() -> Vec<sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const HAS: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const NUMBER: u32 = 0;
    let line = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![line(LOAD, 0, 0, NUMBER)];
    for &(number, _, kind) in call::HELD_UP {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        match kind {
            call::Kind::Open { flags, .. } => {
                // The low half of an argument, on a little-endian machine.
                let argument = 16 + 8 * u32::from(flags);
                program.extend([
                    line(IS, 0, 4, number),
                    line(LOAD, 0, 0, argument),
                    line(HAS, 0, 1, call::WRITES),
                    line(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
                    line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
                ]);
            }
            _ => program.extend([line(IS, 0, 1, number), line(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF)]),
        }
    }
    program.push(line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

#[expect(unsafe_code, reason = "what runs between fork and exec is unsafe to choose")]
fn put_under_watch(command: &mut Command, filter: Vec<sock_filter>, sender: RawFd) {
    let install = move || {
        let listener = install(&filter)?;
        send(sender, &listener)
    };
    // SAFETY: between fork and exec only system calls are made, on memory that was made before; nothing is allocated.
    unsafe {
        command.pre_exec(install);
    }
}

/// Puts this process under the filter; gives where its calls are heard of.
#[expect(unsafe_code, reason = "prctl(2) and seccomp(2) have no safe form")]
fn install(filter: &[sock_filter]) -> io::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(u16::MAX),
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program outlives both calls and is only read; a descriptor that comes back is ours alone.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let listener = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            &raw const program,
        );
        match i32::try_from(listener) {
            Ok(listener) if listener >= 0 => Ok(OwnedFd::from_raw_fd(listener)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[expect(unsafe_code, reason = "the descriptor is known by its number alone across a fork")]
fn send(socket: RawFd, listener: &OwnedFd) -> io::Result<()> {
    // SAFETY: the parent keeps the socket open until the child was started.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[io::IoSlice::new(b"l")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [io::IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    descriptors.next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The next call that is held up; `None` where whoever made it has ended meanwhile.
#[expect(unsafe_code, reason = "ioctl(2) has no safe form")]
fn next_notice(listener: &OwnedFd) -> Option<seccomp_notif> {
    // SAFETY: all zeroes is a value of this plain C structure, and what the kernel wants to find there.
    let mut notice: seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is a listener's, and the structure is of the size that the request says.
    let code = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notice) };
    (code == 0).then_some(notice)
}

/// Lets a call go on, or fail.
#[expect(unsafe_code, reason = "ioctl(2) has no safe form")]
fn reply(listener: &OwnedFd, id: u64, direction: Direction) {
    let (error, flags) = match direction {
        Direction::GoOn => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        Direction::Fail(error) => (-error, 0),
        Direction::End => return,
    };
    let mut response = seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the descriptor is a listener's, and the structure is of the size that the request says.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response);
    }
}
