//! `pfctl -t TABLE -T COMMAND`: tables read and changed while pf works.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Call, Ends, Input};
use crate::lab::arguments::{TableCall, TableCommand};
use crate::lab::kernel::{Kernel, Table};
use crate::lab::load::{address, addresses, reason};

/// The longest name of a table, in bytes.
const LONGEST_NAME: usize = 31;

impl Call<'_> {
    /// `-t TABLE -T COMMAND`.
    pub(super) fn table(
        &mut self,
        call: &TableCall,
        input: Option<Input>,
        kernel: &mut Kernel,
    ) -> Result<(), Ends> {
        if call.table.len() > LONGEST_NAME {
            return Err(self.complain("pfctl_table: strlcpy"));
        }
        let anchor = &self.invocation.anchor;
        let given = self.table_addresses(call, input)?;
        let known =
            kernel.rulesets.get(anchor).is_some_and(|ruleset| ruleset.tables.contains_key(&call.table));
        let makes = matches!(call.command, TableCommand::Add | TableCommand::Replace);
        if !known && call.command == TableCommand::Kill {
            self.say("0 table deleted.");
            return Ok(());
        }
        if !known && !makes {
            self.complain("Table does not exist.");
            return Err(Ends(255));
        }
        let ruleset = kernel.rulesets.entry(anchor.clone()).or_default();
        let table =
            ruleset.tables.entry(call.table.clone()).or_insert(Table { persist: true, ..Table::default() });
        let reads = matches!(call.command, TableCommand::Show | TableCommand::Test);
        if table.constant && !reads {
            self.complain("Operation not permitted.");
            return Err(Ends(255));
        }
        if !known {
            self.say("1 table created.");
        }
        match call.command {
            TableCommand::Show => {
                let lines: Vec<String> = table.addresses.iter().map(entry_text).collect();
                lines.iter().for_each(|line| self.print(line));
            }
            TableCommand::Test => return self.test(&given, table.clone()),
            TableCommand::Add => {
                let new = given
                    .iter()
                    .filter(|(left_out, network)| table.addresses.insert(*network, *left_out).is_none());
                let count = new.count();
                self.say(&format!("{count}/{} addresses added.", given.len()));
            }
            TableCommand::Delete => {
                let gone = given.iter().filter(|(_, network)| table.addresses.remove(network).is_some());
                let count = gone.count();
                self.say(&format!("{count}/{} addresses deleted.", given.len()));
            }
            TableCommand::Flush => {
                self.say(&format!("{} addresses deleted.", table.addresses.len()));
                table.addresses.clear();
            }
            TableCommand::Replace => {
                let new = given.iter().map(|(left_out, network)| (*network, *left_out)).collect();
                let old = std::mem::replace(&mut table.addresses, new);
                let changes = changes(&old, &table.addresses);
                changes.iter().for_each(|change| self.say(change));
            }
            TableCommand::Kill => {
                ruleset.tables.remove(&call.table);
                kernel.forget();
                self.say("1 table deleted.");
            }
        }
        Ok(())
    }

    /// The addresses on the command line and, with `-f`, in the file.
    fn table_addresses(
        &mut self,
        call: &TableCall,
        input: Option<Input>,
    ) -> Result<Vec<(bool, IpNet)>, Ends> {
        let mut given = Vec::new();
        let mut fail = |messages: &[String]| {
            messages.iter().for_each(|message| {
                let _ = writeln!(self.reply.stderr, "{message}");
            });
            Ends(255)
        };
        for word in &call.addresses {
            let read = address(word).ok_or_else(|| {
                fail(&[format!("no IP address found for {word}"), format!("pfctl: cannot decode {word}")])
            })?;
            given.push(read);
        }
        if let Some(Input { name, bytes }) = input {
            let bytes =
                bytes.map_err(|error| fail(&[format!("pfctl: cannot load {name}: {}", reason(&error))]))?;
            let read = addresses(&String::from_utf8_lossy(&bytes))
                .map_err(|why| fail(&[why.to_string(), format!("pfctl: cannot load {name}")]))?;
            given.extend(read);
        }
        Ok(given)
    }

    fn test(&mut self, given: &[(bool, IpNet)], table: Table) -> Result<(), Ends> {
        let inside: Vec<IpAddr> =
            given.iter().map(|(_, network)| network.addr()).filter(|address| table.holds(*address)).collect();
        self.say(&format!("{}/{} addresses match.", inside.len(), given.len()));
        if self.invocation.verbose > 0 {
            inside.iter().for_each(|address| self.print(format_args!("   {address}")));
        }
        if inside.len() < given.len() { Err(Ends(2)) } else { Ok(()) }
    }
}

/// `   10.0.0.0/8`, `  !10.1.0.0/16`, a single host without its length.
fn entry_text((network, left_out): (&IpNet, &bool)) -> String {
    let sign = if *left_out { '!' } else { ' ' };
    match network.prefix_len() == network.max_prefix_len() {
        true => format!("  {sign}{}", network.addr()),
        false => format!("  {sign}{network}"),
    }
}

/// What `-T replace` says.
fn changes(old: &BTreeMap<IpNet, bool>, new: &BTreeMap<IpNet, bool>) -> Vec<String> {
    let added = new.keys().filter(|network| !old.contains_key(network)).count();
    let deleted = old.keys().filter(|network| !new.contains_key(network)).count();
    let changed =
        new.iter().filter(|(network, sign)| old.get(network).is_some_and(|old| old != *sign)).count();
    let mut said: Vec<String> = [(added, "added"), (deleted, "deleted"), (changed, "changed")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} addresses {what}."))
        .collect();
    if said.is_empty() {
        said.push("no changes.".to_owned());
    }
    said
}
