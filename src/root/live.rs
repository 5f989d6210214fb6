//! How things are: what pfctl says, and what is on disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::firewall::{Pfctl, PfctlError};
use crate::os::{FileError, Files};
use crate::pf::parse::{Parsed, parse_listing, parse_text};
use crate::pf::rule::Placed;
use crate::pf::rule::Rule;
use crate::report::{LoadedRules, PfState};
use crate::root::plan::{AnchorContents, Observed};
use crate::rules::anchor;
use crate::rules::ledger::{Attachment, Ledger, PfToken};
use crate::system::{ANCHOR_FILE, PF_CONF};

/// pf as it is loaded.
#[derive(Clone, Debug)]
pub struct Live {
    /// Whether it filters.
    pub state: PfState,
    /// The tokens that hold it enabled; `None` where that could not be read.
    pub tokens: Option<Vec<u64>>,
    /// The rulesets by anchor path; `""` is the main ruleset.
    pub rulesets: BTreeMap<String, LoadedRules>,
    /// Interfaces that pf does not look at; `None` where that could not be read.
    pub skip: Option<Vec<String>>,
}

impl Live {
    /// Reads all of pf. Errors: pfctl fails. A listing that pfctl gives but that does not read is kept as text.
    pub fn read(pf: &Pfctl) -> Result<Self, PfctlError> {
        let mut rulesets = BTreeMap::from([(String::new(), read_ruleset(pf, None)?)]);
        for path in pf.anchors()? {
            let loaded = read_ruleset(pf, Some(&path))?;
            rulesets.insert(path, loaded);
        }
        // Who holds pf is only shown: a listing in a form we do not know takes nothing away.
        let tokens = pf.references().ok().map(|held| held.iter().map(|reference| reference.token).collect());
        Ok(Live { state: pf.info()?, tokens, rulesets, skip: pf.skipped().ok() })
    }

    /// Whether pf still counts `token`. Where that cannot be read, a token of this boot counts while pf is enabled.
    pub fn holds(&self, token: Option<&PfToken>, boot: &str) -> bool {
        let Some(token) = token.filter(|token| token.boot == boot) else { return false };
        match &self.tokens {
            Some(tokens) => tokens.contains(&token.number),
            None => self.state == PfState::Enabled,
        }
    }

    /// How many hold pf enabled.
    pub fn references(&self) -> Option<usize> {
        self.tokens.as_ref().map(Vec::len)
    }

    /// Whether the main ruleset calls `anchor` (a path as it stands in the rule, such as `com.apple/*`) without
    /// any condition.
    fn main_calls(&self, anchor: &str) -> bool {
        let wanted = format!("anchor \"{anchor}\" all");
        let listed = self.main().map(|main| normal(parse_listing("main", &main.rules)));
        matches!(listed, Some(Ok(normal)) if normal.rules.contains(&wanted))
    }

    fn main(&self) -> Option<&LoadedRules> {
        self.rulesets.get("")
    }

    /// Whether `anchor` holds nothing, just `ledger`'s rules, or something else.
    pub fn loaded(&self, anchor: &str, ledger: &Ledger) -> AnchorContents {
        let Some(found) = self.rulesets.get(anchor) else { return AnchorContents::Nothing };
        if found.rules.trim().is_empty() && found.nat.trim().is_empty() && found.tables.is_empty() {
            return AnchorContents::Nothing;
        }
        if found.nat.trim().is_empty() && holds_just(found, ledger) {
            AnchorContents::AsWanted
        } else {
            AnchorContents::Other
        }
    }
}

fn read_ruleset(pf: &Pfctl, anchor: Option<&str>) -> Result<LoadedRules, PfctlError> {
    let mut tables = BTreeMap::new();
    for table in pf.tables(anchor)? {
        let addresses = pf.table_addresses(anchor, &table)?;
        tables.insert(table, addresses);
    }
    Ok(LoadedRules { rules: pf.rules(anchor)?, nat: pf.nat(anchor)?, tables })
}

