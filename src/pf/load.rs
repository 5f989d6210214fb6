//! Loads rulesets: from a pf.conf and the files that it names, from pfctl's listings, from the text of one anchor.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::contents::TableContents;
use super::criteria::Address;
use super::lookup::SystemName;
use super::parse::{self, Fault, MAXIMUM_RULES, Parsed, Problem, ReadFile};
use super::preamble::{Load, TableSource};
use super::rule::{Placed, Rule, Ruleset, SourceLine, TextKind};
use super::rulesets::{CallTarget, Rulesets, call_target};

/// The most files that one pf.conf may load.
const MAXIMUM_FILES: usize = 1_000;

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

/// A pf.conf with all that it loads.
#[derive(Clone, Debug, Default)]
pub struct LoadedConf {
    pub rulesets: Rulesets,
    pub problems: Vec<Problem>,
    /// See [`Parsed::doubts`].
    pub doubts: Vec<Problem>,
    /// Names that pfctl asks the system for and that were not asked for here, each at its first place; see
    /// [`LoadedConf::with_names`].
    pub unasked: Vec<(SourceLine, SystemName)>,
}

impl LoadedConf {
    /// Why macOS's pfctl would load nothing of it, in the order of the texts. `follows_loads`: the files that it loads were
    /// looked for where they are; one that is not there is one more reason.
    pub fn refusals(&self, follows_loads: bool) -> Vec<Problem> {
        let is_problem = |problem: &&Problem| match problem.fault {
            Fault::File => false,
            Fault::Load => follows_loads,
            _ => true,
        };
        let refused = self.doubts.iter().filter(|doubt| doubt.fault == Fault::Refused);
        let refused = refused.map(|doubt| Problem {
            message: format!("macOS's pfctl refuses this: {}", doubt.message),
            ..doubt.clone()
        });
        self.problems.iter().filter(is_problem).cloned().chain(refused).collect()
    }
}

impl Rulesets {
    /// The rulesets after `pfctl -f path`. `read` gives the files that the text includes, loads into anchors and fills
    /// tables from. Also every problem: pfctl loads nothing of a text with one.
    pub fn from_conf(path: &str, text: &str, read: &mut ReadFile<'_>) -> (Rulesets, Vec<Problem>) {
        let LoadedConf { rulesets, problems, .. } = Rulesets::load_conf(path, text, read);
        (rulesets, problems)
    }

    /// As [`Rulesets::from_conf`], with what macOS's pfctl refuses though its meaning is clear.
    pub fn load_conf(path: &str, text: &str, read: &mut ReadFile<'_>) -> LoadedConf {
        let mut loaded = Rulesets::default();
        let mut problems = Vec::new();
        let mut doubts = Vec::new();
        let parsed = parse::parse(path, text, read);
        loaded.skip = parsed.ruleset.skipped().into_iter().map(str::to_owned).collect();
        // In order: of two files for one anchor the later one counts.
        let mut waiting = VecDeque::from([(String::new(), parsed)]);
        let (mut files, mut rules) = (0, 0);
        while let Some((anchor, mut parsed)) = waiting.pop_front() {
            problems.extend(parsed.problems);
            doubts.extend(parsed.doubts);
            rules += parsed.ruleset.count();
            // Each text is bounded; many of them together must be too.
            if rules > MAXIMUM_RULES {
                let first = parsed.ruleset.rules().next().map(|placed| placed.place.clone());
                let place = first.unwrap_or_else(|| SourceLine {
                    path: Arc::from(path),
                    line: 1,
                    text: TextKind::File,
                });
                // The rest may hold any rule.
                parsed.ruleset.add_unread("what is left", &place);
                loaded.add_tables(&anchor, &parsed.ruleset, read);
                loaded.add(&anchor, parsed.ruleset);
                for (anchor, _) in waiting {
                    loaded.add(&anchor, Ruleset::unread("what is left", &place));
                }
                let message = format!("the files hold more than {MAXIMUM_RULES} rules together");
                problems.push(problem(place, message, String::new(), Fault::Meaning));
                break;
            }
            for load in &parsed.ruleset.loads {
                files += 1;
                let below = below(&anchor, &load.item);
                match load_text(load, files, read) {
                    Ok(text) => waiting.push_back((below, parse::parse(&load.item.file, &text, read))),
                    Err(why) => {
                        loaded.add(&below, Ruleset::unread(&load.item.file, &load.place));
                        let message = format!("cannot load anchor {below} from {}: {why}", load.item.file);
                        problems.push(problem(
                            load.place.clone(),
                            message,
                            load.item.to_string(),
                            Fault::Load,
                        ));
                    }
                }
            }
            loaded.add_tables(&anchor, &parsed.ruleset, read);
            loaded.add(&anchor, parsed.ruleset);
        }
        LoadedConf { rulesets: loaded, problems, doubts, unasked: Vec::new() }
    }

