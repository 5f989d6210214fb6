//! Reads pf.conf as macOS's pfctl takes it (the language of OpenBSD 4.x with Apple's additions), and what `pfctl -s
//! rules`, `-s nat` and `-vs rules` print.
//!
//! ```
//! use portcullis::pf::parse::parse_text;
//! let parsed = parse_text("pf.conf", "block in all\npas in all\nport = x");
//! assert_eq!(parsed.problems[0].to_string(),
//!     "pf.conf:2:1: expected a rule, an option, a table or a macro, found `pas`\n  pas in all\n  ^");
//! ```
//!
//! Nothing stops the reading: what is wrong is told with its place, and reading goes on in the next line. Rules come
//! out expanded, in pfctl's order: by interface, then protocol, ICMP type, source, source port, operating system,
//! destination, destination port, user, group.
//!
//! Bounds: lists nest 10,000 deep, inline anchors and includes 64 deep, a file expands to at most
//! [`MAXIMUM_RULES`] rules, all included text together is at most 64 MiB.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::criteria::{Direction, Family, Interface};
use super::effects::Block;
use super::preamble::{BlockPolicy, Load, Preamble, SetOption, StatePolicy, TableDefinition, TableSource};
use super::rule::{Action, AnchorCall, Rule};
use super::rule::{Placed, Ruleset, SourceLine};
use super::rulesets::InterfaceFacts;
use super::token::{Kind, Lexer, Position, Token, shortened};

mod criteria;
mod expand;
mod host;
mod queue;
mod state;
mod translation;

/// How many rules one text may expand to.
pub const MAXIMUM_RULES: usize = 250_000;
/// How many problems are told; reading stops there.
const MAXIMUM_PROBLEMS: usize = 1_000;
const MAXIMUM_TEXT: usize = 64 << 20;
const MAXIMUM_MACRO: usize = 64 << 10;
const MAXIMUM_DEPTH: usize = 64;
/// How much of a line that could not be read is kept.
const MAXIMUM_LINE: usize = 400;
const MAXIMUM_LIST_DEPTH: usize = 10_000;
/// How many tokens are looked at in search of braces that close.
const MAXIMUM_LOOK_AHEAD: usize = 1_000_000;

/// What a text holds, and all that is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What could be read.
    pub ruleset: Ruleset,
    /// What could not; in the order of the text. pfctl loads nothing of a text with a problem.
    pub problems: Vec<Problem>,
    /// What is read here, since other pfctls take it or since it is clear, and macOS's refuses by all that is known of
    /// it; each kind once, where it is met first.
    pub doubts: Vec<Problem>,
}

/// A mistake in a text and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What was expected, or what is wrong.
    pub message: String,
    /// The line's text; a long one is cut around the column.
    pub text: String,
    /// Where the column is in `text`, in characters from 0.
    pub caret: usize,
    /// What sort of mistake.
    pub fault: Fault,
}

/// A sort of mistake in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the grammar.
    Syntax,
    /// It is grammar that means nothing.
    Meaning,
    /// It names a file that could not be read here; where it is there, nothing is wrong.
    File,
}

impl Problem {
    /// The problem as pfctl words it, `FILE:LINE: syntax error`.
    pub fn pfctl_form(&self) -> String {
        let message = if self.fault == Fault::Syntax { "syntax error" } else { &self.message };
        format!("{}:{}: {message}", self.path, self.line)
    }
}

/// `path:line:column: message`, then the line and a caret below it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, line, column) = (&self.path, self.line, self.column);
        writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
        writeln!(f, "  {}", self.text)?;
        write!(f, "  {:caret$}^", "", caret = self.caret)
    }
}

/// Reads the text of the file `path`. `include` gives the text of a file that it includes, or why it cannot.
pub fn parse(path: &str, text: &str, include: &mut dyn FnMut(&str) -> Result<String, String>) -> Parsed {
    run(path, text, include, &[], false)
}

