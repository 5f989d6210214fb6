//! How root is reached: one administrator prompt for one request, and the code-signature check before it.
//!
//! The app never becomes root. It asks `/usr/bin/osascript` to run one command with administrator privileges; macOS
//! shows the prompt, and the command runs the helper on one request. What stands between the two is text, so every
//! part of it is either fixed, or hexadecimal, or quoted twice: for the shell, then for AppleScript.
//!
//! The app bundle can be written by its owner, so the helper in it could be swapped between the check of its
//! signature and its run. Therefore root first copies it into a fresh directory of its own, hashes *the copy*, and
//! runs the copy only where the hash is the one of the file that was checked.

pub mod alert;
mod handover;
pub mod notification;
pub mod place;
pub mod prompt;
pub mod question;
pub mod quote;
mod shell;
pub mod signature;
mod sudo;

use std::path::{Path, PathBuf};

use crate::os;
use crate::os::cancel::Cancellation;
use crate::os::hash;
use crate::os::process::{Output, ProcessError, Program};
use crate::root::answer::{Outcome, Response};
use crate::root::job;
use crate::root::request::Request;
use crate::system::{HelperLaunch, INSTALLED_HELPER, LEDGER, System};
use handover::HandedOver;
use place::RestrictedPlace;
use prompt::PromptFacts;

