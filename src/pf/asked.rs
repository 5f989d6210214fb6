//! Names in rules that pfctl asks the system for while it loads them; one that the system does not know makes pfctl refuse
//! the whole file.

use std::collections::HashSet;
use std::fmt;

use super::criteria::{Address, OwnerMatch, PortMatch};
use super::names::services;
use super::rule::{Rule, SourceLine};
use super::rulesets::Rulesets;

/// A name, and what it is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SystemName {
    Service(String),
    User(String),
    Group(String),
    Host(String),
}

/// `the service htpp`
impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SystemName::Service(name) => write!(f, "the service {name}"),
            SystemName::User(name) => write!(f, "the user {name}"),
            SystemName::Group(name) => write!(f, "the group {name}"),
            SystemName::Host(name) => write!(f, "the host {name}"),
        }
    }
}

/// Each name at the first rule that has it.
pub fn names(loaded: &Rulesets) -> Vec<(SourceLine, SystemName)> {
    let mut found: Vec<(SourceLine, SystemName)> = Vec::new();
    let mut known = HashSet::new();
    for path in loaded.anchor_paths() {
        for placed in loaded.anchor(path).into_iter().flat_map(|ruleset| ruleset.rules()) {
            for name in of_rule(&placed.item) {
                if known.insert(name.clone()) {
                    found.push((placed.place.clone(), name));
                }
            }
        }
    }
    found
}

fn of_rule(rule: &Rule) -> Vec<SystemName> {
    let mut found = Vec::new();
    for peer in [&rule.source, &rule.destination] {
        if let Address::Name(name, _) = &peer.address {
            found.push(SystemName::Host(name.to_string()));
        }
        if let Some(PortMatch::Service(text)) = &peer.port {
            let unknown = |word: &&str| services::service(word).is_none();
            found.extend(words(text).filter(unknown).map(|word| SystemName::Service(word.to_owned())));
        }
    }
    if let Some(OwnerMatch::Name(text)) = &rule.user {
        found.extend(words(text).map(|word| SystemName::User(word.to_owned())));
    }
    if let Some(OwnerMatch::Name(text)) = &rule.group {
        found.extend(words(text).map(|word| SystemName::Group(word.to_owned())));
    }
    found
}

/// The names in a condition, such as `= a`, `a:b`, `a >< b`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([' ', ':']).map(|word| word.trim_matches('"'));
    words.filter(|word| word.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_parser_does_not_know_are_asked_for() {
        let text = "pass in proto tcp to port { htpp, http, 22 }\npass out proto tcp user nosuchuser\n\
                    pass in from nosuchhost\npass in proto tcp to port ssh:htqq group grp\n";
        let (loaded, problems) = Rulesets::from_conf("f", text, &mut |_| Err("none".into()));
        assert_eq!(problems, []);
        let names: Vec<String> =
            names(&loaded).iter().map(|(place, name)| format!("{}: {name}", place.line)).collect();
        assert_eq!(
            names,
            [
                "1: the service htpp",
                "2: the user nosuchuser",
                "3: the host nosuchhost",
                "4: the service htqq",
                "4: the group grp"
            ]
        );
    }
}
