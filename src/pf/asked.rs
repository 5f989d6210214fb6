//! Names in rules that pfctl asks the system for while it loads them; one that the system does not know makes pfctl refuse
//! the whole file.

use std::collections::{HashMap, HashSet};

use super::criteria::{Address, Compare, InterfaceAddress, OwnerMatch, PortMatch};
use super::load::LoadedConf;
use super::lookup::{AskName, NameAnswer, SystemName};
use super::names::services;
use super::parse::{Fault, Problem};
use super::preamble::{Preamble, TableSource};
use super::rule::{Rule, Ruleset, SourceLine};
use super::words::c_number;

impl LoadedConf {
    /// The same on a system that answers so: a name that it does not know is one more problem, a service, user or group that
    /// it knows becomes its number, as pfctl loads it. Names that were not asked for stand in `unasked`.
    pub fn with_names(mut self, ask: &mut AskName<'_>) -> LoadedConf {
        let mut answers = HashMap::new();
        for (place, name) in names(&self) {
            let answer = ask(&name);
            match answer {
                NameAnswer::Unknown => self.problems.push(unknown_name(&place, &name)),
                NameAnswer::Unasked => self.unasked.push((place, name.clone())),
                NameAnswer::Known | NameAnswer::Number(_) => {}
            }
            answers.insert(name, answer);
        }
        let number = |name: SystemName| match answers.get(&name) {
            Some(NameAnswer::Number(number)) => Some(*number),
            _ => None,
        };
        let has_numbers = answers.values().any(|answer| matches!(answer, NameAnswer::Number(_)));
        for ruleset in self.rulesets.anchors.values_mut().filter(|_| has_numbers) {
            rules_mut(ruleset).for_each(|rule| resolve(rule, &number));
        }
        self
    }
}

fn unknown_name(place: &SourceLine, name: &SystemName) -> Problem {
    let message = match name {
        SystemName::Interface(_) => format!("this Mac has not {name} now, so pfctl refuses the file"),
        _ => format!("this Mac does not know {name}, so pfctl refuses the file"),
    };
    let SourceLine { path, line, .. } = place.clone();
    Problem { path, line, column: 1, message, text: name.to_string(), caret: 0, fault: Fault::Name }
}

/// Each name at the first rule or table that has it.
fn names(conf: &LoadedConf) -> Vec<(SourceLine, SystemName)> {
    let mut found: Vec<(SourceLine, SystemName)> = Vec::new();
    let mut known = HashSet::new();
    let mut add = |place: &SourceLine, names: Vec<SystemName>| {
        for name in names {
            if known.insert(name.clone()) {
                found.push((place.clone(), name));
            }
        }
    };
    for path in conf.rulesets.anchor_paths() {
        let Some(ruleset) = conf.rulesets.anchor(path) else { continue };
        ruleset.preamble.iter().for_each(|placed| add(&placed.place, of_table(&placed.item)));
        ruleset.rules().for_each(|placed| add(&placed.place, of_rule(&placed.item)));
    }
    found
}

fn of_table(statement: &Preamble) -> Vec<SystemName> {
    let Preamble::Table(table) = statement else { return Vec::new() };
    let sources = table.contents.iter().flatten();
    let written = sources.filter_map(|source| match source {
        TableSource::Addresses(addresses) => Some(addresses),
        _ => None,
    });
    written.flatten().filter_map(|(_, address)| of_address(address)).collect()
}

fn of_rule(rule: &Rule) -> Vec<SystemName> {
    let pool = rule.redirect.iter().flat_map(|redirect| &redirect.addresses);
    let hops = rule.route.iter().flat_map(|route| route.hops.iter().filter_map(|(_, hop)| hop.as_ref()));
    let ends = [&rule.source, &rule.destination];
    let addresses = ends.map(|peer| &peer.address).into_iter().chain(pool).chain(hops);
    let mut found: Vec<SystemName> = addresses.filter_map(of_address).collect();
    let written = ends.into_iter().filter_map(|peer| match &peer.port {
        Some(PortMatch::Service(text)) => Some(text),
        _ => None,
    });
    let led_to = rule.redirect.iter().filter_map(|redirect| redirect.service.as_ref());
    for text in written.chain(led_to) {
        let unknown = |word: &&str| services::service(word).is_none();
        found.extend(words(text).filter(unknown).map(|word| SystemName::Service(word.to_owned())));
    }
    if let Some(OwnerMatch::Name(text)) = &rule.user {
        found.extend(words(text).map(|word| SystemName::User(word.to_owned())));
    }
    if let Some(OwnerMatch::Name(text)) = &rule.group {
        found.extend(words(text).map(|word| SystemName::Group(word.to_owned())));
    }
    found
}

fn of_address(address: &Address) -> Option<SystemName> {
    match address {
        Address::Name(name, _) => Some(SystemName::Host(name.to_string())),
        // lo0 and the Mac as a whole always have some.
        Address::Static(interface) => {
            let InterfaceAddress { name, .. } = &**interface;
            (!matches!(&**name, "self" | "lo0")).then(|| SystemName::Interface(name.to_string()))
        }
        _ => None,
    }
}

