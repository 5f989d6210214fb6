//! What the user prefers, kept as TOML: comments and order of the file survive every change of ours.
//!
//! ```
//! use portcullis::prefs::Preferences;
//! let text = "show = [\"dlv\"]  # I write Go\n";
//! assert_eq!(Preferences::parse(text).unwrap().shown().len(), 1);
//! let changed = Preferences::set(text, "from", "any").unwrap();
//! assert_eq!(changed, "show = [\"dlv\"]  # I write Go\nfrom = \"any\"\n");
//! ```

use serde::Deserialize;

use crate::debuggers::ports::{DebugPort, shown_by_default, usual_ports};
use crate::port::{LOWEST_PORT, PortName};
use crate::rules::ledger::Attachment;
use crate::rules::named_port::{NamedPort, PortsError, parse_ports};

/// The preferences, each with its default where the file is silent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preferences {
    /// Names of the ports that the menu shows and the guard blocks, in order.
    pub show: Vec<PortName>,
    /// Whom a click in the menu lets in: `any`, `lan`, or hosts with commas between them.
    pub from: String,
    /// How our rules are evaluated: `auto`, `apple` or `classic`.
    pub way: AttachmentChoice,
    /// Ports of the user's own.
    pub port: Vec<DebugPort>,
}

/// How our rules are to be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentChoice {
    /// Below `com.apple/*` where the loaded ruleset calls that, else by our block in pf.conf.
    #[default]
    Auto,
    /// Below `com.apple/*`.
    Apple,
    /// By our block in pf.conf.
    Classic,
}

impl AttachmentChoice {
    /// The way to ask the helper for; `None` leaves it to the helper.
    pub fn way(self) -> Option<Attachment> {
        match self {
            AttachmentChoice::Auto => None,
            AttachmentChoice::Apple => Some(Attachment::Apple),
            AttachmentChoice::Classic => Some(Attachment::Classic),
        }
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Preferences {
            show: shown_by_default(),
            from: "lan".to_owned(),
            way: AttachmentChoice::Auto,
            port: Vec::new(),
        }
    }
}

/// Preferences that cannot be used. The file is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferencesError {
    /// The text does not read.
    #[error("the preferences do not read: {0}")]
    Text(String),
    /// A value that cannot be.
    #[error("the preferences hold a value that cannot be: {0}")]
    Value(String),
    /// A key that there is not.
    #[error("there is no preference \"{0}\": known are {known}", known = Preferences::KEYS.join(", "))]
    Key(String),
}

impl Preferences {
    /// The keys that [`Preferences::set`] takes.
    pub const KEYS: [&'static str; 3] = ["show", "from", "way"];

    /// Reads the text of the file. Errors: TOML that does not read, with line and column; unknown keys; names of
    /// ports that nobody defined; two ports that share a name or a number.
    pub fn parse(text: &str) -> Result<Self, PreferencesError> {
        let preferences: Preferences = toml_edit::de::from_str(text)
            .map_err(|error| PreferencesError::Text(error.to_string().trim().to_owned()))?;
        let bad = PreferencesError::Value;
        for (index, own) in preferences.port.iter().enumerate() {
            if own.port.first() < LOWEST_PORT {
                return Err(bad(format!(
                    "port {} of {} lies below {LOWEST_PORT}, where system services sit",
                    own.port, own.name
                )));
            }
            if let Some(other) = preferences.port[..index].iter().find(|other| other.port.overlaps(own.port))
            {
                return Err(bad(format!(
                    "port {} of {} overlaps {} of {}",
                    own.port, own.name, other.port, other.name
                )));
            }
            if preferences.port[..index].iter().any(|other| other.name == own.name) {
                return Err(bad(format!("two ports are named {}", own.name)));
            }
        }
        let known = preferences.known();
        for (index, name) in preferences.show.iter().enumerate() {
            if !known.iter().any(|port| port.name == *name) {
                let names: Vec<&str> = known.iter().map(|port| port.name.as_str()).collect();
                return Err(bad(format!("show names {name}, which is none of {}", names.join(", "))));
            }
            if preferences.show[..index].contains(name) {
                return Err(bad(format!("show names {name} twice")));
            }
        }
        if preferences.from.trim().is_empty() {
            return Err(bad("from is empty: say lan, any, or hosts with commas between them".to_owned()));
        }
        Ok(preferences)
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
        let named = self.show.iter().filter_map(|name| known.iter().find(|port| port.name == *name));
        let own = self.port.iter().filter(|own| !self.show.contains(&own.name));
        named.chain(own).cloned().collect()
    }

    /// The ports to show, as the guard takes them.
    pub fn managed(&self) -> Vec<NamedPort> {
        self.shown().into_iter().map(|port| NamedPort { name: port.name, range: port.port }).collect()
    }

    /// The text of the file with one key changed, everything else byte for byte as it was.
    /// `show` takes names with commas between them. Errors: no such key, or a value that [`Preferences::parse`]
    /// would refuse.
    pub fn set(text: &str, key: &str, value: &str) -> Result<String, PreferencesError> {
        Self::parse(text)?;
        let mut document: toml_edit::DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| PreferencesError::Text(error.to_string()))?;
        let new = match key {
            "show" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                toml_edit::value(names.collect::<toml_edit::Array>())
            }
            "from" | "way" => toml_edit::value(value),
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

/// Ports as a person types them, by the names that these preferences know.
pub fn ports_of(text: &str, preferences: &Preferences) -> Result<Vec<NamedPort>, PortsError> {
    let known: Vec<NamedPort> =
        preferences.known().into_iter().map(|port| NamedPort { name: port.name, range: port.port }).collect();
    parse_ports(text, &known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Preferences::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_and_the_template_are_the_defaults() {
        assert_eq!(Preferences::parse("").unwrap(), Preferences::default());
        assert_eq!(Preferences::parse(Preferences::template()).unwrap(), Preferences::default());
        assert_eq!(Preferences::default().shown().len(), 6);
        let uncommented: String = Preferences::template()
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| ["show = ", "from = ", "way = "].iter().any(|key| line.starts_with(key)))
            .fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(uncommented.lines().count(), 3);
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
        assert!(set("colour", "red").unwrap_err().to_string().contains("known are show, from, way"));
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
