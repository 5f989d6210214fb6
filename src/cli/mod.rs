//! The command line: the same actions as the menu, as text and JSON. Each command is one file: its arguments as clap
//! reads them, the command that they mean, and the output that it gives. [`Printer`] prints that, here and nowhere else.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed, the system is unchanged |
//! | 2 | bad usage or bad input, the system is unchanged |
//! | 3 | the prompt was cancelled, the system is unchanged |
//! | 4 | failed on the way, the system was restored |
//! | 5 | what became of the system is not known, or it is damaged: the message says what to do |

mod change;
mod check;
mod check_script;
mod clean_up;
mod close;
mod completions;
mod connect;
mod context;
mod doctor;
mod dry_run;
mod error;
mod explain;
mod files;
mod guard;
mod history;
mod install;
mod interruption;
mod log;
mod open;
mod output;
mod ports;
mod prefs;
mod probe;
mod repair;
mod snapshots;
mod status;
mod tray;
mod typed;
mod undo;
mod uninstall;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use context::Context;
use output::{Printer, Run};

/// Opens debug ports on this Mac, closes them in the evening, and says why a port cannot be reached.
/// Without a command: the tray.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version = portcullis::BUILD, about, long_about = None, after_help = AFTER_HELP)]
struct CliArguments {
    /// Work in a lab: a directory that plays the Mac, made where it is missing
    #[arg(long, value_name = "DIR", global = true)]
    lab: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<CliCommand>,
}

const AFTER_HELP: &str = "Exit status: 0 done, 1 failed and unchanged, 2 bad usage, 3 cancelled, \
4 restored after a failure, 5 not known or damaged.";

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Show how the firewall stands, and each port
    Status(status::StatusCommand),
    /// Open ports: numbers, ranges, lists or names, such as 2345, 30000-30100, dlv
    Open(open::OpenCommand),
    /// Close ports
    Close(close::CloseArguments),
    /// List the ports that have a name
    Ports(ports::PortsCommand),
    /// Say whether pf lets a connection to a port in, and which rule decides
    #[command(after_help = explain::AFTER_HELP)]
    Explain(explain::ExplainArguments),
    /// Check a pf.conf: every problem with its place
    Check(check::CheckCommand),
    /// Block closed ports from other machines, or stop that; while on, pf is held enabled
    Guard(guard::GuardCommand),
    /// Undo a change that was interrupted, close what is over, and put pf where it was last asked to be
    Repair(repair::RepairCommand),
    /// Report everything that may stand in the way of debugging
    Doctor(doctor::DoctorCommand),
    /// Ask the server on a port what it is: only where a connection does it no harm, else refused
    Probe(probe::ProbeCommand),
    /// Show the settings with which an editor connects to a port
    Connect(connect::ConnectCommand),
    /// Show what pf logged, and who was blocked
    #[command(after_help = log::AFTER_HELP)]
    Log(log::LogArguments),
    /// Show what root was asked, by whom, and what came of it
    History(history::HistoryCommand),
    /// Turn your last change back, where nothing has changed since
    Undo(undo::UndoCommand),
    /// List the changes that can be turned back, each with the copies that were taken before it
    Snapshots(snapshots::SnapshotsCommand),
    /// Install the part that closes ports in time; the first opening or guard does it too
    Install(install::InstallCommand),
    /// Take lines without effect out of /etc/pf.conf, and show what else is left of popular recipes
    CleanUp(clean_up::CleanUpCommand),
    /// Close everything, and take away all that root has put on this Mac
    Uninstall(uninstall::UninstallCommand),
    /// Show the preferences, or change one
    Prefs(prefs::PrefsArguments),
    /// Print a completion script for a shell
    Completions(completions::CompletionsCommand),
}

/// Runs the command line of this process; gives its exit status.
pub fn main() -> ExitCode {
    let CliArguments { lab, json, command } = match CliArguments::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version are printed to standard output with 0, mistakes to standard error with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let printer = if json { Printer::Json } else { Printer::Text(lab.clone()) };
    let context = Context { lab, printer };
    match command {
        Some(command) => context.printer.finish(command.run(&context)),
        None if json => {
            let says = "--json is for a command, such as `portcullis status --json`; without a command the tray starts";
            let _ = CliArguments::command().error(ErrorKind::MissingSubcommand, says).print();
            ExitCode::from(2)
        }
        None => tray::start(context.lab.as_deref()),
    }
}

impl CliCommand {
    fn run(self, context: &Context) -> Run {
        match self {
            CliCommand::Status(command) => command.run(context),
            CliCommand::Open(command) => command.run(context),
            CliCommand::Close(arguments) => close::CloseCommand::from(arguments).run(context),
            CliCommand::Ports(command) => command.run(context),
            CliCommand::Explain(arguments) => explain::ExplainCommand::try_from(arguments)?.run(context),
            CliCommand::Check(command) => command.run(),
            CliCommand::Guard(command) => command.run(context),
            CliCommand::Repair(command) => command.run(context),
            CliCommand::Doctor(command) => command.run(context),
            CliCommand::Probe(command) => command.run(context),
            CliCommand::Connect(command) => command.run(context),
            CliCommand::Log(arguments) => log::LogCommand::from(arguments).run(context),
            CliCommand::History(command) => command.run(context),
            CliCommand::Undo(command) => command.run(context),
            CliCommand::Snapshots(command) => command.run(context),
            CliCommand::Install(command) => command.run(context),
            CliCommand::CleanUp(command) => command.run(context),
            CliCommand::Uninstall(command) => command.run(context),
            CliCommand::Prefs(arguments) => prefs::PrefsCommand::from(arguments).run(context),
            CliCommand::Completions(command) => command.run(CliArguments::command()),
        }
    }
}

#[cfg(test)]
#[path = "../../tests/one_story/mod.rs"]
mod one_story;
