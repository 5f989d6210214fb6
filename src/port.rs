//! Ports, ranges, sets and names: parsed once, at the edge, into values that cannot be wrong.
//!
//! ```
//! use portcullis::port::PortSet;
//! let set: PortSet = "{2345, 30000-30100}".parse().unwrap();
//! assert_eq!(set.to_string(), "2345,30000-30100");
//! assert!(set.contains(30050));
//! assert!("2345,0".parse::<PortSet>().unwrap_err().to_string().contains("column 6"));
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Ports below this are left alone: no debug server sits there, and system services do.
pub const LOWEST_PORT: u16 = 1024;

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
        parse_range(text, 0, text)
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

/// A non-empty set of ports: ranges in rising order that do not overlap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PortSet(Vec<PortRange>);

impl PortSet {
    /// The ranges, sorted and apart from each other; at least one.
    pub fn ranges(&self) -> &[PortRange] {
        &self.0
    }

    /// Whether `port` is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(port))
    }

    /// Sorts `ranges` into a set. Errors: none given, or two that share a port.
    pub fn from_ranges(mut ranges: Vec<PortRange>) -> Result<Self, PortError> {
        ranges.sort();
        if ranges.is_empty() {
            return Err(PortError::new("", 0, 0, Problem::Empty));
        }
        if let Some([a, b]) = ranges.array_windows().find(|[a, b]| a.overlaps(*b)) {
            return Err(PortError::new(&b.to_string(), 0, 0, Problem::Overlap(*a)));
        }
        Ok(PortSet(ranges))
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

/// Reads `2345`, `30000-30100`, `30000:30100`, `2345,5678`, `{2345, 30000-30100}`.
impl FromStr for PortSet {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let items = split_list(text)?;
        let mut ranges: Vec<PortRange> = Vec::with_capacity(items.len());
        for (offset, item) in items {
            let range = parse_range(item, offset, text)?;
            if let Some(other) = ranges.iter().find(|other| other.overlaps(range)) {
                return Err(PortError::new(text, offset, item.len(), Problem::Overlap(*other)));
            }
            ranges.push(range);
        }
        ranges.sort();
        Ok(PortSet(ranges))
    }
}

/// Splits a list at its commas, braces taken off: each item, trimmed, with its byte offset in `text`.
/// Errors: an empty list, an empty item, a brace without its partner.
pub fn split_list(text: &str) -> Result<Vec<(usize, &str)>, PortError> {
    let trimmed = text.trim();
    let start = text.len() - text.trim_start().len();
    let (start, inner) = match (trimmed.strip_prefix('{'), trimmed.strip_suffix('}')) {
        (Some(_), Some(_)) if trimmed.len() >= 2 => (start + 1, &trimmed[1..trimmed.len() - 1]),
        (None, None) => (start, trimmed),
        _ => return Err(PortError::new(text, start, trimmed.len(), Problem::Brace)),
    };
    if inner.trim().is_empty() {
        return Err(PortError::new(text, start, 0, Problem::Empty));
    }
    let mut offset = start;
    let mut items = Vec::new();
    for piece in inner.split(',') {
        let item = piece.trim();
        let at = offset + (piece.len() - piece.trim_start().len());
        if item.is_empty() {
            return Err(PortError::new(text, at, 0, Problem::EmptyItem));
        }
        items.push((at, item));
        offset += piece.len() + 1;
    }
    Ok(items)
}

fn parse_range(item: &str, offset: usize, text: &str) -> Result<PortRange, PortError> {
    let fail = |at: usize, length: usize, problem| PortError::new(text, offset + at, length, problem);
    let number = |at: usize, digits: &str| -> Result<u16, PortError> {
        let trimmed = digits.trim();
        let at = at + (digits.len() - digits.trim_start().len());
        if trimmed.is_empty() || !trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fail(at, trimmed.len(), Problem::NotANumber));
        }
        match trimmed.parse::<u16>() {
            Ok(0) | Err(_) => Err(fail(at, trimmed.len(), Problem::OutOfRange)),
            Ok(port) => Ok(port),
        }
    };
    let Some(split) = item.find(['-', ':']) else {
        let port = number(0, item)?;
        return Ok(PortRange { first: port, last: port });
    };
    let first = number(0, &item[..split])?;
    let last = number(split + 1, &item[split + 1..])?;
    PortRange::new(first, last).ok_or_else(|| fail(0, item.len(), Problem::Reversed))
}

/// Why a text is not a port, a range or a set, and where: what was given, the column, the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortError {
    text: String,
    offset: usize,
    length: usize,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    EmptyItem,
    Brace,
    NotANumber,
    OutOfRange,
    Reversed,
    Overlap(PortRange),
    UnknownName(String),
}

impl PortError {
    fn new(text: &str, offset: usize, length: usize, problem: Problem) -> Self {
        PortError { text: text.to_owned(), offset, length, problem }
    }