/// Why the helper did not do what was asked. The message says what became of the system.
#[derive(Debug, thiserror::Error)]
pub enum ElevateError {
    #[error("the administrator prompt was cancelled: nothing was changed")]
    Cancelled,
    /// The name or password was wrong too often.
    #[error(
        "the administrator name or password was not right: nothing was changed; try again (over ssh, where macOS can show no prompt, it may say the same: then run portcullis with sudo)"
    )]
    WrongPassword,
    /// The person may not become root.
    #[error(
        "you are not an administrator of this Mac, and none signed in: nothing was changed; ask one, or have one type their name at the prompt"
    )]
    NotAdministrator,
    /// sudo started nothing.
    #[error("sudo did not let root be asked: {0}; nothing was changed")]
    Sudo(String),
    /// There is nowhere to show a prompt.
    #[error(
        "no prompt can be shown here (ssh, or no user is logged in at the screen): nothing was changed; run instead, within {max} s: {command}", max = Request::MAX_AGE
    )]
    NoPrompt { command: String },
    /// The prompt was taken away, and the ledger is as it was.
    #[error("the prompt was not answered, and is taken away: nothing was changed")]
    NotAnswered,
    #[error(
        "the prompt was taken away while root was at work: see with `portcullis status` what is open now"
    )]
    TimedOut,
    /// The helper's code signature is not right.
    #[error("the helper was not started, nothing was changed: {0}")]
    Signature(#[from] signature::SignatureError),
    /// The helper is missing, or could not be read.
    #[error("cannot read the helper {}: {source}; nothing was changed; install Portcullis again", path.display())]
    Helper { path: PathBuf, source: std::io::Error },
    /// Root may not be allowed to read the helper, and there is no copy of it that root may read.
    #[error(
        "{}, where root may not be allowed to read the helper, and no copy can be made ({}: {source}); nothing was changed; move Portcullis.app to /Applications with the Finder, and open it there", place.sentence(), path.display()
    )]
    HandOver { place: RestrictedPlace, path: PathBuf, source: std::io::Error },
    /// The request would be refused.
    #[error("{0}; nothing was changed")]
    Request(#[from] crate::root::request::RequestError),
    /// The helper ran and failed.
    #[error("{message}")]
    Failed {
        /// What became of the system.
        outcome: Outcome,
        message: String,
    },
    /// osascript could not be run, or said what we cannot read.
    #[error(
        "asking for administrator rights failed: {0}; whether something changed is not known: check with `portcullis status --check`"
    )]
    Unclear(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Carries out one request as root: asks for permission, runs the helper, gives its answer. Blocks until the person has
/// answered, or `cancellation` is cancelled. A caller who is root is not asked; the helper is checked and copied all the
/// same. `say` shows a text to a person who sits at our terminal: there sudo asks, where Touch ID answers for it.
pub fn ask(
    system: &dyn System,
    request: &Request,
    facts: &PromptFacts,
    say: Option<fn(&str)>,
    cancellation: &Cancellation,
) -> Result<Response, ElevateError> {
    request.validate()?;
    let launch = system.helper();
    let helper = helper_path(launch.name)?;
    let digest = checked_digest(&launch, &helper)?;
    let say = say.filter(|_| launch.needs_prompt);
    if let Some((say, sudo)) = say.and_then(|say| Some((say, sudo::program(system, &helper)?))) {
        say(&prompt::describe(request, facts));
        let output = run(system, sudo.args(request.words()), &launch, cancellation)?;
        return sudo::read_outcome(output);
    }
    let requirement = match signature::PIN {
        signature::Pin::Team(team) if launch.is_pinned => Some(signature::requirement(team)?),
        _ => None,
    };
    // Gone when root is done.
    let copy = copy_for_root(&launch, &helper, &digest)?;
    let checked = shell::CheckedHelper {
        home: &system.place("/private/var/root/portcullis.XXXXXXXXXX"),
        helper: copy.as_ref().map_or(&helper, HandedOver::path),
        digest: &digest,
        hash: &launch.hash,
        requirement: requirement.as_deref(),
        sudo_uid: os::sudo_uid().filter(|_| !launch.needs_prompt),
    };
    let arguments = arguments(&launch, request);
    let command = shell::command(&checked, &arguments);
    if !launch.needs_prompt {
        let shell = Program::new("/bin/sh").args(["-c", &command]);
        return read_directly(run(system, shell, &launch, cancellation)?);
    }
    let script = script(&command, &prompt::describe(request, facts));
    let osascript = system.program("/usr/bin/osascript").args(["-e", &script]).ending_with_us();
    let output = run(system, osascript, &launch, cancellation)?;
    read_outcome(output.code, &output.stdout, &output.stderr, || by_hand(system, &helper, &arguments))
}

/// Runs what starts the helper, as long as a person may think.
fn run(
    system: &dyn System,
    program: Program,
    launch: &HelperLaunch,
    cancellation: &Cancellation,
) -> Result<Output, ElevateError> {
    let before = system.files().read(LEDGER).ok();
    match program.timeout(launch.patience).until(cancellation).run() {
        Ok(output) => Ok(output),
        Err(ProcessError::TimedOut { .. } | ProcessError::Cancelled { .. }) => {
            let is_same = before.is_some() && system.files().read(LEDGER).ok() == before;
            Err(if is_same { ElevateError::NotAnswered } else { ElevateError::TimedOut })
        }
        Err(error) => Err(ElevateError::Unclear(error.into())),
    }
}

/// Whether a request that opens would install the helper beside this program as root's own copy.
pub fn wants_job(system: &dyn System) -> bool {
    helper_path(system.helper().name).is_ok_and(|helper| job::is_wanted(system, &helper))
}

/// The command for a terminal, with the copy that root owns where there is one.
fn by_hand(system: &dyn System, helper: &Path, arguments: &[String]) -> String {
    let installed = system.place(INSTALLED_HELPER);
    let helper = if installed.is_file() { &installed } else { helper };
    let mut command = format!("sudo {}", quote::sh(&helper.to_string_lossy()));
    arguments.iter().for_each(|word| command += &format!(" {}", quote::sh(word)));
    command
}

/// The helper beside this program, on a Mac in the bundle's `Contents/MacOS`.
fn helper_path(name: &str) -> Result<PathBuf, ElevateError> {
    let fail = |path: &Path, source| ElevateError::Helper { path: path.to_owned(), source };
    let own = std::env::current_exe().and_then(|path| path.canonicalize());
    let own = own.map_err(|error| fail(Path::new(name), error))?;
    let helper = own.with_file_name(name);
    match helper.metadata() {
        Ok(_) => Ok(helper),
        Err(error) => Err(fail(&helper, error)),
    }
}

/// The SHA-256 of the helper in hexadecimal, after it was checked to be the one of this build.
fn checked_digest(launch: &HelperLaunch, helper: &Path) -> Result<String, ElevateError> {
    let digest =
        hash::of_file(helper).map_err(|source| ElevateError::Helper { path: helper.to_owned(), source })?;
    if launch.is_pinned {
        signature::check(helper, &digest)?;
    }
    Ok(digest)
}

/// A copy of the helper that root may read, where it may not be allowed to read the helper itself. Made before the prompt:
/// no password is asked for what cannot work.
fn copy_for_root(
    launch: &HelperLaunch,
    helper: &Path,
    digest: &str,
) -> Result<Option<HandedOver>, ElevateError> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let place = RestrictedPlace::of(helper, home.as_deref());
    let (Some(place), Some(home)) = (place.filter(|_| launch.is_pinned && launch.needs_prompt), home) else {
        return Ok(None);
    };
    match HandedOver::make(&home, helper, digest) {
        Ok(copy) => Ok(Some(copy)),
        Err((path, source)) => Err(ElevateError::HandOver { place, path, source }),
    }
}

