//! The types in which a debugger describes itself. Each debugger fills them in its own file; the table of all of them
//! is [`super::ALL`].

use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

use super::command_line::CommandLine;
use super::launch::{LaunchEntry, LaunchMatch};
use super::settings::{ConnectTarget, Setting};
use super::wire::{ExchangeError, ServerIdentity};
use crate::diagnosis::Answer;
use crate::diagnosis::wording::StartCommands;
use crate::sockets::Process;

/// Everything that is known of one debugger.
pub struct Debugger {
    /// Its name in the preferences: `[[port]] … debugger = "delve"`.
    pub name: &'static str,
    /// What people call it, such as `Delve (Go)`.
    pub title: &'static str,
    /// The protocol spoken on its port, in the words of the table of ports.
    pub protocol: &'static str,
    /// The address that it listens on where none is given.
    pub bind: &'static str,
    /// What a TCP connect and close does to it, as measured, in the mode that suffers most among the usual ones.
    pub connect: Harm,
    /// The port that it usually has.
    pub usual_port: Option<UsualPort>,
    /// Programs that are this debugger and nothing else: no other debugger is asked about their command lines.
    pub own_programs: &'static [&'static str],
    /// The server that this command line starts, where it starts one of this debugger's.
    pub recognise: fn(&CommandLine<'_>) -> Option<Server>,
    /// The ways in which it serves.
    pub modes: &'static [&'static Mode],
    /// The mode that is assumed where only the port is known: the one that `start` starts; one of `modes`.
    pub usual_mode: &'static Mode,
    /// The command that starts it so that it listens there on this port; `None` where it cannot, or no command does.
    pub start: fn(ListenOn, u16) -> Option<String>,
    /// How it is started where no command does, as a next step.
    pub start_by_hand: Option<&'static str>,
    /// The editors' configurations that connect to it.
    pub clients: &'static [&'static EditorClient],
    /// The programs in which it may be without a word of it in their arguments; `None`: none.
    pub inside: Option<Inside>,
}

/// How a debugger comes into a program whose arguments do not name it.
#[derive(Clone, Copy, Debug)]
pub struct Inside {
    /// The short names of these programs.
    pub programs: &'static [&'static str],
    /// What may have started it there, as a clause: `NODE_OPTIONS or SIGUSR1`.
    pub by: &'static str,
}

impl Debugger {
    /// A debugger of which nothing is known but its name.
    pub const UNKNOWN: Debugger = Debugger {
        name: "",
        title: "",
        protocol: "",
        bind: "",
        connect: Harm::Unknown,
        usual_port: None,
        own_programs: &[],
        recognise: |_| None,
        modes: &[],
        usual_mode: &Mode::UNKNOWN,
        start: |_, _| None,
        start_by_hand: None,
        clients: &[],
        inside: None,
    };

    /// The commands that start it on `port`.
    pub fn start_commands(&self, port: u16) -> StartCommands {
        StartCommands {
            on_loopback: (self.start)(ListenOn::Loopback, port),
            everywhere: (self.start)(ListenOn::Everywhere, port),
            by_hand: self.start_by_hand,
        }
    }
}

/// The port that a debugger has unless another is chosen.
pub struct UsualPort {
    /// The name by which the port is opened: `portcullis open dlv`.
    pub name: &'static str,
    /// In host order.
    pub number: u16,
    /// Whether it is among those that are shown until the preferences say otherwise.
    pub is_shown: bool,
}

/// What a plain TCP connect and close (`nc -zv`) does to a server that waits, as measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Harm {
    /// The server goes on as before.
    Harmless,
    /// The server goes on, but writes noise to its log or its user.
    Noise,
    /// The server exits, hangs, or lets its program run.
    Harms,
    /// It was not measured.
    Unknown,
}

/// On which addresses a server is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenOn {
    Loopback,
    Everywhere,
}

