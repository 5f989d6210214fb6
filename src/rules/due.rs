//! What comes due in a ledger as time goes on. Pure: the clocks are the caller's.
//!
//! ```
//! use portcullis::rules::due::{Clocks, come_due};
//! use portcullis::rules::ledger::{Ledger, Opening};
//! use portcullis::rules::named_port::NamedPort;
//! use portcullis::rules::source::Source;
//! use portcullis::system::Moment;
//! let port = NamedPort::unnamed("2345".parse().unwrap());
//! let mut ledger = Ledger::default();
//! ledger.open(Opening::new(&port, Source::Any, Some(100), 40, "ada"));
//! let at = |time| Clocks { now: Moment { time, boot: "B".into(), clock: 7 }, evening: 1000, latest: 40 };
//! come_due(&mut ledger, &at(99));
//! assert_eq!(ledger.openings.len(), 1);
//! come_due(&mut ledger, &at(100));
//! assert_eq!(ledger.openings.len(), 0);
//! ```

use crate::rules::ledger::{Ledger, Opening, Seconds};
use crate::system::Moment;

/// By what an opening may be over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocks {
    pub now: Moment,
    /// When an evening that is asked for now ends.
    pub evening: Seconds,
    /// The wall clock when a helper last looked at pf; the earliest time there is: none did.
    pub latest: Seconds,
}

/// What two clocks may differ by and agree, in seconds: each is read at a time of its own, and the wall clock is kept right.
const APART: u64 = 60;

/// Closes what is over, by whichever clock that comes first; what is open still is over by all of them from then on.
pub fn come_due(ledger: &mut Ledger, clocks: &Clocks) {
    let Clocks { now, evening, latest } = clocks;
    ledger.expire(now);
    // Before anything is noted by the clock of this boot, which says what is known by it.
    ledger.expire_set_back(now, *latest);
    for opening in &mut ledger.openings {
        opening.restart |= was_set_back(opening, now);
    }
    ledger.set_clocks(now);
    ledger.shorten_evenings(now, *evening);
}

/// Whether more is left by the wall clock than by the one that no user can set. The latter ends with this boot, and so does
/// the opening: in another nothing tells how much of its time is left.
fn was_set_back(opening: &Opening, now: &Moment) -> bool {
    let (Some(until), Some(end)) = (opening.until, opening.clocks.get(&now.boot)) else { return false };
    let left = u64::try_from(until.saturating_sub(now.time)).unwrap_or(0);
    left > end.saturating_sub(now.clock).saturating_add(APART)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ends::EndKind;
    use crate::rules::sample::opening;

    const HOUR: Seconds = 3600;

    fn at(time: Seconds, boot: &str, clock: Seconds) -> Moment {
        Moment { time: time * HOUR, boot: boot.into(), clock: (clock * HOUR).unsigned_abs() }
    }

    /// Opened at noon, in hour 2 of the boot `A`, until six.
    fn opened(kind: EndKind) -> Ledger {
        let mut ledger = Ledger::default();
        let until = Opening { until: Some(18 * HOUR), ..opening("2345", "any", 12 * HOUR) };
        ledger.open(until.ending(kind, &at(12, "A", 2)));
        ledger
    }

    /// Whether it is open after each of these moments, each with the evening and the last look before it.
    fn stays(ledger: &mut Ledger, moments: &[(Moment, Seconds, Seconds)]) -> Vec<bool> {
        let open_after = |(now, evening, latest): &(Moment, Seconds, Seconds)| {
            let clocks = Clocks { now: now.clone(), evening: evening * HOUR, latest: latest * HOUR };
            come_due(ledger, &clocks);
            !ledger.openings.is_empty()
        };
        moments.iter().map(open_after).collect()
    }

    #[test]
    fn an_evening_is_over_too_where_the_clock_is_behind_after_a_restart() {
        for kind in [EndKind::Evening, EndKind::Time] {
            // Days before, where the evening is earlier.
            let back = (at(-60, "B", 0), -54, 13);
            assert_eq!(stays(&mut opened(kind), &[back]), [false], "{kind:?}");
        }
    }

    #[test]
    fn an_earlier_evening_is_no_later_by_the_other_clock() {
        // A day and six hours back: twelve hours are left of that day, and six by the other clock.
        let moments = [(at(-18, "A", 2), -6, 12), (at(-13, "A", 7), -6, -18), (at(-12, "A", 8), -6, -13)];
        assert_eq!(stays(&mut opened(EndKind::Evening), &moments), [true, true, false]);
    }

    #[test]
    fn set_back_and_looked_at_it_does_not_outlast_the_boot() {
        let back = (at(13, "A", 5), 18, 15);
        assert_eq!(
            stays(&mut opened(EndKind::Time), &[back.clone(), (at(14, "B", 0), 18, 13)]),
            [true, false]
        );
        // A minute is no setting back, and neither is a clock that is right again.
        let slow = Moment { time: 15 * HOUR - 50, ..at(15, "A", 5) };
        let moments = [(slow, 18, 15), (at(16, "B", 0), 18, 15), (at(18, "B", 2), 18, 16)];
        assert_eq!(stays(&mut opened(EndKind::Time), &moments), [true, true, false]);
    }

    #[test]
    fn opened_again_in_a_boot_with_an_older_clock_it_is_open() {
        // It was opened for the first time by a clock that is ahead of this boot's.
        let mut ledger = Ledger::default();
        let until = Opening { until: Some(3 * HOUR), ..opening("2345", "any", 12 * HOUR) };
        ledger.open(until.ending(EndKind::Time, &at(1, "B", 0)));
        let moments = [(at(1, "B", 0), 18, 12), (at(2, "B", 1), 18, 1), (at(3, "B", 2), 18, 2)];
        assert_eq!(stays(&mut ledger, &moments), [true, true, false]);
    }
}
