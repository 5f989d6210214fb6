//! The statements of a file that are not rules: macros, options, tables, queues, and the files that it loads.

use super::criteria::Address;

/// A macro, an option, a table or a queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Preamble {
    /// `name = "value"`
    Macro(String, String),
    /// `set …`
    Option(SetOption),
    /// `table <name> …`
    Table(TableDefinition),
    /// `altq …`, `queue …`: checked, and of no effect, since macOS's kernel has no ALTQ; as written.
    Queue(String),
}

/// `set …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetOption {
    /// `set skip on`: the interfaces that pf does not filter; empty for `none`.
    Skip(Vec<Box<str>>),
    /// `set block-policy`
    BlockPolicy(BlockPolicy),
    /// `set state-policy`
    StatePolicy(StatePolicy),
    /// `set require-order`
    RequireOrder(bool),
    /// `set timeout`: name and seconds.
    Timeout(Box<str>, u32),
    /// `set limit`: name and number.
    Limit(Box<str>, u32),
    /// Any other, by name and value: it decides nothing about a packet.
    Other(Box<str>, Box<str>),
}

/// What a bare `block` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockPolicy {
    #[default]
    Drop,
    /// An error is returned.
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
pub struct TableDefinition {
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
    /// The path of a file.
    File(Box<str>),
    /// What could not be read: the table holds something else.
    Unreadable,
}

/// `load anchor "x" from "f"`: the caller that reads files follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The anchor's path, below the anchor that the text is loaded into.
    pub anchor: Box<str>,
    pub file: Box<str>,
}
