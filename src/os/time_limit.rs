//! One bound on all the programs that a request runs: what holds the lock does not hold it for minutes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When the time is over; `None` where there is no bound.
static END: Mutex<Option<Instant>> = Mutex::new(None);
/// How long a program may run when the time is over: pfctl takes a few hundredths of a second.
const LAST: Duration = Duration::from_secs(1);

/// While it lives, programs that this process runs have [`LAST`] each once its time is over.
#[derive(Debug)]
pub struct TimeLimit(());

impl TimeLimit {
    /// A bound that begins now.
    pub fn of(time: Duration) -> Self {
        *END.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(time);
        TimeLimit(())
    }
}

impl Drop for TimeLimit {
    fn drop(&mut self) {
        *END.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How long a program may run that may run for `timeout` by itself.
pub(super) fn bounded(timeout: Duration) -> Duration {
    match *END.lock().unwrap_or_else(PoisonError::into_inner) {
        None => timeout,
        Some(end) => bounded_by(timeout, end.saturating_duration_since(Instant::now())),
    }
}

fn bounded_by(timeout: Duration, left: Duration) -> Duration {
    timeout.min(left.max(LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_bounds_a_program_and_leaves_it_a_moment() {
        let seconds = Duration::from_secs;
        assert_eq!(bounded_by(seconds(10), seconds(25)), seconds(10));
        assert_eq!(bounded_by(seconds(10), seconds(4)), seconds(4));
        assert_eq!(bounded_by(seconds(10), Duration::ZERO), LAST);
        assert_eq!(bounded_by(Duration::from_millis(700), Duration::ZERO), Duration::from_millis(700));
    }
}
