//! What the kernel of the pretended Mac holds for pf: whether it runs, who holds it, rulesets, tables. Pure.
//!
//! ```
//! use portcullis::lab::kernel::Kernel;
//! let mut kernel = Kernel::at_boot("boot 1");
//! kernel.hold(7, 4063, 100);
//! assert!(kernel.runs());
//! assert_eq!(kernel.release(7).unwrap(), 0);
//! assert!(!kernel.runs());
//! ```
//!
//! What is not here cannot be: an anchor is there while it has rules, tables or children, or while a rule
//! calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a kernel forgets when the machine restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Version of this form: [`Kernel::VERSION`].
    pub version: u32,
    /// The boot that it is of.
    pub boot: String,
    /// Since when pf runs; `None`: it does not.
    pub running_since: Option<i64>,
    /// Whether pf was enabled without a token (`-e`).
    pub held_by_nobody: bool,
    /// Who holds pf, the newest first.
    pub holders: Vec<Holder>,
    /// Interfaces that pf does not look at.
    pub skip: BTreeSet<String>,
    /// The rulesets by their path; the main one's is empty.
    pub rulesets: BTreeMap<String, KernelRuleset>,
}

/// A process that took a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// What gives the hold back.
    pub token: u64,
    /// The process that took it.
    pub pid: u32,
    /// Seconds since 1970.
    pub since: i64,
    /// Its name, as the kernel noted it.
    #[serde(default = "pfctl")]
    pub name: String,
}

fn pfctl() -> String {
    "pfctl".to_owned()
}

/// The rules and tables of the main ruleset or of one anchor, rules in their normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KernelRuleset {
    /// The pfctl that loaded it.
    pub loaded_by: u32,
    /// `scrub`, `scrub-anchor`.
    pub scrub: Vec<LoadedRule>,
    /// `nat`, `nat-anchor`.
    pub nat: Vec<LoadedRule>,
    /// `rdr`, `rdr-anchor`.
    pub rdr: Vec<LoadedRule>,
    /// `binat`, `binat-anchor`.
    pub binat: Vec<LoadedRule>,
    /// `pass`, `block`, `anchor`.
    pub filter: Vec<LoadedRule>,
    /// `dummynet`, `dummynet-anchor`.
    pub dummynet: Vec<LoadedRule>,
    pub tables: BTreeMap<String, Table>,
}

/// A rule as pfctl prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadedRule {
    /// The rule, without the braces of an inline anchor.
    pub text: String,
    /// The path of the anchor that it calls, without `/*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<String>,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Table {
    /// Its addresses cannot be changed.
    pub constant: bool,
    /// It stays when no rule names it.
    pub persist: bool,
    /// Its networks; `true` marks those that are left out.
    pub addresses: BTreeMap<IpNet, bool>,
}

/// Why the kernel says no: the error numbers that pfctl words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// EEXIST of DIOCSTART.
    #[error("pf already enabled")]
    AlreadyEnabled,
    /// ENOENT of DIOCSTOP and DIOCSTOPREF.
    #[error("pf not enabled")]
    NotEnabled,
    /// EINVAL of DIOCSTOPREF.
    #[error("pf: token invalid")]
    TokenInvalid,
}

/// Why what the kernel holds does not read.
#[derive(Debug, Error)]
pub enum KernelError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("its version is {0}, and {expected} was expected", expected = Kernel::VERSION)]
    Version(u32),
}

impl Kernel {
    pub fn parse(json: &[u8]) -> Result<Self, KernelError> {
        let kernel: Kernel = serde_json::from_slice(json)?;
        match kernel.version {
            Kernel::VERSION => Ok(kernel),
            other => Err(KernelError::Version(other)),
        }
    }

    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// pf just after the start, before anything is loaded: it does not run.
    pub fn at_boot(boot: &str) -> Self {
        Kernel {
            version: Self::VERSION,
            boot: boot.to_owned(),
            running_since: None,
            held_by_nobody: false,
            holders: Vec::new(),
            skip: BTreeSet::new(),
            rulesets: BTreeMap::new(),
        }
    }

