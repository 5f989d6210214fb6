//! The parser's kernel: the token that is next, the ways to take it, and the ways to say what is wrong with it.
//!
//! It knows no grammar: each production stands in a file of its own, named in the grammar of [`super`].

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::pf::interfaces::InterfaceFacts;
use crate::pf::preamble::{BlockPolicy, StatePolicy};
use crate::pf::rule::{Placed, SourceLine};

use super::advice::advised;
use super::lexer::{Lexer, Position, Token, TokenKind};
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

/// What a text is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    /// A file that pfctl loads.
    File,
    /// What pfctl prints.
    Listing,
}

/// What included files share with the text that includes them.
pub(super) struct Shared<'i> {
    pub(super) include: &'i mut ReadFile<'i>,
    pub(super) interfaces: &'i [InterfaceFacts],
    pub(super) macros: HashMap<String, Rc<str>>,
    /// The queues that an earlier definition has as children.
    pub(super) queues: HashSet<String>,
    /// Whether all of them are known.
    pub(super) queues_are_known: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) doubts: Vec<Problem>,
    pub(super) order: Order,
    pub(super) require_order: bool,
    pub(super) block_policy: BlockPolicy,
    pub(super) state_policy: StatePolicy,
    pub(super) listing: bool,
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
    /// How deep includes and inline anchors nest here.
    pub(super) depth: usize,
}

impl<'i> Shared<'i> {
    pub(super) fn new(include: &'i mut ReadFile<'i>, interfaces: &'i [InterfaceFacts], mode: Mode) -> Self {
        Shared {
            include,
            interfaces,
            macros: HashMap::new(),
            queues: HashSet::new(),
            queues_are_known: true,
            problems: Vec::new(),
            doubts: Vec::new(),
            order: Order::Start,
            require_order: mode == Mode::File,
            block_policy: BlockPolicy::Drop,
            state_policy: StatePolicy::Floating,
            listing: mode == Mode::Listing,
            rules: 0,
            combinations: 0,
            looked_ahead: 0,
            inline_parent: 0,
            inline_count: 0,
            inline_names: HashSet::new(),
            read: 0,
            depth: 0,
        }
    }
}

pub(super) struct Parser<'a, 's, 'i> {
    pub(super) path: Arc<str>,
    pub(super) lexer: Lexer<'a>,
    /// The token that is next.
    pub(super) token: Token<'a>,
    pub(super) shared: &'s mut Shared<'i>,
    /// How many lists are open: after an error in one, reading goes on behind it.
    pub(super) open_lists: usize,
}

impl<'a, 's, 'i> Parser<'a, 's, 'i> {
    pub(super) fn new(path: &str, text: &'a str, shared: &'s mut Shared<'i>) -> Self {
        let mut lexer = Lexer::new(text);
        let token = lexer.next(&shared.macros);
        let mut parser = Parser { path: Arc::from(path), lexer, token, shared, open_lists: 0 };
        if text.contains('\r') {
            parser.doubt("lines end in LF alone, not in CR LF");
        }
        parser
    }

    // Tokens.

    pub(super) fn bump(&mut self) -> Token<'a> {
        let next = self.lexer.next(&self.shared.macros);
        std::mem::replace(&mut self.token, next)
    }

    /// Takes the reserved word, where it is next.
    pub(super) fn eat(&mut self, keyword: &str) -> bool {
        let found = self.token.is(keyword);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn eat_punctuation(&mut self, byte: u8) -> bool {
        let found = self.token.is_punctuation(byte);
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
        match self.token.kind {
            TokenKind::Word | TokenKind::Quoted => Ok(Box::from(&*self.bump().text)),
            _ => Err(self.expected(what)),
        }
    }

    /// One or more of them, joined by blanks, as pfctl's `string` is.
    pub(super) fn strings(&mut self, what: &str) -> Read<Box<str>> {
        let first = self.string(what)?;
        if !matches!(self.token.kind, TokenKind::Word | TokenKind::Quoted) {
            return Ok(first);
        }
        let mut joined = first.to_string();
        while matches!(self.token.kind, TokenKind::Word | TokenKind::Quoted) {
            joined.push(' ');
            joined.push_str(&self.bump().text);
            if joined.len() > MAXIMUM_MACRO {
                return Err(self.wrong(self.token.at, "the text is too long"));
            }
        }
        Ok(joined.into_boxed_str())
    }

    pub(super) fn number(&mut self, what: &str) -> Read<i64> {
        match self.token.kind {
            TokenKind::Number(value) => {
                self.bump();
                Ok(value)
            }
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn number_within<T: TryFrom<i64>>(&mut self, what: &str, highest: i64) -> Read<T> {
        let at = self.token.at;
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
        while !self.token.is_punctuation(b'}') {
            if self.eat_punctuation(b',') {
                self.opt_newlines();
            }
            items.push(item(self)?);
            self.opt_newlines();
        }
        self.open_lists -= 1;
        self.bump();
        Ok(items)
    }

    /// Passes over the ends of lines in a list.
    pub(super) fn opt_newlines(&mut self) {
        if self.token.kind == TokenKind::Newline {
            self.doubt("a list goes on in the next line only behind a `\\`, or in quotes");
        }
        while self.token.kind == TokenKind::Newline {
            self.bump();
        }
    }

    pub(super) fn one_of(&mut self, values: &[&str]) -> Read<Box<str>> {
        let known = values.iter().any(|value| value.eq_ignore_ascii_case(&self.token.text));
        if known && matches!(self.token.kind, TokenKind::Word | TokenKind::Quoted | TokenKind::Keyword) {
            return Ok(Box::from(&*self.bump().text));
        }
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        Err(self.expected(&values.join(" or ")))
    }

    // Problems.

    pub(super) fn expected(&mut self, what: &str) -> Rejected {
        let message = match self.token.kind {
            TokenKind::Bad => self.token.text.to_string(),
            _ => advised(format!("expected {what}, found {}", self.token.describe()), &self.token),
        };
        self.note(self.token.at, message, Fault::Syntax)
    }

    pub(super) fn wrong(&mut self, at: Position, message: &str) -> Rejected {
        self.note(at, message.to_owned(), Fault::Meaning)
    }

    pub(super) fn note(&mut self, at: Position, message: String, fault: Fault) -> Rejected {
        let problem = self.problem(at, message, fault);
        self.shared.problems.push(problem);
        Rejected
    }

    /// Notes what macOS's pfctl minds at this token, unless it is noted already.
    pub(super) fn doubt(&mut self, message: &str) {
        let known = |doubts: &[Problem]| doubts.iter().any(|doubt| doubt.message == message);
        if !self.shared.listing && !known(&self.shared.doubts) {
            let doubt = self.problem(self.token.at, message.to_owned(), Fault::Syntax);
            self.shared.doubts.push(doubt);
        }
    }

    pub(super) fn problem(&self, at: Position, message: String, fault: Fault) -> Problem {
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
            return Err(self.wrong(
                at,
                "Rules must be in order: options, normalization, queueing, translation, filtering",
            ));
        }
        self.shared.order = order;
        Ok(())
    }

    pub(super) fn place(&self, at: Position) -> SourceLine {
        SourceLine { path: Arc::clone(&self.path), line: at.line }
    }

    pub(super) fn placed<T>(&self, at: Position, item: T) -> Placed<T> {
        Placed { place: self.place(at), item }
    }
}
