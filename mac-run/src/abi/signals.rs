//! Signals (xnu, `bsd/sys/signal.h`).

use std::ffi::c_void;

use libc::c_int;

use super::Pairs;

const SIGNALS: &Pairs<c_int> = &[
    (1, libc::SIGHUP),
    (2, libc::SIGINT),
    (3, libc::SIGQUIT),
    (4, libc::SIGILL),
    (5, libc::SIGTRAP),
    (6, libc::SIGABRT),
    (8, libc::SIGFPE),
    (9, libc::SIGKILL),
    (10, libc::SIGBUS),
    (11, libc::SIGSEGV),
    (12, libc::SIGSYS),
    (13, libc::SIGPIPE),
    (14, libc::SIGALRM),
    (15, libc::SIGTERM),
    (16, libc::SIGURG),
    (17, libc::SIGSTOP),
    (18, libc::SIGTSTP),
    (19, libc::SIGCONT),
    (20, libc::SIGCHLD),
    (21, libc::SIGTTIN),
    (22, libc::SIGTTOU),
    (23, libc::SIGIO),
    (24, libc::SIGXCPU),
    (25, libc::SIGXFSZ),
    (26, libc::SIGVTALRM),
    (27, libc::SIGPROF),
    (28, libc::SIGWINCH),
    (30, libc::SIGUSR1),
    (31, libc::SIGUSR2),
];
/// Linux's own (SIGPWR, SIGSTKFLT, real-time signals): told as SIGINFO, whose default is to do nothing.
const SIGINFO: c_int = 29;
/// One more than the last signal of macOS (`NSIG`).
pub const COUNT: usize = 32;

pub fn to_mac(linux: c_int) -> c_int {
    if linux == 0 { 0 } else { super::to_mac(SIGNALS, linux).unwrap_or(SIGINFO) }
}

/// `None`: SIGEMT, SIGINFO and what is no signal.
pub fn to_linux(mac: c_int) -> Option<c_int> {
    if mac == 0 { Some(0) } else { super::to_linux(SIGNALS, mac) }
}

/// A `sigset_t` of macOS, one bit for each signal, as the signals of Linux.
pub fn in_set(mac: u32) -> impl Iterator<Item = c_int> {
    SIGNALS.iter().filter(move |(number, _)| mac & (1 << (number - 1)) != 0).map(|(_, linux)| *linux)
}

/// The set of macOS that holds the signals of Linux that `has` says.
pub fn set_of(has: impl Fn(c_int) -> bool) -> u32 {
    let present = SIGNALS.iter().filter(|(_, linux)| has(*linux));
    present.fold(0, |set, (mac, _)| set | 1 << (mac - 1))
}

/// `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// The function, SIG_DFL (0) or SIG_IGN (1).
    pub handler: usize,
    pub mask: u32,
    pub flags: c_int,
}

pub const ACTION_FLAGS: &Pairs<c_int> = &[
    (0x01, libc::SA_ONSTACK),
    (0x02, libc::SA_RESTART),
    (0x04, libc::SA_RESETHAND),
    (0x08, libc::SA_NOCLDSTOP),
    (0x10, libc::SA_NODEFER),
    (0x20, libc::SA_NOCLDWAIT),
    (0x40, libc::SA_SIGINFO),
];

/// `SIG_BLOCK`, `SIG_UNBLOCK`, `SIG_SETMASK`.
pub const MASK_CHANGES: &Pairs<c_int> =
    &[(1, libc::SIG_BLOCK), (2, libc::SIG_UNBLOCK), (3, libc::SIG_SETMASK)];

/// `siginfo_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Info {
    pub signal: c_int,
    pub error: c_int,
    pub code: c_int,
    pub pid: c_int,
    pub user: u32,
    pub status: c_int,
    pub address: *mut c_void,
    pub value: *mut c_void,
    pub band: i64,
    pub padding: [u64; 7],
}

/// `stack_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    pub start: *mut c_void,
    pub size: usize,
    pub flags: c_int,
}

pub const STACK_FLAGS: &Pairs<c_int> = &[(1, libc::SS_ONSTACK), (4, libc::SS_DISABLE)];

const _: () = assert!(size_of::<Action>() == 16 && size_of::<Info>() == 104 && size_of::<Stack>() == 24);
const _: () = assert!(std::mem::offset_of!(Info, address) == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(SIGNALS);
        crate::abi::assert_one_to_one(ACTION_FLAGS);
        crate::abi::assert_one_to_one(MASK_CHANGES);
        crate::abi::assert_one_to_one(STACK_FLAGS);
        assert_eq!((to_linux(20), to_mac(libc::SIGCHLD)), (Some(libc::SIGCHLD), 20));
        assert_eq!((to_linux(7), to_mac(libc::SIGPWR)), (None, SIGINFO));
    }

    #[test]
    fn sets_of_signals() {
        let set = 1 << 19 | 1 << 1;
        assert_eq!(in_set(set).collect::<Vec<_>>(), [libc::SIGINT, libc::SIGCHLD]);
        assert_eq!(set_of(|signal| signal == libc::SIGINT || signal == libc::SIGCHLD), set);
    }
}
