//! Ports and ranges: parsed once, at the edge, into values that cannot be wrong. Pure.
//!
//! ```
//! use portcullis::port::PortRange;
//! let range: PortRange = "30000-30100".parse().unwrap();
//! assert!(range.contains(30050) && range.count() == 101);
//! assert!("0".parse::<PortRange>().unwrap_err().to_string().contains("column 1"));
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A closed interval of TCP ports, 1 to 65535, first ≤ last. A single port is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The range `first..=last` of host-order ports, or `None` where it holds port 0 or runs backwards.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first > 0 && first <= last).then_some(PortRange { first, last })
    }

    /// The range of one port, or `None` for port 0.
    pub fn single(port: u16) -> Option<Self> {
        Self::new(port, port)
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// The port, where the range holds just one.
    pub fn as_single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// How many ports it holds, 1 to 65535.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Whether `port` lies in it.
    pub fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether the two ranges share a port.
    pub fn overlaps(self, other: PortRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Reads `item`, which stands at byte `offset` of `text`: an error gives its column there.
    pub(crate) fn parse_in(text: &str, offset: usize, item: &str) -> Result<Self, PortError> {
        let fail = |at: usize, piece: &str, problem| {
            let column = text.get(..offset + at).map_or(0, |before| before.chars().count()) + 1;
            PortError { piece: piece.to_owned(), column, problem }
        };
        let number = |at: usize, digits: &str| -> Result<u16, PortError> {
            let trimmed = digits.trim();
            let at = at + (digits.len() - digits.trim_start().len());
            if trimmed.is_empty() || !trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(fail(at, trimmed, RangeProblem::NotANumber));
            }
            match trimmed.parse::<u16>() {
                Ok(0) | Err(_) => Err(fail(at, trimmed, RangeProblem::OutOfRange)),
                Ok(port) => Ok(port),
            }
        };
        let Some(split) = item.find(['-', ':']) else {
            let port = number(0, item)?;
            return Ok(PortRange { first: port, last: port });
        };
        let first = number(0, &item[..split])?;
        let last = number(split + 1, &item[split + 1..])?;
        PortRange::new(first, last).ok_or_else(|| fail(0, item, RangeProblem::Reversed))
    }

    /// What is left of this range without `other`: nothing, one piece, or two.
    pub fn without(self, other: PortRange) -> Vec<PortRange> {
        if !self.overlaps(other) {
            return vec![self];
        }
        let below = other.first.checked_sub(1).and_then(|last| PortRange::new(self.first, last));
        let above = other.last.checked_add(1).and_then(|first| PortRange::new(first, self.last));
        below.into_iter().chain(above).collect()
    }
}

/// `2345`, or `30000-30100`.
impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_single() {
            Some(port) => write!(f, "{port}"),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for PortRange {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        PortRange::parse_in(text, 0, text)
    }
}

/// A number for a single port, else text (`"30000-30100"`), so that most JSON holds plain numbers.
impl Serialize for PortRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_single() {
            Some(port) => serializer.serialize_u16(port),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = PortRange;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 1 to 65535, or a range such as \"30000-30100\"")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<PortRange, E> {
                u16::try_from(number)
                    .ok()
                    .and_then(PortRange::single)
                    .ok_or_else(|| E::custom(format!("port {number} is not between 1 and 65535")))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<PortRange, E> {
                u64::try_from(number)
                    .map_err(|_| E::custom(format!("port {number} is not between 1 and 65535")))
                    .and_then(|number| self.visit_u64(number))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PortRange, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Why a text is not a port or a range, and where: what was given, the column, the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortError {
    piece: String,
    /// In characters, from 1.
    column: usize,
    problem: RangeProblem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeProblem {
    NotANumber,
    OutOfRange,
    Reversed,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (piece, column) = (self.piece.escape_debug(), self.column);
        match &self.problem {
            RangeProblem::NotANumber => write!(
                f,
                "\"{piece}\" at column {column} is not a port: give a number from 1 to 65535 or a range such as 30000-30100"
            ),
            RangeProblem::OutOfRange => {
                write!(f, "port {piece} at column {column} is out of range: ports go from 1 to 65535")
            }
            RangeProblem::Reversed => {
                write!(f, "the range {piece} at column {column} runs backwards: write the lower port first")
            }
        }
    }
}

impl std::error::Error for PortError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_with_the_place() {
        let error = |text: &str| text.parse::<PortRange>().unwrap_err().to_string();
        assert_eq!(error("0"), "port 0 at column 1 is out of range: ports go from 1 to 65535");
        assert_eq!(error("9-3"), "the range 9-3 at column 1 runs backwards: write the lower port first");
        assert_eq!(
            error("1- x"),
            "\"x\" at column 4 is not a port: give a number from 1 to 65535 or a range such as 30000-30100"
        );
        for bad in ["", "1-", "+5", "é"] {
            assert!(error(bad).contains("not a port"), "{bad}");
        }
        assert!(error("99999999999999999999").contains("out of range"));
    }

    #[test]
    fn takes_a_range_out_of_another() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        let left = |a: &str, b: &str| {
            range(a).without(range(b)).iter().map(PortRange::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(left("10-20", "12-15"), "10-11 16-20");
        assert_eq!(left("10-20", "1-15"), "16-20");
        assert_eq!(left("10-20", "10-65535"), "");
        assert_eq!(left("1-65535", "1"), "2-65535");
        assert_eq!(left("1-65535", "65535"), "1-65534");
        assert_eq!(left("10-20", "21"), "10-20");
    }

    #[test]
    fn json_is_a_number_for_one_port() {
        let json = serde_json::to_string(&["2345", "7-9"].map(|text| text.parse::<PortRange>().unwrap()));
        assert_eq!(json.unwrap(), r#"[2345,"7-9"]"#);
        for bad in ["0", "65536", "-1", "1.5", "\"9-3\"", "null"] {
            assert!(serde_json::from_str::<PortRange>(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_reads_back(text in "\\PC{0,40}") {
            if let Ok(range) = text.parse::<PortRange>() {
                proptest::prop_assert_eq!(range.to_string().parse::<PortRange>().unwrap(), range);
            }
        }
    }
}