/// The helper's arguments.
fn arguments(launch: &HelperLaunch, request: &Request) -> Vec<String> {
    let first = launch.arguments.iter().map(|word| word.to_string_lossy().into_owned());
    first.chain(request.words()).collect()
}

/// The AppleScript that asks: one `do shell script` with administrator privileges.
fn script(command: &str, prompt: &str) -> String {
    format!(
        "do shell script {} with prompt {} with administrator privileges without altering line endings",
        quote::applescript(command),
        quote::applescript(prompt)
    )
}

/// What the helper said without osascript between.
fn read_directly(output: Output) -> Result<Response, ElevateError> {
    match output.code {
        0 => read_answer(&output.stdout),
        code => match Response::outcome_of(code) {
            Some(outcome) => Err(ElevateError::Failed { outcome, message: output.stderr.trim().to_owned() }),
            None => Err(ElevateError::Unclear(format!("the helper ended with status {code}").into())),
        },
    }
}

fn read_answer(stdout: &str) -> Result<Response, ElevateError> {
    // osascript turns LF into CR unless asked not to, and is asked not to: both are read all the same.
    let text = stdout.replace('\r', "\n");
    match Response::parse(text.trim()) {
        Ok(Response { ok: false, missing, outcome, message, .. }) if missing.is_empty() => {
            Err(ElevateError::Failed { outcome, message })
        }
        Ok(response) => Ok(response),
        Err(error) => Err(ElevateError::Unclear(error.into())),
    }
}

/// What osascript's exit says. It exits with 1 for every failure; the number in brackets at the end of its message
/// tells them apart: the helper's exit status where that failed, else an error of AppleScript or of Authorization
/// Services (`-128` cancelled, `-60005` and `-60007` name or password, `-1713` no interaction allowed).
fn read_outcome(
    code: i32,
    stdout: &str,
    stderr: &str,
    by_hand: impl Fn() -> String,
) -> Result<Response, ElevateError> {
    if code == 0 { read_answer(stdout) } else { Err(read_failure(stderr, by_hand)) }
}

/// Why osascript failed, by what it says.
fn read_failure(stderr: &str, by_hand: impl Fn() -> String) -> ElevateError {
    let text = stderr.replace('\r', "\n");
    let text = text.trim();
    let (message, number) = split_number(text);
    match number {
        Some(-128 | -60006) => ElevateError::Cancelled,
        Some(-60005 | -60007) => ElevateError::WrongPassword,
        Some(-60001..=-60000 | -60010 | -10004) => ElevateError::NotAdministrator,
        Some(-1713 | -10810 | -60008 | -60011) => ElevateError::NoPrompt { command: by_hand() },
        Some(status) => match Response::outcome_of(status) {
            Some(outcome) => ElevateError::Failed { outcome, message: message.to_owned() },
            None => ElevateError::Unclear(text.into()),
        },
        None => ElevateError::Unclear(if text.is_empty() { "osascript said nothing" } else { text }.into()),
    }
}

