//! Anchors that hold rules, and that no evaluated rule calls for rules of that kind: pfctl loads them, to no effect.

use std::collections::BTreeSet;

use super::rule::{Action, SourceLine};
use super::rulesets::{CallTarget, Rulesets, call_target};
use super::search::RulesOfKind;

/// An anchor whose rules are never evaluated, or some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncalledAnchor {
    /// The anchor that has to be called: its own path, or that of the one around it which nothing calls.
    pub path: String,
    /// The statement that loads it.
    pub place: SourceLine,
    /// The words of the calls that it needs: `anchor`, `rdr-anchor`.
    pub needs: Vec<&'static str>,
    /// The words of the calls that lead to it.
    pub has: Vec<&'static str>,
    /// Whether some of its rules are evaluated.
    pub is_obeyed: bool,
    /// Its file could not be read: what it holds is unknown.
    pub unread: bool,
}

const KINDS: [(&str, RulesOfKind); 6] = [
    ("scrub-anchor", |ruleset| &ruleset.scrub),
    ("nat-anchor", |ruleset| &ruleset.nat),
    ("rdr-anchor", |ruleset| &ruleset.rdr),
    ("binat-anchor", |ruleset| &ruleset.binat),
    ("dummynet-anchor", |ruleset| &ruleset.dummynet),
    ("anchor", |ruleset| &ruleset.filter),
];

impl Rulesets {
    /// The anchors that `load anchor` fills, and whose rules are never evaluated. One of anchor points alone is none.
    pub fn uncalled(&self) -> Vec<UncalledAnchor> {
        let reached: Vec<BTreeSet<&str>> = KINDS.iter().map(|(_, kind)| self.reached(*kind)).collect();
        let mut found: Vec<UncalledAnchor> = Vec::new();
        let loads = self.loads();
        for (path, place) in &loads {
            let Some(ruleset) = self.anchor(path) else { continue };
            let is_reached =
                |index: usize| reached.get(index).is_some_and(|paths| paths.contains(path.as_str()));
            let holds = |kind: RulesOfKind| kind(ruleset).iter().any(|placed| placed.item.anchor.is_none());
            let words = |wanted: &dyn Fn(usize, RulesOfKind) -> bool| -> Vec<&'static str> {
                let kinds = KINDS.iter().enumerate().filter(|(index, (_, kind))| wanted(*index, *kind));
                kinds.map(|(_, (word, _))| *word).collect()
            };
            let unread = ruleset.filter.iter().any(|placed| placed.item.action == Action::Unread);
            let has = words(&|index, _| is_reached(index));
            let mut needs = words(&|index, kind| holds(kind) && !is_reached(index));
            let is_obeyed = !words(&|index, kind| holds(kind) && is_reached(index)).is_empty();
            if unread || (needs.is_empty() && ruleset.tables().next().is_some()) {
                needs = if has.is_empty() { vec!["anchor"] } else { Vec::new() };
            }
            // Of anchors in each other the outer one has to be called.
            let outer = loads.iter().map(|(outer, _)| outer.as_str()).find(|outer| {
                let holds = path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
                holds && !reached.iter().any(|paths| paths.contains(outer))
            });
            let path = outer.map_or(path.clone(), str::to_owned);
            if !needs.is_empty() && !found.iter().any(|known| known.path == path) {
                found.push(UncalledAnchor { path, place: place.clone(), needs, has, is_obeyed, unread });
            }
        }
        found
    }

    /// The anchors that files are loaded into, with the statement that loads each.
    fn loads(&self) -> Vec<(String, SourceLine)> {
        let mut found = Vec::new();
        for path in self.anchor_paths() {
            for load in self.anchor(path).into_iter().flat_map(|ruleset| &ruleset.loads) {
                let name = load.item.anchor.trim_matches('/');
                let below = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                found.push((below, load.place.clone()));
            }
        }
        found
    }

    /// The anchors whose rules of this kind are evaluated, the main ruleset included.
    fn reached(&self, kind: RulesOfKind) -> BTreeSet<&str> {
        let mut reached: BTreeSet<&str> = BTreeSet::from([""]);
        let mut waiting = vec![""];
        while let Some(path) = waiting.pop() {
            let rules = self.anchor(path).map_or(&[][..], |ruleset| kind(ruleset).as_slice());
            let calls = rules.iter().filter_map(|placed| placed.item.anchor.as_ref()?.path.as_deref());
            let targets: Vec<CallTarget> = calls.map(|called| call_target(path, called)).collect();
            for child in targets.iter().flat_map(|target| self.targets(target)) {
                if reached.insert(child) {
                    waiting.push(child);
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncalled(conf: &str, files: &[(&str, &str)]) -> Vec<String> {
        let (loaded, problems) = Rulesets::from_conf("pf.conf", conf, &mut |path| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".into())
        });
        assert!(problems.iter().all(|problem| problem.message.contains("no such file")), "{problems:?}");
        let shown = |one: &UncalledAnchor| format!("{} {}: {}", one.place, one.path, one.needs.join(" "));
        loaded.uncalled().iter().map(shown).collect()
    }

    #[test]
    fn an_anchor_needs_a_call_for_each_kind_of_rule_in_it() {
        let stock = include_str!("../../resources/stock-pf.conf");
        let apple = ("/etc/pf.anchors/com.apple", include_str!("../../resources/stock-com.apple"));
        assert_eq!(uncalled(stock, &[apple]), [""; 0]);
        let pass = ("p", "pass in proto tcp to port 2345\n");
        let rdr = ("r", "rdr pass proto tcp to port 80 -> 127.0.0.1 port 8080\n");
        let load = |name: &str| format!("load anchor \"x\" from \"{name}\"\n");
        assert_eq!(uncalled(&load("p"), &[pass]), ["pf.conf:1 x: anchor"]);
        assert_eq!(uncalled(&format!("anchor \"x\"\n{}", load("p")), &[pass]), [""; 0]);
        assert_eq!(uncalled(&format!("anchor \"x\"\n{}", load("r")), &[rdr]), ["pf.conf:2 x: rdr-anchor"]);
        assert_eq!(uncalled(&format!("rdr-anchor \"x\"\n{}", load("r")), &[rdr]), [""; 0]);
        assert_eq!(uncalled(&format!("anchor \"x/*\"\n{}", load("p")), &[pass]), ["pf.conf:2 x: anchor"]);
        assert_eq!(
            uncalled(&load("t"), &[("t", "table <t> persist { 10.0.0.1 }\n")]),
            ["pf.conf:1 x: anchor"]
        );
        assert_eq!(uncalled(&load("absent"), &[]), ["pf.conf:1 x: anchor"]);
        let outer = ("o", "anchor \"in\"\nload anchor \"in\" from \"p\"\n");
        assert_eq!(uncalled(&load("o"), &[outer, pass]), ["o:2 x: anchor"]);
    }
}
