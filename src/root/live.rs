//! How things are: what pfctl says, and what is on disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::firewall::{Pfctl, PfctlError, Reference};
use crate::os::{FileError, Files};
use crate::pf::interfaces::InterfaceFacts;
use crate::pf::parse::{Parsed, Problem, parse_listing, parse_text};
use crate::pf::rulesets::calls_anchor;
use crate::report::{LoadedRules, PfState};
use crate::root::main_ruleset;
use crate::root::plan::{AnchorContents, MainDiffers, Observed, Step};
use crate::rules::ledger::{Attachment, Ledger, PfToken};
use crate::rules::{anchor, conf};
use crate::system::{ANCHOR_FILE, PF_CONF};

/// pf as it is loaded.
///
/// A run of pfctl costs more than anything else in a change, so each thing is read once, and after a change what its steps
/// can have changed. What decides nothing is not read: translation rules that no ruleset calls, tables that no rule names.
#[derive(Clone, Debug)]
pub struct Live {
    /// Whether it filters.
    pub state: PfState,
    /// The tokens that hold it enabled; `None` where that could not be read.
    pub tokens: Option<Vec<Reference>>,
    /// The rulesets by anchor path; `""` is the main ruleset.
    pub rulesets: BTreeMap<String, LoadedRules>,
    /// Interfaces that pf does not look at; `None` where that could not be read.
    pub skip: Option<Vec<String>>,
    /// Anchors of ours that pf has and that were not read.
    pub(super) unread: Vec<&'static str>,
}

impl Live {
    /// Reads all of pf but our own anchors. `token` is the one that is believed to hold pf enabled.
    ///
    /// Errors: pfctl fails; where ours alone is needed, twice for what is not of others. A listing that pfctl gives but
    /// that does not read is kept as text, and so is why there is none.
    pub fn read(pf: &Pfctl, token: Option<&PfToken>, needed: Needed) -> Result<Self, PfctlError> {
        let (state, tokens) = needed.try_again(|| read_state(pf, token.is_some()))?;
        let paths = needed.try_again(|| pf.anchors())?;
        let (ours, others): (Vec<String>, Vec<String>) =
            paths.into_iter().partition(|path| OURS.iter().any(|way| way.anchor() == path));
        let unread =
            OURS.map(Attachment::anchor).into_iter().filter(|path| ours.iter().any(|own| own == path));
        let rulesets = read_rulesets(pf, &others, needed)?;
        Ok(Live { state, tokens, rulesets, skip: pf.skipped().ok(), unread: unread.collect() })
    }

    /// pf of which nothing could be read: each anchor of ours may hold anything.
    pub fn unknown() -> Self {
        Live {
            state: PfState::Unknown("pfctl did not say".to_owned()),
            tokens: None,
            rulesets: BTreeMap::new(),
            skip: None,
            unread: OURS.map(Attachment::anchor).to_vec(),
        }
    }

    /// Reads our own anchors but the one at `except`.
    pub fn read_ours(&mut self, pf: &Pfctl, except: Option<&str>, needed: Needed) -> Result<(), PfctlError> {
        for anchor in std::mem::take(&mut self.unread) {
            if Some(anchor) == except {
                self.unread.push(anchor);
            } else {
                needed.try_again(|| self.read_own(pf, anchor, pf.nat(Some(anchor))?))?;
            }
        }
        Ok(())
    }

    /// Reads again what `steps` can have changed, and then, as the last look before an answer, what that rests on beside
    /// them: another program may have loaded the main ruleset anew, or stopped pf, since the first look. `token` is the one
    /// that is believed to hold pf enabled then.
    pub fn reread(
        &mut self,
        pf: &Pfctl,
        steps: &[Step],
        token: Option<&PfToken>,
        needed: Needed,
    ) -> Result<(), PfctlError> {
        if steps.iter().any(|step| matches!(step, Step::LoadConf | Step::Main { load: true, .. })) {
            return self.read_anew(pf, token, needed);
        }
        for step in steps {
            if let Step::Load { anchor, .. } = step {
                self.unread.retain(|unread| unread != anchor);
                // One transaction of pfctl replaces the rules of every kind, and ours has no translation rules.
                needed.try_again(|| self.read_own(pf, anchor, String::new()))?;
            }
        }
        let rules = needed.try_again(|| pf.rules(None))?;
        if self.main().is_none_or(|main| main.rules != rules) {
            return self.read_anew(pf, token, needed);
        }
        needed.try_again(|| self.reread_state(pf, token))
    }

