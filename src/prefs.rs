//! What the user prefers, kept as TOML: comments and order of the file survive every change of ours.
//!
//! ```
//! use portcullis::prefs::Preferences;
//! let text = "show = [\"dlv\"]  # I write Go\n";
//! assert_eq!(Preferences::parse(text).unwrap().shown().len(), 1);
//! let changed = Preferences::set(text, "from", "any").unwrap();
//! assert_eq!(changed, "show = [\"dlv\"]  # I write Go\nfrom = \"any\"\n");
//! ```

use serde::{Deserialize, Deserializer, Serialize};

use crate::debuggers::ports::{DebugPort, shown_by_default, usual_ports};
use crate::port::PortRange;
use crate::rules::end_choice::{EndChoice, EndChoiceError};
use crate::rules::ledger::Attachment;
use crate::rules::named_port::{LOWEST_PORT, NamedPort, PortName, PortsError, parse_ports};

/// Each has its default where the file does not have the key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preferences {
    /// The ports that the menu shows and the guard blocks, in order: names, and numbers of such as have none.
    pub show: Vec<PortName>,
    /// For which clients a click in the menu opens a port: `any`, `lan`, or hosts with commas between them.
    pub from: String,
    /// When a port that a click opens ends: `evening`, `restart`, `keep`, a duration, or a time of day.
    #[serde(rename = "for")]
    pub lasts: String,
    /// `auto` (`None`) is below `com.apple/*` where the loaded ruleset calls that, else by our block in pf.conf.
    #[serde(deserialize_with = "attachment")]
    pub way: Option<Attachment>,
    pub icon: IconStyle,
    /// Ports of the user's own.
    pub port: Vec<DebugPort>,
}

/// How the icon is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IconStyle {
    /// The colour says the risk.
    #[default]
    Coloured,
    /// In one colour: on a Mac that of the menu bar's other icons. The shape and the marks say the same.
    Plain,
}

impl IconStyle {
    pub const ALL: [IconStyle; 2] = [IconStyle::Coloured, IconStyle::Plain];

    /// As the preferences have it.
    pub fn word(self) -> &'static str {
        match self {
            IconStyle::Coloured => "coloured",
            IconStyle::Plain => "plain",
        }
    }
}

fn attachment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Attachment>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum AttachmentChoice {
        Auto,
        Apple,
        Classic,
    }
    Ok(match AttachmentChoice::deserialize(deserializer)? {
        AttachmentChoice::Auto => None,
        AttachmentChoice::Apple => Some(Attachment::Apple),
        AttachmentChoice::Classic => Some(Attachment::Classic),
    })
}

impl Default for Preferences {
    fn default() -> Self {
        let (from, lasts) = ("lan".to_owned(), "evening".to_owned());
        let (way, icon) = (None, IconStyle::default());
        Preferences { show: shown_by_default(), from, lasts, way, icon, port: Vec::new() }
    }
}

/// Preferences that cannot be used. The file is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferencesError {
    /// Line and column from 1, the column in characters.
    #[error("the preferences do not read: line {line}, column {column}{}: {message}", .key.as_ref().map_or(String::new(), |key| format!(", key {key}")))]
    Text { line: usize, column: usize, key: Option<String>, message: String },
    #[error("the preferences hold a value that cannot be: {0}")]
    Value(#[from] PreferenceProblem),
    #[error("there is no preference \"{0}\": known are {known}, and end-of-day, which root keeps", known = Preferences::KEYS.join(", "))]
    Key(String),
}

