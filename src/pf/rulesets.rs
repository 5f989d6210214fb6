//! What pf holds: the main ruleset and the anchors, their tables, the interfaces that pf does not filter.
//!
//! It comes from a pf.conf with the files that it names ([`Rulesets::from_conf`]), or from what pfctl prints for each
//! anchor ([`Rulesets::from_listings`]). Nothing is read here: the caller gives the texts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::contents::TableContents;
use super::criteria::{Address, InterfaceAddress, range_holds};
use super::interfaces::InterfaceFacts;
use super::rule::{Placed, Rule, Ruleset};

/// Everything that pf decides by.
#[derive(Clone, Debug, Default)]
pub struct Rulesets {
    /// The rules of each anchor by its path; `""` is the main ruleset.
    pub(super) anchors: BTreeMap<String, Ruleset>,
    /// The tables of each anchor.
    pub(super) tables: BTreeMap<String, HashMap<Box<str>, TableContents>>,
    /// The interfaces that pf does not filter.
    pub(super) skip: Vec<String>,
    pub(super) interfaces: Vec<InterfaceFacts>,
    /// The first `(en0)/24` of each prefix length, in the order in which pf loads rules: the kernel keeps the addresses of
    /// all of them in one table (XNU, net/pf_if.c: `pfi_dynaddr_setup`).
    pub(super) masked: BTreeMap<u8, InterfaceAddress>,
    /// The anchors whose children a loaded rule calls.
    pub(super) wildcards: BTreeSet<String>,
    /// The major version of macOS; `None`: the newest.
    pub(super) macos: Option<u32>,
    /// Whether a table that is not in `tables` may exist.
    pub(super) tables_incomplete: bool,
}

impl Rulesets {
    /// The same with these interfaces known.
    pub fn with_interfaces(mut self, interfaces: Vec<InterfaceFacts>) -> Rulesets {
        self.interfaces = interfaces;
        self
    }

    /// The same on this major version of macOS, such as 14. Without it verdicts are those of the newest.
    pub fn with_macos(mut self, major: u32) -> Rulesets {
        self.macos = Some(major);
        self
    }

    /// The interface whose addresses `(interface)/bits` stands for.
    pub(super) fn masked<'a>(&'a self, interface: &'a InterfaceAddress) -> &'a InterfaceAddress {
        interface.bits.and_then(|bits| self.masked.get(&bits)).unwrap_or(interface)
    }

    /// Whether `set skip on` takes the name of a driver: up to macOS 14, XNU 10063.
    pub(super) fn skips_drivers(&self) -> bool {
        self.macos.is_some_and(|major| major < 15)
    }

    /// The rules of an anchor; `""` is the main ruleset.
    pub fn anchor(&self, path: &str) -> Option<&Ruleset> {
        self.anchors.get(path)
    }

    /// The anchors' paths in order; `""` is the main ruleset.
    pub fn anchor_paths(&self) -> impl Iterator<Item = &str> {
        self.anchors.keys().map(String::as_str)
    }

    /// This anchor as if it were the main ruleset: what its rules would do if they were evaluated.
    pub(super) fn alone(&self, anchor: &str) -> Rulesets {
        let mut alone =
            Rulesets { interfaces: self.interfaces.clone(), tables_incomplete: true, ..Rulesets::default() };
        if let Some(ruleset) = self.anchors.get(anchor) {
            alone.anchors.insert(String::new(), ruleset.clone());
        }
        alone
    }

    pub fn interfaces(&self) -> &[InterfaceFacts] {
        &self.interfaces
    }

    /// The interfaces that pf does not filter.
    pub fn skipped(&self) -> &[String] {
        &self.skip
    }