/// Whether what was read back is what the ledger renders to: the same rules in the same order, and tables of the
/// same names and addresses. What pfctl reads and what it lists is compared as values, so that its spelling does not
/// matter.
fn holds_just(found: &LoadedRules, ledger: &Ledger) -> bool {
    let (wanted, listed) =
        (parse_text("ledger", &anchor::rules(ledger)), parse_listing("anchor", &found.rules));
    if !wanted.problems.is_empty() || !listed.problems.is_empty() {
        return false;
    }
    let wanted_rules = wanted.ruleset.listed_rules().map(|rule| &rule.item);
    let rules_are_same = wanted_rules.eq(listed.ruleset.listed_rules().map(|rule| &rule.item));
    let tables: BTreeMap<String, BTreeSet<String>> = ledger
        .openings
        .iter()
        .filter_map(|opening| {
            let hosts = opening.from.networks()?.iter().map(crate::rules::source::host_text).collect();
            Some((anchor::table_name(opening.port), hosts))
        })
        .collect();
    let loaded: BTreeMap<String, BTreeSet<String>> = found
        .tables
        .iter()
        .map(|(name, addresses)| {
            (name.clone(), addresses.iter().map(|text| text.trim().to_owned()).collect())
        })
        .collect();
    rules_are_same && tables == loaded
}

/// Rules in pfctl's normal form, one text for each: scrub and filter, then translation.
struct Normal {
    rules: Vec<String>,
    nat: Vec<String>,
}

/// Brings what was read into normal form. Errors: the first problem in it.
fn normal(parsed: Parsed) -> Result<Normal, String> {
    if let Some(problem) = parsed.problems.first() {
        return Err(problem.to_string());
    }
    let text = |rule: &Placed<Rule>| rule.item.to_string();
    let Parsed { ruleset, .. } = parsed;
    Ok(Normal {
        rules: ruleset.listed_rules().map(text).collect(),
        nat: ruleset.listed_nat().map(text).collect(),
    })
}

/// Puts together what a plan is made from. Errors: a file that cannot be read.
pub fn observe(
    tree: &Files,
    live: &Live,
    old: &Ledger,
    new: &Ledger,
    boot: &str,
) -> Result<Observed, FileError> {
    let conf = tree.read(PF_CONF)?;
    let main_is_conf = main_is_conf(live, conf.as_deref());
    Ok(Observed {
        anchor_file: tree.read(ANCHOR_FILE)?,
        calls_apple: live.main_calls("com.apple/*"),
        calls_classic: live.main_calls(Attachment::Classic.anchor()),
        main_is_conf,
        conf,
        apple: live.loaded(Attachment::Apple.anchor(), new),
        classic: live.loaded(Attachment::Classic.anchor(), new),
        token_held: live.holds(old.token.as_ref(), boot),
    })
}

/// Whether loading the file would leave the main ruleset as it is, our own call apart.
fn main_is_conf(live: &Live, conf: Option<&[u8]>) -> Result<(), String> {
    let (Some(main), Some(conf)) = (live.main(), conf) else {
        return Err("one of them could not be read".to_owned());
    };
    let conf = String::from_utf8_lossy(conf);
    let call = format!("anchor \"{}\" all", Attachment::Classic.anchor());
    let others =
        |lines: Vec<String>| -> Vec<String> { lines.into_iter().filter(|line| *line != call).collect() };
    let loaded = normal(parse_listing("main", &format!("{}\n{}", main.nat, main.rules)))?;
    let file = normal(parse_text(PF_CONF, &conf))?;
    for (loaded, file) in [(loaded.rules, file.rules), (loaded.nat, file.nat)] {
        let (loaded, file) = (others(loaded), others(file));
        let only =
            |these: &[String], those: &[String]| these.iter().find(|line| !those.contains(line)).cloned();
        match (only(&loaded, &file), only(&file, &loaded)) {
            (Some(line), _) => return Err(format!("only loaded: {line}")),
            (None, Some(line)) => return Err(format!("only in the file: {line}")),
            (None, None) if loaded != file => return Err("their order differs".to_owned()),
            (None, None) => {}
        }
    }
    Ok(())
}
