//! What pf has loaded: the main ruleset and the anchors, their tables, the interfaces that pf does not look at.
//!
//! It comes from a pf.conf with the files that it names ([`Rulesets::from_conf`]), or from what pfctl prints for each
//! anchor ([`Rulesets::from_listings`]). Nothing is read here: the caller gives the texts.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use ipnet::IpNet;

use super::criteria::Address;
use super::interfaces::InterfaceFacts;
use super::parse::{self, Fault, Parsed, Problem, ReadFile};
use super::preamble::{Preamble, TableSource};
use super::rule::Rule;
use super::rule::{Placed, Ruleset, SourceLine};

/// The texts of one anchor as pfctl prints them.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// `pfctl -s rules`.
    pub rules: &'a str,
    /// `pfctl -s nat`.
    pub nat: &'a str,
    /// The addresses of each table.
    pub tables: &'a BTreeMap<String, Vec<String>>,
}

/// Everything that pf decides by.
#[derive(Clone, Debug, Default)]
pub struct Rulesets {
    /// The rules of each anchor by its path; `""` is the main ruleset.
    anchors: BTreeMap<String, Ruleset>,
    /// The tables of each anchor.
    tables: BTreeMap<String, HashMap<Box<str>, Contents>>,
    /// Interfaces that pf does not look at.
    skip: Vec<String>,
    /// What is known of this machine's interfaces.
    interfaces: Vec<InterfaceFacts>,
    /// Whether a table that is not named here may exist all the same.
    tables_incomplete: bool,
}

/// The addresses of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Networks; `true` for those that are excepted. The narrowest that holds an address decides.
    networks: HashMap<IpNet, bool>,
    /// What stands for addresses that are not known here: names, interfaces, files that could not be read.
    unresolved: Vec<Address>,
    /// Why the contents are not known in full.
    unreadable: Option<String>,
}

impl Contents {
    /// What the narrowest network around `address` says; `None` where there is none.
    pub(super) fn narrowest(&self, address: std::net::IpAddr) -> Option<bool> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (0..=bits).rev().find_map(|bits| self.networks.get(&IpNet::new(address, bits).ok()?.trunc()).copied())
    }

    /// What is in it but not known here.
    pub(super) fn unresolved(&self) -> &[Address] {
        &self.unresolved
    }

    /// Why it is not known in full.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    fn add(&mut self, negated: bool, address: &Address) {
        match address {
            Address::Net(net) => {
                self.networks.insert(net.trunc(), negated);
            }
            Address::Any => {}
            other => self.unresolved.push(other.clone()),
        }
    }

    /// Adds the lines of a table file or of `pfctl -t NAME -T show`: one address a line, `#` begins a comment.
    fn add_lines<'a>(&mut self, name: &str, lines: impl Iterator<Item = &'a str>) {
        let lines: Vec<&str> = lines
            .map(|line| line.split(['#', ';']).next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty())
            .collect();
        let text = lines.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        let parsed = parse::parse_listing(name, &format!("table <t> {{ {text} }}\n"));
        if let Some(problem) = parsed.problems.first() {
            self.unreadable = Some(problem.message.clone());
        }
        for (_, table) in parsed.ruleset.tables() {
            for source in table.contents.iter().flatten() {
                if let TableSource::Addresses(addresses) = source {
                    for (negated, address) in addresses {
                        self.add(*negated, address);
                    }
                }
            }
        }
    }
}

