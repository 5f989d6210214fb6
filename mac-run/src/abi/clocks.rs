//! Clocks (xnu, `libsyscall` and `_time.h`: `clockid_t`).

use libc::clockid_t;

use super::Pairs;

/// CLOCK_UPTIME_RAW stands still while the machine sleeps, as Linux's CLOCK_MONOTONIC does; Apple's CLOCK_MONOTONIC
/// goes on, as CLOCK_BOOTTIME does.
pub const CLOCKS: &Pairs<clockid_t> = &[
    (0, libc::CLOCK_REALTIME),
    (4, libc::CLOCK_MONOTONIC_RAW),
    (6, libc::CLOCK_BOOTTIME),
    (8, libc::CLOCK_MONOTONIC),
    (9, libc::CLOCK_MONOTONIC_COARSE),
    (12, libc::CLOCK_PROCESS_CPUTIME_ID),
    (16, libc::CLOCK_THREAD_CPUTIME_ID),
];

#[cfg(test)]
mod tests {
    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(super::CLOCKS);
    }
}