    /// Whether pf looks at packets.
    pub fn runs(&self) -> bool {
        self.running_since.is_some()
    }

    /// DIOCSTART: starts pf. Where it runs already that is an error, but one that still keeps pf running when
    /// the last token is given back.
    pub fn start(&mut self, now: i64) -> Result<(), Denied> {
        self.held_by_nobody = true;
        if self.runs() {
            return Err(Denied::AlreadyEnabled);
        }
        self.running_since = Some(now);
        Ok(())
    }

    /// DIOCSTOP: stops pf, even where it is held; every token is void.
    pub fn stop(&mut self) -> Result<(), Denied> {
        if !self.runs() {
            return Err(Denied::NotEnabled);
        }
        self.running_since = None;
        self.held_by_nobody = false;
        self.holders.clear();
        Ok(())
    }

    /// DIOCSTARTREF: starts pf if need be, and holds it with `token`.
    pub fn hold(&mut self, token: u64, pid: u32, now: i64) {
        self.hold_as(pfctl(), token, pid, now);
    }

    /// As [`Kernel::hold`], by a program that is not pfctl.
    pub fn hold_as(&mut self, name: String, token: u64, pid: u32, now: i64) {
        self.running_since.get_or_insert(now);
        self.holders.insert(0, Holder { token, pid, since: now, name });
    }

    /// DIOCSTOPREF: gives a token back; pf stops with the last hold. How many are left.
    pub fn release(&mut self, token: u64) -> Result<usize, Denied> {
        if !self.runs() {
            return Err(Denied::NotEnabled);
        }
        let place =
            self.holders.iter().position(|holder| holder.token == token).ok_or(Denied::TokenInvalid)?;
        self.holders.remove(place);
        let left = self.holders.len() + usize::from(self.held_by_nobody);
        if left == 0 {
            self.running_since = None;
        }
        Ok(left)
    }

    /// Puts rulesets in the place of those at the same paths, all at once. Tables keep what a ruleset does
    /// not say: one that is not named stays if it is persistent, one that is named without addresses keeps
    /// its own.
    pub fn replace(&mut self, rulesets: BTreeMap<String, (KernelRuleset, BTreeSet<String>)>) {
        for (path, (mut ruleset, unfilled)) in rulesets {
            let old = self.rulesets.remove(&path).unwrap_or_default();
            for (name, table) in old.tables {
                match ruleset.tables.get_mut(&name) {
                    Some(new) if unfilled.contains(&name) => new.addresses = table.addresses,
                    Some(_) => {}
                    None => {
                        ruleset.tables.insert(name, table);
                    }
                }
            }
            self.rulesets.insert(path, ruleset);
        }
        self.forget();
    }

    /// The paths of all anchors that are there.
    pub fn anchors(&self) -> BTreeSet<&str> {
        let held = self.rulesets.keys().map(String::as_str);
        let called =
            self.rulesets.values().flat_map(KernelRuleset::lines).filter_map(|line| line.calls.as_deref());
        let mut anchors = BTreeSet::new();
        for path in held.chain(called) {
            // An anchor is there as long as one below it is.
            let ends = path.match_indices('/').map(|(place, _)| place).chain([path.len()]);
            anchors.extend(ends.filter_map(|end| path.get(..end)).filter(|path| !path.is_empty()));
        }
        anchors
    }

    /// Whether there is such a ruleset; the main one always is.
    pub fn knows(&self, anchor: &str) -> bool {
        anchor.is_empty() || self.anchors().contains(anchor)
    }

    /// A ruleset, empty where there is none.
    pub fn ruleset(&self, anchor: &str) -> KernelRuleset {
        self.rulesets.get(anchor).cloned().unwrap_or_default()
    }

    /// Whether a rule names `table` of `anchor`: one of the same anchor, or, for a table of the main ruleset,
    /// one of any.
    pub fn names_table(&self, anchor: &str, table: &str) -> bool {
        let name = format!("<{table}>");
        let near = |path: &str| anchor.is_empty() || path == anchor;
        self.rulesets
            .iter()
            .filter(|(path, _)| near(path))
            .any(|(_, ruleset)| ruleset.lines().any(|line| line.text.contains(&name)))
    }

