//! What a file or a listing of rules holds: the rules of one anchor, kind by kind, in pf's order, each with its place.

use std::fmt;
use std::sync::Arc;

use super::rule::{Address, Rule};

/// Where a thing stands: the file (or the listing) and the line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as it was given, or the name of a listing.
    pub path: Arc<str>,
    /// The line.
    pub line: usize,
}

/// `pf.conf:31`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// A thing and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<T> {
    /// Where.
    pub place: Place,
    /// What.
    pub item: T,
}

/// The rules of the main ruleset or of one anchor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ruleset {
    /// Macros, options, tables, queues, in the order of the text.
    pub preamble: Vec<Placed<Preamble>>,
    /// `scrub` and `scrub-anchor`.
    pub scrub: Vec<Placed<Rule>>,
    /// `nat` and `nat-anchor`.
    pub nat: Vec<Placed<Rule>>,
    /// `rdr` and `rdr-anchor`.
    pub rdr: Vec<Placed<Rule>>,
    /// `binat` and `binat-anchor`.
    pub binat: Vec<Placed<Rule>>,
    /// `dummynet` and `dummynet-anchor` (Apple).
    pub dummynet: Vec<Placed<Rule>>,
    /// `pass`, `block` and `anchor`.
    pub filter: Vec<Placed<Rule>>,
    /// `load anchor … from …`.
    pub loads: Vec<Placed<Load>>,
}

/// What is not a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Preamble {
    /// `name = "value"`
    Macro(String, String),
    /// `set …`
    Option(SetOption),
    /// `table <name> …`
    Table(Table),
    /// `altq …`, `queue …`: checked, and of no effect, since macOS's kernel has no ALTQ; as written.
    Queue(String),
}

/// `set …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetOption {
    /// `set skip on`: the interfaces that pf does not look at; empty for `none`.
    Skip(Vec<Box<str>>),
    /// `set block-policy`: what a bare `block` does.
    BlockPolicy(BlockPolicy),
    /// `set state-policy`.
    StatePolicy(StatePolicy),
    /// `set require-order`.
    RequireOrder(bool),
    /// `set timeout`.
    Timeout(Box<str>, u32),
    /// `set limit`.
    Limit(Box<str>, u32),
    /// Any other, by name and value: it decides nothing about a packet.
    Other(Box<str>, Box<str>),
}

/// What a bare `block` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockPolicy {
    /// Drops.
    #[default]
    Drop,
    /// Returns an error.
    Return,
}

/// Where a state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatePolicy {
    /// On every interface.
    #[default]
    Floating,
    /// On the one that it was opened on.
    IfBound,
}

/// `table <name> …`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: Box<str>,
    /// It cannot be changed.
    pub constant: bool,
    /// It stays when no rule names it.
    pub persist: bool,
    /// What it is filled with, in order; `None`: it is not filled here.
    pub contents: Option<Vec<TableSource>>,
}

/// What fills a table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableSource {
    /// A list of addresses; `true` marks the negated.
    Addresses(Vec<(bool, Address)>),
    /// A file.
    File(Box<str>),
    /// What could not be read: the table holds something else.
    Unreadable,
}

/// `load anchor "x" from "f"`: a request that whoever reads files has to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The anchor's path, below the anchor that the text is loaded into.
    pub anchor: Box<str>,
    /// The file.
    pub file: Box<str>,
}

impl Ruleset {
    /// What stands for the rules of the file at `path`, named at `place`, which could not be read: any of them may
    /// translate a packet or decide on it.
    pub fn unread(path: &str, place: &Place) -> Self {
        let mut ruleset = Ruleset::default();
        ruleset.add_unread(path, place);
        ruleset
    }

    /// Adds what [`Ruleset::unread`] is.
    pub fn add_unread(&mut self, path: &str, place: &Place) {
        let rule = Placed { place: place.clone(), item: Rule::unread(path) };
        for rules in [&mut self.nat, &mut self.rdr, &mut self.binat, &mut self.filter] {
            rules.push(rule.clone());
        }
    }

    /// The options, in order.
    pub fn options(&self) -> impl Iterator<Item = &Placed<Preamble>> {
        self.preamble.iter().filter(|placed| matches!(placed.item, Preamble::Option(_)))
    }

    /// The tables, in order.
    pub fn tables(&self) -> impl Iterator<Item = (&Place, &Table)> {
        self.preamble.iter().filter_map(|placed| match &placed.item {
            Preamble::Table(table) => Some((&placed.place, table)),
            _ => None,
        })
    }

    /// How many rules there are, anchor calls among them.
    pub fn count(&self) -> usize {
        self.scrub.len()
            + self.nat.len()
            + self.rdr.len()
            + self.binat.len()
            + self.dummynet.len()
            + self.filter.len()
    }

    /// The interfaces that pf does not look at.
    pub fn skipped(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for placed in &self.preamble {
            if let Preamble::Option(SetOption::Skip(skipped)) = &placed.item {
                if skipped.is_empty() {
                    names.clear();
                }
                names.extend(skipped.iter().map(|name| &**name));
            }
        }
        names
    }

    /// The rules in the order in which `pfctl -s rules` prints them: scrub, then filter.
    pub fn listed_rules(&self) -> impl Iterator<Item = &Placed<Rule>> {
        self.scrub.iter().chain(&self.filter)
    }

    /// The translations in the order in which `pfctl -s nat` prints them.
    pub fn listed_nat(&self) -> impl Iterator<Item = &Placed<Rule>> {
        self.nat.iter().chain(&self.rdr).chain(&self.binat)
    }

    /// Every rule, in the order in which `pfctl -nvf` prints them.
    pub fn rules(&self) -> impl Iterator<Item = &Placed<Rule>> {
        self.scrub.iter().chain(self.listed_nat()).chain(&self.filter).chain(&self.dummynet)
    }
}
