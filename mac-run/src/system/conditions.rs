//! Conditions that threads wait for (libpthread, `pthread_cond_t`). As with a mutex, the object behind the signature is
//! this C library's, and made at its first use.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::shims;
use super::threads::{self, Mutex};
use crate::abi::errno;

shims! {
    "pthread_cond_init" => pthread_cond_init,
    "pthread_cond_destroy" => pthread_cond_destroy,
    "pthread_cond_signal" => pthread_cond_signal,
    "pthread_cond_broadcast" => pthread_cond_broadcast,
    "pthread_cond_wait" => pthread_cond_wait,
    "pthread_cond_timedwait_relative_np" => pthread_cond_timedwait_relative,
}

/// `pthread_cond_t`.
#[repr(C)]
struct Condition {
    signature: AtomicU64,
    inner: AtomicUsize,
    room: [u8; 32],
}

const _: () = assert!(size_of::<Condition>() == 48);

/// `_PTHREAD_COND_SIG_init`: what PTHREAD_COND_INITIALIZER leaves.
const STATIC: u64 = 0x3cb0_b1bb;
/// `_PTHREAD_COND_SIG`.
const READY: u64 = 0x434f_4e44;

fn make() -> *mut libc::pthread_cond_t {
    Box::into_raw(Box::new(libc::PTHREAD_COND_INITIALIZER))
}

/// # Safety
/// `condition` is one of the program's.
unsafe fn inner(condition: *mut Condition) -> *mut libc::pthread_cond_t {
    // SAFETY: as the caller says.
    let condition = unsafe { &*condition };
    if condition.signature.load(Ordering::Acquire) == STATIC {
        let made = make();
        let other = condition.inner.compare_exchange(0, made as usize, Ordering::AcqRel, Ordering::Acquire);
        if other.is_err() {
            // SAFETY: another thread was first, and no other has seen ours.
            drop(unsafe { Box::from_raw(made) });
        }
        condition.signature.store(READY, Ordering::Release);
    }
    condition.inner.load(Ordering::Acquire) as *mut libc::pthread_cond_t
}

unsafe extern "C" fn pthread_cond_init(condition: *mut Condition, _attributes: *const c_void) -> c_int {
    // SAFETY: a program gives room for 48 bytes.
    unsafe {
        (*condition).inner.store(make() as usize, Ordering::Relaxed);
        (*condition).signature.store(READY, Ordering::Release);
    }
    0
}

unsafe extern "C" fn pthread_cond_destroy(condition: *mut Condition) -> c_int {
    // SAFETY: a program destroys a condition once, while no thread waits.
    unsafe {
        let inner = inner(condition);
        let result = libc::pthread_cond_destroy(inner);
        if result == 0 {
            drop(Box::from_raw(inner));
            (*condition).signature.store(0, Ordering::Release);
        }
        errno::to_mac(result)
    }
}

unsafe extern "C" fn pthread_cond_signal(condition: *mut Condition) -> c_int {
    // SAFETY: a program gives a condition of its own.
    unsafe { errno::to_mac(libc::pthread_cond_signal(inner(condition))) }
}

unsafe extern "C" fn pthread_cond_broadcast(condition: *mut Condition) -> c_int {
    // SAFETY: a program gives a condition of its own.
    unsafe { errno::to_mac(libc::pthread_cond_broadcast(inner(condition))) }
}

unsafe extern "C" fn pthread_cond_wait(condition: *mut Condition, mutex: *mut Mutex) -> c_int {
    // SAFETY: a program gives a condition and a mutex that it holds.
    unsafe { errno::to_mac(libc::pthread_cond_wait(inner(condition), threads::inner(mutex))) }
}

/// The time is how long to wait, not until when.
unsafe extern "C" fn pthread_cond_timedwait_relative(
    condition: *mut Condition,
    mutex: *mut Mutex,
    time: *const libc::timespec,
) -> c_int {
    unsafe extern "C" {
        fn pthread_cond_clockwait(
            condition: *mut libc::pthread_cond_t,
            mutex: *mut libc::pthread_mutex_t,
            clock: libc::clockid_t,
            until: *const libc::timespec,
        ) -> c_int;
    }
    // SAFETY: as above; a program gives a time, and there is room for this one.
    unsafe {
        let mut until = std::mem::zeroed::<libc::timespec>();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut until);
        let nanoseconds = until.tv_nsec + (*time).tv_nsec;
        until.tv_sec =
            until.tv_sec.saturating_add((*time).tv_sec).saturating_add(nanoseconds / 1_000_000_000);
        until.tv_nsec = nanoseconds % 1_000_000_000;
        let (condition, mutex) = (inner(condition), threads::inner(mutex));
        errno::to_mac(pthread_cond_clockwait(condition, mutex, libc::CLOCK_MONOTONIC, &raw const until))
    }
}
