//! Programs that are started and what becomes of them (xnu, `bsd/sys/spawn.h`, `bsd/sys/wait.h`).

use libc::{c_int, c_short};

use super::{Pairs, signals};

/// `POSIX_SPAWN_…`
pub const SPAWN_FLAGS: &Pairs<c_int> = &[
    (0x0001, libc::POSIX_SPAWN_RESETIDS as c_int),
    (0x0002, libc::POSIX_SPAWN_SETPGROUP as c_int),
    (0x0004, libc::POSIX_SPAWN_SETSIGDEF as c_int),
    (0x0008, libc::POSIX_SPAWN_SETSIGMASK as c_int),
    (0x0400, libc::POSIX_SPAWN_SETSID as c_int),
];
/// `POSIX_SPAWN_SETEXEC`: the program takes the caller's place.
pub const SPAWN_SETEXEC: c_short = 0x0040;
/// `POSIX_SPAWN_CLOEXEC_DEFAULT`: only files that an action names are handed on.
pub const SPAWN_CLOEXEC_DEFAULT: c_short = 0x4000;

pub const WAIT_FLAGS: &Pairs<c_int> = &[(1, libc::WNOHANG), (2, libc::WUNTRACED), (0x10, libc::WCONTINUED)];

/// How a process ended, as `waitpid` tells it on macOS. The forms are alike; the signals' numbers differ.
pub fn wait_status(linux: c_int) -> c_int {
    const STOPPED: c_int = 0x7f;
    /// macOS says that a process goes on as if SIGCONT had stopped it.
    const CONTINUED: c_int = 0x13 << 8 | STOPPED;
    if libc::WIFCONTINUED(linux) {
        CONTINUED
    } else if libc::WIFSTOPPED(linux) {
        signals::to_mac(libc::WSTOPSIG(linux)) << 8 | STOPPED
    } else if libc::WIFSIGNALED(linux) {
        signals::to_mac(libc::WTERMSIG(linux)) | (linux & 0x80)
    } else {
        linux
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(SPAWN_FLAGS);
        crate::abi::assert_one_to_one(WAIT_FLAGS);
    }

    #[test]
    fn ends_of_processes() {
        assert_eq!(wait_status(3 << 8), 3 << 8, "exit status 3");
        assert_eq!(wait_status(libc::SIGKILL), 9);
        assert_eq!(wait_status(libc::SIGBUS | 0x80), 10 | 0x80, "with a core");
        assert_eq!(wait_status(libc::SIGSTOP << 8 | 0x7f), 17 << 8 | 0x7f);
        assert_eq!(wait_status(0xffff), 0x137f, "goes on");
    }
}