impl ListenOn {
    /// The host as it is written: `127.0.0.1`, or `everywhere`, which each debugger writes in its own way.
    pub fn host(self, everywhere: &'static str) -> &'static str {
        match self {
            ListenOn::Loopback => "127.0.0.1",
            ListenOn::Everywhere => everywhere,
        }
    }
}

/// A way in which a debugger serves. What a debugger does not say of itself stays as in [`Mode::UNKNOWN`].
#[derive(Clone, Copy)]
pub struct Mode {
    /// Its name in JSON, such as `delve-dap`; each mode has its own.
    pub id: &'static str,
    /// The name by which people know it, such as `dlv dap`.
    pub title: &'static str,
    /// The protocol spoken on its port.
    pub protocol: &'static str,
    /// Whether it hands connections on to a debugger somewhere else.
    pub forwards: bool,
    /// Whether it is an editor that waits for what it debugs: a client of it runs nothing there.
    pub awaits_debuggee: bool,
    /// Of one that forwards: where to look, and for what, as a next step.
    pub behind: &'static str,
    /// Whether it serves several clients at a time, as measured.
    pub takes_many: Answer,
    /// The option that makes it serve several clients, where it has one.
    pub take_many_option: Option<&'static str>,
    /// What may be asked of it.
    pub probe: Probe,
    /// Whether its process has other listeners beside the debugger's: then only the number tells which one that is.
    pub has_other_listeners: bool,
    /// How it may live on without its listener, where it may.
    pub lingering: Option<Lingering>,
    /// How it may run without listening where it was told to, where it may.
    pub silence: Option<Silence>,
    /// The option that makes it listen there on this port, where it has one.
    pub listen_option: fn(ListenOn, u16) -> Option<String>,
    /// How clients connect to it, the commonest first.
    pub settings: fn(&ConnectTarget<'_>) -> Vec<Setting>,
    /// Its version, from its program's file, where that tells.
    pub version: fn(&Path) -> Option<String>,
}

/// What may be asked of a server that waits for its client.
#[derive(Clone, Copy)]
pub enum Probe {
    /// It was measured to be harmless: how it is asked.
    Harmless(fn(SocketAddr) -> Result<ServerIdentity, ExchangeError>),
    /// Nothing, since a connection does this to it, as measured.
    Refused(&'static str),
}

/// How a server may live on without its listener: after a connection that was closed again it serves no other client, and
/// no socket leads to it.
#[derive(Clone, Copy)]
pub struct Lingering {
    /// The short names of its process, and of those that show that it has not listened yet.
    pub programs: &'static [&'static str],
    /// Whether one of these processes shows that `server` has yet to begin to listen.
    pub is_starting: fn(server: &Process, all: &[Process]) -> bool,
}

/// How a server may run on where it could not listen: one of node that finds its port taken says so in one line, and runs.
#[derive(Clone, Copy)]
pub struct Silence {
    /// The short names of its process.
    pub programs: &'static [&'static str],
    /// Whether a process with this command line listens itself, and leaves that to no child.
    pub is_own: fn(&CommandLine<'_>) -> bool,
    /// Why it does not listen where no other process has its port, and what to do, as a next step.
    pub cause: fn(&CommandLine<'_>, u16) -> Option<(&'static str, String)>,
}

impl Mode {
    /// A mode of which nothing is known.
    pub const UNKNOWN: Mode = Mode {
        id: "",
        title: "",
        protocol: "unknown",
        forwards: false,
        awaits_debuggee: false,
        behind: "",
        takes_many: Answer::Unknown,
        take_many_option: None,
        probe: Probe::Refused("it may be harmed by a connection"),
        has_other_listeners: false,
        lingering: None,
        silence: None,
        listen_option: |_, _| None,
        settings: |_| Vec::new(),
        version: |_| None,
    };
}

/// Equal where the names are.
impl PartialEq for Mode {
    fn eq(&self, other: &Mode) -> bool {
        self.id == other.id
    }
}

impl Eq for Mode {}

impl std::fmt::Debug for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// Equal where the names are.
impl PartialEq for Debugger {
    fn eq(&self, other: &Debugger) -> bool {
        self.name == other.name
    }
}

impl Eq for Debugger {}

impl std::fmt::Debug for Debugger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A debug server, as its command line describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Which it is, and how it serves.
    #[serde(rename = "kind")]
    pub mode: &'static Mode,
    /// Where it listens, as far as the arguments say.
    pub listen: Option<Listen>,
    /// Whether its program waits for the client before it runs, where the arguments tell.
    pub waits: Option<bool>,
    /// Whether it ends with its first session.
    pub single_use: bool,
    /// Whether this very program, started this way, is one that was measured. What is only like one, or is guessed from
    /// its port alone, is never called harmless.
    pub measured: bool,
    /// The port that each session takes beside it, where its arguments name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_port: Option<u16>,
    /// What it was started with that will not do what was meant.
    pub traps: Vec<&'static Trap>,
}

impl Server {
    /// A server whose arguments say which it is.
    pub fn new(mode: &'static Mode) -> Self {
        Server {
            mode,
            listen: None,
            waits: None,
            single_use: false,
            measured: true,
            second_port: None,
            traps: Vec::new(),
        }
    }

