//! When an opening is to end, as a person says it. Pure.
//!
//! ```
//! use portcullis::rules::end_choice::EndChoice;
//! assert_eq!(EndChoice::parse_for("1h30m")?, EndChoice::For(5400));
//! assert_eq!(EndChoice::parse_until("evening")?, EndChoice::Evening);
//! # Ok::<(), portcullis::rules::end_choice::EndChoiceError>(())
//! ```

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::rules::ends::{EndKind, EndOfDay, EveningEnd};
use crate::rules::evening::{duration_left, evening, time_of_day};
use crate::rules::ledger::{Opening, Seconds};

/// When an opening is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndChoice {
    /// So many seconds from now on.
    For(Seconds),
    At(EndDay, Time),
    Evening,
    Restart,
    /// By hand alone.
    Keep,
}

/// The day of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndDay {
    Today,
    Tomorrow,
    On(Date),
}

/// An end that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndChoiceError {
    #[error("\"{}\" is not a duration: write hours, minutes and seconds, such as 2h, 90m or 1h30m", .0.escape_debug())]
    Duration(String),
    #[error("\"{}\" lies back: give a time ahead, such as 2h, 90m or 1h30m", .0.escape_debug())]
    Back(String),
    #[error(
        "\"{}\" is not a time: use 18:30, \"tomorrow 09:00\", \"2026-11-29 12:00\", evening or restart", .0.escape_debug()
    )]
    Time(String),
    #[error("\"{}\" is not an end: use evening, restart, keep, a duration such as 90m, or a time such as 18:30", .0.escape_debug())]
    Preference(String),
    #[error("{0} is past already: give a later time, or \"tomorrow {0}\"")]
    Past(String),
    #[error("{} is too short: launchd starts the part that closes ports once a minute, so give 2m at least", duration_left(*.0))]
    Short(Seconds),
    #[error("this time lies outside the years that a time can have")]
    Years,
}

impl EndChoice {
    /// The least that a Mac holds to.
    pub const LEAST: Seconds = 120;

    /// `90m`, `2h`, `1h30m`, `45s`.
    pub fn parse_for(text: &str) -> Result<Self, EndChoiceError> {
        let invalid = || EndChoiceError::Duration(shortened(text));
        let (mut total, mut rest): (Seconds, &str) = (0, text.trim());
        if rest.strip_prefix('-').is_some_and(|ahead| Self::parse_for(ahead).is_ok()) {
            return Err(EndChoiceError::Back(shortened(rest)));
        }
        for (unit, seconds) in [('h', 3600), ('m', 60), ('s', 1)] {
            let Some((number, behind)) = rest.split_once(unit) else { continue };
            let number: u32 = number.trim().parse().map_err(|_| invalid())?;
            total = total.saturating_add(Seconds::from(number).saturating_mul(seconds));
            rest = behind;
        }
        if total > 0 && rest.trim().is_empty() { Ok(EndChoice::For(total)) } else { Err(invalid()) }
    }

    /// `18:30`, `tomorrow 09:00`, `2026-11-29 12:00`, `evening`, `restart`.
    pub fn parse_until(text: &str) -> Result<Self, EndChoiceError> {
        let invalid = || EndChoiceError::Time(shortened(text));
        let time = |text: &str| clock(text.trim()).ok_or_else(invalid);
        match text.trim() {
            "evening" => Ok(EndChoice::Evening),
            "restart" => Ok(EndChoice::Restart),
            given => match given.split_once(' ') {
                None => Ok(EndChoice::At(EndDay::Today, time(given)?)),
                Some(("today", clock)) => Ok(EndChoice::At(EndDay::Today, time(clock)?)),
                Some(("tomorrow", clock)) => Ok(EndChoice::At(EndDay::Tomorrow, time(clock)?)),
                Some((date, clock)) => {
                    let date = date.parse().map_err(|_| invalid())?;
                    Ok(EndChoice::At(EndDay::On(date), time(clock)?))
                }
            },
        }
    }

    /// `evening`, `restart`, `keep`, `90m`, `18:30`.
    pub fn parse_preference(text: &str) -> Result<Self, EndChoiceError> {
        if text.trim() == "keep" {
            return Ok(EndChoice::Keep);
        }
        let parsed = Self::parse_until(text).or_else(|_| Self::parse_for(text));
        parsed.map_err(|_| EndChoiceError::Preference(shortened(text)))
    }

    /// The end that an opening has, to be asked for once more at `now`.
    pub fn of(opening: &Opening, now: Seconds) -> Self {
        let left = |until: Seconds| EndChoice::For(until.saturating_sub(now).max(Self::LEAST));
        match (opening.kind(), opening.evening) {
            (EndKind::Restart, _) => EndChoice::Restart,
            // It has had its 30 minutes more.
            (_, Some(EveningEnd::Extended)) | (EndKind::Time, _) => {
                opening.until.map_or(EndChoice::Keep, left)
            }
            (EndKind::Evening, _) => EndChoice::Evening,
        }
    }

