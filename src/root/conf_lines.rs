//! Lines that are to be taken out of /etc/pf.conf, as a request carries them: each with its number, word for word. Pure.
//!
//! ```
//! use portcullis::root::conf_lines::ConfLine;
//! let line = ConfLine { number: 13, text: "load anchor \"x\" from \"/x\"".into() };
//! assert_eq!(line.word(), "13:load=20anchor=20=22x=22=20from=20=22/x=22");
//! assert_eq!(line.word().parse::<ConfLine>().unwrap(), line);
//! ```

use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfLine {
    /// From 1.
    pub number: u32,
    /// Without its line end.
    pub text: String,
}

/// Why lines are none that a request carries. The system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ConfLineError {
    #[error(
        "\"{0}\" is not a line of /etc/pf.conf: NUMBER:TEXT, other characters than A-Z a-z 0-9 . / _ - as =XX"
    )]
    Word(String),
    #[error("{0} lines are not a number that is taken out at once: 1 to {max} are", max = ConfLine::MOST)]
    Count(usize),
    #[error("line {0} of /etc/pf.conf is empty, is longer than {max} bytes, or has control characters", max = ConfLine::MOST_BYTES)]
    Text(u32),
    #[error("line {0} of /etc/pf.conf is named twice, or not in its order")]
    Order(u32),
    #[error("\"{0}\" is not the SHA-256 of a file")]
    Hash(String),
}

impl ConfLine {
    /// The most lines in one request: a person can read so many in a prompt.
    pub const MOST: usize = 16;
    /// The most bytes of a line.
    pub const MOST_BYTES: usize = 512;

    /// The line as one word of letters that no shell reads as anything else.
    pub fn word(&self) -> String {
        let mut word = format!("{}:", self.number);
        for byte in self.text.bytes() {
            match byte {
                _ if is_plain(byte) => word.push(char::from(byte)),
                _ => drop(write!(word, "={byte:02X}")),
            }
        }
        word
    }

    fn validate(&self) -> Result<(), ConfLineError> {
        let is_text = |character: char| !character.is_control() || character == '\t';
        let fits = (1..=Self::MOST_BYTES).contains(&self.text.len()) && self.text.chars().all(is_text);
        if fits && self.number > 0 { Ok(()) } else { Err(ConfLineError::Text(self.number)) }
    }

    /// The line as a prompt and a message show it.
    pub fn shown(&self) -> String {
        format!("`{}`", self.text.trim().replace('\t', " "))
    }
}

impl FromStr for ConfLine {
    type Err = ConfLineError;

    fn from_str(word: &str) -> Result<Self, ConfLineError> {
        let wrong = || ConfLineError::Word(word.escape_debug().take(80).collect());
        let (number, coded) = word.split_once(':').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        let mut parts = coded.split('=');
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let (code, plain) = part.split_at_checked(2).ok_or_else(wrong)?;
            bytes.push(u8::from_str_radix(code, 16).map_err(|_| wrong())?);
            bytes.extend_from_slice(plain.as_bytes());
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        Ok(ConfLine { number, text })
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"./_-".contains(&byte)
}

/// Whether the lines and the hash lie within their bounds.
pub fn validate(sha256: &str, lines: &[ConfLine]) -> Result<(), ConfLineError> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if sha256.len() != 64 || !sha256.bytes().all(is_hex) {
        return Err(ConfLineError::Hash(sha256.escape_debug().take(80).collect()));
    }
    if !(1..=ConfLine::MOST).contains(&lines.len()) {
        return Err(ConfLineError::Count(lines.len()));
    }
    lines.iter().try_for_each(ConfLine::validate)?;
    match lines.windows(2).find(|pair| matches!(pair, [one, next] if next.number <= one.number)) {
        Some([_, next]) => Err(ConfLineError::Order(next.number)),
        _ => Ok(()),
    }
}

/// The lines as a prompt and a message show them.
pub fn shown(lines: &[ConfLine]) -> String {
    lines.iter().map(ConfLine::shown).collect::<Vec<_>>().join(", ")
}

/// `1 line`, `3 lines`
pub fn counted(lines: &[ConfLine]) -> String {
    match lines {
        [_] => "1 line".to_owned(),
        _ => format!("{} lines", lines.len()),
    }
}

/// Whether each of the lines stands in the file, wherever that is.
pub fn stand_in(conf: &[u8], lines: &[ConfLine]) -> bool {
    let text = String::from_utf8_lossy(conf);
    lines.iter().all(|line| text.lines().any(|there| there == line.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32, text: &str) -> ConfLine {
        ConfLine { number, text: text.to_owned() }
    }

    #[test]
    fn a_line_reads_back_and_has_one_spelling() {
        for text in ["load anchor \"x\" from \"/etc/x\"", "a\tb # für", "sudo pfctl -e", "=,:", " x "] {
            let line = line(7, text);
            assert!(line.word().bytes().all(|byte| is_plain(byte) || byte == b'=' || byte == b':'));
            assert_eq!(line.word().parse::<ConfLine>().unwrap(), line);
        }
        for word in ["", "7", "x:y", "7:=2", "7:=zz", "7:=FF", "7:é=2"] {
            assert!(word.parse::<ConfLine>().is_err(), "{word}");
        }
    }

    #[test]
    fn bounds_hold() {
        let hash = "ab".repeat(32);
        assert!(validate(&hash, &[line(1, "x"), line(2, "x")]).is_ok());
        let refused = |hash: &str, lines: &[ConfLine]| validate(hash, lines).unwrap_err().to_string();
        assert!(refused("AB", &[line(1, "x")]).contains("SHA-256"));
        assert!(refused(&hash, &[]).contains("0 lines"));
        assert!(refused(&hash, &vec![line(1, "x"); 17]).contains("17 lines"));
        assert!(refused(&hash, &[line(2, "x"), line(2, "y")]).contains("line 2"));
        for text in ["", "a\nb", "a\u{1b}[1m", &"x".repeat(513)] {
            assert!(refused(&hash, &[line(3, text)]).contains("line 3"));
        }
    }
}