    fn read_anew(&mut self, pf: &Pfctl, token: Option<&PfToken>, needed: Needed) -> Result<(), PfctlError> {
        *self = Live::read(pf, token, needed)?;
        self.read_ours(pf, None, needed)
    }

    /// Reads again whether pf filters, and who holds it enabled.
    pub fn reread_state(&mut self, pf: &Pfctl, token: Option<&PfToken>) -> Result<(), PfctlError> {
        let was_held = self.tokens.as_ref().is_some_and(|tokens| !tokens.is_empty());
        (self.state, self.tokens) = read_state(pf, token.is_some() || was_held)?;
        Ok(())
    }

    fn read_own(&mut self, pf: &Pfctl, anchor: &str, nat: String) -> Result<(), PfctlError> {
        let rules = pf.rules(Some(anchor))?;
        let tables = read_tables(pf, Some(anchor), tables_named(&rules).union(&tables_named(&nat)))?;
        let found = LoadedRules { rules, nat, tables };
        if found == LoadedRules::default() {
            self.rulesets.remove(anchor);
        } else {
            self.rulesets.insert(anchor.to_owned(), found);
        }
        Ok(())
    }

    /// Whether pf still counts `token`. Where that cannot be read, a token of this boot counts while pf is enabled.
    pub fn holds(&self, token: Option<&PfToken>, boot: &str) -> bool {
        let Some(token) = token.filter(|token| token.boot == boot) else { return false };
        match &self.tokens {
            Some(tokens) => tokens.iter().any(|held| held.token == token.number),
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
        self.main().is_some_and(|main| calls(normal(parse_listing("main", &main.rules)), anchor))
    }

    fn main(&self) -> Option<&LoadedRules> {
        self.rulesets.get("")
    }

    /// Whether `anchor` holds nothing, just `ledger`'s rules on a Mac with these interfaces, or something else, as one that
    /// was not read is taken to.
    pub fn loaded(&self, anchor: &str, ledger: &Ledger, interfaces: &[InterfaceFacts]) -> AnchorContents {
        if self.unread.contains(&anchor) {
            return AnchorContents::Other;
        }
        let Some(found) = self.rulesets.get(anchor) else { return AnchorContents::Nothing };
        if found.rules.trim().is_empty() && found.nat.trim().is_empty() && found.tables.is_empty() {
            return AnchorContents::Nothing;
        }
        if found.nat.trim().is_empty() && holds_just(found, ledger, interfaces) {
            AnchorContents::AsWanted
        } else {
            AnchorContents::Other
        }
    }
}

/// What has to be known before something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// All of pf, its file, and what is on disk.
    Everything,
    /// Only what is ours: what closes goes on without the rest.
    OursAlone,
}

/// Where our rules can be.
const OURS: [Attachment; 2] = [Attachment::Apple, Attachment::Classic];

/// Whether pf filters, and the tokens that hold it enabled. One of the two tells the other, mostly: held, it is enabled;
/// stopped, it has forgotten every token (XNU, pf_ioctl.c: DIOCSTOP and the last DIOCSTOPREF).
fn read_state(pf: &Pfctl, is_held: bool) -> Result<(PfState, Option<Vec<Reference>>), PfctlError> {
    // Who holds pf is only shown: a listing in a form we do not know takes nothing away.
    let tokens = || pf.references().ok();
    if is_held && let Some(held) = tokens().filter(|held| !held.is_empty()) {
        return Ok((PfState::Enabled, Some(held)));
    }
    Ok(match pf.info()? {
        PfState::Disabled => (PfState::Disabled, Some(Vec::new())),
        state => (state, tokens()),
    })
}

impl Needed {
    /// What `read` gives; where ours alone is needed, at the second try too.
    fn try_again<T>(self, mut read: impl FnMut() -> Result<T, PfctlError>) -> Result<T, PfctlError> {
        read().or_else(|error| match self {
            Needed::Everything => Err(error),
            Needed::OursAlone => read(),
        })
    }

