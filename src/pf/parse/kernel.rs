//! The parser's kernel: the lexeme that is next, methods that take it, and methods that note problems.
//!
//! It knows no grammar: each production stands in a file of its own, named in the grammar of [`super`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::pf::interfaces::InterfaceFacts;
use crate::pf::preamble::{BlockPolicy, StatePolicy};
use crate::pf::rule::{Placed, SourceLine, TextKind};

use super::advice::advised;
use super::lexer::{Lexeme, LexemeKind, Lexer, Macros, Position};
use super::problem::{Fault, Problem};

pub(super) const MAXIMUM_MACRO: usize = 64 << 10;

/// A statement could not be read; its problem is noted already.
pub(super) struct Rejected;

pub(super) type Read<T> = Result<T, Rejected>;

/// The sections of a file, in the order that `set require-order yes` asks for.
///
/// Apple's man page puts dummynet before filter, but the widely used way to add a pipe appends `dummynet-anchor` to the
/// stock file, behind its filter anchors, and pfctl takes it; so dummynet has no place in this order.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Order {
    Start,
    Option,
    Scrub,
    Queue,
    Translation,
    Filter,
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Order::Start | Order::Option => "option",
            Order::Scrub => "scrub rule",
            Order::Queue => "queue",
            Order::Translation => "translation",
            Order::Filter => "filter rule",
        }
    }
}

/// How far statements go.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extent {
    /// To the end of the text.
    Text,
    /// To the brace that closes an inline anchor.
    Braces,
}

/// Gives the text of a file that another text names, or why it cannot.
pub type ReadFile<'a> = dyn FnMut(&str) -> Result<String, Box<dyn std::error::Error>> + 'a;

/// What included files share with the text that includes them.
pub(super) struct Shared<'i> {
    pub(super) include: &'i mut ReadFile<'i>,
    pub(super) interfaces: &'i [InterfaceFacts],
    pub(super) macros: Macros,
    /// Where each macro is defined, as a problem of its value is placed.
    pub(super) macro_places: HashMap<String, Problem>,
    /// The queues that an earlier definition has as children.
    pub(super) queues: HashSet<String>,
    /// Whether all of them are known.
    pub(super) queues_are_known: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) doubts: Vec<Problem>,
    pub(super) order: Order,
    /// The line of the first statement of each section, but for those of included files.
    pub(super) order_lines: Vec<(Order, usize)>,
    pub(super) require_order: bool,
    pub(super) block_policy: BlockPolicy,
    pub(super) state_policy: StatePolicy,
    pub(super) text: TextKind,
    pub(super) rules: usize,
    /// The combinations of lists that were tried, those that make no rule included.
    pub(super) combinations: usize,
    pub(super) looked_ahead: usize,
    /// The inline anchor that is being read, by its number from 1; 0 outside.
    pub(super) inline_parent: usize,
    pub(super) inline_count: usize,
    /// The names of inline anchors, each with the number of the anchor that it is in.
    pub(super) inline_names: HashSet<(usize, Box<str>)>,
    /// The bytes of all texts together.
    pub(super) read: usize,
    /// See [`super::Parsed::work`].
    pub(super) work: usize,
    /// How deep includes and inline anchors nest here.
    pub(super) depth: usize,
}

impl<'i> Shared<'i> {
    pub(super) fn new(
        include: &'i mut ReadFile<'i>,
        interfaces: &'i [InterfaceFacts],
        text: TextKind,
    ) -> Self {
        Shared {
            include,
            interfaces,
            macros: Macros::new(),
            macro_places: HashMap::new(),
            queues: HashSet::new(),
            queues_are_known: true,
            problems: Vec::new(),
            doubts: Vec::new(),
            order: Order::Start,
            order_lines: Vec::new(),
            require_order: text == TextKind::File,
            block_policy: BlockPolicy::Drop,
            state_policy: StatePolicy::Floating,
            text,
            rules: 0,
            combinations: 0,
            looked_ahead: 0,
            inline_parent: 0,
            inline_count: 0,
            inline_names: HashSet::new(),
            read: 0,
            work: 0,
            depth: 0,
        }
    }
}

pub(super) struct Parser<'a, 's, 'i> {
    pub(super) path: Arc<str>,
    pub(super) lexer: Lexer<'a>,
    /// The lexeme that is next.
    pub(super) lexeme: Lexeme<'a>,
    pub(super) shared: &'s mut Shared<'i>,
    /// How many lists are open: after an error in one, reading goes on behind it.
    pub(super) open_lists: usize,
}

impl<'a, 's, 'i> Parser<'a, 's, 'i> {
    pub(super) fn new(path: &str, text: &'a str, shared: &'s mut Shared<'i>) -> Self {
        let mut lexer = Lexer::new(text);
        let lexeme = lexer.next(&shared.macros);
        let mut parser = Parser { path: Arc::from(path), lexer, lexeme, shared, open_lists: 0 };
        if text.contains('\r') {
            parser.doubt("lines end in LF alone, not in CR LF");
        }
        parser
    }