impl Rulesets {
    /// What pf holds after `pfctl -f path`: the rules of the text, and of the files that it includes, loads into
    /// anchors and fills tables from, all of which `read` gives (or why it cannot). Also tells every problem; pfctl
    /// loads nothing where there is one.
    pub fn from_conf(path: &str, text: &str, read: &mut ReadFile<'_>) -> (Rulesets, Vec<Problem>) {
        let mut loaded = Rulesets::default();
        let mut problems = Vec::new();
        let parsed = parse::parse(path, text, read);
        loaded.skip = parsed.ruleset.skipped().into_iter().map(str::to_owned).collect();
        // In order: of two files for one anchor the later one counts.
        let mut waiting = VecDeque::from([(String::new(), parsed)]);
        let (mut files, mut rules) = (0, 0);
        while let Some((anchor, mut parsed)) = waiting.pop_front() {
            problems.extend(parsed.problems);
            rules += parsed.ruleset.count();
            // Each text is bounded; many of them together must be too.
            if rules > parse::MAXIMUM_RULES {
                // What is not taken may hold anything.
                let first = parsed.ruleset.rules().next().map(|placed| placed.place.clone());
                let place = first.unwrap_or_else(|| SourceLine { path: Arc::from(path), line: 1 });
                parsed.ruleset.add_unread("what is left", &place);
                loaded.add_tables(&anchor, &parsed.ruleset, read);
                loaded.add(&anchor, parsed.ruleset);
                for (anchor, _) in waiting {
                    loaded.add(&anchor, Ruleset::unread("what is left", &place));
                }
                problems.push(Problem {
                    path: place.path,
                    line: place.line,
                    column: 1,
                    message: format!("the files hold more than {} rules together", parse::MAXIMUM_RULES),
                    text: String::new(),
                    caret: 0,
                    fault: Fault::Meaning,
                });
                break;
            }
            for load in &parsed.ruleset.loads {
                let name = load.item.anchor.trim_matches('/');
                let below = if anchor.is_empty() { name.to_owned() } else { format!("{anchor}/{name}") };
                files += 1;
                let text = if files > MAXIMUM_FILES {
                    Err("too many files are loaded".into())
                } else {
                    read(&load.item.file)
                };
                match text {
                    Ok(text) => waiting.push_back((below, parse::parse(&load.item.file, &text, read))),
                    Err(why) => {
                        loaded.add(&below, Ruleset::unread(&load.item.file, &load.place));
                        problems.push(Problem {
                            path: load.place.path.clone(),
                            line: load.place.line,
                            column: 1,
                            message: format!("cannot load anchor {below} from {}: {why}", load.item.file),
                            text: load.item.to_string(),
                            caret: 0,
                            fault: Fault::File,
                        });
                    }
                }
            }
            loaded.add_tables(&anchor, &parsed.ruleset, read);
            loaded.add(&anchor, parsed.ruleset);
        }
        (loaded, problems)
    }