    /// The listing of an anchor of others; where that is not needed, why there is none: it does not read as rules, so that
    /// what hangs on them is unknown.
    fn or_why_not(self, listing: Result<String, PfctlError>) -> Result<String, PfctlError> {
        listing.or_else(|error| match self {
            Needed::Everything => Err(error),
            Needed::OursAlone => Ok(format!("not read: {}\n", error.to_string().replace('\n', " "))),
        })
    }
}

/// The main ruleset, and the anchors at `paths`.
fn read_rulesets(
    pf: &Pfctl,
    paths: &[String],
    needed: Needed,
) -> Result<BTreeMap<String, LoadedRules>, PfctlError> {
    let mut rulesets = BTreeMap::new();
    let mut nat = BTreeMap::new();
    nat.insert(String::new(), needed.try_again(|| pf.nat(None))?);
    let mut callers = vec![String::new()];
    while let Some(caller) = callers.pop() {
        let calls = parse_listing(&caller, nat.get(&caller).map_or("", String::as_str));
        // Where they do not read, any of them may call anything.
        let is_called =
            |path: &str| !calls.problems.is_empty() || calls_anchor(&caller, &calls.ruleset, path);
        for path in paths.iter().filter(|path| is_called(path)) {
            if !nat.contains_key(path) {
                nat.insert(path.clone(), needed.or_why_not(pf.nat(Some(path)))?);
                callers.push(path.clone());
            }
        }
    }
    let mut named = BTreeSet::new();
    let is_folder = |path: &str| paths.iter().any(|other| other.strip_prefix(path).is_some_and(is_below));
    let (mut folders, others): (Vec<&str>, Vec<&str>) =
        paths.iter().map(String::as_str).partition(|path| is_folder(path));
    let mut unread: Vec<&str> = std::iter::once("").chain(others).collect();
    while let Some(path) = unread.pop() {
        let nat = nat.remove(path).unwrap_or_default();
        let mut rules = match path {
            "" => needed.try_again(|| pf.rules(None))?,
            path => needed.or_why_not(pf.rules(Some(path)))?,
        };
        let called = |folder: &&str| may_call(path, &rules, folder) || may_call(path, &nat, folder);
        unread.extend(folders.extract_if(.., |folder| called(&&**folder)));
        let here: BTreeSet<String> = &tables_named(&rules) | &tables_named(&nat);
        let tables = match path {
            "" => BTreeMap::new(),
            path => match read_tables(pf, Some(path), &here) {
                Ok(tables) => tables,
                Err(error) => {
                    rules = needed.or_why_not(Err(error))?;
                    BTreeMap::new()
                }
            },
        };
        named.extend(here);
        rulesets.insert(path.to_owned(), LoadedRules { rules, nat, tables });
    }
    // A rule in an anchor means the main ruleset's table where the anchor has none of that name.
    if let Some(main) = rulesets.get_mut("") {
        main.tables = needed.try_again(|| read_tables(pf, None, &named))?;
    }
    Ok(rulesets)
}

/// Whether what follows the path of an anchor makes it the path of one below it.
fn is_below(rest: &str) -> bool {
    rest.starts_with('/')
}

/// Whether rules of `caller` may evaluate the anchor at `path`: where they do not read, they may call anything. An anchor
/// such as `com.apple` is mostly the folder of those that are called, and its own rules decide nothing.
fn may_call(caller: &str, listing: &str, path: &str) -> bool {
    let parsed = parse_listing(caller, listing);
    !parsed.problems.is_empty() || calls_anchor(caller, &parsed.ruleset, path)
}

/// The tables of these names that `anchor` has.
fn read_tables<'a>(
    pf: &Pfctl,
    anchor: Option<&str>,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeMap<String, Vec<String>>, PfctlError> {
    let mut tables = BTreeMap::new();
    for name in names {
        if let Some(addresses) = pf.table_addresses(anchor, name)? {
            tables.insert(name.clone(), addresses);
        }
    }
    Ok(tables)
}

/// The names that stand as `<name>` in a listing. In a label they are no table's, which then is not there.
fn tables_named(listing: &str) -> BTreeSet<String> {
    let after = listing.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    let names = after.map(|(name, _)| name);
    names.filter(|name| !name.is_empty() && !name.contains(char::is_whitespace)).map(str::to_owned).collect()
}

