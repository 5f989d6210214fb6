//! Rules of others for our ports: the popular hand-made anchor (`/etc/pf.anchors/com.golang.dlv`) among them. They are
//! left alone, and noted.

use crate::os::Files;
use crate::pf::criteria::{Compare, PortMatch};
use crate::pf::parse::{parse_bytes, parse_listing};
use crate::pf::rule::Rule;
use crate::pf::rule::Ruleset;
use crate::port::PortRange;
use crate::report::{ForeignPlace, Note};
use crate::root::live::Live;
use crate::rules::ledger::Attachment;
use crate::system::PF_CONF;

const ANCHORS: &str = "/etc/pf.anchors";
/// Files there that are Apple's or ours.
const KNOWN: [&str; 2] = ["com.apple", "dev.portcullis"];

/// One note for each ruleset of others that names one of `ranges`: those that are loaded, and files of
/// anchors that are not. What cannot be read is passed over here: it is pf's to refuse, not ours.
pub fn notes(tree: &Files, live: &Live, ranges: &[PortRange]) -> Vec<Note> {
    let mut notes = Vec::new();
    let ours = [Attachment::Apple.anchor(), Attachment::Classic.anchor()];
    let loaded = live.rulesets.iter().filter(|(path, _)| !ours.contains(&path.as_str()));
    for (path, rules) in loaded {
        let ruleset = parse_listing(path, &rules.rules).ruleset;
        if let Some((port, rule)) = first_named(&ruleset, ranges) {
            let place = if path.is_empty() { ForeignPlace::Main } else { ForeignPlace::Anchor(path.clone()) };
            notes.push(Note::ForeignRule { place, port, rule: rule.to_string() });
        }
    }
    for file in tree.list(ANCHORS).unwrap_or_default() {
        if KNOWN.contains(&file.as_str()) {
            continue;
        }
        let path = format!("{ANCHORS}/{file}");
        let Ok(Some(bytes)) = tree.read(&path) else { continue };
        let ruleset = parse_bytes(&file, &bytes, &mut |_| Ok(String::new())).ruleset;
        let Some((port, rule)) = first_named(&ruleset, ranges) else { continue };
        let loads_into = loading_anchor(tree, &path);
        if loads_into.as_ref().is_some_and(|anchor| live.rulesets.contains_key(anchor)) {
            continue; // Said above.
        }
        let place = ForeignPlace::File { path, loads_into };
        notes.push(Note::ForeignRule { place, port, rule: rule.to_string() });
    }
    notes
}

/// The anchor that pf.conf loads this file into.
fn loading_anchor(tree: &Files, path: &str) -> Option<String> {
    let bytes = tree.read(PF_CONF).ok()??;
    let ruleset = parse_bytes(PF_CONF, &bytes, &mut |_| Ok(String::new())).ruleset;
    ruleset.loads.iter().find(|load| *load.item.file == *path).map(|load| load.item.anchor.to_string())
}

/// The first filter rule that names one of our ports as its destination, and that port.
fn first_named(ruleset: &Ruleset, ranges: &[PortRange]) -> Option<(u16, Rule)> {
    ruleset.filter.iter().find_map(|rule| {
        let Some(PortMatch::Number(compare)) = &rule.item.destination.port else { return None };
        // Only rules about a few ports are about a debugger: `port > 1023` is a general policy.
        let named = match compare {
            Compare::Equal(_) | Compare::Range(..) | Compare::Inside(..) => compare,
            _ => return None,
        };
        let port =
            ranges.iter().flat_map(|range| range.first()..=range.last()).find(|port| named.matches(*port))?;
        // A label is free text of others, and every user may read the note.
        Some((port, Rule { label: None, ..rule.item.clone() }))
    })
}
