//! What an opening ends by. Pure.
//!
//! ```
//! use portcullis::rules::ends::EndOfDay;
//! assert_eq!(EndOfDay::default().to_string(), "18:30");
//! assert!("8:30".parse::<EndOfDay>().is_err());
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a port in session at its evening gets more, once, in seconds.
pub const MORE: i64 = 30 * 60;

/// When the working day ends: from 01:00 to 23:59. In `ledger.json`, and so in no program of a user's to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndOfDay {
    /// Minutes after midnight.
    minutes: u16,
}

/// A text that is no end of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not an end of day: write a time from 01:00 to 23:59, such as 18:30", .0.escape_debug())]
pub struct EndOfDayError(String);

impl EndOfDay {
    /// Minutes after midnight.
    pub fn minutes(self) -> u16 {
        self.minutes
    }
}

impl Default for EndOfDay {
    fn default() -> Self {
        EndOfDay { minutes: 18 * 60 + 30 }
    }
}

impl FromStr for EndOfDay {
    type Err = EndOfDayError;

    fn from_str(text: &str) -> Result<Self, EndOfDayError> {
        let invalid = || EndOfDayError(text.chars().take(20).collect());
        let number = |part: &str| part.parse::<u16>().ok().filter(|_| part.len() == 2);
        let (hour, minute) = text.split_once(':').ok_or_else(invalid)?;
        let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(invalid)?;
        let day = EndOfDay { minutes: hour * 60 + minute };
        let is_valid = (1..24).contains(&hour) && minute < 60 && day.to_string() == text;
        if is_valid { Ok(day) } else { Err(invalid()) }
    }
}

impl fmt::Display for EndOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl TryFrom<String> for EndOfDay {
    type Error = EndOfDayError;

    fn try_from(text: String) -> Result<Self, EndOfDayError> {
        text.parse()
    }
}

impl From<EndOfDay> for String {
    fn from(day: EndOfDay) -> Self {
        day.to_string()
    }
}

/// What an opening ends by, beside a person who closes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndKind {
    /// The set time, where there is one.
    #[default]
    Time,
    /// The end of the working day.
    Evening,
    /// The restart of this Mac.
    Restart,
}

/// How an opening that ends in the evening stands to the 30 minutes more for a port in session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EveningEnd {
    /// It gets them where it is in session then.
    Due,
    /// It has had them.
    Extended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_of_day_has_one_spelling() {
        for text in ["18:30", "01:00", "23:59", "09:05"] {
            assert_eq!(text.parse::<EndOfDay>().unwrap().to_string(), text);
        }
        for text in ["", "18", "18:3", "8:30", "00:30", "24:00", "18:60", "+1:00", "18:30:00", " 18:30"] {
            assert!(text.parse::<EndOfDay>().is_err(), "{text}");
        }
    }
}