/// Reads a text that includes nothing.
pub fn parse_text(path: &str, text: &str) -> Parsed {
    run(path, text, &mut |_| Err("this text may not include files".to_owned()), &[], false)
}

/// Reads a text that may not be UTF-8: what is not is replaced, and stands in comments and names at most.
pub fn parse_bytes(
    path: &str,
    bytes: &[u8],
    include: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Parsed {
    run(path, &String::from_utf8_lossy(bytes), include, &[], false)
}

/// Reads a text as pfctl does on a machine with these `interfaces`: `from en0` and `antispoof for en0` become rules for
/// the addresses that en0 has now. Other names stay names.
pub fn parse_on(
    path: &str,
    bytes: &[u8],
    include: &mut dyn FnMut(&str) -> Result<String, String>,
    interfaces: &[InterfaceFacts],
) -> Parsed {
    run(path, &String::from_utf8_lossy(bytes), include, interfaces, false)
}

/// Reads what pfctl prints: as a file, but rule numbers (`@0`), counters (`[ Evaluations: …`) and the counts in
/// `<table:3>` and `(en0:1)` are passed over, and sections may come in any order.
pub fn parse_listing(name: &str, text: &str) -> Parsed {
    run(name, text, &mut |_| Err("a listing includes nothing".to_owned()), &[], true)
}

fn run(
    path: &str,
    text: &str,
    include: &mut dyn FnMut(&str) -> Result<String, String>,
    interfaces: &[InterfaceFacts],
    listing: bool,
) -> Parsed {
    let mut shared = Shared {
        include,
        interfaces,
        macros: HashMap::new(),
        queues: HashSet::new(),
        queues_are_known: true,
        problems: Vec::new(),
        doubts: Vec::new(),
        order: Order::Start,
        require_order: !listing,
        block_policy: BlockPolicy::Drop,
        state_policy: StatePolicy::Floating,
        listing,
        rules: 0,
        combinations: 0,
        looked_ahead: 0,
        inline_parent: 0,
        inline_count: 0,
        inline_names: HashSet::new(),
        read: text.len(),
        depth: 0,
    };
    let mut ruleset = Ruleset::default();
    Parser::new(path, text, &mut shared).statements(&mut ruleset, false);
    let Shared { problems, doubts, .. } = shared;
    Parsed { ruleset, problems, doubts }
}

/// A statement could not be read; the problem is noted already.
struct Failed;

type Read<T> = Result<T, Failed>;

/// The sections of a file, in the order that `set require-order yes` asks for.
///
/// Apple's man page puts dummynet before filter, but the widely used way to add a pipe appends `dummynet-anchor` to the
/// stock file, behind its filter anchors, and pfctl takes it; so dummynet has no place in this order.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Order {
    Start,
    Option,
    Scrub,
    Queue,
    Translation,
    Filter,
}

/// What goes on over included files.
struct Shared<'i> {
    include: &'i mut dyn FnMut(&str) -> Result<String, String>,
    interfaces: &'i [InterfaceFacts],
    macros: HashMap<String, Rc<str>>,
    /// The queues that a definition before has as children.
    queues: HashSet<String>,
    /// Whether all of them are known.
    queues_are_known: bool,
    problems: Vec<Problem>,
    doubts: Vec<Problem>,
    order: Order,
    require_order: bool,
    block_policy: BlockPolicy,
    state_policy: StatePolicy,
    listing: bool,
    rules: usize,
    /// How many combinations of lists were tried, those that make no rule among them.
    combinations: usize,
    looked_ahead: usize,
    /// The inline anchor that is being read, by its number from 1; 0 outside.
    inline_parent: usize,
    inline_count: usize,
    /// The names of inline anchors, each with the number of the anchor that it is in.
    inline_names: HashSet<(usize, Box<str>)>,
    read: usize,
    depth: usize,
}

struct Parser<'a, 's, 'i> {
    path: Arc<str>,
    lexer: Lexer<'a>,
    token: Token<'a>,
    shared: &'s mut Shared<'i>,
    /// Lists that are open: an error inside of one goes on behind it.
    open_lists: usize,
}

