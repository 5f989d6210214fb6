//! Clocks. Ticks of the processor's counter are nanoseconds here, as on every x86_64 Mac.

use std::ffi::{c_int, c_void};

use super::{shims, unknown};
use crate::abi;

shims! {
    "clock_gettime" => clock_gettime,
    "clock_getres" => clock_getres,
    "gettimeofday" => gettimeofday,
    "mach_absolute_time" => uptime,
    "mach_timebase_info" => mach_timebase_info,
}

fn clock(mac: libc::clockid_t) -> libc::clockid_t {
    abi::to_linux(abi::clocks::CLOCKS, mac).unwrap_or_else(|| unknown(format_args!("clock {mac}")))
}

unsafe extern "C" fn clock_gettime(mac: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: a program gives room for a time, whose form is the same.
    unsafe { libc::clock_gettime(clock(mac), time) }
}

unsafe extern "C" fn clock_getres(mac: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: as above, or null.
    unsafe { libc::clock_getres(clock(mac), time) }
}

unsafe extern "C" fn gettimeofday(time: *mut abi::sockets::TimeValue, _zone: *mut c_void) -> c_int {
    let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: a program gives room for a time, or null.
    unsafe {
        libc::gettimeofday(&raw mut now, std::ptr::null_mut());
        if let Some(time) = time.as_mut() {
            time.seconds = now.tv_sec;
            time.microseconds = now.tv_usec as i32;
        }
    }
    0
}

/// Nanoseconds that the machine has been awake.
pub extern "C" fn uptime() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// `struct mach_timebase_info`: what a tick is multiplied with and divided by.
unsafe extern "C" fn mach_timebase_info(ratio: *mut [u32; 2]) -> c_int {
    // SAFETY: a program gives room for both numbers.
    unsafe { ratio.write([1, 1]) };
    0
}