/// A value that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferenceProblem {
    #[error("port {port} of {name} lies below {LOWEST_PORT}, where system services sit")]
    LowPort { port: PortRange, name: PortName },
    #[error("port {} of {} overlaps {} of {}", .0.range, .0.name, .1.range, .1.name)]
    Overlap(NamedPort, NamedPort),
    #[error("two ports are named {0}")]
    SameName(PortName),
    #[error("show names {name}, which is no port from {LOWEST_PORT} on, and none of {known}")]
    UnknownName {
        name: PortName,
        /// The names that are known, with commas between them.
        known: String,
    },
    #[error("show names {0} twice")]
    ShownTwice(PortName),
    #[error("for: {0}")]
    End(#[source] EndChoiceError),
    #[error("way is auto, apple or classic, and not \"{}\"", .0.escape_debug())]
    Way(String),
    #[error("icon is coloured or plain, and not \"{}\"", .0.escape_debug())]
    Icon(String),
    #[error("from is empty: use lan, any, or hosts with commas between them")]
    EmptyFrom,
}

impl Preferences {
    /// The keys that [`Preferences::set`] takes.
    pub const KEYS: [&'static str; 5] = ["show", "from", "for", "way", "icon"];

    /// The bytes of the file as text.
    pub fn text(bytes: Vec<u8>) -> Result<String, PreferencesError> {
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(error.as_bytes().get(..at).unwrap_or_default()).into_owned();
            text_error(&before, &format!("byte {at} is not UTF-8"), None)
        })
    }

    /// Reads the text of the file. Errors: TOML that does not read, with line and column; unknown keys; names of
    /// ports that are not defined; two ports that share a name or a number.
    pub fn parse(text: &str) -> Result<Self, PreferencesError> {
        let preferences: Preferences =
            toml_edit::de::from_str(text).map_err(|error| text_error(text, error.message(), error.span()))?;
        check_own_ports(&preferences.port)?;
        check_shown(&preferences.show, &preferences.known())?;
        if preferences.from.trim().is_empty() {
            return Err(PreferenceProblem::EmptyFrom.into());
        }
        EndChoice::parse_preference(&preferences.lasts).map_err(PreferenceProblem::End)?;
        Ok(preferences)
    }

    /// When a port that a click opens ends.
    pub fn end(&self) -> EndChoice {
        // What does not read was refused.
        EndChoice::parse_preference(&self.lasts).unwrap_or(EndChoice::Evening)
    }

    /// Every port that has a name: the user's own first; a debugger's usual port gives way to an own port of its name or
    /// number.
    pub fn known(&self) -> Vec<DebugPort> {
        let mut known = self.port.clone();
        for usual in usual_ports() {
            let taken = |own: &DebugPort| own.name == usual.name || own.port.overlaps(usual.port);
            if !self.port.iter().any(taken) {
                known.push(usual);
            }
        }
        known
    }

    /// The ports to show, in order: those that `show` names, then the user's own.
    pub fn shown(&self) -> Vec<DebugPort> {
        let known = self.known();
        let mut shown: Vec<DebugPort> = self.show.iter().filter_map(|name| port_of(name, &known)).collect();
        let own = self.port.iter().filter(|own| !shown.iter().any(|port| port.name == own.name));
        let own: Vec<DebugPort> = own.cloned().collect();
        shown.extend(own);
        shown
    }

    /// The ports to show, as the guard takes them.
    pub fn managed(&self) -> Vec<NamedPort> {
        self.shown().iter().map(DebugPort::named_port).collect()
    }

    /// Reads what a user types for ports, by the names that these preferences know.
    pub fn ports(&self, text: &str) -> Result<Vec<NamedPort>, PortsError> {
        let known: Vec<NamedPort> = self.known().iter().map(DebugPort::named_port).collect();
        parse_ports(text, &known)
    }

    /// The text of the file with one key changed, everything else byte for byte as it was.
    /// `show` takes names with commas between them. Errors: no such key, or a value that [`Preferences::parse`]
    /// would refuse.
    pub fn set(text: &str, key: &str, value: &str) -> Result<String, PreferencesError> {
        Self::parse(text)?;
        let choices = ["auto", "apple", "classic"];
        if key == "way" && !choices.contains(&value) {
            return Err(PreferenceProblem::Way(value.chars().take(40).collect()).into());
        }
        if key == "icon" && !IconStyle::ALL.iter().any(|style| style.word() == value) {
            return Err(PreferenceProblem::Icon(value.chars().take(40).collect()).into());
        }
        let mut document: toml_edit::DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| text_error(text, error.message(), error.span()))?;
        let new = match key {
            "show" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                toml_edit::value(names.collect::<toml_edit::Array>())
            }
            "from" | "for" | "way" | "icon" => toml_edit::value(value),
            _ => return Err(PreferencesError::Key(key.chars().take(40).collect())),
        };
        // The comment behind a value belongs to the old value's decoration: it moves to the new one.
        match (document.get_mut(key).and_then(toml_edit::Item::as_value_mut), new) {
            (Some(old), toml_edit::Item::Value(mut value)) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            (_, new) => {
                document.insert(key, new);
            }
        }
        let changed = document.to_string();
        Self::parse(&changed)?;
        Ok(changed)
    }

    /// What a new file holds: every key with its default, commented out and explained.
    pub fn template() -> &'static str {
        include_str!("../resources/preferences.toml")
    }
}

