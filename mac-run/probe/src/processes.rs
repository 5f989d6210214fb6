//! Processes and signals.

use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

use super::{Folder, again, is_again};

#[test]
fn a_program_gets_arguments_environment_and_directory() {
    let folder = Folder::new();
    let output = Command::new("/bin/sh")
        .args(["-c", "echo \"$1 $NAME $(pwd -P)\"; echo oops >&2; exit 7", "sh", "a b"])
        .env_clear()
        .env("NAME", "Ada")
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("a b Ada {}\n", folder.0.display()));
    assert_eq!(output.stderr, b"oops\n");
}

#[test]
fn a_program_of_macos_starts_another() {
    const NAME: &str = "processes::a_program_of_macos_starts_another";
    if is_again(NAME) {
        println!("started as {:?}", std::env::args().next());
        return;
    }
    let output = again(NAME).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("started as") && output.status.success(), "{text}");
}

#[test]
fn what_is_missing_is_told() {
    let error = Command::new("/no/such/program").spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(2));
    let error = Command::new("no-such-program-anywhere").spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(2));
    let error = Command::new("/dev/null").spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(13), "EACCES");
}

#[test]
fn streams_are_piped() {
    let mut child = Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("é端".as_bytes()).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), child.wait().unwrap().code()), ("é端", Some(0)));
}

#[test]
fn the_signal_that_ended_a_process_has_macos_number() {
    // SIGUSR1 and SIGBUS have other numbers on Linux; KILL is the same.
    for (name, number) in [("USR1", 30), ("BUS", 10), ("KILL", 9), ("TERM", 15)] {
        let status = Command::new("/bin/sh").args(["-c", &format!("kill -{name} $$")]).status().unwrap();
        assert_eq!(status.signal(), Some(number), "{name}");
    }
}

#[test]
fn a_process_group_is_ended_as_one() {
    let mut child =
        Command::new("/bin/sh").args(["-c", "sleep 1000 & wait"]).process_group(0).spawn().unwrap();
    // SAFETY: takes numbers alone.
    assert_eq!(unsafe { libc::killpg(child.id() as i32, libc::SIGTERM) }, 0);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    // SAFETY: as above.
    let gone = unsafe { libc::kill(child.id() as i32, 0) };
    assert_eq!((gone, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ESRCH)));
}

static SEEN: AtomicI32 = AtomicI32::new(0);
static SENDER: AtomicI32 = AtomicI32::new(0);

extern "C" fn see(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    SEEN.store(signal, Ordering::SeqCst);
    // SAFETY: the system gives the signal's form.
    SENDER.store(unsafe { (*info).si_pid }, Ordering::SeqCst);
}

#[test]
fn a_handler_is_told_macos_number_and_the_sender() {
    // SAFETY: the action is whole; the handler touches atomics alone.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = see as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        let mut old: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGUSR2, &raw const action, &raw mut old), 0);
        assert_eq!(old.sa_sigaction, libc::SIG_DFL);
        libc::kill(libc::getpid(), libc::SIGUSR2);
        while SEEN.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert_eq!((SEEN.load(Ordering::SeqCst), SENDER.load(Ordering::SeqCst)), (31, libc::getpid()));
        assert_eq!(libc::sigaction(libc::SIGUSR2, std::ptr::null(), &raw mut old), 0);
        assert_eq!(old.sa_sigaction, see as *const () as usize);
        assert_eq!(old.sa_flags & libc::SA_RESTART, libc::SA_RESTART);
    }
}

#[test]
fn a_fork_is_waited_for() {
    // SAFETY: the child only ends.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(3);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 3);
        assert_eq!(libc::waitpid(child, &raw mut status, libc::WNOHANG), -1);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ECHILD));
    }
}
