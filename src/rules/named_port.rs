//! Ports as they travel. What a user types is parsed here once, and stays a [`NamedPort`] until it is a rule. Pure.
//!
//! ```
//! use portcullis::rules::named_port::{NamedPort, parse_ports};
//! let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
//! let ports = parse_ports("dlv, 7000-7010", &[dlv]).unwrap();
//! assert_eq!(ports[0].to_string(), "2345 (dlv)");
//! assert_eq!(ports[1].to_string(), "7000-7010");
//! assert!(parse_ports("dlv,0", &[]).unwrap_err().to_string().contains("\"dlv\" at column 1"));
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::port::{PortError, PortRange};

/// Ports below this are left alone: no debug server sits there, and system services do.
pub const LOWEST_PORT: u16 = 1024;

/// The name of a port, from a fixed alphabet (`[a-z0-9][a-z0-9-]{0,23}`), so that it can stand in a rule's
/// label and in a prompt as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortName(String);

impl PortName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, for a port without a name.
    pub fn of_number(range: PortRange) -> Self {
        PortName(range.to_string())
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a [`PortName`].
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

/// A range of ports and the name that it goes by. One without a name goes by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedPort {
    /// Part of the rule's label.
    pub name: PortName,
    /// `port` in JSON.
    #[serde(rename = "port")]
    pub range: PortRange,
}

impl NamedPort {
    pub fn unnamed(range: PortRange) -> Self {
        NamedPort { name: PortName::of_number(range), range }
    }

    /// Whether the name says more than the number.
    pub fn has_name(&self) -> bool {
        *self != NamedPort::unnamed(self.range)
    }

    /// A part of the range, which keeps the name.
    pub fn part(&self, range: PortRange) -> Self {
        if self.has_name() { NamedPort { name: self.name.clone(), range } } else { NamedPort::unnamed(range) }
    }

    /// In older ledgers a port without a name is named `port`.
    pub(super) fn with_number_for_old_name(self) -> Self {
        if self.name.as_str() == "port" { NamedPort::unnamed(self.range) } else { self }
    }
}

/// `2345 (dlv)`, or `7001`.
impl fmt::Display for NamedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_name() {
            write!(f, "{} ({})", self.range, self.name)
        } else {
            write!(f, "{}", self.range)
        }
    }
}

/// Reads what a user types for ports: `2345`, `30000-30100`, `30000:30100`, `2345,dlv`, `{2345, 30000-30100}`,
/// `localhost:2345`, by the names of `known`. A number goes by the name of the known range that it is; a name stands for
/// every known range of that name, in capitals too. At least one port, and none twice. Digits and signs of East Asian keyboards count as
/// what they stand for.
pub fn parse_ports(text: &str, known: &[NamedPort]) -> Result<Vec<NamedPort>, PortsError> {
    let text: &str = &text.chars().map(narrow).collect::<String>();
    let mut ports: Vec<NamedPort> = Vec::new();
    for (offset, item) in split_list(text)? {
        let (offset, item) = without_own_host(offset, item);
        let item = item.strip_suffix("/tcp").unwrap_or(item);
        let fail = |problem| PortsError::new(text, offset, item.len(), problem);
        if let Some(port) = port_behind_host(item) {
            return Err(fail(ListProblem::Host { port: port.to_owned() }));
        }
        let mut found: Vec<NamedPort> =
            known.iter().filter(|port| port.name.as_str() == item).cloned().collect();
        if found.is_empty() {
            found =
                known.iter().filter(|port| port.name.as_str().eq_ignore_ascii_case(item)).cloned().collect();
        }
        if found.is_empty() {
            if item.starts_with(|first: char| first.is_ascii_alphabetic()) {
                let names: Vec<&str> = known.iter().map(|port| port.name.as_str()).collect();
                return Err(fail(ListProblem::UnknownName { known: names.join(", ") }));
            }
            let range = PortRange::parse_in(text, offset, item)?;
            let by_range = known.iter().find(|port| port.range == range);
            found.push(by_range.cloned().unwrap_or_else(|| NamedPort::unnamed(range)));
        }
        for port in found {
            if let Some(other) = ports.iter().find(|other| other.range.overlaps(port.range)) {
                return Err(fail(ListProblem::Overlap(other.range)));
            }
            ports.push(port);
        }
    }
    Ok(ports)
}

