//! The command line: the same actions as the menu, as text and JSON.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed, the system is unchanged |
//! | 2 | bad usage or bad input, the system is unchanged |
//! | 3 | the prompt was cancelled, the system is unchanged |
//! | 4 | failed on the way, the system was restored |
//! | 5 | what became of the system is not known, or it is damaged: the message says what to do |

mod check;
mod dry_run;
mod explain;
mod files;
mod log;
mod look;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use portcullis::app::{App, AppError, Wanted};
use portcullis::lab::{self, Lab, LabError};
use portcullis::root::answer::{Outcome, Response};
use portcullis::system::{Mac, System, SystemError};

/// Opens debug ports on this Mac, closes them in the evening, and says why a port cannot be reached.
/// Without a command: the tray.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, long_about = None, after_help = AFTER_HELP)]
struct Options {
    /// Work in a lab: a directory that plays the Mac, made where it is missing
    #[arg(long, value_name = "DIR", global = true)]
    lab: Option<PathBuf>,
    /// Response in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "Exit status: 0 done, 1 failed and unchanged, 2 bad usage, 3 cancelled, \
4 restored after a failure, 5 not known or damaged.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how the firewall stands, and each port
    Status {
        /// Have root look at pf first (asks for permission)
        #[arg(long)]
        check: bool,
    },
    /// Open ports: numbers, ranges, lists or names, such as 2345, 30000-30100, dlv
    Open {
        /// The ports
        #[arg(value_name = "PORTS", required = true)]
        ports: Vec<String>,
        /// Whom to let in: any, lan (the networks this Mac is on now), or hosts and networks [default: as preferred]
        #[arg(long, value_name = "SOURCE", num_args = 1..)]
        from: Vec<String>,
        /// Show what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Close ports
    Close {
        /// The ports
        #[arg(value_name = "PORTS", required_unless_present = "all")]
        ports: Vec<String>,
        /// Every port that is open
        #[arg(long, conflicts_with = "ports")]
        all: bool,
        /// Show what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List the ports that have a name
    Ports,
    /// Say whether pf lets a connection to a port in, and which rule decides
    #[command(after_help = explain::AFTER_HELP)]
    Explain(explain::Options),
    /// Check a pf.conf: every problem with its place
    Check(check::Options),
    /// Block closed ports from other machines, or stop that; while on, pf is held enabled
    Guard {
        /// on or off
        state: Switch,
    },
    /// Report everything that may stand in the way of debugging
    Doctor,
    /// Ask the server on a port what it is: only where a connection does it no harm, else refused
    Probe {
        /// The port, or its name
        port: String,
    },
    /// Show the settings with which an editor connects to a port
    Connect {
        /// The port, or its name
        port: String,
        /// This Mac as the client names it
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Copy the settings for one client, such as vscode, goland, terminal or ssh [default: the commonest]
        #[arg(long, value_name = "CLIENT", num_args = 0..=1, default_missing_value = "")]
        copy: Option<String>,
    },
    /// Show what pf logged, and whom it blocked
    #[command(after_help = log::AFTER_HELP)]
    Log(log::Options),
    /// Show the preferences, or change one
    Prefs {
        /// The preference: show, from or way
        #[arg(requires = "value")]
        key: Option<String>,
        /// Its new value
        value: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Runs the command line of this process; gives its exit status.
pub fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Help and version are printed to standard output with 0, mistakes to standard error with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let json = options.json;
    match run(options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            show::failure(&error, json);
            ExitCode::from(error.exit_status())
        }
    }
}

fn run(options: Options) -> Result<u8, AppError> {
    let json = options.json;
    if let Some(Command::Completions { shell }) = &options.command {
        clap_complete::generate(*shell, &mut Options::command(), "portcullis", &mut std::io::stdout());
        return Ok(0);
    }
    match &options.command {
        // What needs files alone needs neither a lab nor a pf.
        Some(Command::Check(wanted)) => return Ok(check::run(wanted, json)),
        Some(Command::Log(wanted)) if let Some(file) = &wanted.file => {
            return Ok(log::offline(wanted, file, json));
        }
        Some(Command::Explain(wanted)) if wanted.conf.is_some() => return Ok(explain::offline(wanted, json)),
        _ => {}
    }
    let app = App::new(system(options.lab)?)?;
    match options.command {
        None => return Ok(tray(app)),
        Some(Command::Status { check }) => {
            if check {
                app.check()?;
            }
            show::status(&app.status()?, json);
        }
        Some(Command::Open { ports, from, dry_run }) => {
            let preferred = app.preferences()?.from;
            let wanted = if from.is_empty() {
                Wanted::parse([preferred.as_str()])?
            } else {
                Wanted::parse(from.iter().map(String::as_str))?
            };
            let ports = ports.join(",");
            if dry_run {
                let (ports, source) = (app.ports(&ports)?, app.source(&wanted)?);
                dry_run::show(&app, dry_run::Wanted::Open(ports, source), json)?;
            } else {
                changed(&app, &app.open(&ports, &wanted)?, json)?;
            }
        }
        Some(Command::Close { all: true, dry_run: true, .. }) => {
            dry_run::show(&app, dry_run::Wanted::CloseAll, json)?;
        }
        Some(Command::Close { all: true, .. }) => changed(&app, &app.close_all()?, json)?,
        Some(Command::Close { ports, dry_run: true, .. }) => {
            dry_run::show(&app, dry_run::Wanted::Close(app.ports(&ports.join(","))?), json)?;
        }
        Some(Command::Close { ports, .. }) => changed(&app, &app.close(&ports.join(","))?, json)?,
        Some(Command::Guard { state }) => changed(&app, &app.guard(matches!(state, Switch::On))?, json)?,
        Some(Command::Ports) => show::ports(&app.preferences()?.known(), json),
        Some(Command::Prefs { key: Some(key), value: Some(value) }) => {
            app.set_preference(&key, &value)?;
            let message = format!("{key} is now {value}");
            show::answer(&Response::done(Outcome::Changed, message), None, json);
        }
        Some(Command::Prefs { .. }) => {
            show::preferences(&app.preferences()?, app.preferences_file(), json);
        }
        Some(Command::Explain(wanted)) => return explain::live(&app, &wanted, json),
        Some(Command::Doctor) => return look::doctor(&app, json),
        Some(Command::Probe { port }) => return look::probe(&app, &port, json),
        Some(Command::Connect { port, host, copy }) => {
            return look::connect(&app, &port, host.as_deref(), copy.as_deref(), json);
        }
        Some(Command::Log(wanted)) => return log::live(&app, &wanted, json),
        Some(Command::Completions { .. } | Command::Check(_)) => {}
    }
    Ok(0)
}

fn changed(app: &App, answer: &Response, json: bool) -> Result<(), AppError> {
    show::answer(answer, Some(&app.status()?), json);
    Ok(())
}

/// The lab that was asked for; else this Mac; else, where there is no pf, the lab in the user's data folder.
fn system(lab: Option<PathBuf>) -> Result<Arc<dyn System>, AppError> {
    let open =
        |directory: &Path| -> Result<Arc<dyn System>, LabError> { Ok(Arc::new(Lab::open(directory)?)) };
    let found = match lab {
        Some(directory) => open(&directory),
        None if cfg!(target_os = "macos") => Ok(Arc::new(Mac) as Arc<dyn System>),
        None => lab::default_dir().and_then(|directory| open(&directory)),
    };
    found.map_err(|error| SystemError::Other(error.into()).into())
}

#[cfg(feature = "gui")]
fn tray(app: App) -> u8 {
    match crate::tray::run(app) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("portcullis: {error}");
            1
        }
    }
}

#[cfg(not(feature = "gui"))]
fn tray(_app: App) -> u8 {
    eprintln!("portcullis: this build has no tray; see `portcullis --help` for the commands");
    1
}
