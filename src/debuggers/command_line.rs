//! The command line of a process, as the debuggers recognise themselves in it.

use crate::sockets::Process;

/// A command line, split where the program's own arguments end.
pub struct CommandLine<'a> {
    /// The program's file, or its short name where the file may not be read.
    pub path: &'a str,
    /// The arguments between the program's name and `--`.
    pub own: Vec<&'a str>,
    /// The arguments after `--`.
    pub rest: Vec<&'a str>,
    /// The variables by which it takes further options, as [`Process`] has them.
    pub environment: &'a [(String, String)],
    /// The port of the listener in question; `None` where the question is about the process as a whole.
    pub port: Option<u16>,
    /// Whether the debugger that reads this line is the one expected on `port`: what was started by an environment variable
    /// or from inside shows nothing else.
    pub is_expected: bool,
}

impl<'a> CommandLine<'a> {
    pub fn new(path: &'a str, arguments: &'a [String]) -> Self {
        let mut own: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        let rest = match own.iter().position(|argument| *argument == "--") {
            Some(dashes) => own.split_off(dashes).into_iter().skip(1).collect(),
            None => Vec::new(),
        };
        CommandLine { path, own, rest, environment: &[], port: None, is_expected: false }
    }

    /// That of a process; its short name stands for a path that may not be read.
    pub fn of(process: &'a Process) -> Self {
        let path = process.path.as_ref().and_then(|path| path.to_str()).or(process.name.as_deref());
        let line = CommandLine::new(path.unwrap_or_default(), &process.arguments);
        CommandLine { environment: &process.environment, ..line }
    }

    /// The value of a variable of [`OPTIONS_BY_ENVIRONMENT`](crate::sockets::OPTIONS_BY_ENVIRONMENT).
    pub fn variable(&self, name: &str) -> Option<&'a str> {
        self.environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The options that these variables hold.
    pub fn options_of(&self, names: &[&str]) -> impl Iterator<Item = &'a str> {
        names.iter().filter_map(|name| self.variable(name)).flat_map(str::split_whitespace)
    }

    /// Whether the program is one of `names`, see [`is_named`].
    pub fn program_is(&self, names: &[&str]) -> bool {
        is_named(self.path, names)
    }

    /// The value of an option, given as `NAME=VALUE` or as `NAME VALUE`; the last one counts.
    pub fn value(&self, names: &[&str]) -> Option<&'a str> {
        value_in(&self.own, names)
    }

    /// Whether a switch is on: `NAME`, or `NAME=` with a word that Go reads as true (strconv.ParseBool).
    pub fn switch(&self, name: &str) -> bool {
        let mut on = false;
        for argument in &self.own {
            match argument.strip_prefix(name) {
                Some("" | "=true" | "=True" | "=TRUE" | "=t" | "=T" | "=1") => on = true,
                Some("=false" | "=False" | "=FALSE" | "=f" | "=F" | "=0") => on = false,
                _ => {}
            }
        }
        on
    }

    /// The index of the first argument that is neither an option nor the value of one of those in `with_value`, which
    /// take the next argument for theirs.
    pub fn first_word(&self, with_value: &[&str]) -> Option<usize> {
        let mut is_value = false;
        self.own.iter().position(|argument| {
            let skipped = std::mem::take(&mut is_value);
            is_value = !skipped && with_value.contains(argument);
            !skipped && !argument.starts_with('-')
        })
    }

    pub fn has_word(&self, word: &str) -> bool {
        self.own.contains(&word)
    }
}

/// [`CommandLine::value`] in a part of a command line.
pub fn value_in<'a>(arguments: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let mut found = None;
    for (index, argument) in arguments.iter().enumerate() {
        for name in names {
            match argument.strip_prefix(name) {
                Some("") => found = arguments.get(index + 1).copied(),
                Some(value) if value.starts_with('=') => found = value.get(1..),
                _ => {}
            }
        }
    }
    found
}

/// Whether the name of this file is one of `names`, but for case, a version (`lldb-server-14`, `node20`), and what
/// packagers make of it (`gdbserver.real`, `.dlv-wrapped`). A process whose file may not be read has a short name only,
/// which the kernel cuts after 15 bytes on Linux, 16 or 32 on macOS.
pub fn is_named(path: &str, names: &[&str]) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let lower = file.to_ascii_lowercase();
    let whole = lower.strip_prefix('.').and_then(|file| file.strip_suffix("-wrapped")).unwrap_or(&lower);
    let plain =
        whole.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-');
    let plain = plain.strip_suffix(".real").unwrap_or(plain);
    let cut = matches!(whole.len(), 15 | 16 | 32);
    names.iter().any(|name| *name == whole || *name == plain || cut && name.starts_with(whole))
}
