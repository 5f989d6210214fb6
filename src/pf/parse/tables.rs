//! `table <…> …`: tables and their addresses.

use crate::pf::criteria::Address;
use crate::pf::preamble::{Preamble, TableDefinition, TableSource};
use crate::pf::rule::Ruleset;

use super::kernel::{Parser, Read, Rejected};
use super::lexer::{LexemeKind, Position};

impl Parser<'_, '_, '_> {
    pub(super) fn table(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.bump();
        let name = self.require_punctuation(b'<').and_then(|()| self.table_name());
        let Ok(name) = name.and_then(|name| self.require_punctuation(b'>').map(|()| name)) else {
            ruleset.preamble.push(self.placed(start, Preamble::Table(TableDefinition::default())));
            return Err(Rejected);
        };
        let mut table = TableDefinition { name, ..TableDefinition::default() };
        let read = self.opt_table_contents(&mut table);
        if read.is_err() {
            table.contents.get_or_insert_default().push(TableSource::Unreadable);
        }
        ruleset.preamble.push(self.placed(start, Preamble::Table(table)));
        read
    }

    fn opt_table_contents(&mut self, table: &mut TableDefinition) -> Read<()> {
        loop {
            match &self.lexeme {
                lexeme if lexeme.is_punctuation(b'{') => {
                    let addresses = self.table_addresses()?;
                    let contents = table.contents.get_or_insert_default();
                    match contents.last_mut() {
                        _ if addresses.is_empty() => {}
                        Some(TableSource::Addresses(known)) => known.extend(addresses),
                        _ => contents.push(TableSource::Addresses(addresses)),
                    }
                }
                lexeme if lexeme.is("file") => {
                    self.bump();
                    let file = self.string("the table's file")?;
                    table.contents.get_or_insert_default().push(TableSource::File(file));
                }
                lexeme if matches!(lexeme.kind, LexemeKind::Word | LexemeKind::Quoted) => match &*lexeme.text
                {
                    "const" => {
                        table.constant = true;
                        self.bump();
                    }
                    "persist" => {
                        table.persist = true;
                        self.bump();
                    }
                    "counters" => {
                        self.doubt("there is no `counters` for tables");
                        self.bump();
                    }
                    _ => return Err(self.expected("`persist`, `const`, `file` or a list of addresses")),
                },
                _ => return Ok(()),
            }
        }
    }

    /// The addresses in a table's braces; `true` marks the negated.
    fn table_addresses(&mut self) -> Read<Vec<(bool, Address)>> {
        let at = self.lexeme.at;
        let hosts = if self.opt_empty_list() { Vec::new() } else { self.hosts()? };
        let mut addresses = Vec::with_capacity(hosts.len());
        for host in hosts {
            let wrong = match &host.address {
                Address::Net(_) | Address::Static(_) | Address::Name(..) => None,
                Address::Any => None,
                Address::Range(_) => Some("address ranges are not permitted inside tables"),
                Address::Dynamic(_) => Some("dynamic addresses are not permitted inside tables"),
                Address::Table(_) => Some("tables cannot contain tables"),
                Address::NoRoute => Some("\"no-route\" is not permitted inside tables"),
                Address::UrpfFailed => Some("\"urpf-failed\" is not permitted inside tables"),
                Address::RouteLabel(_) => Some("route labels are not permitted inside tables"),
            };
            if let Some(wrong) = wrong {
                return Err(self.wrong(at, wrong));
            }
            addresses.push((host.negated, host.address));
        }
        Ok(addresses)
    }

    /// `{ }`, which only a table may have. Gives whether it was next.
    fn opt_empty_list(&mut self) -> bool {
        let (lexer, lexeme) = (self.lexer.clone(), self.lexeme.clone());
        self.bump();
        self.opt_newlines();
        if self.eat_punctuation(b'}') {
            return true;
        }
        self.go_back(lexer, lexeme);
        false
    }
}
