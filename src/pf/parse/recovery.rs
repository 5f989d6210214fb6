//! Recovery from a statement that could not be read: what is kept of it, and where reading goes on.

use crate::pf::criteria::Direction;
use crate::pf::preamble::Load;
use crate::pf::rule::{Action, Rule, Ruleset};

use super::kernel::{Extent, Parser};
use super::lexer::{LexemeKind, Position};
use super::lists::RuleList;

/// The bytes that are kept of a line that could not be read.
const MAXIMUM_LINE: usize = 400;
/// The lexemes that are read in search of closing braces.
const MAXIMUM_LOOK_AHEAD: usize = 1_000_000;

impl Parser<'_, '_, '_> {
    /// Keeps a line that could not be read as a rule that may match anything: no verdict may rest on its absence.
    pub(super) fn keep_unreadable(&mut self, ruleset: &mut Ruleset, start: Position) {
        let line = self.lexer.line(start);
        let text = line.get(start.offset - start.line_start..).unwrap_or(line).trim_end();
        self.shared.work += text.len();
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
            // These decide nothing about a packet; a table keeps its doubt itself.
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
        let placed = self.placed(start, unreadable_rule(action, first, text, &words));
        rules(ruleset).push(placed);
    }

    /// Goes on in the next line; behind the list, where a list was open.
    pub(super) fn recover(&mut self, extent: Extent) {
        let in_list = std::mem::take(&mut self.open_lists) > 0;
        let mut closed = self.skip_line();
        while in_list && !closed && self.lexeme.kind == LexemeKind::Newline {
            self.bump();
            let starts = self.lexeme.kind == LexemeKind::Keyword && STARTS.contains(&&*self.lexeme.text);
            if starts || self.lexeme.kind == LexemeKind::End || extent == Extent::Braces {
                return;
            }
            closed = self.skip_line();
        }
    }

    /// Goes on behind the braces that the line opens, if they are closed: the rules in them belong to an anchor whose
    /// call does not read. Gives whether it did.
    pub(super) fn skip_block(&mut self) -> bool {
        let (lexer, lexeme) = (self.lexer.clone(), self.lexeme.clone());
        let mut depth = 0_usize;
        loop {
            match self.lexeme.kind {
                LexemeKind::Punctuation(b'{') => depth += 1,
                LexemeKind::Punctuation(b'}') if depth <= 1 => break,
                LexemeKind::Punctuation(b'}') => depth -= 1,
                LexemeKind::Newline if depth == 0 => break,
                LexemeKind::End => break,
                _ => {}
            }
            // Many braces that are never closed must not be looked for again and again.
            self.shared.looked_ahead += 1;
            if self.shared.looked_ahead > MAXIMUM_LOOK_AHEAD {
                break;
            }
            self.bump();
        }
        let closed = depth == 1 && self.lexeme.is_punctuation(b'}');
        if closed {
            self.open_lists = 0;
            self.skip_line();
        } else {
            self.go_back(lexer, lexeme);
        }
        closed
    }

    /// Goes to the end of the line. Gives whether a closing brace was passed.
    fn skip_line(&mut self) -> bool {
        let mut closed = false;
        while !matches!(self.lexeme.kind, LexemeKind::Newline | LexemeKind::End) {
            closed |= self.lexeme.is_punctuation(b'}');
            self.bump();
        }
        closed
    }
}

/// The rule, as far as its words show it.
fn unreadable_rule(action: Action, first: &str, text: &str, words: &[&str]) -> Rule {
    let mut rule = Rule::new(action);
    // In a macro, in the next line, in the braces of an anchor there may be a `quick`.
    let goes_on = text.contains('$') || text.ends_with(['\\', '{']) || first == "anchor";
    rule.quick = words.contains(&"quick") || goes_on;
    let index = words.iter().position(|word| *word == first);
    rule.direction = match index.and_then(|index| words.get(index + 1)) {
        Some(&"in") => Some(Direction::In),
        Some(&"out") => Some(Direction::Out),
        _ => None,
    };
    rule.unreadable = Some(Box::from(text));
    rule
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
