//! `altq` and `queue`: macOS's pfctl reads and checks them, and its kernel ignores them. So they are checked here and
//! kept as text.

use crate::pf::preamble::Preamble;
use crate::pf::rule::Ruleset;
use crate::pf::words::shortened;

use super::kernel::{Order, Parser, Read};
use super::lexer::{LexemeKind, Position};
use super::problem::Fault;

/// The options of cbq, priq and hfsc for a queue.
const FLAGS: &[&str] =
    &["default", "borrow", "red", "ecn", "red-ecn", "blue", "blue-ecn", "sfb", "sfb-ecn", "rio", "fc"];

/// The options of a definition that were given.
#[derive(Default)]
struct QueueOptions {
    bandwidth: bool,
    priority: bool,
    limit: bool,
    regulator: bool,
    scheduler: bool,
}

impl Parser<'_, '_, '_> {
    /// `altq on IF SCHEDULER … queue { … }`, `queue NAME [on IF] … [{ … }]`
    pub(super) fn queue_definition(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let read = self.definition(ruleset, start);
        // The children of a definition that could not be read are unknown.
        self.shared.queues_are_known &= read.is_ok();
        read
    }

    fn definition(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let mut words = Vec::new();
        let is_interface = self.lexeme.is("altq");
        self.keep(&mut words);
        let name = if is_interface { None } else { Some(self.queue_name(&mut words)?) };
        if self.lexeme.is("on") {
            self.keep(&mut words);
            self.items(&mut words, |parser, words| {
                if parser.lexeme.is_punctuation(b'!') {
                    parser.keep(words);
                }
                parser.kept_word("an interface", words).map(drop)
            })?;
        }
        let given = self.opt_queue_options(&mut words)?;
        let mut children = Vec::new();
        let assigns = if is_interface {
            if !self.lexeme.is("queue") {
                return Err(self.expected("an option of a queue, or `queue` and the names of the queues"));
            }
            self.keep(&mut words);
            true
        } else {
            self.lexeme.is_punctuation(b'{')
                || matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted)
        };
        if assigns && !matches!(self.lexeme.kind, LexemeKind::Newline | LexemeKind::End) {
            self.items(&mut words, |parser, words| {
                children.push(parser.queue_name(words)?);
                Ok(())
            })?;
        }
        self.in_order(Order::Queue, start)?;
        match name {
            None if !given.scheduler => return Err(self.wrong(start, "no scheduler specified!")),
            None if children.is_empty() => return Err(self.wrong(start, "no child queues specified")),
            Some(_) if given.regulator => {
                return Err(self.wrong(start, "cannot specify tbrsize for queue"));
            }
            Some(name) if self.shared.queues_are_known && !self.shared.queues.contains(&name) => {
                return Err(self.wrong(start, &format!("queue {} has no parent", shortened(&name))));
            }
            _ => {}
        }
        self.shared.queues.extend(children);
        ruleset.preamble.push(self.placed(start, Preamble::Queue(words.join(" "))));
        Ok(())
    }

    fn opt_queue_options(&mut self, words: &mut Vec<String>) -> Read<QueueOptions> {
        let mut given = QueueOptions::default();
        loop {
            let at = self.lexeme.at;
            if self.lexeme.kind == LexemeKind::Word && self.lexeme.text == "weight" {
                self.keep(words);
                self.kept_number("a weight", i64::MAX, words)?;
                continue;
            }
            if self.lexeme.kind != LexemeKind::Keyword {
                return Ok(given);
            }
            let twice = match &*self.lexeme.text {
                "bandwidth" => {
                    self.keep(words);
                    self.bandwidth(words)?;
                    std::mem::replace(&mut given.bandwidth, true)
                }
                "priority" => {
                    self.keep(words);
                    self.kept_number("a priority", 255, words)?;
                    std::mem::replace(&mut given.priority, true)
                }
                "qlimit" => {
                    self.keep(words);
                    self.kept_number("a qlimit", 65535, words)?;
                    std::mem::replace(&mut given.limit, true)
                }
                "tbrsize" => {
                    self.keep(words);
                    self.kept_number("a tbrsize", 65535, words)?;
                    std::mem::replace(&mut given.regulator, true)
                }
                "cbq" | "priq" | "hfsc" | "fairq" => {
                    self.scheduler(words)?;
                    std::mem::replace(&mut given.scheduler, true)
                }
                _ => return Ok(given),
            };
            if twice {
                return Err(self.wrong(at, "an option of a queue is given twice"));
            }
        }
    }

    fn scheduler(&mut self, words: &mut Vec<String>) -> Read<()> {
        let is_hfsc = self.lexeme.is("hfsc");
        let is_fair = self.lexeme.is("fairq");
        self.keep(words);
        if !self.lexeme.is_punctuation(b'(') {
            return Ok(());
        }
        self.keep(words);
        let mut curves: Vec<String> = Vec::new();
        loop {
            let at = self.lexeme.at;
            let curve = ["linkshare", "realtime", "upperlimit"].iter().any(|curve| self.lexeme.is(curve));
            if curve && (is_hfsc || is_fair) {
                let name = self.lexeme.text.to_string();
                if curves.contains(&name) {
                    return Err(self.wrong(at, &format!("{name} already specified")));
                }
                curves.push(name);
                self.keep(words);
                self.curve(words)?;
            } else if is_fair {
                // Which other options fairq takes on macOS is unknown: words and numbers.
                match self.lexeme.kind {
                    LexemeKind::Word | LexemeKind::Quoted | LexemeKind::Keyword | LexemeKind::Number(_) => {
                        self.keep(words)
                    }
                    _ => return Err(self.expected("an option of fairq")),
                }
            } else {
                let flag = self.kept_word("a flag, such as `default` or `red`", words)?;
                if flag == "codel" {
                    self.doubt("there is no `codel` for queues");
                } else if !FLAGS.contains(&&*flag) {
                    return Err(self.wrong(at, &format!("unknown flag \"{}\"", shortened(&flag))));
                }
            }
            if self.lexeme.is_punctuation(b')') {
                self.keep(words);
                return Ok(());
            }
            if self.lexeme.is_punctuation(b',') {
                self.keep(words);
            }
        }
    }

    /// A bandwidth, or `(first milliseconds then)`.
    fn curve(&mut self, words: &mut Vec<String>) -> Read<()> {
        if !self.lexeme.is_punctuation(b'(') {
            return self.bandwidth(words);
        }
        self.keep(words);
        self.bandwidth(words)?;
        self.opt_comma(words);
        self.kept_number("a time in milliseconds", i32::MAX.into(), words)?;
        self.opt_comma(words);
        self.bandwidth(words)?;
        if !self.lexeme.is_punctuation(b')') {
            return Err(self.expected("`)`"));
        }
        self.keep(words);
        Ok(())
    }

    /// `10Mb`, `1.5Mb`, `30%`, a number of bits in a second.
    fn bandwidth(&mut self, words: &mut Vec<String>) -> Read<()> {
        let at = self.lexeme.at;
        if matches!(self.lexeme.kind, LexemeKind::Number(_)) {
            return self.kept_number("a bandwidth", i64::MAX, words);
        }
        let text = self.kept_word("a bandwidth, such as `10Mb` or `30%`", words)?;
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = text.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
        let scaled = ["", "b", "B", "bit", "Bit"];
        let known = match unit.strip_prefix(['K', 'M', 'G']) {
            Some(rest) => scaled.contains(&rest),
            None => unit == "b" || unit == "%",
        };
        match number {
            Some(number) if known && (unit != "%" || number <= 100.0) => Ok(()),
            _ => Err(self.wrong(at, &format!("illegal bandwidth {}", shortened(&text)))),
        }
    }

    /// One item, or items in braces.
    fn items(
        &mut self,
        words: &mut Vec<String>,
        mut item: impl FnMut(&mut Self, &mut Vec<String>) -> Read<()>,
    ) -> Read<()> {
        if !self.lexeme.is_punctuation(b'{') {
            return item(self, words);
        }
        self.open_lists += 1;
        self.keep(words);
        self.opt_newlines();
        loop {
            item(self, words)?;
            self.opt_newlines();
            if self.lexeme.is_punctuation(b'}') {
                self.open_lists -= 1;
                self.keep(words);
                return Ok(());
            }
            self.opt_comma(words);
            self.opt_newlines();
        }
    }

    fn queue_name(&mut self, words: &mut Vec<String>) -> Read<String> {
        let at = self.lexeme.at;
        let name = self.kept_word("a queue", words)?;
        if name.len() > 63 {
            return Err(self.wrong(at, "queue name too long (max 63 chars)"));
        }
        Ok(name)
    }

    /// Takes the lexeme, and keeps it as text that reads back as it was.
    fn keep(&mut self, words: &mut Vec<String>) {
        words.push(match self.lexeme.kind {
            LexemeKind::Punctuation(byte) => char::from(byte).to_string(),
            LexemeKind::Number(number) => number.to_string(),
            LexemeKind::Quoted => format!("\"{}\"", self.lexeme.text.replace('"', "\\\"")),
            _ => self.lexeme.text.to_string(),
        });
        self.bump();
    }

    fn opt_comma(&mut self, words: &mut Vec<String>) {
        if self.lexeme.is_punctuation(b',') {
            self.keep(words);
        }
    }

    fn kept_word(&mut self, what: &str, words: &mut Vec<String>) -> Read<String> {
        if !matches!(self.lexeme.kind, LexemeKind::Word | LexemeKind::Quoted) {
            return Err(self.expected(what));
        }
        let text = self.lexeme.text.to_string();
        self.keep(words);
        Ok(text)
    }

    fn kept_number(&mut self, what: &str, highest: i64, words: &mut Vec<String>) -> Read<()> {
        let LexemeKind::Number(number) = self.lexeme.kind else { return Err(self.expected(what)) };
        if !(0..=highest).contains(&number) {
            let message = format!("{what} must be from 0 to {highest}, not {number}");
            return Err(self.note(self.lexeme.at, message, Fault::Meaning));
        }
        self.keep(words);
        Ok(())
    }
}
