//! Rules of others for our ports: the popular hand-made anchor (`/etc/pf.anchors/com.golang.dlv`) among them. They are
//! left alone, and noted by their place, which is needed to act on them. What they say is for who may read them.

use crate::os::Files;
use crate::pf::parse::{parse_bytes, parse_listing};
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
        if let Some((port, _)) = ruleset.first_about(ranges) {
            let place = if path.is_empty() { ForeignPlace::Main } else { ForeignPlace::Anchor(path.clone()) };
            notes.push(Note::ForeignRule { place, port });
        }
    }
    for file in tree.list(ANCHORS).unwrap_or_default() {
        // What could not be used as our file lies beside it.
        if KNOWN.contains(&file.as_str()) || file.starts_with("dev.portcullis.damaged-") {
            continue;
        }
        let path = format!("{ANCHORS}/{file}");
        let Ok(Some(bytes)) = tree.read(&path) else { continue };
        let ruleset = parse_bytes(&file, &bytes, &mut |_| Ok(String::new())).ruleset;
        let Some((port, _)) = ruleset.first_about(ranges) else { continue };
        let loads_into = loading_anchor(tree, &path);
        if loads_into.as_ref().is_some_and(|anchor| live.rulesets.contains_key(anchor)) {
            continue; // Said above.
        }
        let place = ForeignPlace::File { path, loads_into };
        notes.push(Note::ForeignRule { place, port });
    }
    notes
}

/// The anchor that pf.conf loads this file into.
fn loading_anchor(tree: &Files, path: &str) -> Option<String> {
    let bytes = tree.read(PF_CONF).ok()??;
    let ruleset = parse_bytes(PF_CONF, &bytes, &mut |_| Ok(String::new())).ruleset;
    ruleset.loads.iter().find(|load| *load.item.file == *path).map(|load| load.item.anchor.to_string())
}