    /// What pf holds, from what pfctl prints for each anchor. A line that cannot be read is kept as a rule that may do
    /// anything.
    pub fn from_listings<'a>(
        listings: impl IntoIterator<Item = (&'a str, Listing<'a>)>,
        skip: impl IntoIterator<Item = &'a str>,
    ) -> (Rulesets, Vec<Problem>) {
        let mut loaded = Rulesets { tables_incomplete: true, ..Rulesets::default() };
        loaded.skip = skip.into_iter().map(str::to_owned).collect();
        let mut problems = Vec::new();
        for (anchor, listing) in listings {
            let name = if anchor.is_empty() { "main ruleset".to_owned() } else { format!("anchor {anchor}") };
            let Parsed { mut ruleset, problems: of_rules, .. } = parse::parse_listing(&name, listing.rules);
            let nat = parse::parse_listing(&name, listing.nat);
            ruleset.nat.extend(nat.ruleset.nat);
            ruleset.rdr.extend(nat.ruleset.rdr);
            ruleset.binat.extend(nat.ruleset.binat);
            problems.extend(of_rules);
            problems.extend(nat.problems);
            let tables = loaded.tables.entry(anchor.to_owned()).or_default();
            for (table, addresses) in listing.tables {
                let mut contents = Contents::default();
                contents.add_lines(table, addresses.iter().map(String::as_str));
                tables.insert(Box::from(table.as_str()), contents);
            }
            loaded.add(anchor, ruleset);
        }
        (loaded, problems)
    }

    /// The same with these interfaces known.
    pub fn with_interfaces(mut self, interfaces: Vec<InterfaceFacts>) -> Rulesets {
        self.interfaces = interfaces;
        self
    }

    /// The same for a machine that nothing is known of: on the interface that the rules seem to mean by the outside,
    /// with an address of a private network in each family. That is en0 or another `en…` where they name one, else what
    /// a macro called `ext_if` or the like holds, else the first that is no tunnel, else en0. `on`: the one that is
    /// meant, where that is known.
    pub fn with_assumed_interfaces(self, on: Option<&str>) -> Rulesets {
        let rules = self.anchors.values().flat_map(|ruleset| ruleset.filter.iter().chain(&ruleset.rdr));
        let mut names: Vec<&str> = Vec::new();
        for interface in rules.filter_map(|placed| placed.item.interface.as_ref()) {
            if !interface.negated && is_outside(&interface.name) {
                names.push(&interface.name);
            }
        }
        let macros = self.anchors.values().flat_map(|ruleset| &ruleset.preamble);
        let outside = macros.filter_map(|placed| match &placed.item {
            Preamble::Macro(name, value) if is_name_of_outside(name) => Some(value.as_str()),
            _ => None,
        });
        let named = |wanted: &str| names.iter().copied().find(|name| *name == wanted);
        let name = on
            .or_else(|| named("en0"))
            .or_else(|| names.iter().copied().find(|name| name.starts_with("en")))
            .or_else(|| outside.filter_map(named).next())
            .or_else(|| names.first().copied());
        let name = name.unwrap_or("en0").to_owned();
        let addresses = ["192.168.1.10/24", "fd00:6d61:6300:1::10/64"];
        let addresses = addresses.iter().filter_map(|text| text.parse().ok()).collect();
        self.with_interfaces(vec![InterfaceFacts { name, addresses }])
    }

    /// The same after `pfctl -a anchor -f` of this text: what would be, without loading it.
    pub fn with_anchor(&self, anchor: &str, name: &str, text: &str) -> (Rulesets, Vec<Problem>) {
        let parsed = parse::parse_text(name, text);
        let mut changed = self.clone();
        changed.anchors.remove(anchor);
        changed.tables.remove(anchor);
        changed.add_tables(anchor, &parsed.ruleset, &mut |_| Err("it is not read here".into()));
        changed.add(anchor, parsed.ruleset);
        (changed, parsed.problems)
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

    /// What is known of this machine's interfaces.
    pub fn interfaces(&self) -> &[InterfaceFacts] {
        &self.interfaces
    }

    /// Interfaces that pf does not look at.
    pub fn skipped(&self) -> &[String] {
        &self.skip
    }

    /// The table that a rule in `anchor` means: its own, else the main ruleset's.
    pub(super) fn table(&self, anchor: &str, name: &str) -> TableFound<'_> {
        let own = self.tables.get(anchor).and_then(|tables| tables.get(name));
        match own.or_else(|| self.tables.get("").and_then(|tables| tables.get(name))) {
            Some(contents) => TableFound::Known(contents),
            None if self.tables_incomplete => TableFound::Unknown,
            None => TableFound::Missing,
        }
    }

    /// Whether a network that is written anywhere in the rules or tables holds the address, 0.0.0.0/0 aside.
    pub(super) fn names_address(&self, address: std::net::IpAddr) -> bool {
        let rules = self.anchors.values().flat_map(|ruleset| ruleset.filter.iter().chain(&ruleset.rdr));
        let mut written = rules.flat_map(|placed| [&placed.item.source, &placed.item.destination]);
        let holds = |wanted: &Address| match wanted {
            Address::Net(net) => net.contains(&address),
            Address::Range(range) => range.0 <= address && address <= range.1,
            _ => false,
        };
        written.any(|peer| holds(&peer.address))
            || self
                .tables
                .values()
                .flat_map(HashMap::values)
                .any(|contents| contents.narrowest(address).is_some())
    }

    /// The anchors that hold filter rules which no evaluated ruleset calls.
    pub fn never_evaluated(&self) -> Vec<&str> {
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
        self.anchors
            .iter()
            .filter(|(path, ruleset)| !ruleset.filter.is_empty() && !called.contains(path.as_str()))
            .map(|(path, _)| path.as_str())
            .collect()
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
                self.anchors
                    .range(prefix.clone()..)
                    .map(|(path, _)| path)
                    .take_while(|path| path.starts_with(&prefix))
                    .filter(child)
                    .map(String::as_str)
                    .collect()
            }
            CallTarget::Nowhere => Vec::new(),
        }
    }

    /// Puts the rules of an anchor in place of those that it has. Rules in braces become anchors of their own, named
    /// `_1`, `_2`, … where they have no name, as pfctl names them.
    fn add(&mut self, anchor: &str, mut ruleset: Ruleset) {
        let mut unnamed = 0;
        for placed in &mut ruleset.filter {
            let Some(call) = &mut placed.item.anchor else { continue };
            let Some(inline) = call.inline.take() else { continue };
            let name = call.path.get_or_insert_with(|| {
                unnamed += 1;
                format!("_{unnamed}").into_boxed_str()
            });
            if let CallTarget::One(path) = call_target(anchor, name) {
                self.add(&path, (*inline).clone());
            }
        }
        self.anchors.insert(anchor.to_owned(), ruleset);
    }

    fn add_tables(&mut self, anchor: &str, ruleset: &Ruleset, read: &mut ReadFile<'_>) {
        for (_, table) in ruleset.tables() {
            // One whose name does not read may be any.
            self.tables_incomplete |= table.name.is_empty();
            let mut contents = Contents::default();
            for source in table.contents.iter().flatten() {
                match source {
                    TableSource::Addresses(addresses) => {
                        for (negated, address) in addresses {
                            contents.add(*negated, address);
                        }
                    }
                    TableSource::Unreadable => contents.unreadable = Some("it could not be read".to_owned()),
                    TableSource::File(file) => match read(file) {
                        Ok(text) => contents.add_lines(file, text.lines()),
                        Err(why) => contents.unreadable = Some(format!("{file}: {why}")),
                    },
                }
            }
            self.tables.entry(anchor.to_owned()).or_default().insert(table.name.clone(), contents);
        }
    }
}