    /// The end as seen from `now`: its instant, and what it is. Errors: it is past.
    pub fn end(
        self,
        now: Seconds,
        day: EndOfDay,
        zone: &TimeZone,
    ) -> Result<(Option<Seconds>, EndKind), EndChoiceError> {
        Ok(match self {
            EndChoice::For(seconds) => (Some(now.saturating_add(seconds)), EndKind::Time),
            EndChoice::At(day, time) => (Some(instant(day, time, now, zone)?), EndKind::Time),
            EndChoice::Evening => (Some(evening(now, day, zone).until), EndKind::Evening),
            EndChoice::Restart => (None, EndKind::Restart),
            EndChoice::Keep => (None, EndKind::Time),
        })
    }
}

/// A time of day, `9:00` and `09:00` alike.
fn clock(text: &str) -> Option<Time> {
    match text.find(':') {
        Some(1) => format!("0{text}").parse().ok(),
        _ => text.parse().ok(),
    }
}

fn instant(day: EndDay, time: Time, now: Seconds, zone: &TimeZone) -> Result<Seconds, EndChoiceError> {
    let years = |_: jiff::Error| EndChoiceError::Years;
    let today = zone.to_datetime(Timestamp::from_second(now).map_err(years)?).date();
    let date = match day {
        EndDay::Today => today,
        EndDay::Tomorrow => today.tomorrow().map_err(years)?,
        EndDay::On(date) => date,
    };
    let local = DateTime::from_parts(date, time);
    let end = zone.to_ambiguous_timestamp(local).compatible().map_err(years)?.as_second();
    if end > now { Ok(end) } else { Err(EndChoiceError::Past(time_of_day(end, now, zone))) }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Seconds = 1_764_072_000;

    fn ends(choice: EndChoice) -> Result<(Option<Seconds>, EndKind), EndChoiceError> {
        choice.end(NOON, EndOfDay::default(), &TimeZone::UTC)
    }

    #[test]
    fn the_end_of_an_opening_can_be_asked_for_again() {
        let again = |until: Option<Seconds>, restart: bool, evening: Option<EveningEnd>| {
            let opening = crate::rules::sample::opening("2345", "any", 0);
            EndChoice::of(&Opening { until, restart, evening, ..opening }, NOON)
        };
        assert_eq!(again(None, false, None), EndChoice::Keep);
        assert_eq!(again(None, true, None), EndChoice::Restart);
        assert_eq!(again(Some(NOON + 3000), false, None), EndChoice::For(3000));
        assert_eq!(
            again(Some(NOON + 3000), true, None),
            EndChoice::For(3000),
            "a set time, and the boot beside"
        );
        assert_eq!(again(Some(NOON - 5), false, None), EndChoice::For(EndChoice::LEAST));
        assert_eq!(again(Some(NOON + 3000), false, Some(EveningEnd::Due)), EndChoice::Evening);
        assert_eq!(again(Some(NOON + 3000), false, Some(EveningEnd::Extended)), EndChoice::For(3000));
    }

    #[test]
    fn durations_have_hours_minutes_and_seconds() {
        for (text, seconds) in [("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("1h 30m 5s", 5405), ("3s", 3)]
        {
            assert_eq!(EndChoice::parse_for(text), Ok(EndChoice::For(seconds)), "{text}");
        }
        for text in ["", "90", "m", "2d", "-2h", "0s", "30m2h", "1.5h", "2h garbage", "99999999999h"] {
            assert!(EndChoice::parse_for(text).is_err(), "{text}");
        }
        let back = EndChoice::parse_for("-5m").unwrap_err();
        assert_eq!(back.to_string(), "\"-5m\" lies back: give a time ahead, such as 2h, 90m or 1h30m");
    }

    #[test]
    fn a_time_is_of_today_unless_it_says_another_day() {
        let at =
            |text: &str| ends(EndChoice::parse_until(text).unwrap()).map(|(until, _)| until.unwrap() - NOON);
        assert_eq!(at("18:30"), Ok(6 * 3600 + 1800));
        assert_eq!(at("tomorrow 09:00"), Ok(21 * 3600));
        assert_eq!(at("tomorrow 9:00"), Ok(21 * 3600));
        assert_eq!(at("2025-11-27 12:00"), Ok(48 * 3600));
        assert_eq!(at("evening"), Ok(6 * 3600 + 1800));
        assert_eq!(
            at("11:59").unwrap_err().to_string(),
            "11:59 is past already: give a later time, or \"tomorrow 11:59\""
        );
        assert!(at("12:00").is_err());
        for text in ["", "25:00", "+9:00", ":30", "9", "noon", "tomorrow", "yesterday 10:00", "keep", "90m"] {
            assert!(EndChoice::parse_until(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_has_no_time_has_a_kind() {
        assert_eq!(ends(EndChoice::Restart), Ok((None, EndKind::Restart)));
        assert_eq!(ends(EndChoice::Keep), Ok((None, EndKind::Time)));
        assert_eq!(ends(EndChoice::For(60)), Ok((Some(NOON + 60), EndKind::Time)));
        assert_eq!(ends(EndChoice::Evening).unwrap().1, EndKind::Evening);
    }

    #[test]
    fn a_preference_is_any_of_them() {
        for text in ["evening", "restart", "keep", "90m", "18:30"] {
            assert!(EndChoice::parse_preference(text).is_ok(), "{text}");
        }
        assert!(EndChoice::parse_preference("for ever").unwrap_err().to_string().contains("for ever"));
    }
}