/// The names in a condition, such as `= a`, `a:b`, `a >< b`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([' ', ':']).map(|word| word.trim_matches('"'));
    words.filter(|word| word.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

fn rules_mut(ruleset: &mut Ruleset) -> impl Iterator<Item = &mut Rule> {
    let Ruleset { scrub, nat, rdr, binat, dummynet, filter, .. } = ruleset;
    let kinds = [scrub, nat, rdr, binat, dummynet, filter];
    kinds.into_iter().flatten().map(|placed| &mut placed.item)
}

/// Puts numbers in the place of the names that have one.
fn resolve(rule: &mut Rule, number: &impl Fn(SystemName) -> Option<u32>) {
    let port = |word: &str| {
        let known = services::service(word).or_else(|| u16::try_from(c_number(word)?).ok());
        known.or_else(|| u16::try_from(number(SystemName::Service(word.to_owned()))?).ok())
    };
    for peer in [&mut rule.source, &mut rule.destination] {
        let Some(PortMatch::Service(text)) = &peer.port else { continue };
        if let Some(condition) = condition(text, &port) {
            peer.port = Some(PortMatch::Number(condition));
        }
    }
    let width = match rule.destination.port {
        Some(PortMatch::Number(Compare::Range(first, last))) => last.saturating_sub(first),
        _ => 0,
    };
    if let Some(redirect) = &mut rule.redirect
        && let Some(ports) = redirect.service.as_deref().and_then(|text| redirected(text, width, &port))
    {
        (redirect.ports, redirect.service) = (ports, None);
    }
    let owner = |owner: &mut Option<OwnerMatch>, of: fn(String) -> SystemName| {
        let Some(OwnerMatch::Name(text)) = owner else { return };
        let id = |word: &str| number(of(word.to_owned())).or_else(|| u32::try_from(c_number(word)?).ok());
        if let Some(condition) = condition(text, &id) {
            *owner = Some(OwnerMatch::Number(condition));
        }
    };
    owner(&mut rule.user, SystemName::User);
    owner(&mut rule.group, SystemName::Group);
}

/// The ports behind `->` as they are written, with the numbers of their services. `width` is how much the rule's own range
/// has beside its first port.
fn redirected(text: &str, width: u16, number: &impl Fn(&str) -> Option<u16>) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let first = number(first)?;
    let last = if last == "*" { first.saturating_add(width) } else { number(last)? };
    Some((first, if last == first { 0 } else { last }))
}

/// A condition as it is written, with the numbers of its words; `None` where one has none.
fn condition<T: Copy>(text: &str, number: &impl Fn(&str) -> Option<T>) -> Option<Compare<T>> {
    let number = |word: &str| number(word.trim_matches('"'));
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["=", one] => Some(Compare::Equal(number(one)?)),
        ["!=", one] => Some(Compare::NotEqual(number(one)?)),
        ["<", one] => Some(Compare::Less(number(one)?)),
        ["<=", one] => Some(Compare::LessOrEqual(number(one)?)),
        [">", one] => Some(Compare::Greater(number(one)?)),
        [">=", one] => Some(Compare::GreaterOrEqual(number(one)?)),
        [one, "><", other] => Some(Compare::Inside(number(one)?, number(other)?)),
        [one, "<>", other] => Some(Compare::Outside(number(one)?, number(other)?)),
        [range] => range.split_once(':').and_then(|(a, b)| Some(Compare::Range(number(a)?, number(b)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::rulesets::Rulesets;

    fn loaded(text: &str) -> LoadedConf {
        let conf = Rulesets::load_conf("f", text, &mut |_| Err("none".into()));
        assert_eq!(conf.problems, []);
        conf
    }

    #[test]
    fn names_that_the_parser_does_not_know_are_asked_for() {
        let text = "table <t> { 10.0.0.1, db.example }\nnat on en0 from 10.0.0.0/8 to any -> gw.example\n\
                    rdr on en0 proto tcp to port web -> box.example\n\
                    pass in proto tcp to port { htpp, http, 22 }\npass out proto tcp user nosuchuser\n\
                    pass in from nosuchhost\npass in proto tcp to port ssh:htqq group grp\n\
                    pass in from utun3\npass in from { self lo0 lo0:network (en1) }\n";
        let conf = loaded(text).with_names(&mut |_| NameAnswer::Unasked);
        let names: Vec<String> =
            conf.unasked.iter().map(|(place, name)| format!("{}: {name}", place.line)).collect();
        assert_eq!(
            names,
            [
                "1: the host db.example",
                "2: the host gw.example",
                "3: the host box.example",
                "3: the service web",
                "4: the service htpp",
                "5: the user nosuchuser",
                "6: the host nosuchhost",
                "7: the service htqq",
                "7: the group grp",
                "8: an address of the interface utun3",
            ]
        );
    }

    #[test]
    fn what_a_system_knows_is_loaded_by_number() {
        let text = "rdr on en0 proto tcp to port 80:89 -> 10.0.0.1 port web:*\nrdr on en0 proto tcp to port 90 -> 10.0.0.1 port web\n\
                    pass in proto tcp to port { web, 22, ssh:web, > web }\npass out proto tcp user { _web, != _web, 0 >< _web }\n\
                    pass out proto tcp group staff2\npass out to known.example\n";
        let conf = loaded(text).with_names(&mut |name| match name {
            SystemName::Service(name) if name == "web" => NameAnswer::Number(8080),
            SystemName::User(name) if name == "_web" => NameAnswer::Number(70),
            SystemName::Group(_) => NameAnswer::Unknown,
            _ => NameAnswer::Known,
        });
        assert_eq!(conf.unasked, []);
        let problems: Vec<String> = conf.refusals(false).iter().map(|one| one.message.clone()).collect();
        assert_eq!(problems, ["this Mac does not know the group staff2, so pfctl refuses the file"]);
        let printed = conf.rulesets.anchor("").unwrap().to_string();
        for part in [
            "-> 10.0.0.1 port 8080:8089",
            "-> 10.0.0.1 port 8080\n",
            "port = 8080",
            "port 22:8080",
            "port > 8080",
            "user = 70",
            "user != 70",
            "user 0 >< 70",
        ] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
    }
}
