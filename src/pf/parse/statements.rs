//! The statements of a text one by one, and where reading goes on behind one that does not read.

use std::rc::Rc;
use std::sync::Arc;

use crate::pf::criteria::Direction;
use crate::pf::preamble::{Load, Preamble};
use crate::pf::rule::{Action, AnchorCall, Rule, Ruleset};
use crate::pf::words::shortened;

use super::advice::advised;
use super::expand::{Lists, RuleList};
use super::kernel::{MAXIMUM_MACRO, Order, Parser, Read};
use super::lexer::{Position, TokenKind};
use super::problem::Fault;

/// How many problems are told; reading stops there.
const MAXIMUM_PROBLEMS: usize = 1_000;
const MAXIMUM_TEXT: usize = 64 << 20;
const MAXIMUM_DEPTH: usize = 64;
/// How much of a line that could not be read is kept.
const MAXIMUM_LINE: usize = 400;
/// How many tokens are looked at in search of braces that close.
const MAXIMUM_LOOK_AHEAD: usize = 1_000_000;

impl Parser<'_, '_, '_> {
    /// Reads statements to the end of the text, or to the brace that closes an inline anchor.
    pub(super) fn statements(&mut self, ruleset: &mut Ruleset, inline: bool) {
        loop {
            while self.token.kind == TokenKind::Newline {
                self.bump();
            }
            let full = self.shared.problems.len() >= MAXIMUM_PROBLEMS;
            if self.token.kind == TokenKind::End || (inline && self.token.is_punctuation(b'}')) {
                return;
            }
            let start = self.token.at;
            if full {
                let rest = format!("the rest of {}", self.path);
                ruleset.add_unread(&rest, &self.place(start));
                // Told once, though the files that include this one end here too.
                if self.shared.problems.len() == MAXIMUM_PROBLEMS {
                    let message = format!("{MAXIMUM_PROBLEMS} problems are enough: reading ends here");
                    self.shared.problems.push(self.problem(start, message, Fault::Meaning));
                }
                while self.token.kind != TokenKind::End {
                    self.bump();
                }
                return;
            }
            let is_anchor = self.token.is("anchor");
            let result = self.statement(ruleset, inline).and_then(|()| self.end_of_statement(inline));
            if result.is_err() {
                self.keep_unreadable(ruleset, start);
                if !(is_anchor && self.skip_block()) {
                    self.recover(inline);
                }
            }
        }
    }

    fn statement(&mut self, ruleset: &mut Ruleset, inline: bool) -> Read<()> {
        if self.shared.listing {
            if self.token.is_punctuation(b'@') {
                self.bump();
                self.number("a rule's number")?;
            } else if self.token.is_punctuation(b'[') {
                return self.counters(ruleset);
            }
        }
        let start = self.token.at;
        if matches!(self.token.kind, TokenKind::Word | TokenKind::Quoted) && !inline {
            return self.define(ruleset);
        }
        if self.token.kind != TokenKind::Keyword {
            return Err(self.expected("a rule, an option, a table or a macro"));
        }
        let keyword = self.token.text.clone();
        match &*keyword {
            "pass" | "block" => self.filter_rule(ruleset, start),
            "anchor" => self.anchor(ruleset, start),
            _ if inline => Err(self.expected("`pass`, `block`, `anchor` or `}`")),
            "set" => self.option(ruleset, start),
            "table" => self.table(ruleset, start),
            "antispoof" => self.antispoof(ruleset, start),
            "scrub" | "nat" | "rdr" | "binat" | "dummynet" => self.other_rule(ruleset, start, false),
            "no" => {
                self.bump();
                self.other_rule(ruleset, start, true)
            }
            "nat-anchor" | "rdr-anchor" | "binat-anchor" | "scrub-anchor" | "dummynet-anchor" => {
                self.other_anchor(ruleset, start)
            }
            "load" => self.load(ruleset, start),
            "include" => self.include(ruleset),
            "altq" | "queue" => self.queue_definition(ruleset, start),
            _ => {
                let expected = self.expected("a rule, an option, a table or a macro");
                self.bump();
                if self.token.is_punctuation(b'=')
                    && let Some(problem) = self.shared.problems.last_mut()
                {
                    problem.message = format!("`{keyword}` is a reserved word: a macro needs another name");
                }
                Err(expected)
            }
        }
    }

    /// `scrub`, `nat`, `rdr`, `binat`, `dummynet`, with `no` before them or without.
    fn other_rule(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        match &*self.token.text {
            // Not a reserved word: files may well have a macro of this name.
            "nat64" if self.token.kind == TokenKind::Word => return self.translation(ruleset, start, no),
            _ if self.token.kind != TokenKind::Keyword => {}
            "scrub" => return self.scrub_rule(ruleset, start, no),
            "nat" | "rdr" => return self.translation(ruleset, start, no),
            "binat" => return self.binat(ruleset, start, no),
            "dummynet" => return self.dummynet(ruleset, start, no),
            _ => {}
        }
        Err(self.expected("`scrub`, `nat`, `rdr`, `binat` or `dummynet`"))
    }

    /// Passes over a line of counters. Behind that of a call of an anchor whose rules are listed with it stands the
    /// brace that opens them.
    fn counters(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        while !matches!(self.token.kind, TokenKind::Newline | TokenKind::End | TokenKind::Punctuation(b'{')) {
            self.bump();
        }
        if self.eat_punctuation(b'{') {
            let inline = Arc::new(self.inline_anchor()?);
            if let Some(call) = ruleset.filter.last_mut().and_then(|placed| placed.item.anchor.as_mut()) {
                call.inline = Some(inline);
            }
        }
        Ok(())
    }

    /// Keeps a line that could not be read as a rule that may match anything: no verdict may rest on its absence.
    fn keep_unreadable(&mut self, ruleset: &mut Ruleset, start: Position) {
        let line = self.lexer.line(start);
        let text = line.get(start.offset - start.line_start..).unwrap_or(line).trim_end();
        let text = text.split_at_checked(MAXIMUM_LINE).map_or(text, |(first, _)| first);
        let words: Vec<&str> = text.split_whitespace().take(50).collect();
        let first =
            words.iter().find(|word| !word.starts_with('@') && **word != "no").copied().unwrap_or_default();
        let (action, rules): (_, RuleList) = match first {
            "pass" => (Action::Pass, |ruleset| &mut ruleset.filter),
            "block" => (Action::Block(self.bare_block()), |ruleset| &mut ruleset.filter),
            "nat" | "nat-anchor" => (Action::Unreadable, |ruleset| &mut ruleset.nat),
            "rdr" | "rdr-anchor" => (Action::Unreadable, |ruleset| &mut ruleset.rdr),
            "binat" | "binat-anchor" => (Action::Unreadable, |ruleset| &mut ruleset.binat),
            // These decide nothing about a packet; a table keeps its own doubt.
            "set" | "table" | "altq" | "queue" | "scrub" | "scrub-anchor" | "dummynet"
            | "dummynet-anchor" => {
                return;
            }
            "include" => return ruleset.add_unread(text, &self.place(start)),
            "load" => {
                let anchor = words.get(2).map(|word| word.trim_matches('"')).unwrap_or_default();
                let load = Load { anchor: Box::from(anchor), file: Box::from(text) };
                ruleset.loads.push(self.placed(start, load));
                return;
            }
            _ => (Action::Unreadable, |ruleset| &mut ruleset.filter),
        };
        let mut rule = Rule::new(action);
        // In a macro, in the next line, in the braces of an anchor there may be a `quick`.
        let goes_on = text.contains('$') || text.ends_with(['\\', '{']) || first == "anchor";
        rule.quick = words.contains(&"quick") || goes_on;
        rule.direction =
            match words.iter().position(|word| *word == first).and_then(|index| words.get(index + 1)) {
                Some(&"in") => Some(Direction::In),
                Some(&"out") => Some(Direction::Out),
                _ => None,
            };
        rule.unreadable = Some(Box::from(text));
        let placed = self.placed(start, rule);
        rules(ruleset).push(placed);
    }

    fn end_of_statement(&mut self, inline: bool) -> Read<()> {
        match self.token.kind {
            TokenKind::Newline => Ok(()),
            TokenKind::End => {
                // The line that includes a file ends its last one.
                if self.shared.depth == 0 {
                    self.doubt("the last line of a file needs a line end");
                }
                Ok(())
            }
            TokenKind::Punctuation(b'}') if inline => Ok(()),
            _ => Err(self.expected("the end of the line")),
        }
    }

    /// Goes on in the next line; behind the list, where a list was open.
    fn recover(&mut self, inline: bool) {
        let in_list = std::mem::take(&mut self.open_lists) > 0;
        let mut closed = self.skip_line();
        while in_list && !closed && self.token.kind == TokenKind::Newline {
            self.bump();
            let starts = self.token.kind == TokenKind::Keyword && STARTS.contains(&&*self.token.text);
            if starts || self.token.kind == TokenKind::End || inline {
                return;
            }
            closed = self.skip_line();
        }
    }

    /// Goes on behind the braces that the line opens, if they are closed: the rules in them belong to an anchor whose
    /// call does not read. Whether it did.
    fn skip_block(&mut self) -> bool {
        let (lexer, token) = (self.lexer.clone(), self.token.clone());
        let mut depth = 0_usize;
        loop {
            match self.token.kind {
                TokenKind::Punctuation(b'{') => depth += 1,
                TokenKind::Punctuation(b'}') if depth <= 1 => break,
                TokenKind::Punctuation(b'}') => depth -= 1,
                TokenKind::Newline if depth == 0 => break,
                TokenKind::End => break,
                _ => {}
            }
            // Many braces that nobody closes must not be looked for again and again.
            self.shared.looked_ahead += 1;
            if self.shared.looked_ahead > MAXIMUM_LOOK_AHEAD {
                break;
            }
            self.bump();
        }
        let closed = depth == 1 && self.token.is_punctuation(b'}');
        if closed {
            self.open_lists = 0;
            self.skip_line();
        } else {
            (self.lexer, self.token) = (lexer, token);
        }
        closed
    }

    /// Goes to the end of the line. Whether a closing brace was passed.
    fn skip_line(&mut self) -> bool {
        let mut closed = false;
        while !matches!(self.token.kind, TokenKind::Newline | TokenKind::End) {
            closed |= self.token.is_punctuation(b'}');
            self.bump();
        }
        closed
    }

    fn define(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        let name = self.bump();
        if name.text == "nat64" && name.kind == TokenKind::Word && !self.token.is_punctuation(b'=') {
            return self.translation_behind("nat64", ruleset, name.at, false);
        }
        if !self.eat_punctuation(b'=') {
            // A word with nothing behind it that makes it a macro: the word itself is what is wrong.
            let found = name.describe();
            let message = format!("expected a rule, an option, a table or a macro, found {found}");
            return Err(self.note(name.at, advised(message, &name), Fault::Syntax));
        }
        let mut value = String::new();
        let mut after_number = false;
        loop {
            match self.token.kind {
                TokenKind::Number(number) => {
                    if !value.is_empty() {
                        self.doubt("a macro's value is one number, or words: put quotes around what is more");
                    }
                    value.push_str(&number.to_string());
                }
                TokenKind::Word | TokenKind::Quoted => {
                    if after_number {
                        self.doubt("a macro's value is one number, or words: put quotes around what is more");
                    }
                    value.push_str(&self.token.text);
                }
                TokenKind::Newline | TokenKind::End if value.ends_with(' ') => break,
                _ => return Err(self.expected("the macro's value, in quotes if it is more than words")),
            }
            if value.len() > MAXIMUM_MACRO {
                return Err(self.wrong(name.at, "the macro's value is too long"));
            }
            value.push(' ');
            after_number = matches!(self.token.kind, TokenKind::Number(_));
            self.bump();
        }
        value.pop();
        self.shared.macros.insert(name.text.to_string(), Rc::from(value.as_str()));
        ruleset.preamble.push(self.placed(name.at, Preamble::Macro(name.text.to_string(), value)));
        Ok(())
    }

    fn include(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        self.bump();
        let at = self.token.at;
        let path = self.string("the file to include")?;
        self.end_of_statement(false)?;
        if self.shared.depth >= MAXIMUM_DEPTH {
            return Err(self.wrong(at, "files include each other too deeply"));
        }
        let text = match (self.shared.include)(&path) {
            Ok(text) => text,
            Err(why) => {
                ruleset.add_unread(&path, &self.place(at));
                let message = format!("failed to include file {}: {why}", shortened(&path));
                return Err(self.note(at, message, Fault::File));
            }
        };
        self.shared.read += text.len();
        if self.shared.read > MAXIMUM_TEXT {
            return Err(self.wrong(at, "the included files are too long together"));
        }
        self.shared.depth += 1;
        Parser::new(&path, &text, self.shared).statements(ruleset, false);
        self.shared.depth -= 1;
        Ok(())
    }

    fn load(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.bump();
        self.require("anchor")?;
        let anchor = self.strings("the anchor's path")?;
        self.require("from")?;
        let file = self.strings("the file to load")?;
        ruleset.loads.push(self.placed(start, Load { anchor, file }));
        Ok(())
    }

    fn anchor(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.bump();
        let path = match self.token.kind {
            TokenKind::Word | TokenKind::Quoted => Some(self.string("the anchor's path")?),
            _ => None,
        };
        let mut rule = Rule::new(Action::Pass);
        let mut lists = Lists::default();
        rule.direction = self.opt_direction();
        rule.quick = self.eat("quick");
        lists.interfaces = self.opt_interfaces()?;
        rule.family = self.opt_family();
        lists.protocols = self.opt_protocols()?;
        self.opt_peers(&mut lists)?;
        let given = self.opt_criteria(&mut rule, &mut lists)?;
        let inline = if self.eat_punctuation(b'{') { Some(Arc::new(self.inline_anchor()?)) } else { None };
        self.end_of_rule()?;
        self.in_order(Order::Filter, start)?;
        if path.is_none() && inline.is_none() {
            return Err(self.wrong(start, "anchors without explicit rules must specify a name"));
        }
        if path.as_deref().is_some_and(|path| path.starts_with('_') || path.contains("/_")) {
            return Err(self.wrong(start, "anchor names beginning with '_' are reserved for internal use"));
        }
        if given.state {
            return Err(self.wrong(start, "cannot specify state handling on anchors"));
        }
        if let Some(path) = path.as_ref().filter(|_| inline.is_some())
            && !self.shared.inline_names.insert((self.shared.inline_parent, path.clone()))
        {
            return Err(self.wrong(start, &format!("inline anchor '{}' already exists", shortened(path))));
        }
        rule.anchor = Some(AnchorCall { path, inline });
        self.check_flags(&rule, &lists, start)?;
        lists.decide_family(&mut rule);
        self.expand(rule, lists, start, |ruleset| &mut ruleset.filter, ruleset)
    }

    fn inline_anchor(&mut self) -> Read<Ruleset> {
        if self.shared.depth >= MAXIMUM_DEPTH {
            return Err(self.wrong(self.token.at, "anchors nest too deeply"));
        }
        let open = std::mem::take(&mut self.open_lists);
        self.shared.depth += 1;
        self.shared.inline_count += 1;
        let parent = std::mem::replace(&mut self.shared.inline_parent, self.shared.inline_count);
        let mut inner = Ruleset::default();
        self.statements(&mut inner, true);
        self.shared.inline_parent = parent;
        self.shared.depth -= 1;
        self.open_lists = open;
        self.require_punctuation(b'}')?;
        Ok(inner)
    }
}

/// The words that a statement begins with.
const STARTS: &[&str] = &[
    "pass",
    "block",
    "anchor",
    "set",
    "table",
    "antispoof",
    "scrub",
    "nat",
    "rdr",
    "binat",
    "dummynet",
    "no",
    "load",
    "include",
    "altq",
    "queue",
    "nat-anchor",
    "rdr-anchor",
    "binat-anchor",
    "scrub-anchor",
    "dummynet-anchor",
];