impl<'a, 's, 'i> Parser<'a, 's, 'i> {
    fn new(path: &str, text: &'a str, shared: &'s mut Shared<'i>) -> Self {
        let mut lexer = Lexer::new(text);
        let token = lexer.next(&shared.macros);
        let mut parser = Parser { path: Arc::from(path), lexer, token, shared, open_lists: 0 };
        if text.contains('\r') {
            parser.doubt("lines end in LF alone, not in CR LF");
        }
        parser
    }

    /// Reads statements to the end of the text, or to the brace that closes an inline anchor.
    fn statements(&mut self, ruleset: &mut Ruleset, inline: bool) {
        loop {
            while self.token.kind == Kind::Newline {
                self.advance();
            }
            let full = self.shared.problems.len() >= MAXIMUM_PROBLEMS;
            if self.token.kind == Kind::End || (inline && self.token.is_punctuation(b'}')) {
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
                while self.token.kind != Kind::End {
                    self.advance();
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
                self.advance();
                self.number("a rule's number")?;
            } else if self.token.is_punctuation(b'[') {
                return self.counters(ruleset);
            }
        }
        let start = self.token.at;
        if matches!(self.token.kind, Kind::Word | Kind::Quoted) && !inline {
            return self.define(ruleset);
        }
        if self.token.kind != Kind::Keyword {
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
                self.advance();
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
                self.advance();
                if self.token.is_punctuation(b'=')
                    && let Some(problem) = self.shared.problems.last_mut()
                {
                    problem.message = format!("`{keyword}` is a reserved word: a macro needs another name");
                }
                Err(expected)
            }
        }
    }

