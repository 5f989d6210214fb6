//! The command line of the helper: read by hand, since root links no more than it needs.
//!
//! A request in words ([`crate::root::words`]), or `status`, `tick` or `record MINUTES` alone. One JSON object
//! ([`Response`]) goes to standard output; on failure its message goes to standard error too, which is what osascript
//! passes on. For the exit status see [`crate::root::answer`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::os::{self, BootError};
use crate::root::answer::{Outcome, Response};
use crate::root::apply::apply;
use crate::root::audit::{self, AuditedRequest};
use crate::root::caller::request_name;
use crate::root::permissions::AskedBy;
use crate::root::record;
use crate::root::request::{Operation, Request, RequestError};
use crate::root::words::WordsError;
use crate::root::{job, tick};
use crate::system::{Mac, System};

const USAGE: &str = "usage: portcullis-helper REQUEST IN WORDS | status | tick | record MINUTES | version";

/// The program `portcullis-helper`: its arguments (without its own name) in, its exit status out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if says_version(&arguments) {
        return ExitCode::SUCCESS;
    }
    prepare();
    let refusal = if !os::is_macos() {
        "there is no pf of macOS here; nothing was changed"
    } else if !os::is_root() {
        "pf can be read and changed by root alone: run with sudo; nothing was changed"
    } else {
        return run(&Mac, &arguments);
    };
    Response::failed(Outcome::Unchanged, refusal).print();
    ExitCode::from(2)
}

/// What both helpers do first: nothing of what the caller set up reaches a change.
pub fn prepare() {
    // Kept from the environment, which goes.
    os::sudo_uid();
    os::put_away_inherited();
}

/// Says which version this is, where that is all that is asked: any user may, and nothing is looked at.
pub fn says_version(arguments: &[OsString]) -> bool {
    let asked = matches!(arguments, [word] if word == job::VERSION_WORD);
    if asked {
        println!("{}", job::VERSION);
    }
    asked
}

/// Does on `system` what the arguments say.
pub fn run(system: &dyn System, arguments: &[OsString]) -> ExitCode {
    match read_arguments(system, arguments) {
        Ok(Task::Request(request, asked_by)) => {
            let answer = if is_launchds(&request, asked_by) {
                tick::run(system, &request)
            } else {
                // What is under way is finished or undone by us, and our end follows.
                os::hold_signals();
                // What was rung before comes before.
                let rung = tick::answer_bells(system);
                tick::after_bells(rung, apply(system, &request, asked_by))
            };
            answer.print();
            ExitCode::from(answer.exit_status())
        }
        Ok(Task::Record(minutes)) => record::run(system, minutes),
        Err(error) => {
            let answer = Response::failed(Outcome::Unchanged, format!("{error}; nothing was changed"));
            audit::record(system, AuditedRequest::Malformed(arguments), answer).print();
            ExitCode::from(2)
        }
    }
}

fn is_launchds(request: &Request, asked_by: AskedBy) -> bool {
    request.action == (Operation::Tick {}) && asked_by == AskedBy::Launchd
}

/// What this run of the helper is for.
enum Task {
    /// One request.
    Request(Box<Request>, AskedBy),
    /// Recording what pf logs for so many minutes: how a request of that goes on after it was answered.
    Record(u16),
}

/// Why the arguments are refused.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("{USAGE}")]
    Nothing,
    #[error("the request is not UTF-8")]
    NotUtf8,
    #[error("{0} ({USAGE})")]
    Words(#[from] WordsError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Boot(#[from] BootError),
}

fn read_arguments(system: &dyn System, arguments: &[OsString]) -> Result<Task, UsageError> {
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let now = system.moment()?;
    let alone = |operation: Operation, now| {
        Request::new(operation, &request_name(os::sudo_uid().unwrap_or_else(os::own_uid)), now)
    };
    match words.ok_or(UsageError::NotUtf8)?.as_slice() {
        [] => Err(UsageError::Nothing),
        // launchd and an administrator at a terminal ask for these; neither can open anything.
        ["status"] => Ok(Task::Request(alone(Operation::Status {}, now).into(), AskedBy::User)),
        // A request behind a prompt has all its words, and sudo(8) says who runs it.
        ["tick"] => {
            let asked_by = os::sudo_uid().map_or(AskedBy::Launchd, |_| AskedBy::User);
            Ok(Task::Request(alone(Operation::Tick {}, now).into(), asked_by))
        }
        ["record", minutes] => {
            let minutes = minutes.parse().unwrap_or(0);
            alone(Operation::Log { minutes }, now).validate()?;
            Ok(Task::Record(minutes))
        }
        words => {
            let request = Request::parse(words.iter().copied())?;
            request.check_fresh(&now)?;
            Ok(Task::Request(request.into(), AskedBy::User))
        }
    }
}