    /// Drops what pf drops by itself: tables that are neither persistent nor named, nameless anchors that
    /// nothing calls, empty rulesets.
    pub fn forget(&mut self) {
        let names_of = |(path, ruleset): (&String, &KernelRuleset)| {
            let fleeting = ruleset.tables.iter().filter(|(_, table)| !table.persist);
            fleeting.map(|(name, _)| (path.clone(), name.clone())).collect::<Vec<_>>()
        };
        let fleeting: Vec<(String, String)> = self.rulesets.iter().flat_map(names_of).collect();
        for (path, name) in
            fleeting.iter().filter(|(path, name)| !self.names_table(path, name)).cloned().collect::<Vec<_>>()
        {
            self.rulesets.entry(path).and_modify(|ruleset| drop(ruleset.tables.remove(&name)));
        }
        let called: BTreeSet<String> = self
            .rulesets
            .values()
            .flat_map(KernelRuleset::lines)
            .filter_map(|line| line.calls.clone())
            .collect();
        self.rulesets.retain(|path, _| !is_nameless(path) || called.contains(path));
        self.rulesets.retain(|_, ruleset| !ruleset.is_empty());
    }
}

/// Whether an anchor's own name is one that pfctl gave it, such as `_1`: it was written without one.
pub fn is_nameless(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with('_'))
}

impl KernelRuleset {
    /// Every rule.
    pub fn lines(&self) -> impl Iterator<Item = &LoadedRule> {
        [&self.scrub, &self.nat, &self.rdr, &self.binat, &self.filter, &self.dummynet].into_iter().flatten()
    }

    fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.lines().next().is_none()
    }
}

