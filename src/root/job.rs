//! The one job of launchd: root's own copy of the helper, run for a moment each minute and when a bell is rung.
//!
//! The copy counts as installed when it has run once: macOS was reported to kill copies of helpers that no team signed. It
//! is replaced by the same version or a newer one, and never by an older one. What [`JOB`] says of it is held against what
//! lies there each time that it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::os::hash;
use crate::os::process::{Output, ProcessError, Program};
use crate::os::{FileError, Files};
use crate::root::answer::{Outcome, Response};
use crate::system::{BELL, INSTALLED_HELPER, JOB, JOB_LABEL, JOB_PLIST, LAUNCHCTL, NAME, System};

/// The version of this helper.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The argument that has a helper say its version.
pub const VERSION_WORD: &str = "version";
const HELPER_MODE: u32 = 0o755;
const PLIST_MODE: u32 = 0o644;
/// How long launchctl may take: it waits for a job that is to end, which has 20 s for it.
const PATIENCE: Duration = Duration::from_secs(25);

/// Which helper was installed, as it stands in [`JOB`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledJob {
    /// Version of this form: [`InstalledJob::VERSION`].
    pub version: u32,
    /// The helper's version.
    pub helper: String,
    /// The SHA-256 of its file.
    pub sha256: String,
}

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot read the helper that is to be installed: {0}")]
    Program(#[source] std::io::Error),
    #[error("a newer helper ({0}) was installed, and is not whole: install that version of Portcullis")]
    Newer(String),
    #[error("the copy does not run ({0}); macOS may have refused it")]
    NotRun(#[source] ProcessError),
    #[error("the copy ran and ended with {code}, saying \"{said}\"; macOS may have killed it")]
    OtherAnswer { code: i32, said: String },
    #[error(transparent)]
    Launchctl(#[from] ProcessError),
    #[error(
        "launchd does not take the job ({said}): if it is switched off, switch Portcullis on in System Settings, General, Login Items"
    )]
    NotTaken { said: String },
    #[error("launchd does not let go of the job ({said})")]
    NotForgotten { said: String },
}

