//! Cuts the text of a pf.conf into lexemes, as pfctl does (its `yylex`): macros are replaced, lines ending in a
//! backslash are joined, comments end at the line's end, quotes keep blanks and `#`.
//!
//! Two habits of pfctl are kept because files rely on them: a macro's value joins the text that follows it
//! (`$ext_if:network`), and a comment that ends in a backslash goes on in the next line. One is not: pfctl calls the
//! carriage return of a CRLF file a syntax error; here it is a blank.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use crate::pf::words::{in_word, is_keyword, shortened};

/// The longest word that pfctl reads (its buffer is 8096 bytes).
const MAXIMUM_WORD: usize = 8095;
/// The bytes of macros' values that one text may have: a small text could grow without end.
const MAXIMUM_PUT_IN_PLACE: usize = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LexemeKind {
    /// A bare word that is one of the reserved ones.
    Keyword,
    /// A bare word.
    Word,
    /// A text in quotes, its quotes taken off.
    Quoted,
    /// A whole number; its value.
    Number(i64),
    /// One character that stands for itself.
    Punctuation(u8),
    /// `->`
    Arrow,
    /// `><`
    Inside,
    /// `<>`
    Outside,
    /// The end of a line.
    Newline,
    /// The end of the text.
    End,
    /// Not a lexeme; its text is why. The lexer stands at the end of the line.
    Bad,
    /// A macro whose own line did not read, which is a problem there. The lexer stands at the end of the line.
    UnreadMacro,
}

/// One lexeme and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Lexeme<'a> {
    pub(crate) kind: LexemeKind,
    pub(crate) text: Cow<'a, str>,
    pub(crate) at: Position,
}

impl Lexeme<'_> {
    /// Whether the lexeme is this reserved word.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == LexemeKind::Keyword && self.text == keyword
    }

    /// Whether the lexeme is this character.
    pub(crate) fn is_punctuation(&self, character: u8) -> bool {
        self.kind == LexemeKind::Punctuation(character)
    }

    /// The lexeme as it is named in "expected …, found …".
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            LexemeKind::Keyword | LexemeKind::Word => format!("`{}`", shortened(&self.text)),
            LexemeKind::Quoted => format!("\"{}\"", shortened(&self.text)),
            LexemeKind::Number(value) => format!("`{value}`"),
            LexemeKind::Punctuation(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            LexemeKind::Punctuation(_) => "a character that pf.conf does not know".to_owned(),
            LexemeKind::Arrow => "`->`".to_owned(),
            LexemeKind::Inside => "`><`".to_owned(),
            LexemeKind::Outside => "`<>`".to_owned(),
            LexemeKind::Newline => "the end of the line".to_owned(),
            LexemeKind::End => "the end of the file".to_owned(),
            LexemeKind::Bad => self.text.to_string(),
            LexemeKind::UnreadMacro => "a macro that did not read".to_owned(),
        }
    }
}

/// The values of macros by name; `None`: the line that sets it did not read.
pub(crate) type Macros = HashMap<String, Option<Rc<str>>>;

/// A place in a text: the byte, the line from 1, and where that line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: usize,
    pub(crate) line: usize,
    pub(crate) line_start: usize,
    /// Inside of a macro's value, behind its first lexeme.
    pub(crate) in_macro: bool,
}

/// Where the lexer stands: in the text, and inside of a macro's value.
#[derive(Clone, Copy)]
struct Cursor {
    at: Position,
    in_macro: Option<usize>,
}