/// The ASCII character that a full-width one (U+FF01 to U+FF5E), an ideographic comma or space or a dash stands for.
fn narrow(character: char) -> char {
    const SHIFT: u32 = 0xff01 - 0x21;
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - SHIFT).unwrap_or(character),
        '\u{3001}' => ',',
        '\u{3000}' => ' ',
        // What macOS makes of two hyphens as they are typed.
        '\u{2013}' | '\u{2014}' => '-',
        other => other,
    }
}

/// A port as a listener's address has it, such as `:2345` or `0.0.0.0:2345`: the port of this Mac.
fn without_own_host(offset: usize, item: &str) -> (usize, &str) {
    const OWN: [&str; 7] = ["", "localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::]", "*"];
    match item.rsplit_once(':') {
        Some((host, port)) if OWN.contains(&host) => (offset + host.len() + 1, port),
        _ => (offset, item),
    }
}

/// The port in the address of another machine.
fn port_behind_host(item: &str) -> Option<&str> {
    let (host, port) = item.rsplit_once(':')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (!is_number(host.trim()) && is_number(port.trim())).then_some(port)
}

/// Splits a list at its commas, braces taken off: each item, trimmed, with its byte offset in `text`.
fn split_list(text: &str) -> Result<Vec<(usize, &str)>, PortsError> {
    let trimmed = text.trim();
    let start = text.len() - text.trim_start().len();
    let (start, inner) = match (trimmed.strip_prefix('{'), trimmed.strip_suffix('}')) {
        (Some(_), Some(_)) if trimmed.len() >= 2 => (start + 1, &trimmed[1..trimmed.len() - 1]),
        (None, None) => (start, trimmed),
        _ => return Err(PortsError::new(text, start, trimmed.len(), ListProblem::Brace)),
    };
    if inner.trim().is_empty() {
        return Err(PortsError::new(text, start, 0, ListProblem::Empty));
    }
    let mut offset = start;
    let mut items = Vec::new();
    for piece in inner.split(',') {
        let item = piece.trim();
        let at = offset + (piece.len() - piece.trim_start().len());
        if item.is_empty() {
            return Err(PortsError::new(text, at, 0, ListProblem::EmptyItem));
        }
        items.push((at, item));
        offset += piece.len() + 1;
    }
    Ok(items)
}

