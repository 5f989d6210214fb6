//! Why a command gives no output. Nothing was changed, unless the message says otherwise.

use std::path::PathBuf;

use super::files::ConfFileError;
use portcullis::app::AppError;
use portcullis::debuggers::probe::ProbeError;
use portcullis::elevate::ElevateError;
use portcullis::pflog::PflogError;
use portcullis::root::answer::Outcome;

/// What comes before everything else while a change is not finished.
pub const INTERRUPTED: &str =
    "a change was interrupted, so pf may let in more than is said here: undo it with `portcullis repair`";

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Conf(#[from] ConfFileError),
    #[error("{INTERRUPTED}; {source}")]
    Interrupted { source: Box<CommandError> },
    #[error("{command} takes one port; you gave {ports}")]
    SeveralPorts { command: &'static str, ports: String },
    #[error(
        "{client} is a client: --client takes the machine that it runs on; its settings are copied by `portcullis connect {port} --copy {client}`"
    )]
    ClientAsMachine { client: String, port: String },
    #[error("a connection from this Mac itself goes over lo0, not {interface}: leave --on out")]
    LoopbackElsewhere { interface: String },
    #[error("there is no interface \"{}\": macOS names them by driver and number, and Wi-Fi is en0 on most Macs (`networksetup -listallhardwareports` has the list)", name.escape_debug())]
    NoInterface { name: String },
    #[error("{} is not there: macOS has no pflogd, which would write it; `portcullis log --follow` records what pf logs, and shows it", path.display())]
    NoPflogd { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Capture { path: PathBuf, source: PflogError },
    #[error("pf's log was not recorded yet: start with `portcullis log --follow`, or name a file")]
    NotRecorded,
    #[error(
        "what pf logged is for administrators to read, since connections of others are in it: ask as an administrator, or with sudo"
    )]
    LogForAdministrators,
}

impl CommandError {
    /// What became of the system.
    pub fn outcome(&self) -> Outcome {
        match (self, self.exit_status()) {
            (CommandError::Interrupted { source }, _) => source.outcome(),
            (CommandError::App(AppError::Elevate(ElevateError::Failed { outcome, .. })), _) => *outcome,
            // It is not known.
            (_, 5) => Outcome::Damaged,
            _ => Outcome::Unchanged,
        }
    }

    /// See the table in `cli/mod.rs`.
    pub fn exit_status(&self) -> u8 {
        match self {
            CommandError::App(error) => error.exit_status(),
            CommandError::Interrupted { source } => source.exit_status(),
            CommandError::Probe(_) | CommandError::NotRecorded | CommandError::LogForAdministrators => 1,
            CommandError::Conf(_)
            | CommandError::SeveralPorts { .. }
            | CommandError::ClientAsMachine { .. }
            | CommandError::LoopbackElsewhere { .. }
            | CommandError::NoInterface { .. }
            | CommandError::NoPflogd { .. }
            | CommandError::Capture { .. } => 2,
        }
    }
}
