//! The stand-in for `/bin/launchctl`: the words that we use of it, over [`super::launchd`].
//!
//! `disable` and `enable` are what a person does in System Settings, General, Login Items. `run` is no word of a Mac's: it is
//! launchd itself, which ends with its caller.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::directory::take_directory;
use super::error::LabError;
use super::launchd::{LaunchPace, Launchd, LaunchdError, LoadedJob};
use super::store::init;
use crate::os;

const USAGE: &str = "usage: launchctl-lab [--lab DIR] bootstrap system PLIST | bootout system/LABEL | print system/LABEL | \
    kickstart system/LABEL | enable system/LABEL | disable system/LABEL | run [--as-launchd]";
/// How often `run` looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The program `launchctl-lab`: its arguments (without its own name) in, its exit code out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match run(arguments.into_iter().collect()) {
        Ok(text) => {
            print!("{text}");
            0
        }
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// What launchctl says on standard error.
#[derive(Debug, thiserror::Error)]
enum LaunchctlError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("{USAGE}")]
    Usage,
    #[error("Bootstrap failed: {}: {}", code(.0), words(.0))]
    Bootstrap(#[source] LaunchdError),
    #[error("Boot-out failed: {}: {}", code(.0), words(.0))]
    Bootout(#[source] LaunchdError),
    #[error("Bad request.\nCould not find service \"{0}\" in domain for system")]
    NoService(String),
    #[error("{0}")]
    Launchd(#[source] LaunchdError),
}

impl LaunchctlError {
    fn exit_code(&self) -> u8 {
        match self {
            LaunchctlError::Lab(_) => 1,
            LaunchctlError::Usage => 64,
            LaunchctlError::Bootstrap(error)
            | LaunchctlError::Bootout(error)
            | LaunchctlError::Launchd(error) => code(error),
            LaunchctlError::NoService(_) => 113,
        }
    }
}

/// Numbers of errno(2), and of launchd's own (xpc_error.h, as launchctl(1) `error` lists them).
fn code(error: &LaunchdError) -> u8 {
    match error {
        LaunchdError::NoPlist(_) => 2,
        LaunchdError::NotLoaded(_) => 3,
        LaunchdError::SwitchedOff(_) => 119,
        LaunchdError::Permissions(_) => 122,
        _ => 5,
    }
}

fn words(error: &LaunchdError) -> &'static str {
    match error {
        LaunchdError::NoPlist(_) => "No such file or directory",
        LaunchdError::NotLoaded(_) => "No such process",
        LaunchdError::SwitchedOff(_) => "Service is disabled",
        LaunchdError::Permissions(_) => "Path had bad ownership/permissions",
        _ => "Input/output error",
    }
}

fn run(mut arguments: Vec<OsString>) -> Result<String, LaunchctlError> {
    let directory = take_directory(&mut arguments)?;
    init(&directory)?;
    let launchd = Launchd::of(&directory);
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let label = |target: &str| target.strip_prefix("system/").map(str::to_owned).ok_or(LaunchctlError::Usage);
    let nothing = |()| String::new();
    match words.as_slice() {
        ["bootstrap", "system", path] => {
            launchd.bootstrap(&inside(&directory, path)).map(nothing).map_err(LaunchctlError::Bootstrap)
        }
        ["bootout", target] => launchd.bootout(&label(target)?).map(nothing).map_err(LaunchctlError::Bootout),
        ["print", target] => {
            let label = label(target)?;
            let job = launchd.job(&label).map_err(|error| not_found(&label, error))?;
            Ok(shown(&label, &job))
        }
        ["kickstart", target] => {
            let label = label(target)?;
            launchd.kickstart(&label).map(nothing).map_err(|error| not_found(&label, error))
        }
        ["enable", target] => {
            launchd.switch(&label(target)?, true).map(nothing).map_err(LaunchctlError::Launchd)
        }
        ["disable", target] => {
            launchd.switch(&label(target)?, false).map(nothing).map_err(LaunchctlError::Launchd)
        }
        ["run"] => go_on(&launchd, LaunchPace::Lab),
        ["run", "--as-launchd"] => go_on(&launchd, LaunchPace::Launchd),
        _ => Err(LaunchctlError::Usage),
    }
}

/// A path as the lab has it: our own programs name a place in the lab.
fn inside(directory: &Path, path: &str) -> String {
    match Path::new(path).strip_prefix(directory) {
        Ok(inside) => format!("/{}", inside.display()),
        Err(_) => path.to_owned(),
    }
}

fn not_found(label: &str, error: LaunchdError) -> LaunchctlError {
    match error {
        LaunchdError::NotLoaded(_) => LaunchctlError::NoService(label.to_owned()),
        error => LaunchctlError::Launchd(error),
    }
}

fn shown(label: &str, job: &LoadedJob) -> String {
    let (active, state) = if job.is_running() { (1, "running") } else { (0, "not running") };
    let program = job.program.first().map_or("", String::as_str);
    let arguments: String = job.program.iter().map(|word| format!("\t\t{word}\n")).collect();
    let exit = job.exit.map_or_else(|| "(never exited)".to_owned(), |code| code.to_string());
    let interval =
        job.interval.map(|seconds| format!("\trun interval = {seconds} seconds\n")).unwrap_or_default();
    format!(
        "system/{label} = {{\n\tactive count = {active}\n\tpath = {}\n\ttype = LaunchDaemon\n\tstate = {state}\n\n\
         \tprogram = {program}\n\targuments = {{\n{arguments}\t}}\n\n\truns = {}\n\tlast exit code = {exit}\n{interval}}}\n",
        job.plist, job.runs
    )
}

/// Until it is killed.
fn go_on(launchd: &Launchd, pace: LaunchPace) -> Result<String, LaunchctlError> {
    loop {
        if let Err(error) = launchd.run_due(os::clock(), pace) {
            eprintln!("launchctl-lab: {error}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