/// Why a text is not a list of ports, and where: what was given, the column in characters from 1, the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    #[error(transparent)]
    Range(#[from] PortError),
    #[error("{}", .problem.message(.piece, *.column))]
    List { piece: String, column: usize, problem: ListProblem },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListProblem {
    Empty,
    EmptyItem,
    /// A brace without its partner.
    Brace,
    Overlap(PortRange),
    UnknownName {
        /// The names that are known, with commas between them.
        known: String,
    },
    /// The address of another machine.
    Host {
        port: String,
    },
}

impl PortsError {
    fn new(text: &str, offset: usize, length: usize, problem: ListProblem) -> Self {
        let piece = text.get(offset..offset + length).unwrap_or_default().to_owned();
        let column = text.get(..offset).unwrap_or_default().chars().count() + 1;
        PortsError::List { piece, column, problem }
    }
}

impl ListProblem {
    fn message(&self, piece: &str, column: usize) -> String {
        let piece = piece.escape_debug();
        match self {
            ListProblem::Empty => {
                "no port given: name one, such as 2345, 30000-30100 or {2345,5678}".to_owned()
            }
            ListProblem::EmptyItem => {
                format!("a port is missing at column {column}: take the extra comma away")
            }
            ListProblem::Brace => format!("\"{piece}\" at column {column} has a brace without its partner"),
            ListProblem::Overlap(other) => {
                format!("{piece} at column {column} overlaps {other}: name each port once")
            }
            ListProblem::Host { port } => {
                format!(
                    "\"{piece}\" at column {column} names a host: ports are those of this Mac, so write {port}"
                )
            }
            ListProblem::UnknownName { known } => format!(
                "\"{piece}\" at column {column} is neither a port nor a known name: give a number from 1 to 65535 or one of {known}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<NamedPort> {
        let named = |(name, range): (&str, &str)| NamedPort {
            name: name.parse().unwrap(),
            range: range.parse().unwrap(),
        };
        [("dlv", "2345"), ("node", "9229"), ("pair", "7100"), ("pair", "7102-7103")].map(named).to_vec()
    }

    fn read(text: &str) -> Result<String, String> {
        let ports = parse_ports(text, &known()).map_err(|error| error.to_string())?;
        Ok(ports.iter().map(NamedPort::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn reads_every_notation() {
        for (text, ports) in [
            ("2345", "2345 (dlv)"),
            ("30000-30100", "30000-30100"),
            ("30000:30100", "30000-30100"),
            ("{2345,30000,30001}", "2345 (dlv), 30000, 30001"),
            (" { 30000 - 30100 , 2345 } ", "30000-30100, 2345 (dlv)"),
            ("dlv,9229,7000-7010", "2345 (dlv), 9229 (node), 7000-7010"),
            ("00080", "80"),
            ("pair", "7100 (pair), 7102-7103 (pair)"),
            (":2345", "2345 (dlv)"),
            ("localhost:2345, 127.0.0.1:9229,[::1]:30000-30010", "2345 (dlv), 9229 (node), 30000-30010"),
            ("*:2345", "2345 (dlv)"),
            ("２３４５，9229、３００００－３００１０", "2345 (dlv), 9229 (node), 30000-30010"),
            ("DLV, 9229/tcp, 30000–30010", "2345 (dlv), 9229 (node), 30000-30010"),
            ("\u{3000}2345\u{a0}", "2345 (dlv)"),
        ] {
            assert_eq!(read(text).unwrap(), ports, "{text}");
        }
    }

    #[test]
    fn refuses_with_the_place() {
        let error = |text: &str| read(text).unwrap_err();
        assert_eq!(error("22,65536"), "port 65536 at column 4 is out of range: ports go from 1 to 65535");
        assert_eq!(error("{1, 9-3}"), "the range 9-3 at column 5 runs backwards: write the lower port first");
        assert_eq!(error("10-20,15"), "15 at column 7 overlaps 10-20: name each port once");
        assert_eq!(error("1,,2"), "a port is missing at column 3: take the extra comma away");
        assert!(error("").starts_with("no port given"));
        assert!(error("{ }").starts_with("no port given"));
        assert!(error("{1").contains("brace"));
        assert!(error("{").contains("brace"));
        assert!(error("é,x").contains("column 1"));
        assert!(error("dlv,2345").contains("overlaps 2345"));
        assert!(error("2345,delve").contains("\"delve\" at column 6"));
        let host = "\"mac.local:9229\" at column 6 names a host: ports are those of this Mac, so write 9229";
        assert_eq!(error("2345,mac.local:9229"), host);
        assert!(error("10.0.0.5:2345").ends_with("write 2345"));
        assert!(error(":").contains("column 2") && error("localhost:").contains("column 11"));
    }

    #[test]
    fn a_part_keeps_a_name_but_not_a_number() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        let part = |port: NamedPort| port.part(range("7103")).to_string();
        assert_eq!(part(known().remove(3)), "7103 (pair)");
        assert_eq!(part(NamedPort::unnamed(range("7102-7103"))), "7103");
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_reads_back(text in "\\PC{0,40}") {
            if let Ok(ports) = parse_ports(&text, &known()) {
                let printed: Vec<String> = ports.iter().map(|port| port.range.to_string()).collect();
                proptest::prop_assert_eq!(parse_ports(&printed.join(","), &known()).unwrap(), ports);
            }
        }
    }
}