    /// Passes over a line of counters. Behind that of a call of an anchor whose rules are listed with it stands the
    /// brace that opens them.
    fn counters(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        while !matches!(self.token.kind, Kind::Newline | Kind::End | Kind::Punctuation(b'{')) {
            self.advance();
        }
        if self.take_punctuation(b'{') {
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
        let (action, rules): (_, expand::Rules) = match first {
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
            Kind::Newline => Ok(()),
            Kind::End => {
                // The line that includes a file ends its last one.
                if self.shared.depth == 0 {
                    self.doubt("the last line of a file needs a line end");
                }
                Ok(())
            }
            Kind::Punctuation(b'}') if inline => Ok(()),
            _ => Err(self.expected("the end of the line")),
        }
    }

    /// Goes on in the next line; behind the list, where a list was open.
    fn recover(&mut self, inline: bool) {
        let in_list = std::mem::take(&mut self.open_lists) > 0;
        let mut closed = self.skip_line();
        while in_list && !closed && self.token.kind == Kind::Newline {
            self.advance();
            let starts = self.token.kind == Kind::Keyword && STARTS.contains(&&*self.token.text);
            if starts || self.token.kind == Kind::End || inline {
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
                Kind::Punctuation(b'{') => depth += 1,
                Kind::Punctuation(b'}') if depth <= 1 => break,
                Kind::Punctuation(b'}') => depth -= 1,
                Kind::Newline if depth == 0 => break,
                Kind::End => break,
                _ => {}
            }
            // Many braces that nobody closes must not be looked for again and again.
            self.shared.looked_ahead += 1;
            if self.shared.looked_ahead > MAXIMUM_LOOK_AHEAD {
                break;
            }
            self.advance();
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
        while !matches!(self.token.kind, Kind::Newline | Kind::End) {
            closed |= self.token.is_punctuation(b'}');
            self.advance();
        }
        closed
    }

    // Tokens.

    fn advance(&mut self) -> Token<'a> {
        let next = self.lexer.next(&self.shared.macros);
        std::mem::replace(&mut self.token, next)
    }

    /// Takes the reserved word, where it is next.
    fn take(&mut self, keyword: &str) -> bool {
        let found = self.token.is(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn take_punctuation(&mut self, byte: u8) -> bool {
        let found = self.token.is_punctuation(byte);
        if found {
            self.advance();
        }
        found
    }

    fn require(&mut self, keyword: &str) -> Read<()> {
        if self.take(keyword) { Ok(()) } else { Err(self.expected(&format!("`{keyword}`"))) }
    }

    fn require_punctuation(&mut self, byte: u8) -> Read<()> {
        if self.take_punctuation(byte) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{}`", char::from(byte))))
        }
    }

    /// A word that is not reserved, or a text in quotes.
    fn string(&mut self, what: &str) -> Read<Box<str>> {
        match self.token.kind {
            Kind::Word | Kind::Quoted => Ok(Box::from(&*self.advance().text)),
            _ => Err(self.expected(what)),
        }
    }

    /// One or more of them, joined by blanks, as pfctl's `string` is.
    fn strings(&mut self, what: &str) -> Read<Box<str>> {
        let first = self.string(what)?;
        if !matches!(self.token.kind, Kind::Word | Kind::Quoted) {
            return Ok(first);
        }
        let mut joined = first.to_string();
        while matches!(self.token.kind, Kind::Word | Kind::Quoted) {
            joined.push(' ');
            joined.push_str(&self.advance().text);
            if joined.len() > MAXIMUM_MACRO {
                return Err(self.wrong(self.token.at, "the text is too long"));
            }
        }
        Ok(joined.into_boxed_str())
    }

    fn number(&mut self, what: &str) -> Read<i64> {
        match self.token.kind {
            Kind::Number(value) => {
                self.advance();
                Ok(value)
            }
            _ => Err(self.expected(what)),
        }
    }

    fn number_within<T: TryFrom<i64>>(&mut self, what: &str, highest: i64) -> Read<T> {
        let at = self.token.at;
        let value = self.number(what)?;
        match T::try_from(value) {
            Ok(number) if (0..=highest).contains(&value) => Ok(number),
            _ => Err(self.wrong(at, &format!("{what} must be from 0 to {highest}, not {value}"))),
        }
    }

    /// One item, or items in braces with commas or without.
    fn list<T>(&mut self, item: fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        if !self.take_punctuation(b'{') {
            return Ok(vec![item(self)?]);
        }
        self.open_lists += 1;
        self.newlines();
        let mut items = vec![item(self)?];
        self.newlines();
        while !self.token.is_punctuation(b'}') {
            if self.take_punctuation(b',') {
                self.newlines();
            }
            items.push(item(self)?);
            self.newlines();
        }
        self.open_lists -= 1;
        self.advance();
        Ok(items)
    }

    /// Passes over the ends of lines in a list.
    fn newlines(&mut self) {
        if self.token.kind == Kind::Newline {
            self.doubt("a list goes on in the next line only behind a `\\`, or in quotes");
        }
        while self.token.kind == Kind::Newline {
            self.advance();
        }
    }

    // Problems.

    fn expected(&mut self, what: &str) -> Failed {
        let message = match self.token.kind {
            Kind::Bad => self.token.text.to_string(),
            _ => advised(format!("expected {what}, found {}", self.token.describe()), &self.token),
        };
        self.note(self.token.at, message, Fault::Syntax)
    }

    fn wrong(&mut self, at: Position, message: &str) -> Failed {
        self.note(at, message.to_owned(), Fault::Meaning)
    }

    fn note(&mut self, at: Position, message: String, fault: Fault) -> Failed {
        let problem = self.problem(at, message, fault);
        self.shared.problems.push(problem);
        Failed
    }

    /// Notes what macOS's pfctl minds at this token, unless it is noted already.
    fn doubt(&mut self, message: &str) {
        let known = |doubts: &[Problem]| doubts.iter().any(|doubt| doubt.message == message);
        if !self.shared.listing && !known(&self.shared.doubts) {
            let doubt = self.problem(self.token.at, message.to_owned(), Fault::Syntax);
            self.shared.doubts.push(doubt);
        }
    }

    fn problem(&self, at: Position, message: String, fault: Fault) -> Problem {
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

    fn in_order(&mut self, order: Order, at: Position) -> Read<()> {
        if self.shared.require_order && self.shared.order > order {
            return Err(self.wrong(
                at,
                "Rules must be in order: options, normalization, queueing, translation, filtering",
            ));
        }
        self.shared.order = order;
        Ok(())
    }

    fn place(&self, at: Position) -> SourceLine {
        SourceLine { path: Arc::clone(&self.path), line: at.line }
    }

    fn placed<T>(&self, at: Position, item: T) -> Placed<T> {
        Placed { place: self.place(at), item }
    }

    // Statements that are no rules.

    fn define(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        let name = self.advance();
        if name.text == "nat64" && name.kind == Kind::Word && !self.token.is_punctuation(b'=') {
            return self.translation_behind("nat64", ruleset, name.at, false);
        }
        if !self.take_punctuation(b'=') {
            // A word with nothing behind it that makes it a macro: the word itself is what is wrong.
            let found = name.describe();
            let message = format!("expected a rule, an option, a table or a macro, found {found}");
            return Err(self.note(name.at, advised(message, &name), Fault::Syntax));
        }
        let mut value = String::new();
        let mut after_number = false;
        loop {
            match self.token.kind {
                Kind::Number(number) => {
                    if !value.is_empty() {
                        self.doubt("a macro's value is one number, or words: put quotes around what is more");
                    }
                    value.push_str(&number.to_string());
                }
                Kind::Word | Kind::Quoted => {
                    if after_number {
                        self.doubt("a macro's value is one number, or words: put quotes around what is more");
                    }
                    value.push_str(&self.token.text);
                }
                Kind::Newline | Kind::End if value.ends_with(' ') => break,
                _ => return Err(self.expected("the macro's value, in quotes if it is more than words")),
            }
            if value.len() > MAXIMUM_MACRO {
                return Err(self.wrong(name.at, "the macro's value is too long"));
            }
            value.push(' ');
            after_number = matches!(self.token.kind, Kind::Number(_));
            self.advance();
        }
        value.pop();
        self.shared.macros.insert(name.text.to_string(), Rc::from(value.as_str()));
        ruleset.preamble.push(self.placed(name.at, Preamble::Macro(name.text.to_string(), value)));
        Ok(())
    }

    fn include(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        self.advance();
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
        self.advance();
        self.require("anchor")?;
        let anchor = self.strings("the anchor's path")?;
        self.require("from")?;
        let file = self.strings("the file to load")?;
        ruleset.loads.push(self.placed(start, Load { anchor, file }));
        Ok(())
    }

    fn table(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.advance();
        let name = self.require_punctuation(b'<').and_then(|()| self.table_name());
        let Ok(name) = name.and_then(|name| self.require_punctuation(b'>').map(|()| name)) else {
            ruleset.preamble.push(self.placed(start, Preamble::Table(TableDefinition::default())));
            return Err(Failed);
        };
        let mut table = TableDefinition { name, ..TableDefinition::default() };
        let read = self.table_contents(&mut table);
        if read.is_err() {
            table.contents.get_or_insert_default().push(TableSource::Unreadable);
        }
        ruleset.preamble.push(self.placed(start, Preamble::Table(table)));
        read
    }

    fn table_contents(&mut self, table: &mut TableDefinition) -> Read<()> {
        loop {
            match &self.token {
                token if token.is_punctuation(b'{') => {
                    let addresses = self.table_addresses()?;
                    let contents = table.contents.get_or_insert_default();
                    match contents.last_mut() {
                        _ if addresses.is_empty() => {}
                        Some(TableSource::Addresses(known)) => known.extend(addresses),
                        _ => contents.push(TableSource::Addresses(addresses)),
                    }
                }
                token if token.is("file") => {
                    self.advance();
                    let file = self.string("the table's file")?;
                    table.contents.get_or_insert_default().push(TableSource::File(file));
                }
                token if matches!(token.kind, Kind::Word | Kind::Quoted) => match &*token.text {
                    "const" => {
                        table.constant = true;
                        self.advance();
                    }
                    "persist" => {
                        table.persist = true;
                        self.advance();
                    }
                    "counters" => {
                        self.doubt("there is no `counters` for tables");
                        self.advance();
                    }
                    _ => return Err(self.expected("`persist`, `const`, `file` or a list of addresses")),
                },
                _ => return Ok(()),
            }
        }
    }

    fn option(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.advance();
        let name = match self.token.kind {
            Kind::Keyword => self.advance(),
            _ => return Err(self.expected("an option")),
        };
        let ordered = !matches!(
            &*name.text,
            "skip" | "require-order" | "state-policy" | "ruleset-optimization" | "hostid"
        );
        let options = self.option_values(&name)?;
        if ordered {
            self.in_order(Order::Option, start)?;
        }
        for option in options {
            match option {
                SetOption::BlockPolicy(policy) => self.shared.block_policy = policy,
                SetOption::StatePolicy(policy) => self.shared.state_policy = policy,
                SetOption::RequireOrder(order) => self.shared.require_order = order && !self.shared.listing,
                _ => {}
            }
            ruleset.preamble.push(self.placed(start, Preamble::Option(option)));
        }
        Ok(())
    }

    fn option_values(&mut self, name: &Token<'a>) -> Read<Vec<SetOption>> {
        let other = |value: Box<str>| vec![SetOption::Other(Box::from(&*name.text), value)];
        Ok(match &*name.text {
            "timeout" => self.list(Self::timeout)?,
            "limit" => self.list(Self::limit)?,
            "optimization" if self.token.text.eq_ignore_ascii_case("default") => {
                self.doubt("there is no `default` optimization, but `normal`");
                other(self.one_of(&["default"])?)
            }
            "ruleset-optimization" if self.token.text == "yes" || self.token.is("no") => {
                self.doubt("ruleset-optimization is `none`, `basic` or `profile`");
                other(self.one_of(&["yes", "no"])?)
            }
            "optimization" => {
                other(self.one_of(&["normal", "satellite", "high-latency", "aggressive", "conservative"])?)
            }
            "ruleset-optimization" => other(self.one_of(&["none", "basic", "profile"])?),
            "debug" => other(self.one_of(&["none", "urgent", "misc", "loud"])?),
            "loginterface" => {
                let value =
                    if self.take("all") { Box::from("all") } else { self.string("an interface or `none`")? };
                other(value)
            }
            "hostid" => {
                let at = self.token.at;
                let value = match self.token.kind {
                    Kind::Number(value) => value,
                    Kind::Word | Kind::Quoted => host::c_number(&self.token.text).unwrap_or_default(),
                    _ => return Err(self.expected("a number")),
                };
                self.advance();
                if value <= 0 || value > i64::from(u32::MAX) {
                    return Err(self.wrong(at, "hostid must be non-zero"));
                }
                other(format!("{value:#010x}").into_boxed_str())
            }
            "block-policy" if self.take("drop") => vec![SetOption::BlockPolicy(BlockPolicy::Drop)],
            "block-policy" if self.take("return") => vec![SetOption::BlockPolicy(BlockPolicy::Return)],
            "block-policy" => return Err(self.expected("`drop` or `return`")),
            "state-policy" if self.take("if-bound") => vec![SetOption::StatePolicy(StatePolicy::IfBound)],
            "state-policy" if self.take("floating") => vec![SetOption::StatePolicy(StatePolicy::Floating)],
            "state-policy" => return Err(self.expected("`if-bound` or `floating`")),
            "require-order" if self.take("no") => vec![SetOption::RequireOrder(false)],
            "require-order" => {
                self.one_of(&["yes"])?;
                vec![SetOption::RequireOrder(true)]
            }
            "fingerprints" => other(self.string("the file of fingerprints")?),
            "skip" => vec![self.skip()?],
            _ => {
                return Err(self.note(
                    name.at,
                    format!("expected an option, found {}", name.describe()),
                    Fault::Syntax,
                ));
            }
        })
    }

    fn one_of(&mut self, values: &[&str]) -> Read<Box<str>> {
        let known = values.iter().any(|value| value.eq_ignore_ascii_case(&self.token.text));
        if known && matches!(self.token.kind, Kind::Word | Kind::Quoted | Kind::Keyword) {
            return Ok(Box::from(&*self.advance().text));
        }
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        Err(self.expected(&values.join(" or ")))
    }

    fn timeout(&mut self) -> Read<SetOption> {
        let at = self.token.at;
        let name = self.string("the name of a timeout")?;
        if !super::names::TIMEOUTS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(self.wrong(at, &format!("unknown timeout {}", shortened(&name))));
        }
        let value = self.number_within("a timeout", u32::MAX.into())?;
        Ok(SetOption::Timeout(name.to_ascii_lowercase().into_boxed_str(), value))
    }

    fn limit(&mut self) -> Read<SetOption> {
        let at = self.token.at;
        let name = self.string("the name of a limit")?;
        if !super::names::LIMITS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(self.wrong(at, &format!("unable to set limit {}", shortened(&name))));
        }
        let value = self.number_within("a limit", u32::MAX.into())?;
        Ok(SetOption::Limit(name.to_ascii_lowercase().into_boxed_str(), value))
    }

    fn skip(&mut self) -> Read<SetOption> {
        let at = self.token.at;
        let interfaces = self.interfaces()?;
        if interfaces.iter().any(|interface| interface.negated) {
            return Err(self.wrong(at, "skip on ! <interface> is not supported"));
        }
        Ok(SetOption::Skip(match &*interfaces {
            [only] if &*only.name == "none" => Vec::new(),
            _ => interfaces.into_iter().map(|interface| interface.name).collect(),
        }))
    }

    // Parts that statements share.

    fn direction(&mut self) -> Option<Direction> {
        match () {
            () if self.take("in") => Some(Direction::In),
            () if self.take("out") => Some(Direction::Out),
            () => None,
        }
    }

    fn family(&mut self) -> Option<Family> {
        match () {
            () if self.take("inet") => Some(Family::Inet),
            () if self.take("inet6") => Some(Family::Inet6),
            () => None,
        }
    }

    fn interfaces(&mut self) -> Read<Vec<Interface>> {
        if self.take("on") { self.list(Self::interface) } else { Ok(Vec::new()) }
    }

    fn interface(&mut self) -> Read<Interface> {
        let negated = self.take_punctuation(b'!');
        Ok(Interface { name: self.interface_name()?, negated })
    }

    fn interface_name(&mut self) -> Read<Box<str>> {
        let at = self.token.at;
        let name = self.string("an interface")?;
        if name.len() > 15 || name.is_empty() {
            return Err(self.wrong(at, "interface name too long"));
        }
        Ok(name)
    }

    fn anchor(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.advance();
        let path = match self.token.kind {
            Kind::Word | Kind::Quoted => Some(self.string("the anchor's path")?),
            _ => None,
        };
        let mut rule = Rule::new(Action::Pass);
        let mut lists = expand::Lists::default();
        rule.direction = self.direction();
        rule.quick = self.take("quick");
        lists.interfaces = self.interfaces()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        let given = self.criteria(&mut rule, &mut lists)?;
        let inline = if self.take_punctuation(b'{') { Some(Arc::new(self.inline_anchor()?)) } else { None };
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

    fn bare_block(&self) -> Block {
        match self.shared.block_policy {
            BlockPolicy::Drop => Block::Drop,
            BlockPolicy::Return => Block::Return,
        }
    }
}

/// The message, with what to write instead where that is known: words of other versions of pf, common slips.
fn advised(message: String, found: &Token<'_>) -> String {
    let advice = match found.kind {
        Kind::Word => super::names::instead_of(&found.text),
        Kind::Punctuation(b'$') => {
            Some("macros are not put in place inside of quotes: end the quote before it, `\"…\" $name \"…\"`")
        }
        _ => None,
    };
    match advice {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
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