    /// A server that is known by its port alone.
    pub fn guessed(mode: &'static Mode) -> Self {
        Server { measured: false, ..Server::new(mode) }
    }

    pub fn title(&self) -> &'static str {
        self.mode.title
    }

    pub fn protocol(&self) -> &'static str {
        self.mode.protocol
    }

    /// Whether it serves several clients at a time; of what is only guessed, that is unknown.
    pub fn takes_many(&self) -> Answer {
        if self.measured { self.mode.takes_many } else { Answer::Unknown }
    }
}

/// Where a server listens, by its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// The host as written; empty for every address.
    pub host: String,
    /// The port; `None` where it is left to the server, or 0.
    pub port: Option<u16>,
}

impl Listen {
    /// Reads `host:port`, `:port`, `port`, `[::1]:port`, `*:port`; a socket in the file system is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host == "*" { "" } else { host };
        let port: u16 = port.parse().ok()?;
        Some(Listen { host: host.to_owned(), port: (port != 0).then_some(port) })
    }
}

/// A combination of arguments that was measured not to do what was meant.
#[derive(Debug)]
pub struct Trap {
    /// Its name in JSON, such as `listen-after-dashes`.
    pub id: &'static str,
    pub effect: TrapEffect,
    /// What it does, as a sentence.
    pub what: &'static str,
    /// What to write instead, or to do about it.
    pub cure: &'static str,
}

/// How bad a trap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapEffect {
    /// The debugger does not listen where it was meant to.
    Defeats,
    /// It listens, and for more than was meant.
    Surprises,
}

impl PartialEq for Trap {
    fn eq(&self, other: &Trap) -> bool {
        self.id == other.id
    }
}

impl Eq for Trap {}

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// A sort of debug configuration, of VS Code or of a JetBrains IDE, as far as it decides which servers fit.
pub struct EditorClient {
    /// What it does, as a clause: `it debugs Python`.
    pub does: &'static str,
    /// What an entry of launch.json is to it.
    pub in_vscode: fn(&LaunchEntry<'_>) -> LaunchMatch,
    /// The types of a JetBrains IDE's configurations that are of this sort.
    pub jetbrains_types: &'static [&'static str],
    /// The port that a JetBrains IDE leaves out, since it is its default.
    pub jetbrains_port: Option<u16>,
    /// Whether it speaks with a server in this mode.
    pub speaks: fn(&Mode) -> bool,
    /// What to change where a server in this mode is there, with which it does not speak; `None`: nothing particular.
    pub instead: fn(&Mode) -> Option<&'static str>,
    /// What to do where nothing listens on the port; `None`: start the debugger.
    pub when_absent: fn(u16) -> Option<String>,
    pub who_listens: WhoListens,
}

/// Which end of a debug connection listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoListens {
    /// The debugger: the editor dials.
    Debugger,
    /// The editor: what is debugged dials.
    Editor,
    /// The editor, where this option of a JetBrains IDE's configuration is `true`; else the debugger.
    EditorIf(&'static str),
}

impl EditorClient {
    /// A sort of which nothing is known but what it does.
    pub const UNKNOWN: EditorClient = EditorClient {
        does: "",
        in_vscode: |_| LaunchMatch::Other,
        jetbrains_types: &[],
        jetbrains_port: None,
        speaks: |_| false,
        instead: |_| None,
        when_absent: |_| None,
        who_listens: WhoListens::Debugger,
    };
}

impl PartialEq for EditorClient {
    fn eq(&self, other: &EditorClient) -> bool {
        self.does == other.does
    }
}

impl Eq for EditorClient {}

impl std::fmt::Debug for EditorClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.does)
    }
}