    /// The column of the fault in characters, from 1.
    pub fn column(&self) -> usize {
        self.text.get(..self.offset).map_or(0, |before| before.chars().count()) + 1
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.offset.saturating_add(self.length);
        let piece = self.text.get(self.offset..end).unwrap_or("").escape_debug();
        let column = self.column();
        match &self.problem {
            Problem::Empty => {
                write!(f, "no port given: name one, such as 2345, 30000-30100 or {{2345,5678}}")
            }
            Problem::EmptyItem => {
                write!(f, "a port is missing at column {column}: take the extra comma away")
            }
            Problem::Brace => write!(f, "\"{piece}\" at column {column} has a brace without its partner"),
            Problem::NotANumber => write!(
                f,
                "\"{piece}\" at column {column} is not a port: give a number from 1 to 65535 or a range such as 30000-30100"
            ),
            Problem::OutOfRange => {
                write!(f, "port {piece} at column {column} is out of range: ports go from 1 to 65535")
            }
            Problem::Reversed => {
                write!(f, "the range {piece} at column {column} runs backwards: write the lower port first")
            }
            Problem::Overlap(other) => {
                write!(f, "{piece} at column {column} overlaps {other}: name each port once")
            }
            Problem::UnknownName(known) => write!(
                f,
                "\"{piece}\" at column {column} is neither a port nor a known name: give a number from 1 to 65535 or one of {known}"
            ),
        }
    }
}

impl std::error::Error for PortError {}

/// The name of a port, from a fixed alphabet (`[a-z0-9][a-z0-9-]{0,23}`), so that it can stand in a rule's
/// label and in a prompt as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortName(String);

impl PortName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a port that nobody named.
    pub fn unnamed() -> Self {
        PortName("port".to_owned())
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`PortName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is no name for a port: use 1 to 24 of a-z, 0-9 and -, beginning with a letter or digit", .0.escape_debug())]
pub struct NameError(String);

impl FromStr for PortName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=24).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || byte == b'-');
        if fits { Ok(PortName(text.to_owned())) } else { Err(NameError(text.chars().take(40).collect())) }
    }
}

impl TryFrom<String> for PortName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<PortName> for String {
    fn from(name: PortName) -> String {
        name.0
    }
}

/// Reads what a person types for ports: numbers, ranges, lists, and names of `known` ports.
/// Gives each range with the name that it goes by; a bare number takes the name of the known port
/// that it is. Errors: as [`PortSet`]'s, and a word that is no known name.
pub fn parse_named(
    text: &str,
    known: &[(PortName, PortRange)],
) -> Result<Vec<(PortName, PortRange)>, PortError> {
    let mut found: Vec<(PortName, PortRange)> = Vec::new();
    for (offset, item) in split_list(text)? {
        let by_name = known.iter().find(|(name, _)| name.as_str() == item);
        let (name, range) = match by_name {
            Some((name, range)) => (name.clone(), *range),
            None if item.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                let problem = Problem::UnknownName(names.join(", "));
                return Err(PortError::new(text, offset, item.len(), problem));
            }
            None => {
                let range = parse_range(item, offset, text)?;
                let name = known.iter().find(|(_, port)| *port == range).map(|(name, _)| name.clone());
                (name.unwrap_or_else(PortName::unnamed), range)
            }
        };
        if let Some((_, other)) = found.iter().find(|(_, other)| other.overlaps(range)) {
            return Err(PortError::new(text, offset, item.len(), Problem::Overlap(*other)));
        }
        found.push((name, range));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<PortSet>().unwrap_err().to_string()
    }

    #[test]
    fn reads_every_notation() {
        for (text, normal) in [
            ("2345", "2345"),
            ("30000-30100", "30000-30100"),
            ("30000:30100", "30000-30100"),
            ("{2345,30000,30001}", "2345,30000,30001"),
            (" { 30000 - 30100 , 2345 } ", "2345,30000-30100"),
            ("65535,1", "1,65535"),
            ("00080", "80"),
        ] {
            assert_eq!(text.parse::<PortSet>().unwrap().to_string(), normal, "{text}");
        }
    }

    #[test]
    fn refuses_with_the_place() {
        assert_eq!(error("0"), "port 0 at column 1 is out of range: ports go from 1 to 65535");
        assert_eq!(error("22,65536"), "port 65536 at column 4 is out of range: ports go from 1 to 65535");
        assert_eq!(error("{1, 9-3}"), "the range 9-3 at column 5 runs backwards: write the lower port first");
        assert_eq!(error("10-20,15"), "15 at column 7 overlaps 10-20: name each port once");
        assert_eq!(error("1,,2"), "a port is missing at column 3: take the extra comma away");
        assert!(error("").starts_with("no port given"));
        assert!(error("{ }").starts_with("no port given"));
        assert!(error("{1").contains("brace"));
        assert!(error("{").contains("brace"));
        assert!(error("1-").contains("not a port"));
        assert!(error("+5").contains("not a port"));
        assert!(error("é,x").contains("column 1"));
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

    fn known() -> Vec<(PortName, PortRange)> {
        let ports =
            [("dlv", 2345), ("node", 9229)].map(|(name, port)| (name.parse(), PortRange::single(port)));
        ports.into_iter().map(|(name, range)| (name.unwrap(), range.unwrap())).collect()
    }

    #[test]
    fn names_stand_for_their_ports() {
        let known = known();
        let named = |text: &str| {
            parse_named(text, &known).map(|found| {
                found.iter().map(|(name, range)| format!("{name}:{range}")).collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(named("dlv,9229,7000-7010").unwrap(), "dlv:2345 node:9229 port:7000-7010");
        assert!(named("dlv,2345").unwrap_err().to_string().contains("overlaps 2345"));
        assert!(named("2345,delve").unwrap_err().to_string().contains("\"delve\" at column 6"));
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
            if let Ok(set) = text.parse::<PortSet>() {
                proptest::prop_assert_eq!(set.to_string().parse::<PortSet>().unwrap(), set);
            }
            let _ = parse_named(&text, &known()).map_err(|error| error.to_string());
        }
    }
}