    pub(super) fn is_listing(&self) -> bool {
        self.shared.text == TextKind::Listing
    }

    // Lexemes.

    pub(super) fn bump(&mut self) -> Lexeme<'a> {
        let next = self.lexer.next(&self.shared.macros);
        std::mem::replace(&mut self.lexeme, next)
    }

    /// Goes back to where the lexer and its lexeme were.
    pub(super) fn go_back(&mut self, lexer: Lexer<'a>, lexeme: Lexeme<'a>) {
        let work = self.lexer.work;
        (self.lexer, self.lexeme) = (lexer, lexeme);
        self.lexer.work = work;
    }

    /// Takes the reserved word, where it is next.
    pub(super) fn eat(&mut self, keyword: &str) -> bool {
        let found = self.lexeme.is(keyword);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn eat_punctuation(&mut self, byte: u8) -> bool {
        let found = self.lexeme.is_punctuation(byte);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn require(&mut self, keyword: &str) -> Read<()> {
        if self.eat(keyword) { Ok(()) } else { Err(self.expected(&format!("`{keyword}`"))) }
    }

    pub(super) fn require_punctuation(&mut self, byte: u8) -> Read<()> {
        if self.eat_punctuation(byte) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{}`", char::from(byte))))
        }
    }

    /// A word that is not reserved, or a text in quotes.
    pub(super) fn string(&mut self, what: &str) -> Read<Box<str>> {
        match self.lexeme.kind {
            LexemeKind::Word | LexemeKind::Quoted => Ok(Box::from(&*self.bump().text)),
            _ => Err(self.expected(what)),
        }
    }

    /// One or more strings, joined by blanks, as in pfctl's grammar.
    pub(super) fn strings(&mut self, what: &str) -> Read<Box<str>> {
        let first = self.string(what)?;
        if !matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted) {
            return Ok(first);
        }
        let mut joined = first.to_string();
        while matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted) {
            joined.push(' ');
            joined.push_str(&self.bump().text);
            if joined.len() > MAXIMUM_MACRO {
                return Err(self.wrong(self.lexeme.at, "the text is too long"));
            }
        }
        Ok(joined.into_boxed_str())
    }

    pub(super) fn number(&mut self, what: &str) -> Read<i64> {
        match self.lexeme.kind {
            LexemeKind::Number(value) => {
                self.bump();
                Ok(value)
            }
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn number_within<T: TryFrom<i64>>(&mut self, what: &str, highest: i64) -> Read<T> {
        let at = self.lexeme.at;
        let value = self.number(what)?;
        match T::try_from(value) {
            Ok(number) if (0..=highest).contains(&value) => Ok(number),
            _ => Err(self.wrong(at, &format!("{what} must be from 0 to {highest}, not {value}"))),
        }
    }

    /// One item, or items in braces with commas or without.
    pub(super) fn list<T>(&mut self, item: fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        if !self.eat_punctuation(b'{') {
            return Ok(vec![item(self)?]);
        }
        self.open_lists += 1;
        self.opt_newlines();
        let mut items = vec![item(self)?];
        self.opt_newlines();
        while !self.lexeme.is_punctuation(b'}') {
            if self.eat_punctuation(b',') {
                self.opt_newlines_behind_comma();
            }
            items.push(item(self)?);
            self.opt_newlines();
        }
        self.open_lists -= 1;
        self.bump();
        Ok(items)
    }

    /// Passes over the ends of lines behind a comma, where OpenBSD 4.3 refuses them.
    pub(super) fn opt_newlines_behind_comma(&mut self) {
        if self.lexeme.kind == LexemeKind::Newline {
            self.doubt("a list goes on in the next line only behind a `\\`: put one behind the comma");
            self.bump();
        }
        while self.lexeme.kind == LexemeKind::Newline {
            self.bump();
        }
    }

    /// Passes over the ends of lines in a list. OpenBSD 4.3 takes them behind a brace or an item.
    pub(super) fn opt_newlines(&mut self) {
        if self.lexeme.kind == LexemeKind::Newline {
            self.note_doubt(
                "a list that goes on in the next line is safe only behind a `\\`, or in quotes",
                Fault::Unsure,
            );
        }
        while self.lexeme.kind == LexemeKind::Newline {
            self.bump();
        }
    }

    pub(super) fn one_of(&mut self, values: &[&str]) -> Read<Box<str>> {
        let known = values.iter().any(|value| value.eq_ignore_ascii_case(&self.lexeme.text));
        if known && matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted | LexemeKind::Keyword) {
            return Ok(Box::from(&*self.bump().text));
        }
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        Err(self.expected(&values.join(" or ")))
    }

    // Problems.

    pub(super) fn expected(&mut self, what: &str) -> Rejected {
        let message = match self.lexeme.kind {
            LexemeKind::Bad => self.lexeme.text.to_string(),
            _ => advised(format!("expected {what}, found {}", self.lexeme.describe()), &self.lexeme),
        };
        self.note(self.lexeme.at, message, Fault::Syntax)
    }

    pub(super) fn wrong(&mut self, at: Position, message: &str) -> Rejected {
        self.note(at, message.to_owned(), Fault::Meaning)
    }

    pub(super) fn note(&mut self, at: Position, message: String, fault: Fault) -> Rejected {
        // Its problem is noted where it is set.
        if self.lexeme.kind == LexemeKind::UnreadMacro {
            return Rejected;
        }
        self.shared.work += self.lexer.line(at).len();
        let problem = self.problem(at, message, fault);
        // A macro that is used many times is wrong once.
        let is_of_macro = problem.line != at.line || problem.path != self.path;
        let known = |known: &Problem| (&known.path, known.line) == (&problem.path, problem.line);
        if !is_of_macro || !self.shared.problems.iter().any(known) {
            self.shared.problems.push(problem);
        }
        Rejected
    }

    /// Notes that macOS's pfctl refuses this lexeme, unless that is noted already.
    pub(super) fn doubt(&mut self, message: &str) {
        self.note_doubt(message, Fault::Refused);
    }

    /// As [`Parser::doubt`], of this place itself, whatever macro stands there.
    pub(super) fn doubt_here(&mut self, message: &str) {
        let is_known = self.shared.doubts.iter().any(|doubt| doubt.message == message);
        if self.shared.text == TextKind::File && !is_known {
            let doubt = self.problem_here(self.lexeme.at, message.to_owned(), Fault::Refused);
            self.shared.doubts.push(doubt);
        }
    }

    /// Notes that macOS's pfctl refuses this lexeme or may refuse it, unless that is noted already.
    pub(super) fn note_doubt(&mut self, message: &str, fault: Fault) {
        let known = |doubts: &[Problem]| doubts.iter().any(|doubt| doubt.message == message);
        if self.shared.text == TextKind::File && !known(&self.shared.doubts) {
            let doubt = self.problem(self.lexeme.at, message.to_owned(), fault);
            self.shared.doubts.push(doubt);
        }
    }

    /// A problem is shown where it can be mended: one that comes out of a macro, at the macro's definition.
    pub(super) fn problem(&self, at: Position, message: String, fault: Fault) -> Problem {
        let named = self.lexer.macro_named_at(at);
        let Some((name, place)) = named.and_then(|name| self.shared.macro_places.get_key_value(name)) else {
            return self.problem_here(at, message, fault);
        };
        // What begins with the wrong kind of lexeme may be right in itself, and named in the wrong place.
        if fault == Fault::Syntax && !at.in_macro {
            return self.problem_here(at, format!("{message} ({name} is set in line {})", place.line), fault);
        }
        let message = format!("in the value of {name} (used in line {}): {message}", at.line);
        Problem { message, fault, ..place.clone() }
    }

    fn problem_here(&self, at: Position, message: String, fault: Fault) -> Problem {
        let line = self.lexer.line(at);
        let before = line.get(..at.offset.saturating_sub(at.line_start)).unwrap_or(line);
        let column = before.chars().count();
        // A window of the line, so that many problems in a long line stay cheap.
        let first = column.saturating_sub(60);
        let text: String =
            line.chars().skip(first).take(120).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let path = Arc::clone(&self.path);
        let caret = column - first;
        Problem { path, line: at.line, column: column + 1, message, text, caret, fault }
    }

    // Places.

    pub(super) fn in_order(&mut self, order: Order, at: Position) -> Read<()> {
        if self.shared.require_order && self.shared.order > order {
            let behind = self.shared.order_lines.iter().find(|(known, _)| *known > order);
            let cure = match behind {
                Some((known, line)) => format!(": move it before line {line}, the first {}", known.name()),
                None => String::new(),
            };
            return Err(self.wrong(
                at,
                &format!(
                    "Rules must be in order: options, normalization, queueing, translation, filtering{cure}"
                ),
            ));
        }
        if self.shared.order < order && self.shared.depth == 0 {
            self.shared.order_lines.push((order, at.line));
        }
        self.shared.order = order;
        Ok(())
    }

    pub(super) fn place(&self, at: Position) -> SourceLine {
        SourceLine { path: Arc::clone(&self.path), line: at.line, text: self.shared.text }
    }

    pub(super) fn placed<T>(&self, at: Position, item: T) -> Placed<T> {
        Placed { place: self.place(at), item }
    }
}
