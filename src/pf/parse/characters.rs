//! Characters that pages and word processors put into a pf.conf, and that pfctl does not read: each kind is a problem, named
//! with its remedy, and is read as what was meant, so that it is one problem and not many.

use std::borrow::Cow;
use std::sync::Arc;

use super::problem::{Fault, Problem};

/// The text as it was meant, and a problem for each kind of odd character at its first place.
pub(super) fn plain<'t>(path: &str, text: &'t str) -> (Cow<'t, str>, Vec<Problem>) {
    if let Some(message) = not_plain_text(text) {
        return (Cow::Borrowed(""), vec![problem(path, text, 0, message.to_owned())]);
    }
    if text.is_ascii() {
        return (Cow::Borrowed(text), Vec::new());
    }
    replaced(path, text)
}

/// Why the whole file is not a text that pfctl could read.
fn not_plain_text(text: &str) -> Option<&'static str> {
    if text.starts_with("{\\rtf") {
        return Some(
            "this is RTF, not plain text: in TextEdit choose Format > Make Plain Text, then save it again",
        );
    }
    if text.contains('\r') && !text.contains('\n') {
        return Some(
            "its lines end in CR alone, as on Macs before OS X: `tr '\\r' '\\n' < FILE` writes it with LF",
        );
    }
    let utf_16 = text.starts_with("\u{fffd}\u{fffd}") || text.get(..200).unwrap_or(text).contains('\0');
    utf_16.then_some("this is UTF-16: save it as UTF-8, `iconv -f UTF-16 -t UTF-8 FILE`")
}

fn replaced<'t>(path: &str, text: &'t str) -> (Cow<'t, str>, Vec<Problem>) {
    let mut plain = String::with_capacity(text.len());
    let mut found: Vec<(&'static str, Problem)> = Vec::new();
    let mut inside = CharacterPlace::Rule;
    let mut before = '\n';
    for (offset, character) in text.char_indices() {
        let odd = match inside {
            // In comments pfctl reads anything, in names any byte.
            CharacterPlace::Comment => None,
            CharacterPlace::Quotes(_) => odd(character).filter(|odd| odd.is_quote()),
            CharacterPlace::Rule => odd(character),
        };
        let meant = match &odd {
            Some(odd) => odd.meant,
            None => character,
        };
        if let Some(odd) = odd {
            if !found.iter().any(|(name, _)| *name == odd.name) {
                found.push((odd.name, problem(path, text, offset, odd.message(character))));
            }
            plain.push_str(odd.meant.encode_utf8(&mut [0; 4]));
        } else {
            plain.push(character);
        }
        inside = inside.after(meant, before);
        before = meant;
    }
    if found.is_empty() {
        return (Cow::Borrowed(text), Vec::new());
    }
    (Cow::Owned(plain), found.into_iter().map(|(_, problem)| problem).collect())
}

/// Where in a text a character stands.
#[derive(Clone, Copy, PartialEq)]
enum CharacterPlace {
    Rule,
    Comment,
    Quotes(char),
}

impl CharacterPlace {
    fn after(self, character: char, before: char) -> Self {
        match (self, character) {
            (CharacterPlace::Rule, '#') => CharacterPlace::Comment,
            (CharacterPlace::Rule, '"' | '\'') => CharacterPlace::Quotes(character),
            (CharacterPlace::Comment, '\n') if before != '\\' => CharacterPlace::Rule,
            (CharacterPlace::Quotes(quote), _) if quote == character => CharacterPlace::Rule,
            _ => self,
        }
    }
}

/// A character that is not ASCII where pfctl reads ASCII alone.
struct Odd {
    name: &'static str,
    meant: char,
}

impl Odd {
    fn is_quote(&self) -> bool {
        self.meant == '"' || self.meant == '\''
    }

    fn message(&self, character: char) -> String {
        let Odd { name, meant } = self;
        match name {
            &"a byte order mark" => format!("the file begins with {name} (U+FEFF): save it without"),
            _ if *meant == ' ' => format!(
                "{name} (U+{:04X}) stands where a blank is needed: delete it and type a blank",
                u32::from(character)
            ),
            _ => format!("{name} {character} (U+{:04X}) stands here: write `{meant}`", u32::from(character)),
        }
    }
}

fn odd(character: char) -> Option<Odd> {
    let (name, meant) = match character {
        '\u{feff}' => ("a byte order mark", ' '),
        '\u{a0}' | '\u{2007}' | '\u{202f}' => ("a no-break space", ' '),
        '\u{3000}' => ("an ideographic space", ' '),
        '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{1680}' => ("a wide space", ' '),
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{202a}'..='\u{202e}' => ("an invisible character", ' '),
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{300c}' | '\u{300d}' => ("a curly quote", '"'),
        '\u{2018}'..='\u{201b}' => ("a curly quote", '\''),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => ("a dash", '-'),
        '\u{2192}' => ("an arrow", '>'),
        '\u{3001}' => ("a full-width comma", ','),
        '\u{3002}' => ("a full-width stop", '.'),
        '\u{ff10}'..='\u{ff19}' => ("a full-width digit", ascii(character)?),
        '\u{ff0c}' => ("a full-width comma", ','),
        '\u{ff1a}' => ("a full-width colon", ':'),
        '\u{ff01}'..='\u{ff5e}' => ("a full-width character", ascii(character)?),
        _ => return None,
    };
    Some(Odd { name, meant })
}

/// The ASCII character that a full-width one is the wide form of.
fn ascii(character: char) -> Option<char> {
    char::from_u32(u32::from(character).checked_sub(0xfee0)?)
}

fn problem(path: &str, text: &str, offset: usize, message: String) -> Problem {
    let before = text.get(..offset).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let column = text.get(start..offset).unwrap_or_default().chars().count();
    let first = column.saturating_sub(60);
    let shown = line.chars().skip(first).take(120).map(|c| if c.is_control() { ' ' } else { c }).collect();
    Problem {
        path: Arc::from(path),
        line: before.matches('\n').count() + 1,
        column: column + 1,
        message,
        text: shown,
        caret: column - first,
        fault: Fault::Syntax,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_one_problem_and_reads_as_it_was_meant() {
        for (text, meant, says) in [
            ("\u{feff}pass in\n", " pass in\n", "byte order mark"),
            ("pass\u{a0}in\u{a0}all\n", "pass in all\n", "a no-break space (U+00A0)"),
            ("pass\u{3000}in\n", "pass in\n", "an ideographic space"),
            ("a = “en0”\n", "a = \"en0\"\n", "write `\"`"),
            ("pass to port ２３４５\n", "pass to port 2345\n", "a full-width digit"),
            ("{ 80，443 }\n", "{ 80,443 }\n", "write `,`"),
            ("2345：2350\n", "2345:2350\n", "a full-width colon"),
            ("a – b\n", "a - b\n", "a dash"),
        ] {
            let (plain, problems) = plain("f", text);
            assert_eq!(plain, meant);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].message.contains(says), "{}", problems[0].message);
        }
        for fine in ["# “comment” \u{a0}\npass\n", "pass label \"é ，\"\n"] {
            assert!(matches!(plain("f", fine), (Cow::Borrowed(_), problems) if problems.is_empty()));
        }
        for whole in ["{\\rtf1\\ansi pass in}\n", "\u{fffd}\u{fffd}p\0a\0", "pass in\rblock in al\r"] {
            assert_eq!(plain("f", whole).1.len(), 1);
        }
    }
}
