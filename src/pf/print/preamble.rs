//! Macros, options, tables and loads in pfctl's form.

use std::fmt::{self, Formatter};

use crate::pf::preamble::{
    BlockPolicy, Load, Preamble, SetOption, StatePolicy, TableDefinition, TableSource,
};
use crate::pf::words::{TableName, write_quoted, write_word};

impl fmt::Display for Preamble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Preamble::Macro(name, value) => {
                write!(f, "{name} = ")?;
                write_quoted(f, value)
            }
            Preamble::Option(option) => option.fmt(f),
            Preamble::Table(table) => table.fmt(f),
            Preamble::Queue(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for SetOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SetOption::Skip(names) if names.is_empty() => f.write_str("set skip on none"),
            SetOption::Skip(names) => {
                f.write_str("set skip on {")?;
                for name in names {
                    f.write_str(" ")?;
                    write_word(f, name)?;
                }
                f.write_str(" }")
            }
            SetOption::BlockPolicy(BlockPolicy::Drop) => f.write_str("set block-policy drop"),
            SetOption::BlockPolicy(BlockPolicy::Return) => f.write_str("set block-policy return"),
            SetOption::StatePolicy(StatePolicy::Floating) => f.write_str("set state-policy floating"),
            SetOption::StatePolicy(StatePolicy::IfBound) => f.write_str("set state-policy if-bound"),
            SetOption::RequireOrder(true) => f.write_str("set require-order yes"),
            SetOption::RequireOrder(false) => f.write_str("set require-order no"),
            SetOption::Timeout(name, value) => write!(f, "set timeout {name} {value}"),
            SetOption::Limit(name, value) => write!(f, "set limit {name} {value}"),
            SetOption::Other(name, value) => {
                write!(f, "set {name} ")?;
                match (&**name, &**value) {
                    ("fingerprints", value) => write_quoted(f, value),
                    (_, "all") => f.write_str("all"),
                    (_, value) => write_word(f, value),
                }
            }
        }
    }
}

impl fmt::Display for TableDefinition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("table ")?;
        TableName(&self.name).fmt(f)?;
        if self.constant {
            f.write_str(" const")?;
        }
        if self.persist {
            f.write_str(" persist")?;
        }
        let Some(contents) = &self.contents else { return Ok(()) };
        if contents.is_empty() {
            return f.write_str(" { }");
        }
        for source in contents {
            match source {
                TableSource::File(path) => {
                    f.write_str(" file ")?;
                    write_quoted(f, path)?;
                }
                TableSource::Unreadable => {}
                TableSource::Addresses(addresses) => {
                    f.write_str(" {")?;
                    for (negated, address) in addresses {
                        f.write_str(if *negated { " !" } else { " " })?;
                        address.fmt(f)?;
                    }
                    f.write_str(" }")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("load anchor ")?;
        write_quoted(f, &self.anchor)?;
        f.write_str(" from ")?;
        write_quoted(f, &self.file)
    }
}