impl Table {
    /// Whether an address is in the table: the longest network that holds it decides.
    pub fn holds(&self, address: IpAddr) -> bool {
        let holding = self.addresses.iter().filter(|(network, _)| network.contains(&address));
        holding.max_by_key(|(network, _)| network.prefix_len()).is_some_and(|(_, left_out)| !left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[(&str, Option<&str>)]) -> Vec<LoadedRule> {
        texts
            .iter()
            .map(|(text, calls)| LoadedRule {
                text: (*text).into(),
                calls: calls.map(str::to_owned),
                label: None,
            })
            .collect()
    }

    fn load(kernel: &mut Kernel, path: &str, ruleset: KernelRuleset) {
        kernel.replace([(path.to_owned(), (ruleset, BTreeSet::new()))].into());
    }

    #[test]
    fn pf_runs_while_somebody_holds_it() {
        let mut kernel = Kernel::at_boot("b");
        assert_eq!(kernel.release(1), Err(Denied::NotEnabled));
        assert_eq!(kernel.stop(), Err(Denied::NotEnabled));
        kernel.hold(1, 10, 100);
        kernel.hold(2, 11, 101);
        assert_eq!((kernel.running_since, kernel.holders[0].token), (Some(100), 2));
        assert_eq!(kernel.release(3), Err(Denied::TokenInvalid));
        assert_eq!(kernel.release(1), Ok(1));
        assert_eq!(kernel.release(1), Err(Denied::TokenInvalid));
        assert_eq!(kernel.release(2), Ok(0));
        assert!(!kernel.runs());
    }

    #[test]
    fn enabling_without_a_token_outlives_the_tokens() {
        let mut kernel = Kernel::at_boot("b");
        kernel.hold(1, 10, 100);
        assert_eq!(kernel.start(101), Err(Denied::AlreadyEnabled));
        assert_eq!(kernel.release(1), Ok(1));
        assert!(kernel.runs());
        kernel.hold(2, 10, 102);
        kernel.stop().unwrap();
        assert!(!kernel.runs() && kernel.holders.is_empty() && !kernel.held_by_nobody);
        kernel.start(103).unwrap();
        assert_eq!(kernel.running_since, Some(103));
    }

    #[test]
    fn anchors_are_there_while_held_called_or_above_one() {
        let mut kernel = Kernel::at_boot("b");
        let filter = lines(&[("anchor \"com.apple/*\" all", Some("com.apple"))]);
        load(&mut kernel, "", KernelRuleset { filter, ..KernelRuleset::default() });
        assert_eq!(kernel.anchors(), ["com.apple"].into());
        let rules = || KernelRuleset { filter: lines(&[("pass all", None)]), ..KernelRuleset::default() };
        load(&mut kernel, "a/b/c", rules());
        assert_eq!(kernel.anchors(), ["a", "a/b", "a/b/c", "com.apple"].into());
        assert!(kernel.knows("a/b") && kernel.knows("") && !kernel.knows("b"));
        load(&mut kernel, "a/b/c", KernelRuleset::default());
        assert_eq!(kernel.anchors(), ["com.apple"].into());
    }

    #[test]
    fn nameless_anchors_go_with_the_rule_that_calls_them() {
        let mut kernel = Kernel::at_boot("b");
        let filter = lines(&[("anchor all", Some("_1"))]);
        load(&mut kernel, "", KernelRuleset { filter, ..KernelRuleset::default() });
        load(
            &mut kernel,
            "_1",
            KernelRuleset { filter: lines(&[("pass all", None)]), ..KernelRuleset::default() },
        );
        assert!(kernel.rulesets.contains_key("_1"));
        load(&mut kernel, "", KernelRuleset::default());
        assert!(kernel.rulesets.is_empty());
    }

    #[test]
    fn tables_stay_while_named_or_persistent() {
        let table = |persist, text: &str| Table {
            persist,
            addresses: [(text.parse().unwrap(), false)].into(),
            ..Table::default()
        };
        let mut kernel = Kernel::at_boot("b");
        let tables = [("named", false), ("kept", true), ("lost", false)]
            .map(|(name, persist)| (name.to_owned(), table(persist, "10.0.0.0/8")));
        let filter = lines(&[("pass from <named> to any", None)]);
        load(
            &mut kernel,
            "a",
            KernelRuleset { filter: filter.clone(), tables: tables.into(), ..KernelRuleset::default() },
        );
        let names = |kernel: &Kernel| kernel.ruleset("a").tables.into_keys().collect::<Vec<_>>();
        assert_eq!(names(&kernel), ["kept", "named"]);
        // Named without addresses: it keeps its own.
        let again = KernelRuleset {
            tables: [("kept".to_owned(), Table { persist: true, ..Table::default() })].into(),
            ..KernelRuleset::default()
        };
        kernel.replace([("a".to_owned(), (again, ["kept".to_owned()].into()))].into());
        assert_eq!(names(&kernel), ["kept"]);
        assert_eq!(kernel.ruleset("a").tables["kept"], table(true, "10.0.0.0/8"));
    }

    #[test]
    fn the_longest_network_decides() {
        let text = [("10.0.0.0/8", false), ("10.1.0.0/16", true), ("10.1.2.3/32", false)];
        let addresses = text.map(|(network, left_out)| (network.parse().unwrap(), left_out)).into();
        let table = Table { addresses, ..Table::default() };
        let holds = |address: &str| table.holds(address.parse().unwrap());
        assert!(holds("10.2.0.1") && holds("10.1.2.3"));
        assert!(!holds("10.1.2.4") && !holds("11.0.0.1") && !holds("::1"));
    }

    #[test]
    fn json_round_trip() {
        let mut kernel = Kernel::at_boot("b");
        kernel.hold(u64::MAX, 1, 2);
        let tables = [(
            "t".to_owned(),
            Table { addresses: [("fe80::/64".parse().unwrap(), true)].into(), ..Table::default() },
        )];
        load(
            &mut kernel,
            "a",
            KernelRuleset {
                filter: lines(&[("pass from <t>", None)]),
                tables: tables.into(),
                ..KernelRuleset::default()
            },
        );
        let text = serde_json::to_string(&kernel).unwrap();
        assert_eq!(serde_json::from_str::<Kernel>(&text).unwrap(), kernel);
    }
}