/// Whether what was read back is what the ledger renders to: the same rules in the same order, and tables of the
/// same names and addresses. What pfctl reads and what it lists is compared as values, so that its spelling does not
/// matter.
fn holds_just(found: &LoadedRules, ledger: &Ledger, interfaces: &[InterfaceFacts]) -> bool {
    let (wanted, listed) =
        (parse_text("ledger", &anchor::rules(ledger, interfaces)), parse_listing("anchor", &found.rules));
    if !wanted.problems.is_empty() || !listed.problems.is_empty() {
        return false;
    }
    let wanted_rules = wanted.ruleset.listed_rules().map(|rule| &rule.item);
    let rules_are_same = wanted_rules.eq(listed.ruleset.listed_rules().map(|rule| &rule.item));
    let tables: BTreeMap<String, BTreeSet<String>> = anchor::tables(ledger)
        .into_iter()
        .map(|(name, addresses)| (name, addresses.into_iter().collect()))
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

/// The filter rules in pfctl's normal form, one text for each. Errors: the first problem in them.
fn normal(parsed: Parsed) -> Result<Vec<String>, Problem> {
    let Parsed { ruleset, problems, .. } = parsed;
    match problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(ruleset.listed_rules().map(|rule| rule.item.to_string()).collect()),
    }
}

/// Whether rules that read call `anchor` without any condition.
fn calls(rules: Result<Vec<String>, Problem>, anchor: &str) -> bool {
    rules.is_ok_and(|rules| rules.contains(&format!("anchor \"{anchor}\" all")))
}

/// Where a plan is to be made: what does not change while a request runs.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub pf: &'a Pfctl,
    pub interfaces: &'a [InterfaceFacts],
    pub boot: &'a str,
    /// Seconds since the machine started.
    pub clock: u64,
    pub needed: Needed,
}

/// Puts together what a plan for `ledger` is made from. Errors: a file that cannot be read and is needed.
pub fn observe(
    tree: &Files,
    live: &Live,
    surroundings: Surroundings,
    ledger: &Ledger,
) -> Result<Observed, FileError> {
    let Surroundings { pf, interfaces, boot, clock, needed } = surroundings;
    let read = |path| match (tree.read(path), needed) {
        (Err(_), Needed::OursAlone) => Ok((None, false)),
        (bytes, _) => bytes.map(|bytes| (bytes, true)),
    };
    let (conf, conf_is_read) = read(PF_CONF)?;
    let (anchor_file, _) = read(ANCHOR_FILE)?;
    let calls_classic = live.main_calls(Attachment::Classic.anchor());
    // It costs a run of pfctl, and is asked about where the main ruleset would have to be loaded.
    let is_to_call = ledger.way == Some(Attachment::Classic);
    let main_is_conf =
        if is_to_call == calls_classic { Ok(()) } else { compare_main(live, pf, conf.as_deref()) };
    let text = conf.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let is_empty = |main: &LoadedRules| main.rules.trim().is_empty() && main.nat.trim().is_empty();
    Ok(Observed {
        conf_is_read,
        anchor_file,
        calls_apple: live.main_calls(APPLE_CALL),
        calls_classic,
        conf_calls_apple: calls(normal(parse_text(PF_CONF, &text)), APPLE_CALL),
        main_is_empty: live.main().is_none_or(is_empty),
        main_is_conf,
        conf,
        apple: live.loaded(Attachment::Apple.anchor(), ledger, interfaces),
        classic: live.loaded(Attachment::Classic.anchor(), ledger, interfaces),
        interfaces: interfaces.to_vec(),
        token_held: live.holds(ledger.token.as_ref(), boot),
        clock,
    })
}

/// How a stock main ruleset calls what hangs below `com.apple`.
const APPLE_CALL: &str = "com.apple/*";

/// Whether loading the file would leave the main ruleset as it is, our own call apart.
fn compare_main(live: &Live, pf: &Pfctl, conf: Option<&[u8]>) -> Result<(), MainDiffers> {
    let (Some(main), Some(conf)) = (live.main(), conf) else {
        return Err(MainDiffers::Unread);
    };
    let others = conf::remove(conf).map_err(|_| MainDiffers::Unread)?;
    let text = main_ruleset::without_loads(&String::from_utf8_lossy(&others));
    let printed = pf.would_load(&text).map_err(|error| MainDiffers::Refused(error.to_string()))?;
    main_ruleset::compare(main, &printed)
}
