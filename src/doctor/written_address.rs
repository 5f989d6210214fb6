//! Hosts and ports as configurations write them: alone, or both in one text.

use serde_json::Value;

use crate::debuggers::launch::LaunchEntry;

/// A port as a configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenPort {
    Number(u16),
    /// A text that only the editor can read, such as `${env:PORT}`.
    Unresolved(String),
    /// What is no port, such as `65536` or `2345/tcp`.
    Invalid(String),
}

impl WrittenPort {
    pub fn read(text: &str) -> Self {
        match text.trim().parse() {
            Ok(port) if port > 0 => WrittenPort::Number(port),
            // A variable of VS Code's, or a macro of a JetBrains IDE's.
            _ if text.contains('$') => WrittenPort::Unresolved(text.trim().to_owned()),
            _ => WrittenPort::Invalid(text.trim().to_owned()),
        }
    }

    /// `None`: it is not given.
    pub fn of_json(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(WrittenPort::read(text)),
            // Xdebug's client takes several; the first stands for them.
            Value::Array(ports) => WrittenPort::of_json(ports.first()?),
            other => Some(WrittenPort::read(&other.to_string())),
        }
    }

    /// The number, where it is one.
    pub fn number(&self) -> Option<u16> {
        match self {
            WrittenPort::Number(port) => Some(*port),
            WrittenPort::Unresolved(_) | WrittenPort::Invalid(_) => None,
        }
    }
}

/// Host and port in one text: `127.0.0.1:12345`, `[::1]:1234`, `ws://127.0.0.1:8181/x=/ws`, `tcp:box:1234`, `12345`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenAddress<'a> {
    pub host: Option<&'a str>,
    pub port: WrittenPort,
}

impl<'a> WrittenAddress<'a> {
    /// `None`: it is no address of a network, but a socket in the file system, a serial line or a command.
    pub fn read(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (usual_port, place) = match text.split_once("://") {
            Some((scheme, rest)) => (usual_port(scheme)?, rest.split(['/', '?', '#']).next().unwrap_or(rest)),
            None => (None, without_family(text)?),
        };
        match last_colon(place).and_then(|at| Some((place.get(..at)?, place.get(at + 1..)?))) {
            Some((host, port)) => {
                let host = host.trim_matches(['[', ']']);
                Some(WrittenAddress { host: Some(host), port: WrittenPort::read(port) })
            }
            None if text.contains("://") => {
                Some(WrittenAddress { host: Some(place.trim_matches(['[', ']'])), port: usual_port? })
            }
            None => Some(WrittenAddress { host: None, port: WrittenPort::read(place) }),
        }
    }

    /// Where the commands of CodeLLDB and lldb-dap connect: `gdb-remote 1234`, `process connect connect://box:1234`.
    pub fn of_commands(entry: &LaunchEntry<'a>) -> Option<Self> {
        const LISTS: [&str; 7] = [
            "processCreateCommands",
            "targetCreateCommands",
            "attachCommands",
            "launchCommands",
            "initCommands",
            "preRunCommands",
            "postRunCommands",
        ];
        let commands = LISTS.iter().filter_map(|key| entry.get(key)?.as_array()).flatten();
        commands.filter_map(Value::as_str).find_map(Self::of_command)
    }

    fn of_command(command: &'a str) -> Option<Self> {
        // Of lldb-dap: whether it may fail, and whether it is shown.
        let command = command.trim_start_matches(['?', '!', ' ']);
        let mut words = command.split_whitespace();
        match (words.next()?, words.clone().next()) {
            ("gdb-remote", _) => {}
            ("process" | "platform", Some("connect")) => drop(words.next()),
            _ => return None,
        }
        while let Some(word) = words.next() {
            match word {
                "-p" | "--plugin" => drop(words.next()),
                option if option.starts_with('-') => {}
                address => return WrittenAddress::read(address),
            }
        }
        None
    }
}

