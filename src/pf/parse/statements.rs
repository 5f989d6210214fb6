//! The statements of a text one by one, and those that hold statements: included files, anchors with rules in braces.

use std::sync::Arc;

use crate::pf::effects::StateKeeping;
use crate::pf::preamble::Load;
use crate::pf::rule::{Action, AnchorCall, Rule, Ruleset, SourceLine, TextKind};
use crate::pf::words::shortened;

use super::characters;
use super::kernel::{Extent, Order, Parser, Read, Shared};
use super::lexer::{LexemeKind, Position};
use super::lists::Lists;
use super::problem::Fault;

/// The most problems that are noted; reading stops there.
const MAXIMUM_PROBLEMS: usize = 1_000;
const MAXIMUM_TEXT: usize = 64 << 20;
const MAXIMUM_DEPTH: usize = 64;

impl Parser<'_, '_, '_> {
    /// Reads the text of a file or a listing to its end.
    pub(super) fn text_of(path: &str, text: &str, shared: &mut Shared<'_>, ruleset: &mut Ruleset) {
        if shared.text == TextKind::Listing {
            return Parser::new(path, text, shared).text(ruleset);
        }
        let (plain, odd) = characters::plain(path, text);
        if plain.is_empty() && !odd.is_empty() {
            let place = SourceLine { path: Arc::from(path), line: 1, text: TextKind::File };
            ruleset.add_unread(path, &place);
        }
        shared.work += text.len();
        shared.problems.extend(odd);
        Parser::new(path, &plain, shared).text(ruleset);
    }

    /// Reads the text to its end.
    pub(super) fn text(mut self, ruleset: &mut Ruleset) {
        self.opt_statements(ruleset, Extent::Text);
        self.shared.work += self.lexer.work;
    }

    fn opt_statements(&mut self, ruleset: &mut Ruleset, extent: Extent) {
        loop {
            while self.lexeme.kind == LexemeKind::Newline {
                self.bump();
            }
            if self.lexeme.kind == LexemeKind::End
                || (extent == Extent::Braces && self.lexeme.is_punctuation(b'}'))
            {
                return;
            }
            let start = self.lexeme.at;
            if self.shared.problems.len() >= MAXIMUM_PROBLEMS {
                return self.give_up(ruleset, start);
            }
            let is_anchor = self.lexeme.is("anchor");
            let result = self.statement(ruleset, extent).and_then(|()| self.end_of_statement(extent));
            if result.is_err() {
                self.keep_unreadable(ruleset, start);
                if !(is_anchor && self.skip_block()) {
                    self.recover(extent);
                }
            }
        }
    }

    /// Ends the reading: there are too many problems. The rest may hold any rule.
    fn give_up(&mut self, ruleset: &mut Ruleset, start: Position) {
        let rest = format!("the rest of {}", self.path);
        ruleset.add_unread(&rest, &self.place(start));
        // Noted once, though the files that include this one end here too.
        if self.shared.problems.len() == MAXIMUM_PROBLEMS {
            let message = format!("{MAXIMUM_PROBLEMS} problems are enough: reading ends here");
            self.note(start, message, Fault::Meaning);
        }
        while self.lexeme.kind != LexemeKind::End {
            self.bump();
        }
    }

    fn statement(&mut self, ruleset: &mut Ruleset, extent: Extent) -> Read<()> {
        if self.is_listing() {
            if self.lexeme.is_punctuation(b'@') {
                self.bump();
                self.number("a rule's number")?;
            } else if self.lexeme.is_punctuation(b'[') {
                return self.counters(ruleset);
            }
        }
        let start = self.lexeme.at;
        if matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted) && extent == Extent::Text {
            return self.define(ruleset);
        }
        if self.lexeme.kind != LexemeKind::Keyword {
            return Err(self.expected("a rule, an option, a table or a macro"));
        }
        let keyword = self.lexeme.text.clone();
        match &*keyword {
            "pass" | "block" => self.filter_rule(ruleset, start),
            "anchor" => self.anchor(ruleset, start),
            _ if extent == Extent::Braces => Err(self.expected("`pass`, `block`, `anchor` or `}`")),
            "set" => self.option(ruleset, start),
            "table" => self.table(ruleset, start),
            "antispoof" => self.antispoof(ruleset, start),
            "scrub" | "nat" | "rdr" | "binat" | "dummynet" | "no" => self.other_rule(ruleset, start),
            "nat-anchor" | "rdr-anchor" | "binat-anchor" | "scrub-anchor" | "dummynet-anchor" => {
                self.other_anchor(ruleset, start)
            }
            "load" => self.load(ruleset, start),
            "include" => self.include(ruleset),
            "altq" | "queue" => self.queue_definition(ruleset, start),
            _ => {
                let expected = self.expected("a rule, an option, a table or a macro");
                self.bump();
                if self.lexeme.is_punctuation(b'=')
                    && let Some(problem) = self.shared.problems.last_mut()
                {
                    problem.message = format!("`{keyword}` is a reserved word: a macro needs another name");
                }
                Err(expected)
            }
        }
    }

    fn other_rule(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let no = self.eat("no");
        match &*self.lexeme.text {
            // It is not a reserved word: a macro may have this name.
            "nat64" if self.lexeme.kind == LexemeKind::Word => return self.translation(ruleset, start, no),
            _ if self.lexeme.kind != LexemeKind::Keyword => {}
            "scrub" => return self.scrub_rule(ruleset, start, no),
            "nat" | "rdr" => return self.translation(ruleset, start, no),
            "binat" => return self.binat(ruleset, start, no),
            "dummynet" => return self.dummynet(ruleset, start, no),
            _ => {}
        }
        Err(self.expected("`scrub`, `nat`, `rdr`, `binat` or `dummynet`"))
    }

    /// Passes over a line of counters. Behind the line of an anchor call stands the brace that opens the anchor's
    /// rules, where they are listed.
    fn counters(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        while !matches!(
            self.lexeme.kind,
            LexemeKind::Newline | LexemeKind::End | LexemeKind::Punctuation(b'{')
        ) {
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

    fn end_of_statement(&mut self, extent: Extent) -> Read<()> {
        match self.lexeme.kind {
            LexemeKind::Newline => Ok(()),
            LexemeKind::End => {
                // The line end of the `include` ends the file's last line.
                if self.shared.depth == 0 {
                    self.doubt_here("the last line of a file needs a line end");
                }
                Ok(())
            }
            LexemeKind::Punctuation(b'}') if extent == Extent::Braces => {
                self.doubt("a rule in braces ends with its line: put the `}` in a line of its own");
                Ok(())
            }
            _ => Err(self.expected("the end of the line")),
        }
    }

    fn include(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        self.bump();
        let at = self.lexeme.at;
        let path = self.string("the file to include")?;
        self.end_of_statement(Extent::Text)?;
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
        Parser::text_of(&path, &text, self.shared, ruleset);
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
        let path = match self.lexeme.kind {
            LexemeKind::Word | LexemeKind::Quoted => Some(self.string("the anchor's path")?),
            _ => None,
        };
        let mut rule = Rule::new(Action::Pass);
        let mut lists = Lists::default();
        rule.direction = self.opt_direction();
        rule.quick = self.eat("quick");
        self.opt_scope(&mut rule, &mut lists)?;
        let given = self.opt_criteria(&mut rule, &mut lists)?;
        let inline = if self.eat_punctuation(b'{') { Some(Arc::new(self.inline_anchor()?)) } else { None };
        self.end_of_rule()?;
        self.in_order(Order::Filter, start)?;
        self.check_name(path.as_deref(), inline.is_some(), start)?;
        if given.state && rule.state != StateKeeping::No {
            return Err(self.wrong(start, "cannot specify state handling on anchors"));
        }
        // pfctl reads these and leaves them out: the call applies to all packets.
        (rule.fragment, rule.allow_options, rule.queue) = (false, false, None);
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

    fn check_name(&mut self, path: Option<&str>, is_inline: bool, start: Position) -> Read<()> {
        match path {
            None if !is_inline => {
                Err(self.wrong(start, "anchors without explicit rules must specify a name"))
            }
            Some(path) if is_inline && (path.contains("//") || path.split('/').any(|part| part == "..")) => {
                Err(self.wrong(start, &format!("unable to create ruleset {}", shortened(path))))
            }
            Some(path) if path.starts_with('_') || path.contains("/_") => {
                Err(self.wrong(start, "anchor names beginning with '_' are reserved for internal use"))
            }
            _ => Ok(()),
        }
    }

    /// The rules in braces, whose opening brace is taken.
    fn inline_anchor(&mut self) -> Read<Ruleset> {
        if self.shared.depth >= MAXIMUM_DEPTH {
            return Err(self.wrong(self.lexeme.at, "anchors nest too deeply"));
        }
        let open = std::mem::take(&mut self.open_lists);
        self.shared.depth += 1;
        self.shared.inline_count += 1;
        let parent = std::mem::replace(&mut self.shared.inline_parent, self.shared.inline_count);
        let mut inner = Ruleset::default();
        self.opt_statements(&mut inner, Extent::Braces);
        self.shared.inline_parent = parent;
        self.shared.depth -= 1;
        self.open_lists = open;
        self.require_punctuation(b'}')?;
        Ok(inner)
    }
}
