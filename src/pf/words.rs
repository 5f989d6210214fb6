//! Words as pfctl reads them, and as it prints them so that they read back the same.

use std::borrow::Cow;
use std::fmt::{self, Formatter};

/// Whether a byte may stand inside a bare word.
#[inline]
pub(crate) fn in_word(byte: u8) -> bool {
    IN_WORD[byte as usize]
}

/// It is asked of every byte of a file.
const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || (byte.is_ascii_punctuation()
                && !matches!(
                    byte,
                    b'(' | b')' | b'{' | b'}' | b'<' | b'>' | b'!' | b'=' | b'/' | b'#' | b','
                ));
        byte += 1;
    }
    table
};

/// Whether `text` reads back as one bare word that is not reserved.
pub(crate) fn is_plain_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    let starts =
        bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':' || byte == b'_');
    let number = text.bytes().all(|byte| byte.is_ascii_digit());
    starts && !number && bytes.all(|byte| in_word(byte) && byte != b'\\') && !is_keyword(text)
}

/// Whether a bare word is reserved; such a word names a table, label or host only in quotes.
pub(crate) fn is_keyword(word: &str) -> bool {
    let Some(first) = word.bytes().next().filter(u8::is_ascii_lowercase) else { return false };
    let from = FIRST.get(usize::from(first - b'a')).copied().unwrap_or(KEYWORDS.len());
    let same_letter = KEYWORDS.iter().skip(from).take_while(|known| known.as_bytes().first() == Some(&first));
    same_letter.into_iter().any(|known| *known == word)
}

/// The name of a table in `name:3` or `name:*`, as `pfctl -vv` shows it with the number of its addresses.
pub(crate) fn counted_table(text: &str) -> Option<&str> {
    let (name, count) = text.rsplit_once(':')?;
    let is_count = count == "*" || (!count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()));
    (is_count && !name.is_empty()).then_some(name)
}

/// A number as C's `strtoul` reads it with base 0: decimal, 0x hexadecimal, 0 octal.
pub(crate) fn c_number(text: &str) -> Option<i64> {
    let digits = |text: &str, radix| {
        let proper = !text.is_empty() && text.bytes().all(|byte| char::from(byte).is_digit(radix));
        proper.then(|| i64::from_str_radix(text, radix).ok()).flatten()
    };
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return digits(hex, 16);
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => digits(octal, 8),
        _ => digits(text, 10),
    }
}

/// The first 40 characters of a text, for messages.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// A bare word where that reads back as the same, else in quotes.
pub(crate) fn write_word(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    if is_plain_word(text) { f.write_str(text) } else { write_quoted(f, text) }
}

pub(crate) fn write_quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for (index, piece) in text.split('"').enumerate() {
        if index > 0 {
            f.write_str("\\\"")?;
        }
        f.write_str(piece)?;
    }
    f.write_str("\"")
}

/// A table's name in `<…>`.
pub(crate) struct TableName<'a>(pub(crate) &'a str);

impl fmt::Display for TableName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        // Unquoted, its end would read as the number of its addresses.
        if counted_table(self.0).is_some() {
            write_quoted(f, self.0)?
        } else {
            write_word(f, self.0)?
        }
        f.write_str(">")
    }
}

/// Where in the reserved words each letter begins: every word of every file is looked up.
const FIRST: [usize; 26] = {
    let mut first = [KEYWORDS.len(); 26];
    let mut index = KEYWORDS.len();
    while index > 0 {
        index -= 1;
        first[(KEYWORDS[index].as_bytes()[0] - b'a') as usize] = index;
    }
    first
};

/// The reserved words, sorted.
const KEYWORDS: &[&str] = &[
    "all",
    "allow-opts",
    "altq",
    "anchor",
    "antispoof",
    "any",
    "bandwidth",
    "binat",
    "binat-anchor",
    "bitmask",
    "block",
    "block-policy",
    "cbq",
    "code",
    "crop",
    "debug",
    "drop",
    "drop-ovl",
    "dscp",
    "dummynet",
    "dummynet-anchor",
    "dup-to",
    "extfilter",
    "extmap",
    "fairq",
    "fastroute",
    "file",
    "fingerprints",
    "flags",
    "floating",
    "flush",
    "for",
    "fragment",
    "from",
    "global",
    "group",
    "hfsc",
    "hostid",
    "icmp-type",
    "icmp6-type",
    "if-bound",
    "in",
    "include",
    "inet",
    "inet6",
    "keep",
    "label",
    "limit",
    "linkshare",
    "load",
    "log",
    "loginterface",
    "max",
    "max-mss",
    "max-src-conn",
    "max-src-conn-rate",
    "max-src-nodes",
    "max-src-states",
    "min-ttl",
    "modulate",
    "nat",
    "nat-anchor",
    "no",
    "no-df",
    "no-route",
    "no-sync",
    "on",
    "optimization",
    "os",
    "out",
    "overload",
    "pass",
    "pipe",
    "port",
    "priority",
    "priq",
    "probability",
    "proto",
    "qlimit",
    "queue",
    "quick",
    "random",
    "random-id",
    "rdr",
    "rdr-anchor",
    "realtime",
    "reassemble",
    "reply-to",
    "require-order",
    "return",
    "return-icmp",
    "return-icmp6",
    "return-rst",
    "round-robin",
    "route",
    "route-to",
    "rtable",
    "rule",
    "ruleset-optimization",
    "sc",
    "scrub",
    "scrub-anchor",
    "set",
    "set-tos",
    "skip",
    "source-hash",
    "source-track",
    "state",
    "state-policy",
    "static-port",
    "sticky-address",
    "synproxy",
    "table",
    "tag",
    "tagged",
    "tbrsize",
    "timeout",
    "to",
    "tos",
    "ttl",
    "upperlimit",
    "urpf-failed",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }
}