/// The port that an address with this scheme has where it names none. `None`: it is no address of a network.
fn usual_port(scheme: &str) -> Option<Option<WrittenPort>> {
    match scheme {
        "http" | "ws" => Some(Some(WrittenPort::Number(80))),
        "https" | "wss" => Some(Some(WrittenPort::Number(443))),
        "connect" | "tcp-connect" | "tcp" => Some(None),
        _ => None,
    }
}

/// The address behind gdb's word for its family. `None`: it is a file, a serial line, or a command whose output is read.
fn without_family(text: &str) -> Option<&str> {
    let is_none = ["/", "|", "\\", "unix:", "udp:", "COM"].iter().any(|begin| text.starts_with(begin));
    let of_family = ["tcp:", "tcp4:", "tcp6:"].iter().find_map(|family| text.strip_prefix(family));
    (!is_none).then_some(of_family.unwrap_or(text))
}

/// The last colon that is not within brackets, such as a variable's: `localhost:${input:port}`.
fn last_colon(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut found = None;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '(' | '[' => open += 1,
            '}' | ')' | ']' => open = open.saturating_sub(1),
            ':' if open == 0 => found = Some(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(address: Option<WrittenAddress<'_>>) -> String {
        match address {
            None => "none".to_owned(),
            Some(WrittenAddress { host, port }) => {
                let port = match port {
                    WrittenPort::Number(port) => port.to_string(),
                    WrittenPort::Unresolved(text) => format!("? {text}"),
                    WrittenPort::Invalid(text) => format!("! {text}"),
                };
                format!("{} {port}", host.unwrap_or("-"))
            }
        }
    }

    #[test]
    fn host_and_port_in_one() {
        for (text, read) in [
            ("127.0.0.1:12345", "127.0.0.1 12345"),
            ("12345", "- 12345"),
            (":2345", " 2345"),
            ("[::1]:1234", "::1 1234"),
            ("box:65536", "box ! 65536"),
            ("localhost", "- ! localhost"),
            ("tcp:box:1234", "box 1234"),
            ("/dev/ttyUSB0", "none"),
            ("/tmp/rdbg/1", "none"),
            ("unix:/tmp/x", "none"),
            ("| openocd -c 'gdb_port pipe'", "none"),
            ("http://127.0.0.1:8181/x=/", "127.0.0.1 8181"),
            ("ws://[::1]:8181/x:y=/ws", "::1 8181"),
            ("http://box/x=/", "box 80"),
            ("connect://box:1", "box 1"),
            ("unix-connect:///tmp/x", "none"),
            ("${command:dart.prompt}", "- ? ${command:dart.prompt}"),
            ("${config:board}", "- ? ${config:board}"),
            ("${env:HOST}:1234", "${env:HOST} 1234"),
            (
                "box:${input:p} (unless another is chosen: 1)",
                "box ? ${input:p} (unless another is chosen: 1)",
            ),
        ] {
            assert_eq!(shown(WrittenAddress::read(text)), read, "{text}");
        }
    }

    #[test]
    fn the_commands_that_connect() {
        for (command, read) in [
            ("gdb-remote 1234", "- 1234"),
            ("gdb-remote box:1234", "box 1234"),
            ("process connect connect://box:1234", "box 1234"),
            ("process connect -p gdb-remote connect://[::1]:1234", "::1 1234"),
            ("process connect connect://box:1234 --plugin gdb-remote", "box 1234"),
            ("?!platform connect connect://box:1234", "box 1234"),
            ("process connect unix-connect:///tmp/x", "none"),
            ("process attach --plugin gdb-remote -p 77", "none"),
            ("script connect", "none"),
            ("settings set target.x connect 7", "none"),
            ("gdb-remote", "none"),
            ("", "none"),
        ] {
            let entry = json!({ "processCreateCommands": ["settings show", command] });
            assert_eq!(shown(WrittenAddress::of_commands(&LaunchEntry::new(&entry))), read, "{command}");
        }
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(text in "[-a-z{}:/\\[\\]() é1$]{0,40}") {
            let _ = WrittenAddress::read(&text);
            let _ = WrittenAddress::of_command(&text);
        }
    }
}
