//! What is wrong with a text, and where.

use std::fmt;
use std::sync::Arc;

/// A mistake in a text and where it is. `Display` gives `path:line:column: message`, the line, and a caret below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What was expected, or what is wrong.
    pub message: String,
    /// The line's text; a long one is cut around the column.
    pub text: String,
    /// Where the column is in `text`, in characters from 0.
    pub caret: usize,
    pub fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    /// It follows the grammar, and has no meaning.
    Meaning,
    /// It names a file that could not be read here; on another machine it may be right.
    File,
    /// It loads a file that could not be read here.
    Load,
    /// It names a service, user, group, host or interface that this system does not know.
    Name,
    /// Its meaning is clear, and macOS's pfctl refuses it by all that is known of it.
    Refused,
    /// Its meaning is clear, and macOS's pfctl may refuse it.
    Unsure,
    /// pfctl loads it, and it has no effect.
    NoEffect,
}

impl Problem {
    /// The problem as pfctl words it, `FILE:LINE: syntax error`.
    pub fn pfctl_form(&self) -> String {
        let message = if self.fault == Fault::Syntax { "syntax error" } else { &self.message };
        format!("{}:{}: {message}", self.path, self.line)
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, line, column) = (&self.path, self.line, self.column);
        writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
        writeln!(f, "  {}", self.text)?;
        write!(f, "  {:caret$}^", "", caret = self.caret)
    }
}