/// Reads lexemes one by one; linear in the text.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    cursor: Cursor,
    macro_value: Rc<str>,
    macro_at: Position,
    /// The bytes of macros' values so far.
    put_in_place: usize,
    /// The bytes read, those read again included.
    pub(super) work: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let at = Position { offset: 0, line: 1, line_start: 0, in_macro: false };
        Lexer {
            text,
            cursor: Cursor { at, in_macro: None },
            macro_value: Rc::from(""),
            macro_at: at,
            put_in_place: 0,
            work: 0,
        }
    }

    /// The line that `position` lies in, without its end.
    pub(crate) fn line(&self, position: Position) -> &'a str {
        let rest = self.text.get(position.line_start..).unwrap_or_default();
        rest.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }

    /// The name of the macro whose value a lexeme at `position` comes out of.
    pub(crate) fn macro_named_at(&self, position: Position) -> Option<&'a str> {
        let name = self.text.get(position.offset..)?.strip_prefix('$')?;
        let end = name.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'));
        name.get(..end.unwrap_or(name.len())).filter(|name| !name.is_empty())
    }

    /// The next lexeme. A macro's name is looked up in `macros`.
    pub(crate) fn next(&mut self, macros: &Macros) -> Lexeme<'a> {
        loop {
            let start = self.cursor;
            let Some(byte) = self.read() else { return self.lexeme(LexemeKind::End, "", start) };
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'#' => {
                    while let Some(byte) = self.read() {
                        if byte == b'\n' {
                            return self.lexeme(LexemeKind::Newline, "", start);
                        }
                    }
                    return self.lexeme(LexemeKind::End, "", start);
                }
                b'$' if start.in_macro.is_none() => {
                    let name = self.name();
                    match macros.get(&name) {
                        Some(None) => {
                            self.skip_line();
                            return self.lexeme(LexemeKind::UnreadMacro, "", start);
                        }
                        Some(Some(value)) if self.put_in_place + value.len() > MAXIMUM_PUT_IN_PLACE => {
                            return self
                                .bad("the values of the macros are too long together".to_owned(), start);
                        }
                        Some(Some(value)) => {
                            self.put_in_place += value.len();
                            self.macro_value = Rc::clone(value);
                            self.macro_at = start.at;
                            self.cursor.in_macro = Some(0);
                        }
                        None if name.is_empty() => {
                            let problem =
                                "expected a macro's name behind `$`: `${…}` and `$(…)` are a shell's";
                            return self.bad(problem.to_owned(), start);
                        }
                        None => {
                            let problem = format!("the macro `{}` is not defined", shortened(&name));
                            return self.bad(problem, start);
                        }
                    }
                }
                b'"' | b'\'' => return self.quoted(byte, start),
                b'<' => return self.pair(b'>', LexemeKind::Outside, byte, start),
                b'>' => return self.pair(b'<', LexemeKind::Inside, byte, start),
                b'-' if self.peek() == Some(b'>') => {
                    self.read();
                    return self.lexeme(LexemeKind::Arrow, "", start);
                }
                b'-' | b'0'..=b'9' => return self.number_or_word(byte, start),
                b'\n' => return self.lexeme(LexemeKind::Newline, "", start),
                _ if byte.is_ascii_alphanumeric() || byte == b':' || byte == b'_' => {
                    return self.word(start);
                }
                _ => return self.lexeme(LexemeKind::Punctuation(byte), "", start),
            }
        }
    }

    fn lexeme(&self, kind: LexemeKind, text: &'a str, start: Cursor) -> Lexeme<'a> {
        Lexeme { kind, text: Cow::Borrowed(text), at: self.place(start) }
    }

    /// A lexeme out of a macro is placed where the macro is named.
    fn place(&self, start: Cursor) -> Position {
        match start.in_macro {
            Some(index) => {
                let before = self.macro_value.as_bytes().get(..index).unwrap_or_default();
                Position { in_macro: !before.trim_ascii().is_empty(), ..self.macro_at }
            }
            None => start.at,
        }
    }

    fn bad(&mut self, problem: String, start: Cursor) -> Lexeme<'a> {
        self.skip_line();
        Lexeme { kind: LexemeKind::Bad, text: Cow::Owned(problem), at: self.place(start) }
    }

    /// Goes to the end of the line, without taking it.
    fn skip_line(&mut self) {
        self.cursor.in_macro = None;
        while let Some(byte) = self.peek() {
            if byte == b'\n' {
                return;
            }
            self.read();
        }
    }

    /// The next byte of the macro's value or of the text, lines joined and backslashes taken off.
    fn read(&mut self) -> Option<u8> {
        if let Some(index) = self.cursor.in_macro {
            if let Some(byte) = self.macro_value.as_bytes().get(index) {
                self.cursor.in_macro = Some(index + 1);
                self.work += 1;
                return Some(*byte);
            }
            self.cursor.in_macro = None;
        }
        let mut byte = self.raw()?;
        while byte == b'\\' {
            let Some(next) = self.raw() else { return Some(byte) };
            let joined = next == b'\n' || (next == b'\r' && self.peek_raw() == Some(b'\n'));
            if !joined {
                return Some(next);
            }
            if next == b'\r' {
                self.raw();
            }
            byte = self.raw()?;
        }
        Some(byte)
    }

    fn peek(&mut self) -> Option<u8> {
        let before = self.cursor;
        let byte = self.read();
        self.cursor = before;
        byte
    }

    fn peek_raw(&self) -> Option<u8> {
        self.text.as_bytes().get(self.cursor.at.offset).copied()
    }

    fn raw(&mut self) -> Option<u8> {
        let byte = self.peek_raw()?;
        self.work += 1;
        let at = &mut self.cursor.at;
        at.offset += 1;
        if byte == b'\n' {
            at.line += 1;
            at.line_start = at.offset;
        }
        Some(byte)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(byte) = self.peek() {
            if !(byte.is_ascii_alphanumeric() || byte == b'_') || name.len() >= MAXIMUM_WORD {
                break;
            }
            self.read();
            name.push(char::from(byte));
        }
        name
    }

    fn pair(&mut self, second: u8, kind: LexemeKind, first: u8, start: Cursor) -> Lexeme<'a> {
        if self.peek() == Some(second) {
            self.read();
            return self.lexeme(kind, "", start);
        }
        self.lexeme(LexemeKind::Punctuation(first), "", start)
    }

    /// A text in quotes may go over several lines. One that is never closed costs its own line only; there can be two
    /// of those in a text, one of each quote, so that the whole stays linear.
    fn quoted(&mut self, quote: u8, start: Cursor) -> Lexeme<'a> {
        let mut bytes = Vec::new();
        loop {
            let byte = match self.read_quoted() {
                None => {
                    self.cursor = start;
                    return self.bad("the quote is not closed".to_owned(), start);
                }
                Some(byte) if byte == quote => break,
                Some(b'\n') => continue,
                Some(b'\\') => {
                    let before = self.cursor;
                    match self.read_quoted() {
                        Some(next) if next == quote => next,
                        Some(b'\n') => continue,
                        _ => {
                            self.cursor = before;
                            b'\\'
                        }
                    }
                }
                Some(byte) => byte,
            };
            if bytes.len() >= MAXIMUM_WORD {
                self.cursor = start;
                return self
                    .bad("the text in quotes is too long, or the quote is not closed".to_owned(), start);
            }
            bytes.push(byte);
        }
        let text = Cow::Owned(String::from_utf8_lossy(&bytes).into_owned());
        Lexeme { kind: LexemeKind::Quoted, text, at: self.place(start) }
    }

    /// The next byte inside quotes, where a backslash is not special.
    fn read_quoted(&mut self) -> Option<u8> {
        if self.cursor.in_macro.is_some_and(|index| index < self.macro_value.len()) {
            return self.read();
        }
        self.cursor.in_macro = None;
        self.raw()
    }

    fn number_or_word(&mut self, first: u8, start: Cursor) -> Lexeme<'a> {
        let after_first = self.cursor;
        let mut digits = String::from(char::from(first));
        while let Some(byte) = self.peek().filter(u8::is_ascii_digit) {
            if digits.len() > MAXIMUM_WORD {
                return self.bad("the number is too long".to_owned(), start);
            }
            self.read();
            digits.push(char::from(byte));
        }
        let has_digits = first != b'-' || digits.len() > 1;
        let ends = match self.peek() {
            None => true,
            Some(byte) => byte.is_ascii_whitespace() || matches!(byte, b')' | b',' | b'/' | b'}' | b'='),
        };
        if has_digits && ends {
            return match digits.parse() {
                Ok(value) => self.lexeme(LexemeKind::Number(value), "", start),
                Err(_) => self.bad(format!("the number {} is out of range", shortened(&digits)), start),
            };
        }
        self.cursor = after_first;
        if first == b'-' { self.lexeme(LexemeKind::Punctuation(b'-'), "", start) } else { self.word(start) }
    }

    fn word(&mut self, start: Cursor) -> Lexeme<'a> {
        let text = match self.plain_word(start) {
            Some(text) => Cow::Borrowed(text),
            None => {
                self.cursor = start;
                let mut word = String::new();
                while let Some(byte) = self.peek().filter(|byte| word.is_empty() || in_word(*byte)) {
                    self.read();
                    word.push(char::from(byte));
                    if word.len() > MAXIMUM_WORD {
                        return self.bad("the word is too long".to_owned(), start);
                    }
                }
                // pfctl takes it, and prints it so that it does not read back.
                if word.contains('\\') {
                    return self.bad("a backslash stands inside of a word".to_owned(), start);
                }
                Cow::Owned(word)
            }
        };
        let kind = if is_keyword(&text) { LexemeKind::Keyword } else { LexemeKind::Word };
        Lexeme { kind, text, at: self.place(start) }
    }

    /// The word as a slice of the text; `None` where a macro or a backslash is part of it.
    fn plain_word(&mut self, start: Cursor) -> Option<&'a str> {
        if start.in_macro.is_some_and(|index| index < self.macro_value.len()) {
            return None;
        }
        let rest = self.text.as_bytes().get(start.at.offset..)?;
        let length = rest.iter().position(|byte| !in_word(*byte)).unwrap_or(rest.len());
        self.work += length;
        let word = self.text.get(start.at.offset..start.at.offset + length)?;
        if length == 0 || length > MAXIMUM_WORD || word.contains('\\') {
            return None;
        }
        self.cursor = start;
        self.cursor.in_macro = None;
        self.cursor.at.offset += length;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(text: &str) -> Vec<String> {
        let macros = HashMap::from([
            ("ext_if".to_owned(), Some(Rc::from("en0"))),
            ("list".to_owned(), Some(Rc::from("{ a, b }"))),
        ]);
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        loop {
            let lexeme = lexer.next(&macros);
            if lexeme.kind == LexemeKind::End {
                return found;
            }
            found.push(lexeme.describe());
        }
    }

    #[test]
    fn words_numbers_and_punctuation() {
        assert_eq!(lexemes("pass in x"), ["`pass`", "`in`", "`x`"]);
        assert_eq!(lexemes("10.0.0.0/8"), ["`10.0.0.0`", "`/`", "`8`"]);
        assert_eq!(lexemes("1000:2000 10/8"), ["`1000:2000`", "`10`", "`/`", "`8`"]);
        assert_eq!(
            lexemes("1 >< 5 <> 7 -> x - y"),
            ["`1`", "`><`", "`5`", "`<>`", "`7`", "`->`", "`x`", "`-`", "`y`"]
        );
        assert_eq!(lexemes("port 1><5"), ["`port`", "`1`", "`><`", "`5`"]);
        assert_eq!(lexemes("fe80::1%en0 ! = <t>"), ["`fe80::1%en0`", "`!`", "`=`", "`<`", "`t`", "`>`"]);
    }

    #[test]
    fn macros_join_what_follows() {
        assert_eq!(lexemes("($ext_if:network)"), ["`(`", "`en0:network`", "`)`"]);
        assert_eq!(lexemes("$list x"), ["`{`", "`a`", "`,`", "`b`", "`}`", "`x`"]);
        assert_eq!(lexemes("$nope x\ny")[1..], ["the end of the line", "`y`"]);
    }

    #[test]
    fn lines_join_and_comments_end() {
        assert_eq!(lexemes("pass \\\n in # x\nout"), ["`pass`", "`in`", "the end of the line", "`out`"]);
        assert_eq!(lexemes("pass \\\r\n in\r\nout"), ["`pass`", "`in`", "the end of the line", "`out`"]);
        assert_eq!(lexemes("# a \\\npass\nout"), ["the end of the line", "`out`"]);
    }

    #[test]
    fn quotes_keep_blanks_and_hashes() {
        assert_eq!(lexemes("\"a # b\" 'c \"d\"'"), ["\"a # b\"", "\"c \"d\"\""]);
        assert_eq!(lexemes(r#""a\"b""#), ["\"a\"b\""]);
        assert_eq!(lexemes("\"open\npass"), ["the quote is not closed", "the end of the line", "`pass`"]);
    }
}
