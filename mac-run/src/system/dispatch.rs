//! libdispatch: the semaphores on which Rust parks its threads. Times are nanoseconds; the kinds of clock are told apart
//! by the highest bit (swift-corelibs-libdispatch, `src/time.c`): here there is one clock for both.

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{shims, time};

shims! {
    "dispatch_semaphore_create" => create,
    "dispatch_semaphore_wait" => wait,
    "dispatch_semaphore_signal" => signal,
    "dispatch_time" => dispatch_time,
    "dispatch_release" => release,
    "dispatch_retain" => retain,
}

/// `DISPATCH_TIME_FOREVER`.
const FOREVER: u64 = u64::MAX;
/// What `wait` gives when the time is over: `KERN_OPERATION_TIMED_OUT`.
const TIMED_OUT: c_long = 49;

struct Semaphore {
    count: Mutex<c_long>,
    raised: Condvar,
    references: AtomicU32,
}

extern "C" fn create(count: c_long) -> *const Semaphore {
    let count = Mutex::new(count);
    Box::into_raw(Box::new(Semaphore { count, raised: Condvar::new(), references: AtomicU32::new(1) }))
}

unsafe extern "C" fn wait(semaphore: *const Semaphore, until: u64) -> c_long {
    // SAFETY: the program gives a semaphore that it has not released.
    let semaphore = unsafe { &*semaphore };
    let mut count = semaphore.count.lock().unwrap_or_else(PoisonError::into_inner);
    while *count <= 0 {
        if until == FOREVER {
            count = semaphore.raised.wait(count).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let left = until.saturating_sub(time::uptime());
        if left == 0 {
            return TIMED_OUT;
        }
        let waited = semaphore.raised.wait_timeout(count, Duration::from_nanos(left));
        count = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    *count -= 1;
    0
}

/// Whether a thread was woken: nothing depends on it, so "yes" is never wrong.
unsafe extern "C" fn signal(semaphore: *const Semaphore) -> c_long {
    // SAFETY: as for `wait`.
    let semaphore = unsafe { &*semaphore };
    *semaphore.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    semaphore.raised.notify_one();
    1
}

/// The time `delta` nanoseconds after `base`, where 0 is now.
extern "C" fn dispatch_time(base: u64, delta: i64) -> u64 {
    match base {
        FOREVER => FOREVER,
        0 => time::uptime().saturating_add_signed(delta),
        base => base.saturating_add_signed(delta),
    }
}

unsafe extern "C" fn retain(object: *mut c_void) {
    // SAFETY: semaphores are the only objects here.
    unsafe { &*object.cast::<Semaphore>() }.references.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn release(object: *mut c_void) -> c_int {
    let semaphore = object.cast::<Semaphore>();
    // SAFETY: semaphores are the only objects here; the last reference frees it.
    unsafe {
        if (*semaphore).references.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(Box::from_raw(semaphore));
        }
    }
    0
}