    /// The rulesets that pfctl's listings show, anchor by anchor. A line that cannot be read is kept as a rule that
    /// may do anything.
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
                let mut contents = TableContents::default();
                contents.add_lines(table, addresses.iter().map(String::as_str));
                tables.insert(Box::from(table.as_str()), contents);
            }
            loaded.add(anchor, ruleset);
        }
        (loaded, problems)
    }

    /// The rulesets after `pfctl -a anchor -f` of this text, without loading it.
    pub fn with_anchor(&self, anchor: &str, name: &str, text: &str) -> (Rulesets, Vec<Problem>) {
        let parsed = parse::parse_text(name, text);
        let mut changed = self.clone();
        changed.anchors.remove(anchor);
        changed.tables.remove(anchor);
        changed.add_tables(anchor, &parsed.ruleset, &mut |_| Err("it is not read here".into()));
        changed.add(anchor, parsed.ruleset);
        (changed, parsed.problems)
    }

    /// Replaces the rules of an anchor. Rules in braces become anchors below it, named `_1`, `_2`, … as pfctl names
    /// them where they have no name.
    fn add(&mut self, anchor: &str, mut ruleset: Ruleset) {
        for placed in ruleset.nat.iter().chain(&ruleset.rdr).chain(&ruleset.binat) {
            self.add_masked(&placed.item);
        }
        let mut unnamed = 0;
        for placed in &mut ruleset.filter {
            self.add_masked(&placed.item);
            let Some(call) = &mut placed.item.anchor else { continue };
            if let Some(CallTarget::Children(parent)) =
                call.path.as_deref().map(|path| call_target(anchor, path))
            {
                self.wildcards.insert(parent);
            }
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

    fn add_masked(&mut self, rule: &Rule) {
        let pool = rule.redirect.iter().flat_map(|redirect| &redirect.addresses);
        for address in [&rule.source.address, &rule.destination.address].into_iter().chain(pool) {
            if let Address::Dynamic(interface) = address
                && let Some(bits) = interface.bits
            {
                self.masked.entry(bits).or_insert_with(|| (**interface).clone());
            }
        }
    }

    fn add_tables(&mut self, anchor: &str, ruleset: &Ruleset, read: &mut ReadFile<'_>) {
        for (_, table) in ruleset.tables() {
            // A table whose name could not be read may be any.
            self.tables_incomplete |= table.name.is_empty();
            let mut contents = TableContents::default();
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

/// The path of the anchor that is loaded by a text of `anchor`.
fn below(anchor: &str, load: &Load) -> String {
    let name = load.anchor.trim_matches('/');
    if anchor.is_empty() { name.to_owned() } else { format!("{anchor}/{name}") }
}

/// The text of a file to load; the `number` of the file counts from 1.
fn load_text(
    load: &Placed<Load>,
    number: usize,
    read: &mut ReadFile<'_>,
) -> Result<String, Box<dyn std::error::Error>> {
    if number > MAXIMUM_FILES {
        return Err(format!("more than {MAXIMUM_FILES} files are loaded").into());
    }
    read(&load.item.file)
}

/// A problem at the start of a line.
fn problem(place: SourceLine, message: String, text: String, fault: Fault) -> Problem {
    Problem { path: place.path, line: place.line, column: 1, message, text, caret: 0, fault }
}
