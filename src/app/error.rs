//! Why an action was not carried out.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::elevate::ElevateError;
use crate::os;
use crate::os::clipboard::ClipboardError;
use crate::os::process::ProcessError;
use crate::prefs::PreferencesError;
use crate::report::Unusable;
use crate::root::answer::Outcome;
use crate::root::request::Permission;
use crate::rules::end_choice::EndChoiceError;
use crate::rules::ends::EndOfDayError;
use crate::rules::named_port::PortsError;
use crate::rules::source::host_text;
use crate::sockets::SocketsError;
use crate::system::{APP_PROGRAMS, SystemError};

/// Every message says what became of the system: where it says nothing, the system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Ports(#[from] PortsError),
    #[error(transparent)]
    End(#[from] EndChoiceError),
    #[error(transparent)]
    EndOfDay(#[from] EndOfDayError),
    /// A name that the preferences may know, while they do not read.
    #[error(
        "{name} is not a name that is known without the preferences: name the port by its number ({open}); {preferences}"
    )]
    NameNeedsPreferences {
        /// In quotes, with its column.
        name: String,
        /// The ports that are open, by number, in words.
        open: String,
        /// Why the preferences do not read.
        preferences: String,
    },
    #[error("\"{}\" is not a source: use any, lan, an address or a network, such as 192.168.1.20 or 192.168.1.0/24", .0.escape_debug())]
    Source(String),
    #[error("{} is this Mac itself, which reaches its own ports: name another machine, or use --from lan or --from any", host_text(.0))]
    SourceIsHere(IpNet),
    /// `any` or `lan` together with hosts.
    #[error("{0} stands for itself: give it alone, or give hosts")]
    MixedSource(&'static str),
    #[error(
        "this Mac is on no local network now, so there is no network to open the port for: use --from with a host, or --from any"
    )]
    NoNetwork,
    #[error(transparent)]
    System(#[from] SystemError),
    // The path comes last: a menu shows the beginning of a long message.
    #[error("{source} ({}); mend that file, or take it away: each setting is then as it is at first", path.display())]
    Preferences { path: PathBuf, source: PreferencesError },
    #[error("cannot read the preferences: {source} ({})", path.display())]
    ReadPreferences { path: PathBuf, source: std::io::Error },
    #[error("cannot write the preferences: {source} ({})", path.display())]
    WritePreferences { path: PathBuf, source: std::io::Error },
    /// Only the app in its usual place is found by terminals.
    #[error(
        "terminals are to find portcullis in {APP_PROGRAMS}, and this one is {}: move Portcullis.app to /Applications with the Finder, and ask again; nothing was changed", own.display()
    )]
    AppElsewhere { own: PathBuf },
    /// What root saw says nothing of now.
    #[error("what would change is not known: {0}; have root look first with `portcullis status --check`")]
    NotSeen(Unusable),
    #[error("there is no change of yours that can be turned back")]
    NoUndo,
    /// Holds the numbers of those that are.
    #[error("change {number} is not one of yours that can be turned back: {}", listed(yours))]
    NotYours { number: u32, yours: Vec<u32> },
    #[error("{}; nothing was changed", given(.0))]
    SetPreference(#[source] PreferencesError),
    #[error("the guard is on already, for every port that is closed: `portcullis guard off` turns it off")]
    GuardIsOn,
    #[error(
        "nothing is left to turn back of change {number} ({message}): it was changed since, or is over{}",
        .before.map(|before| format!("; `portcullis undo {before}` turns back the one before it")).unwrap_or_default()
    )]
    NothingLeft {
        number: u32,
        message: String,
        /// The last change before it of which something is left.
        before: Option<u32>,
    },
    #[error(
        "the rules that pf holds are for administrators to read, since rules of others are among them: ask as an administrator, or with sudo"
    )]
    RulesForAdministrators,
    #[error(
        "the rules that pf holds are not those of root's last look: have root look again with `portcullis status --check`"
    )]
    RulesNotSeen,
    #[error(
        "the rules that pf holds do not read ({0}): have root look again with `portcullis status --check`"
    )]
    InvalidRules(#[source] serde_json::Error),
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    #[error(
        "nothing listens on port {port}, and no debugger usually does: start the debugger first, then ask again"
    )]
    NoDebugger { port: u16 },
    #[error(
        "{program} listens on port {port} and is not known as a debugger: let the debugger listen on another port"
    )]
    OtherProgram { port: u16, program: String },
    #[error("{program} listens on port {port}, and no settings to connect to it are known")]
    NoSettings { port: u16, program: String },
    #[error("\"{}\" is neither an address nor the name of a machine", client.escape_debug())]
    NoMachine { client: String },
    #[error("no address of this Mac is known by which {client} could find it: give one with --host")]
    NoAddress { client: String },
    #[error("`portcullis {name}` did not run: {source}")]
    RunCommand { name: &'static str, source: ProcessError },
    #[error("`portcullis {name}` printed nothing: {said}")]
    SilentCommand { name: &'static str, said: String },
    #[error("cannot write {}: {source}", path.display())]
    WriteShown { path: PathBuf, source: std::io::Error },
    #[error("no settings are known for \"{}\": use one of {known}", client.escape_debug())]
    NoClient {
        client: String,
        /// The clients that there are settings for, with commas between them.
        known: String,
    },
    #[error(
        "process {pid} was not stopped: it does not listen on port {port} any more, or serves a client now"
    )]
    NotStopped { port: u16, pid: u32 },
    #[error(transparent)]
    Clipboard(#[from] ClipboardError),
    /// More is missing than what was missing before.
    #[error(
        "the firewall changed meanwhile, and it would take more than was asked: try again; nothing was changed"
    )]
    Missing(Vec<Permission>),
    #[error(transparent)]
    Boot(#[from] os::BootError),
    #[error(transparent)]
    File(#[from] os::FileError),
    #[error(transparent)]
    Elevate(#[from] ElevateError),
}

/// A preference that was given on the command line is no value of the file yet.
fn given(error: &PreferencesError) -> String {
    match error {
        PreferencesError::Value(problem) => problem.to_string(),
        other => other.to_string(),
    }
}

/// `that is 3`, `those are 1, 2 and 3`.
fn listed(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match texts.split_last() {
        Some((last, [])) => format!("that is {last}"),
        Some((last, others)) => format!("those are {} and {last}", others.join(", ")),
        None => String::new(),
    }
}

impl AppError {
    /// The exit status of the command line: the table in `src/cli/mod.rs` says what each means.
    pub fn exit_status(&self) -> u8 {
        match self {
            AppError::Ports(_) | AppError::NameNeedsPreferences { .. } => 2,
            AppError::Source(_)
            | AppError::SourceIsHere(_)
            | AppError::MixedSource(_)
            | AppError::NoClient { .. }
            | AppError::NoMachine { .. } => 2,
            AppError::NotYours { .. } | AppError::GuardIsOn => 2,
            AppError::End(_) | AppError::EndOfDay(_) => 2,
            AppError::Preferences { .. } | AppError::ReadPreferences { .. } | AppError::SetPreference(_) => 2,
            AppError::Elevate(ElevateError::Request(_)) => 2,
            AppError::Elevate(ElevateError::Cancelled) => 3,
            AppError::Elevate(ElevateError::Failed { outcome: Outcome::Restored, .. }) => 4,
            // The message says what is left to do.
            AppError::Elevate(ElevateError::Failed {
                outcome: Outcome::Damaged | Outcome::Changed, ..
            }) => 5,
            AppError::Elevate(ElevateError::TimedOut | ElevateError::Unclear(_)) => 5,
            _ => 1,
        }
    }
}
