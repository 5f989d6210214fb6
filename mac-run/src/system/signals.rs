//! Signals: a handler of the program's is called with macOS's number and form.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{fail, shims, unknown};
use crate::abi::signals::{self as numbers, Action, Info, Stack};
use crate::abi::{flags_to_linux, flags_to_mac, to_linux};

shims! {
    "sigaction" => sigaction,
    "signal" => signal,
    "sigaltstack" => sigaltstack,
    "sigemptyset" => sigemptyset,
    "sigfillset" => sigfillset,
    "sigaddset" => sigaddset,
    "sigdelset" => sigdelset,
    "sigprocmask" => sigprocmask,
    "pthread_sigmask" => pthread_sigmask,
}

const DEFAULT: usize = 0;
const IGNORE: usize = 1;
/// `SIG_ERR`.
const ERROR: usize = usize::MAX;

/// The program's handlers, by macOS's number.
static HANDLERS: [AtomicUsize; numbers::COUNT] = [const { AtomicUsize::new(DEFAULT) }; numbers::COUNT];

/// What the kernel calls: finds the program's handler and gives it the signal in macOS's form. Rust's handlers of memory
/// faults look at the address alone; none looks at the machine's registers, which are not given.
extern "C" fn deliver(linux: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let signal = numbers::to_mac(linux);
    let handler = HANDLERS[signal as usize % numbers::COUNT].load(Ordering::Acquire);
    if handler == DEFAULT || handler == IGNORE {
        return;
    }
    // SAFETY: the kernel gives the form that the signal has; which fields that has is decided by its number.
    let mut mac = unsafe {
        let info = &*info;
        let of_memory = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE].contains(&linux);
        Info {
            signal,
            error: 0,
            code: info.si_code,
            pid: if of_memory { 0 } else { info.si_pid() },
            user: if of_memory { 0 } else { info.si_uid() },
            status: if linux == libc::SIGCHLD { info.si_status() } else { 0 },
            address: if of_memory { info.si_addr() } else { std::ptr::null_mut() },
            value: std::ptr::null_mut(),
            band: 0,
            padding: [0; 7],
        }
    };
    // SAFETY: the program gave a function of this form; one without SA_SIGINFO looks at the first argument alone.
    unsafe {
        let handler: extern "C" fn(c_int, *mut Info, *mut c_void) = std::mem::transmute(handler);
        handler(signal, &raw mut mac, std::ptr::null_mut());
    }
}

unsafe extern "C" fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int {
    let Some(linux) = numbers::to_linux(signal).filter(|signal| *signal != 0) else {
        return fail(libc::EINVAL);
    };
    let slot = &HANDLERS[signal as usize];
    // SAFETY: a program gives actions, or null; zeroes are a value of `sigaction`.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        let previous = slot.load(Ordering::Acquire);
        let result = match new.as_ref() {
            None => libc::sigaction(linux, std::ptr::null(), &raw mut before),
            Some(new) => {
                slot.store(new.handler, Ordering::Release);
                libc::sigaction(linux, &raw const *action_of(new), &raw mut before)
            }
        };
        if result == 0
            && let Some(old) = old.as_mut()
        {
            // What is not ours was there before the program: the default, or ignored.
            let ours = before.sa_sigaction == deliver as *const () as usize;
            *old = Action {
                handler: if ours { previous } else { before.sa_sigaction },
                mask: numbers::set_of(|signal| libc::sigismember(&raw const before.sa_mask, signal) == 1),
                flags: flags_to_mac(numbers::ACTION_FLAGS, before.sa_flags),
            };
        }
        result
    }
}