fn check_own_ports(ports: &[DebugPort]) -> Result<(), PreferenceProblem> {
    for (index, own) in ports.iter().enumerate() {
        if own.port.first() < LOWEST_PORT {
            return Err(PreferenceProblem::LowPort { port: own.port, name: own.name.clone() });
        }
        let earlier = &ports[..index];
        if let Some(other) = earlier.iter().find(|other| other.port.overlaps(own.port)) {
            return Err(PreferenceProblem::Overlap(own.named_port(), other.named_port()));
        }
        if earlier.iter().any(|other| other.name == own.name) {
            return Err(PreferenceProblem::SameName(own.name.clone()));
        }
    }
    Ok(())
}

/// The port that a name or a number in `show` means.
fn port_of(name: &PortName, known: &[DebugPort]) -> Option<DebugPort> {
    let by_name = known.iter().find(|port| port.name == *name);
    let range = || name.as_str().parse::<PortRange>().ok().filter(|range| range.first() >= LOWEST_PORT);
    let by_number = |range| known.iter().find(|port| port.port == range).cloned();
    let untitled = |range| by_number(range).unwrap_or_else(|| DebugPort::untitled(range));
    by_name.cloned().or_else(|| range().map(untitled))
}

fn check_shown(show: &[PortName], known: &[DebugPort]) -> Result<(), PreferenceProblem> {
    let mut shown: Vec<DebugPort> = Vec::new();
    for (index, name) in show.iter().enumerate() {
        let Some(port) = port_of(name, known) else {
            let names: Vec<&str> = known.iter().map(|port| port.name.as_str()).collect();
            return Err(PreferenceProblem::UnknownName { name: name.clone(), known: names.join(", ") });
        };
        if show[..index].contains(name) {
            return Err(PreferenceProblem::ShownTwice(name.clone()));
        }
        if let Some(other) = shown.iter().find(|other| other.port.overlaps(port.port)) {
            return Err(PreferenceProblem::Overlap(port.named_port(), other.named_port()));
        }
        shown.push(port);
    }
    Ok(())
}