/// `12:34: execution error: MESSAGE (N)` as its message and number.
fn split_number(text: &str) -> (&str, Option<i32>) {
    let message = text.split_once("execution error: ").map_or(text, |(_, message)| message);
    let Some((message, rest)) = message.rsplit_once('(') else { return (message, None) };
    let number = rest.strip_suffix(')').and_then(|digits| digits.parse().ok());
    (message.trim_end(), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(stderr: &str) -> String {
        let result = read_outcome(1, "", stderr, || "sudo helper apply X".to_owned());
        result.unwrap_err().to_string()
    }

    #[test]
    fn each_failure_is_told_apart() {
        assert!(outcome("0:99: execution error: User canceled. (-128)\n").contains("cancelled"));
        assert!(
            outcome("0:99: execution error: The administrator user name or password was incorrect. (-60007)")
                .contains("password")
        );
        assert!(
            outcome("0:99: execution error: No user interaction allowed. (-1713)")
                .contains("sudo helper apply X")
        );
        assert!(
            outcome("0:99: execution error: pfctl refused (1); nothing was changed (1)")
                .starts_with("pfctl refused (1)")
        );
        assert!(outcome("0:99: execution error: odd (77)").contains("not known"));
        assert!(outcome("").contains("said nothing"));
        assert!(outcome("()").contains("not known"));
        let restored = read_outcome(1, "", "0:1: execution error: put back\r (4)", String::new);
        assert!(matches!(restored, Err(ElevateError::Failed { outcome: Outcome::Restored, .. })));
    }

    #[test]
    fn an_answer_reads_with_either_line_ending() {
        let answer = Response::done(Outcome::Changed, "opened");
        let text = serde_json::to_string_pretty(&answer).unwrap();
        for stdout in [text.clone(), text.replace('\n', "\r")] {
            assert_eq!(read_outcome(0, &stdout, "", String::new).unwrap(), answer);
        }
        assert!(read_outcome(0, "junk", "", String::new).is_err());
    }

    /// An exit status of 0 is no answer by itself.
    #[test]
    fn an_answer_counts_only_where_all_of_it_says_so() {
        let answer = |change: fn(&mut serde_json::Value)| {
            let mut json = serde_json::to_value(Response::done(Outcome::Changed, "opened")).unwrap();
            change(&mut json);
            read_outcome(0, &json.to_string(), "", String::new)
        };
        assert!(answer(|_| ()).is_ok());
        assert!(answer(|json| json["outcome"] = "unchanged".into()).is_ok());
        for outcome in ["unchanged", "restored", "changed", "damaged"] {
            let failed = Response::failed(serde_json::from_value(outcome.into()).unwrap(), "no");
            let failed = read_outcome(0, &serde_json::to_string(&failed).unwrap(), "", String::new);
            assert!(matches!(failed, Err(ElevateError::Failed { .. })), "{failed:?}");
        }
        let unclear: [fn(&mut serde_json::Value); 7] = [
            |json| json["version"] = 2.into(),
            |json| json["version"] = "1".into(),
            |json| json["outcome"] = "done".into(),
            |json| json["outcome"] = "restored".into(),
            |json| json["outcome"] = "damaged".into(),
            |json| json["missing"] = serde_json::json!(["edit-conf"]),
            |json| drop(json.as_object_mut().unwrap().remove("ok")),
        ];
        for change in unclear {
            assert!(matches!(answer(change), Err(ElevateError::Unclear(_))), "{:?}", answer(change));
        }
        let missing = Response::missing(vec![crate::root::request::Permission::EditConf]);
        assert!(read_outcome(0, &serde_json::to_string(&missing).unwrap(), "", String::new).is_ok());
    }
}