fn action_of(mac: &Action) -> Box<libc::sigaction> {
    let flags = flags_to_linux(numbers::ACTION_FLAGS, mac.flags)
        .unwrap_or_else(|left| unknown(format_args!("sigaction: flag {left:#x}")));
    // SAFETY: zeroes are a value of `sigaction`.
    let mut action: Box<libc::sigaction> = Box::new(unsafe { std::mem::zeroed() });
    action.sa_sigaction = match mac.handler {
        DEFAULT => libc::SIG_DFL,
        IGNORE => libc::SIG_IGN,
        _ => deliver as *const () as usize,
    };
    action.sa_flags = flags | libc::SA_SIGINFO;
    action.sa_mask = linux_set(mac.mask);
    action
}

fn linux_set(mac: u32) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the first call fills the set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in numbers::in_set(mac) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

unsafe extern "C" fn signal(signal: c_int, handler: usize) -> usize {
    // BSD's: interrupted calls go on, and the handler stays.
    const RESTART: c_int = 2;
    let new = Action { handler, mask: 0, flags: RESTART };
    let mut old = Action { handler: ERROR, mask: 0, flags: 0 };
    // SAFETY: both actions are here.
    if unsafe { sigaction(signal, &raw const new, &raw mut old) } == 0 { old.handler } else { ERROR }
}

unsafe extern "C" fn sigaltstack(new: *const Stack, old: *mut Stack) -> c_int {
    // SAFETY: a program gives stacks, or null; zeroes are a value of `stack_t`.
    unsafe {
        let mut before: libc::stack_t = std::mem::zeroed();
        let linux = new.as_ref().map(|new| libc::stack_t {
            ss_sp: new.start,
            ss_flags: to_linux(numbers::STACK_FLAGS, new.flags).unwrap_or(0),
            ss_size: new.size,
        });
        let new = linux.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let result = libc::sigaltstack(new, &raw mut before);
        if result == 0
            && let Some(old) = old.as_mut()
        {
            *old = Stack {
                start: before.ss_sp,
                size: before.ss_size,
                flags: flags_to_mac(numbers::STACK_FLAGS, before.ss_flags),
            };
        }
        result
    }
}

unsafe extern "C" fn sigemptyset(set: *mut u32) -> c_int {
    // SAFETY: a program gives room for a set.
    unsafe { set.write(0) };
    0
}

unsafe extern "C" fn sigfillset(set: *mut u32) -> c_int {
    // SAFETY: a program gives room for a set.
    unsafe { set.write(u32::MAX) };
    0
}

unsafe extern "C" fn sigaddset(set: *mut u32, signal: c_int) -> c_int {
    // SAFETY: a program gives a set.
    unsafe { *set |= 1 << (signal - 1) };
    0
}

unsafe extern "C" fn sigdelset(set: *mut u32, signal: c_int) -> c_int {
    // SAFETY: a program gives a set.
    unsafe { *set &= !(1 << (signal - 1)) };
    0
}

unsafe extern "C" fn sigprocmask(how: c_int, new: *const u32, old: *mut u32) -> c_int {
    // SAFETY: a program gives sets, or null.
    match unsafe { change_mask(how, new, old) } {
        0 => 0,
        error => fail(error),
    }
}

unsafe extern "C" fn pthread_sigmask(how: c_int, new: *const u32, old: *mut u32) -> c_int {
    // SAFETY: a program gives sets, or null.
    crate::abi::errno::to_mac(unsafe { change_mask(how, new, old) })
}

/// # Safety
/// Both are sets, or null.
unsafe fn change_mask(how: c_int, new: *const u32, old: *mut u32) -> c_int {
    let how = match to_linux(numbers::MASK_CHANGES, how) {
        Some(how) => how,
        None if new.is_null() => libc::SIG_BLOCK,
        None => return libc::EINVAL,
    };
    // SAFETY: as the caller says; zeroes are a value of `sigset_t`.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        let set = new.as_ref().map(|new| linux_set(*new));
        let set = set.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let result = libc::pthread_sigmask(how, set, &raw mut before);
        if result == 0
            && let Some(old) = old.as_mut()
        {
            *old = numbers::set_of(|signal| libc::sigismember(&raw const before, signal) == 1);
        }
        result
    }
}