/// An error of the TOML reader: its place and its key, in words that fit on one line.
fn text_error(text: &str, message: &str, span: Option<std::ops::Range<usize>>) -> PreferencesError {
    let place = span.map_or(text.len(), |span| span.start);
    let before = text.get(..place).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    PreferencesError::Text {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        key: key_at(text, place),
        message: message.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The key whose value is at byte `place`, such as `port.name`; `None` where the text is not TOML, or no value is there.
fn key_at(text: &str, place: usize) -> Option<String> {
    let document = toml_edit::Document::parse(text).ok()?;
    let mut tables: Vec<(String, &dyn toml_edit::TableLike)> = vec![(String::new(), document.as_table())];
    let mut found = None;
    while let Some((path, table)) = tables.pop() {
        for (key, item) in table.iter() {
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            match item {
                toml_edit::Item::ArrayOfTables(array) => {
                    tables
                        .extend(array.iter().map(|table| (path.clone(), table as &dyn toml_edit::TableLike)));
                }
                _ if item.span().is_some_and(|span| span.contains(&place)) => {
                    tables.extend(item.as_table_like().map(|table| (path.clone(), table)));
                    found = Some(path);
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Preferences::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_number_is_shown_as_well() {
        let read = |show: &str| {
            Preferences::parse(&format!("show = [{show}]\n[[port]]\nname = \"api\"\nport = 40000"))
        };
        let shown = |show: &str| {
            let ports = read(show).unwrap().shown();
            ports.iter().map(|port| port.named_port().to_string()).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown("\"8081\", \"dlv\""), "8081, 2345 (dlv), 40000 (api)");
        assert_eq!(shown("\"40000\", \"2345\", \"7000-7010\""), "40000 (api), 2345 (dlv), 7000-7010");
        let refused = |show: &str| read(show).unwrap_err().to_string();
        assert!(
            refused("\"80\"").contains("show names 80, which is no port from 1024 on, and none of api, dlv")
        );
        assert!(refused("\"dlv\", \"2345\"").contains("overlaps 2345 of dlv"));
        assert!(refused("\"dlv\", \"2340-2350\"").contains("overlaps 2345 of dlv"));
    }

    #[test]
    fn an_empty_file_and_the_template_are_the_defaults() {
        assert_eq!(Preferences::parse("").unwrap(), Preferences::default());
        assert_eq!(Preferences::parse(Preferences::template()).unwrap(), Preferences::default());
        assert_eq!(Preferences::default().shown().len(), 6);
        let uncommented: String = Preferences::template()
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| {
                ["show = ", "from = ", "way = ", "icon = "].iter().any(|key| line.starts_with(key))
            })
            .fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(uncommented.lines().count(), 4);
        assert_eq!(Preferences::parse(&uncommented).unwrap(), Preferences::default());
    }

    #[test]
    fn own_ports_are_shown_and_win_over_usual_ones() {
        let text = "show = [\"dlv\"]\n[[port]]\nname = \"mine\"\nport = 9229\n[[port]]\nname = \"dlv\"\nport = \"4000-4003\"\n";
        let preferences = Preferences::parse(text).unwrap();
        let shown: Vec<_> =
            preferences.shown().iter().map(|port| format!("{}:{}", port.name, port.port)).collect();
        assert_eq!(shown, ["dlv:4000-4003", "mine:9229"]);
        assert!(!preferences.known().iter().any(|port| port.name.as_str() == "node"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(refused("show = 5").contains("line 1"));
        assert!(refused("colour = \"red\"").contains("colour"));
        assert!(refused("show = [\"delve\"]").contains("none of"));
        assert!(refused("show = [\"dlv\", \"dlv\"]").contains("twice"));
        assert!(refused("[[port]]\nname = \"UP\"\nport = 5000").contains("no name for a port"));
        assert!(refused("[[port]]\nname = \"a\"\nport = 22").contains("below 1024"));
        assert!(refused("[[port]]\nname = \"a\"\nport = 0").contains("between 1 and 65535"));
        assert!(
            refused("[[port]]\nname = \"a\"\nport = 5000\n[[port]]\nname = \"b\"\nport = 5000")
                .contains("overlaps")
        );
    }

    #[test]
    fn setting_keeps_comments() {
        let text = "# mine\nway = \"auto\" # for now\n\n[[port]] # own\nname = \"x\"\nport = 7000\n";
        let set = |key, value| Preferences::set(text, key, value);
        assert_eq!(set("way", "classic").unwrap(), text.replace("auto", "classic"));
        assert!(set("show", "dlv, x").unwrap().contains("show = [\"dlv\", \"x\"]"));
        assert!(set("show", "dlv, y").is_err());
        assert!(set("way", "sideways").is_err());
        assert!(set("colour", "red").unwrap_err().to_string().contains("known are show, from, for, way"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}", key in "[a-z]{0,5}", value in "\\PC{0,20}") {
            let _ = Preferences::parse(&text);
            let _ = Preferences::set(&text, &key, &value);
            let _ = Preferences::set("", "from", &value);
        }
    }
}
