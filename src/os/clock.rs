//! The clock that goes on in sleep: a deadline by it comes, whatever a user does to the time of day.

/// Seconds since the machine started, its sleep among them: `CLOCK_MONOTONIC_RAW` of macOS, which goes on in sleep
/// (clock_gettime(3) there), unlike `std::time::Instant`.
#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "rustix does not offer this clock on macOS")]
pub fn clock() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &raw mut time) };
    // It cannot fail for a clock that exists. The latest time that there is makes each request stale.
    if result == 0 { time.tv_sec.unsigned_abs() } else { u64::MAX }
}

/// Seconds since the machine started, its sleep among them.
#[cfg(not(target_os = "macos"))]
pub fn clock() -> u64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec.unsigned_abs()
}