    /// The table that a rule in `anchor` means: its own, else the main ruleset's.
    pub(super) fn table(&self, anchor: &str, name: &str) -> TableLookup<'_> {
        let own = self.tables.get(anchor).and_then(|tables| tables.get(name));
        match own.or_else(|| self.tables.get("").and_then(|tables| tables.get(name))) {
            Some(contents) => TableLookup::Known(contents),
            None if self.tables_incomplete => TableLookup::Unknown,
            None => TableLookup::Missing,
        }
    }

    /// Whether a network that is written anywhere in the rules or tables holds the address, 0.0.0.0/0 aside.
    pub(super) fn names_address(&self, address: IpAddr) -> bool {
        let rules = self.anchors.values().flat_map(|ruleset| ruleset.filter.iter().chain(&ruleset.rdr));
        let mut written = rules.flat_map(|placed| [&placed.item.source, &placed.item.destination]);
        let holds = |wanted: &Address| match wanted {
            Address::Net(net) => net.contains(&address),
            Address::Range(range) => range_holds(range.0, range.1, address),
            _ => false,
        };
        written.any(|peer| holds(&peer.address))
            || self
                .tables
                .values()
                .flat_map(HashMap::values)
                .any(|contents| contents.narrowest(address).is_some())
    }

    /// The anchors whose filter rules are evaluated, `""` included.
    fn called(&self) -> BTreeSet<&str> {
        let mut called: BTreeSet<&str> = BTreeSet::from([""]);
        let mut waiting = vec![""];
        while let Some(path) = waiting.pop() {
            let Some(ruleset) = self.anchors.get(path) else { continue };
            let mut below = Vec::new();
            collect_calls(path, &ruleset.filter, &mut below);
            for target in below {
                for child in self.targets(&target) {
                    if called.insert(child) {
                        waiting.push(child);
                    }
                }
            }
        }
        called
    }

    /// The anchors that hold filter rules which no evaluated ruleset calls.
    pub fn never_evaluated(&self) -> Vec<&str> {
        let called = self.called();
        self.anchors
            .iter()
            .filter(|(path, ruleset)| !ruleset.filter.is_empty() && !called.contains(path.as_str()))
            .map(|(path, _)| path.as_str())
            .collect()
    }

    /// The anchor's path as it is kept, where rules stand in it or below it.
    pub(super) fn node(&self, path: &str) -> Option<&str> {
        let keys = self.anchors.range(path.to_owned()..).map(|(key, _)| key.as_str());
        let mut keys = keys.take_while(|key| key.starts_with(path));
        let known = keys.find(|key| matches!(key.as_bytes().get(path.len()), None | Some(b'/')))?;
        known.get(..path.len())
    }

    /// Whether the kernel may have marked the anchor as matched: an evaluated rule calls its children.
    pub(super) fn may_be_marked(&self, anchor: &str) -> bool {
        let calls = |path: &&str| {
            let mut targets = Vec::new();
            collect_calls(path, self.anchor(path).map_or(&[], |ruleset| &ruleset.filter), &mut targets);
            targets.iter().any(|target| matches!(target, CallTarget::Children(parent) if parent == anchor))
        };
        self.wildcards.contains(anchor) && self.called().iter().any(calls)
    }

    /// The anchors that a call leads to, in the order in which pf steps into them.
    pub(super) fn targets(&self, target: &CallTarget) -> Vec<&str> {
        match target {
            CallTarget::One(path) => {
                self.anchors.get_key_value(path).map(|(path, _)| path.as_str()).into_iter().collect()
            }
            CallTarget::Children(parent) => {
                let prefix = if parent.is_empty() { String::new() } else { format!("{parent}/") };
                let child = |path: &&String| {
                    path.strip_prefix(&prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
                };
                let below = self.anchors.range(prefix.clone()..).map(|(path, _)| path);
                let children = below.take_while(|path| path.starts_with(&prefix)).filter(child);
                let mut children: Vec<&str> = children.map(String::as_str).collect();
                // The kernel compares the names' bytes as signed ones (XNU, osfmk/device/subrs.c: `strbufcmp`).
                children.sort_by_key(|path| path.bytes().map(u8::cast_signed).collect::<Vec<_>>());
                children
            }
            CallTarget::Nowhere => Vec::new(),
        }
    }
}

/// What a table's name leads to.
pub(super) enum TableLookup<'a> {
    /// Its contents.
    Known(&'a TableContents),
    /// There is none: pf matches nothing.
    Missing,
    /// Unknown: it could not be read.
    Unknown,
}

/// Where the call of an anchor leads.
pub(super) enum CallTarget {
    /// One anchor.
    One(String),
    /// Each child of an anchor.
    Children(String),
    /// Above the root: pf refuses to load such a rule.
    Nowhere,
}

impl CallTarget {
    /// Whether the call steps into the anchor at `path`.
    fn holds(&self, path: &str) -> bool {
        match self {
            CallTarget::One(one) => one == path,
            CallTarget::Children(parent) => path.rsplit_once('/').map_or("", |(above, _)| above) == parent,
            CallTarget::Nowhere => false,
        }
    }
}

/// The anchor that `path`, written in a rule of `anchor`, leads to, as the kernel's `pf_anchor_setup` finds it.
pub(super) fn call_target(anchor: &str, path: &str) -> CallTarget {
    let full = match path.strip_prefix('/') {
        Some(absolute) => absolute.trim_start_matches('/').to_owned(),
        None => {
            let mut base = anchor;
            let mut rest = path;
            while let Some(below) = rest.strip_prefix("../") {
                if base.is_empty() {
                    return CallTarget::Nowhere;
                }
                base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
                rest = below;
            }
            if base.is_empty() { rest.to_owned() } else { format!("{base}/{rest}") }
        }
    };
    match full.strip_suffix("/*") {
        Some(parent) => CallTarget::Children(parent.to_owned()),
        None => CallTarget::One(full),
    }
}

impl Rulesets {
    /// Whether a rule calls the anchor at `path`, wherever the rule stands.
    pub fn calls(&self, path: &str) -> bool {
        path.is_empty()
            || self
                .anchor_paths()
                .any(|anchor| self.anchor(anchor).is_some_and(|ruleset| calls_anchor(anchor, ruleset, path)))
    }
}

/// Whether a rule of `ruleset`, which stands in `anchor`, calls the anchor at `path`.
pub fn calls_anchor(anchor: &str, ruleset: &Ruleset, path: &str) -> bool {
    let rules = ruleset.listed_rules().chain(ruleset.listed_nat());
    let mut written = rules.filter_map(|placed| placed.item.anchor.as_ref()?.path.as_deref());
    written.any(|called| call_target(anchor, called).holds(path))
}

fn collect_calls(anchor: &str, rules: &[Placed<Rule>], targets: &mut Vec<CallTarget>) {
    let calls = rules.iter().filter_map(|placed| placed.item.anchor.as_ref());
    targets.extend(calls.filter_map(|call| call.path.as_deref()).map(|path| call_target(anchor, path)));
}