/// Whether hosts outside may come in by an interface of this name: it is one, and neither loopback nor a tunnel.
fn is_outside(name: &str) -> bool {
    const INSIDE: &[&str] = &[
        "lo", "l", "utun", "tun", "tap", "ipsec", "ppp", "gif", "gre", "stf", "wg", "bridge", "vmnet",
        "vmenet", "feth", "awdl", "llw", "p2p", "anpi", "ap", "epair", "pflog", "pfsync", "enc",
    ];
    let driver = name.trim_end_matches(|last: char| last.is_ascii_digit());
    driver.len() < name.len() && !INSIDE.contains(&driver)
}

/// Whether a macro of this name usually holds the interface to the outside.
fn is_name_of_outside(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["ext", "wan", "egress", "if_ext", "outside"].iter().any(|start| name.starts_with(start))
}

/// How many files one pf.conf may load.
const MAXIMUM_FILES: usize = 1_000;

/// What a table's name leads to.
pub(super) enum TableFound<'a> {
    /// Its contents.
    Known(&'a Contents),
    /// There is none: pf matches nothing.
    Missing,
    /// It could not be read.
    Unknown,
}

/// Where the call of an anchor leads.
pub(super) enum CallTarget {
    /// One anchor.
    One(String),
    /// Each child of an anchor, in the order of their names.
    Children(String),
    /// Above the root: pf refuses to load such a rule.
    Nowhere,
}

/// The anchor that `path`, written in a rule of `anchor`, leads to, as the kernel's `pf_anchor_setup` finds it.
pub(super) fn call_target(anchor: &str, path: &str) -> CallTarget {
    let full = match path.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
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

fn collect_calls(anchor: &str, rules: &[Placed<Rule>], targets: &mut Vec<CallTarget>) {
    let calls = rules.iter().filter_map(|placed| placed.item.anchor.as_ref());
    targets.extend(calls.filter_map(|call| call.path.as_deref()).map(|path| call_target(anchor, path)));
}