/// Why the copy is not to run.
#[derive(Debug, thiserror::Error)]
pub enum ChangedCopy {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{JOB} does not read: {0}")]
    Record(#[source] serde_json::Error),
    #[error("{JOB} has version {0}")]
    Version(u32),
    #[error("{0} is not there")]
    Missing(&'static str),
    #[error("{path} has the mode {mode:04o}")]
    Mode { path: &'static str, mode: u32 },
    #[error("{0} is not what was installed")]
    Content(&'static str),
}

/// What a user's program can see of the job.
#[derive(Debug)]
pub enum JobState {
    NotInstalled,
    /// It was installed, and lies there as it was.
    Ready(InstalledJob),
    Changed(ChangedCopy),
    /// It lies there, and launchd does not have it.
    NotLoaded(InstalledJob),
}

impl InstalledJob {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// What was installed; `None`: nothing. Errors: it is not what lies there.
    pub fn read(files: &Files) -> Result<Option<Self>, ChangedCopy> {
        let Some(job) = Self::read_record(files)? else { return Ok(None) };
        let copy = unchanged(files, INSTALLED_HELPER, HELPER_MODE)?;
        if hash::of_bytes(&copy) != job.sha256 {
            return Err(ChangedCopy::Content(INSTALLED_HELPER));
        }
        if unchanged(files, JOB_PLIST, PLIST_MODE)? != plist().into_bytes() {
            return Err(ChangedCopy::Content(JOB_PLIST));
        }
        Ok(Some(job))
    }

    fn read_record(files: &Files) -> Result<Option<Self>, ChangedCopy> {
        let Some(bytes) = files.read(JOB)? else { return Ok(None) };
        let job: InstalledJob = serde_json::from_slice(&bytes).map_err(ChangedCopy::Record)?;
        if job.version == Self::VERSION { Ok(Some(job)) } else { Err(ChangedCopy::Version(job.version)) }
    }

    /// Whether it is of a later version than this program.
    pub fn is_newer(&self) -> bool {
        numbers(&self.helper) > numbers(VERSION)
    }
}

fn unchanged(files: &Files, path: &'static str, wanted: u32) -> Result<Vec<u8>, ChangedCopy> {
    let mode = files.mode(path)?.ok_or(ChangedCopy::Missing(path))?;
    if mode != wanted {
        return Err(ChangedCopy::Mode { path, mode });
    }
    files.read(path)?.ok_or(ChangedCopy::Missing(path))
}

/// The numbers of a version such as `1.12.0`, to be compared.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// What launchd is given.
pub fn plist() -> String {
    let watched =
        [format!("{BELL}/ring"), "/private/etc/pf.conf".into(), "/private/var/run/resolv.conf".into()];
    let watched: String = watched.iter().map(|path| format!("\t\t<string>{path}</string>\n")).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{JOB_LABEL}</string>
	<key>ProgramArguments</key>
	<array>
		<string>{INSTALLED_HELPER}</string>
		<string>tick</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>StartInterval</key>
	<integer>60</integer>
	<key>WatchPaths</key>
	<array>
{watched}	</array>
	<key>ThrottleInterval</key>
	<integer>1</integer>
	<key>AssociatedBundleIdentifiers</key>
	<array>
		<string>{NAME}</string>
	</array>
</dict>
</plist>
"#
    )
}

/// What a user's program can see: what was installed, and whether launchd has it.
pub fn state(system: &dyn System) -> JobState {
    match InstalledJob::read(&system.files()) {
        Ok(None) => JobState::NotInstalled,
        Err(changed) => JobState::Changed(changed),
        Ok(Some(job)) => match is_loaded(system) {
            Ok(false) => JobState::NotLoaded(job),
            // That launchctl cannot be asked says nothing of the job.
            Ok(true) | Err(_) => JobState::Ready(job),
        },
    }
}

/// Whether a request that opens would install the helper in the file `helper`: there is none, an older or a changed one.
/// One that launchd does not have was switched off by the person, and is left so.
pub fn is_wanted(system: &dyn System, helper: &std::path::Path) -> bool {
    match InstalledJob::read(&system.files()) {
        Ok(None) | Err(_) => true,
        Ok(Some(job)) if job.is_newer() => false,
        Ok(Some(job)) => {
            let program = system.job_program(helper);
            program.is_ok_and(|program| hash::of_bytes(&program) != job.sha256)
        }
    }
}

/// Installs this helper, and answers what that came to.
pub fn answer(system: &dyn System) -> Response {
    const PART: &str = "the part that closes ports in time";
    match install(system) {
        Ok(Installing::Already) => Response::done(Outcome::Unchanged, format!("{PART} is there already")),
        Ok(Installing::Done) => Response::done(Outcome::Changed, format!("{PART} is installed")),
        Err(error) => Response::failed(Outcome::Changed, format!("{PART} could not be installed: {error}")),
    }
}

/// What an installation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installing {
    Done,
    /// It was there as it is to be.
    Already,
}

/// Installs this helper, or the rest of what is missing of it. Killed midway, it is begun anew by the next request: what says
/// which helper is installed goes first and comes last, so that a tick meanwhile has nothing to find changed.
pub fn install(system: &dyn System) -> Result<Installing, JobError> {
    let files = system.files();
    let (found, known) = (InstalledJob::read(&files), InstalledJob::read_record(&files).ok().flatten());
    let job = match known.filter(InstalledJob::is_newer) {
        Some(newer) if !matches!(found, Ok(Some(_))) => return Err(JobError::Newer(newer.helper)),
        Some(newer) => newer,
        None => {
            let program = program(system)?;
            let sha256 = hash::of_bytes(&program);
            let job = InstalledJob { version: InstalledJob::VERSION, helper: VERSION.to_owned(), sha256 };
            if !matches!(&found, Ok(Some(there)) if *there == job) {
                put(system, &program, &job)?;
            }
            job
        }
    };
    if is_loaded(system)? {
        let is_as_it_was = matches!(found, Ok(Some(there)) if there == job);
        return Ok(if is_as_it_was { Installing::Already } else { Installing::Done });
    }
    let output = launchctl(system, &["bootstrap", "system", &system.place(JOB_PLIST).to_string_lossy()])?;
    // Read back: what launchctl says of a start is not always so.
    if is_loaded(system)? { Ok(Installing::Done) } else { Err(JobError::NotTaken { said: said(&output) }) }
}

/// Root's copy of what runs now.
fn program(system: &dyn System) -> Result<Vec<u8>, JobError> {
    let own = std::env::current_exe().map_err(JobError::Program)?;
    system.job_program(&own).map_err(JobError::Program)
}

/// Puts the copy there and runs it once; then what launchd reads, and what says which helper it is.
fn put(system: &dyn System, program: &[u8], job: &InstalledJob) -> Result<(), JobError> {
    let files = system.files();
    files.remove(JOB)?;
    files.put(INSTALLED_HELPER, program, HELPER_MODE)?;
    let tried = Program::new(system.place(INSTALLED_HELPER)).args([VERSION_WORD]).run();
    let ran = match tried {
        Ok(output) if output.success() && output.stdout.trim() == VERSION => Ok(()),
        Ok(Output { code, stdout, .. }) => {
            Err(JobError::OtherAnswer { code, said: stdout.trim().chars().take(80).collect() })
        }
        Err(error) => Err(JobError::NotRun(error)),
    };
    if let Err(error) = ran {
        // launchd would go on trying it.
        files.remove(INSTALLED_HELPER)?;
        return Err(error);
    }
    let plist = plist().into_bytes();
    if unchanged(&files, JOB_PLIST, PLIST_MODE).ok() != Some(plist.clone()) {
        forget(system)?;
        files.put(JOB_PLIST, &plist, PLIST_MODE)?;
    }
    // Plain data with text keys: its JSON cannot fail.
    Ok(files.replace(JOB, &serde_json::to_vec_pretty(job).unwrap_or_default(), 0o644)?)
}

/// Takes the job from launchd, and then its files. Called by a request of a person alone: from within the job it would
/// wait for its own end.
pub fn remove(system: &dyn System) -> Result<(), JobError> {
    let files = system.files();
    if files.mode(JOB_PLIST)?.is_some() || files.mode(JOB)?.is_some() {
        forget(system)?;
    }
    // First what says that there is one: killed here, a tick meanwhile has nothing to find changed.
    for path in [JOB, JOB_PLIST, INSTALLED_HELPER] {
        files.remove(path)?;
    }
    Ok(())
}

fn forget(system: &dyn System) -> Result<(), JobError> {
    if !is_loaded(system)? {
        return Ok(());
    }
    let output = launchctl(system, &["bootout", &format!("system/{JOB_LABEL}")])?;
    if is_loaded(system)? { Err(JobError::NotForgotten { said: said(&output) }) } else { Ok(()) }
}

/// Whether launchd has the job. It has not where the person switched it off in Login Items.
fn is_loaded(system: &dyn System) -> Result<bool, ProcessError> {
    Ok(launchctl(system, &["print", &format!("system/{JOB_LABEL}")])?.success())
}

fn launchctl(system: &dyn System, words: &[&str]) -> Result<Output, ProcessError> {
    system.program(LAUNCHCTL).args(words).timeout(PATIENCE).run()
}

fn said(output: &Output) -> String {
    let text = output.stderr.trim();
    if text.is_empty() { format!("status {}", output.code) } else { text.replace('\n', " ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let job = |helper: &str| InstalledJob { version: 1, helper: helper.into(), sha256: String::new() };
        assert!(job("999.0.0").is_newer() && job(&format!("{VERSION}.1")).is_newer());
        assert!(!job(VERSION).is_newer() && !job("0.0.9").is_newer() && !job("no version").is_newer());
        assert!(numbers("1.10.0") > numbers("1.9.7"));
    }
}
