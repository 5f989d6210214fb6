//! The evening of a day, and the words for when an opening ends. Pure: the clock and the zone are the caller's.
//!
//! ```
//! use jiff::tz::TimeZone;
//! use portcullis::rules::ends::EndOfDay;
//! use portcullis::rules::evening::evening;
//! let (noon, day) = (1_764_072_000, EndOfDay::default());
//! assert_eq!(evening(noon, day, &TimeZone::UTC).until - noon, 6 * 3600 + 1800);
//! ```

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::rules::ends::{EndOfDay, EveningEnd};
use crate::rules::ledger::{Opening, Seconds};

/// From so many seconds before the end of day `evening` is [`LATE`].
const LAST: Seconds = 30 * 60;
/// How long an evening lasts that is begun when the day is over, or nearly.
const LATE: Seconds = 2 * 60 * 60;
/// For so many seconds ahead a time of day has one meaning, past midnight too.
const SOON: Seconds = 12 * 60 * 60;

/// An evening, as seen from a moment before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evening {
    pub until: Seconds,
    /// Whether the day is over, or nearly: then it lasts two hours.
    pub is_late: bool,
}

/// The evening of the day of `now`.
pub fn evening(now: Seconds, day: EndOfDay, zone: &TimeZone) -> Evening {
    let end = at(now, day, zone).unwrap_or(now);
    let is_late = now >= end.saturating_sub(LAST);
    Evening { until: if is_late { now.saturating_add(LATE) } else { end }, is_late }
}

/// The end of the day on which `now` is. A time of day that a change to daylight saving leaves out is the one after it.
fn at(now: Seconds, day: EndOfDay, zone: &TimeZone) -> Option<Seconds> {
    let hours = i8::try_from(day.minutes() / 60).ok()?;
    let minutes = i8::try_from(day.minutes() % 60).ok()?;
    let today = local(now, zone)?.date();
    let time = DateTime::from_parts(today, Time::new(hours, minutes, 0, 0).ok()?);
    Some(zone.to_ambiguous_timestamp(time).compatible().ok()?.as_second())
}

fn local(time: Seconds, zone: &TimeZone) -> Option<DateTime> {
    Some(zone.to_datetime(Timestamp::from_second(time).ok()?))
}

/// `18:30`, with the date where it is another day than that of `now` and not within the next 12 hours.
pub fn time_of_day(time: Seconds, now: Seconds, zone: &TimeZone) -> String {
    let (Some(there), Some(here)) = (local(time, zone), local(now, zone)) else {
        return format!("{time} s after 1970");
    };
    let clock = format!("{:02}:{:02}", there.hour(), there.minute());
    let (date, today) = (there.date(), here.date());
    let is_soon = (0..SOON).contains(&time.saturating_sub(now));
    match date == today || is_soon {
        true => clock,
        false => format!("{:04}-{:02}-{:02} {clock}", date.year(), date.month(), date.day()),
    }
}

/// `2 h 10 min`, `45 min`, `50 s`.
pub fn duration_left(seconds: Seconds) -> String {
    let minutes = seconds.max(0) / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{} s", seconds.max(0)),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// When an opening ends, as a clause: `until 18:30, 2 h 10 min left`. `None`: only by hand.
pub fn in_words(opening: &Opening, now: Seconds, zone: &TimeZone) -> Option<String> {
    let restart = "this Mac restarts";
    let Some(until) = opening.until else { return opening.restart.then(|| format!("until {restart}")) };
    let left = duration_left(until.saturating_sub(now));
    let or = if opening.restart { format!(" or {restart}") } else { String::new() };
    let more = match opening.evening {
        Some(EveningEnd::Extended) => " (30 min more, since a debugger is in session)",
        _ => "",
    };
    Some(format!("until {}{or}, {left} left{more}", time_of_day(until, now, zone)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::opening;

    const NOON: Seconds = 1_764_072_000;
    const HOUR: Seconds = 3600;

    fn zone(name: &str) -> TimeZone {
        TimeZone::posix(name).unwrap()
    }

    #[test]
    fn the_last_half_hour_and_the_night_are_two_hours() {
        let day = EndOfDay::default();
        let from = |now: Seconds| evening(now, day, &TimeZone::UTC);
        let end = NOON + 6 * HOUR + HOUR / 2;
        assert_eq!(from(NOON - 12 * HOUR), Evening { until: end, is_late: false });
        assert_eq!(from(end - 1801), Evening { until: end, is_late: false });
        for late in [end - 1800, end, end + 5 * HOUR] {
            assert_eq!(from(late), Evening { until: late + 2 * HOUR, is_late: true });
        }
        assert_eq!(from(NOON + 12 * HOUR), Evening { until: end + 24 * HOUR, is_late: false }, "midnight");
    }

    #[test]
    fn it_is_by_the_clock_on_the_wall() {
        // Noon of 25 November 2025 is 13:00 in Berlin; on 29 March 2026 its clocks go from 2 to 3, on 25 October back.
        let berlin = zone("CET-1CEST,M3.5.0,M10.5.0/3");
        let day: EndOfDay = "17:00".parse().unwrap();
        assert_eq!(evening(NOON, day, &berlin).until, NOON + 4 * HOUR);
        let spring = 1_774_742_400 - HOUR;
        assert_eq!(
            evening(spring, day, &berlin).until,
            spring + 16 * HOUR,
            "a day of 23 hours from midnight"
        );
        let autumn = 1_792_879_200;
        assert_eq!(
            evening(autumn, day, &berlin).until,
            autumn + 18 * HOUR,
            "a day of 25 hours from midnight"
        );
        let left_out: EndOfDay = "02:30".parse().unwrap();
        assert_eq!(evening(spring, left_out, &berlin).until, spring + 2 * HOUR + HOUR / 2);
    }

    #[test]
    fn it_says_until_when_and_how_long_that_is() {
        let mut opening = opening("2345", "any", 0);
        let said = |opening: &Opening| in_words(opening, NOON, &TimeZone::UTC);
        assert_eq!(said(&opening), None);
        opening.until = Some(NOON + 2 * HOUR + 600);
        assert_eq!(said(&opening).unwrap(), "until 14:10, 2 h 10 min left");
        opening.until = Some(NOON + 30 * HOUR);
        assert_eq!(said(&opening).unwrap(), "until 2025-11-26 18:00, 30 h left");
        opening.restart = true;
        let late = NOON + 12 * HOUR - 600;
        opening.until = Some(late + 1200);
        let tonight = in_words(&opening, late, &TimeZone::UTC).unwrap();
        assert_eq!(tonight, "until 00:10 or this Mac restarts, 20 min left");
        assert_eq!(
            time_of_day(late, late + 1200, &TimeZone::UTC),
            "2025-11-25 23:50",
            "what is over has its date"
        );
        opening.until = Some(NOON + 30);
        assert_eq!(said(&opening).unwrap(), "until 12:00 or this Mac restarts, 30 s left");
        opening.until = None;
        assert_eq!(said(&opening).unwrap(), "until this Mac restarts");
    }
}
