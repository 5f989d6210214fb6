//! The command line of the helper: read by hand, since root links no more than it needs.
//!
//! `portcullis-helper apply REQUEST`, `… status`, `… tick`, `… record MINUTES`. One JSON object ([`Response`]) goes to standard
//! output; on failure its message goes to standard error too, which is what osascript passes on. For the exit status see
//! [`crate::root::answer`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::os;
use crate::root::answer::{Outcome, Response};
use crate::root::apply::apply;
use crate::root::audit::{self, AuditedRequest};
use crate::root::record;
use crate::root::request::{Operation, Request, RequestError};
use crate::system::{Mac, System};

const USAGE: &str = "usage: portcullis-helper apply REQUEST | status | tick | record MINUTES";

/// The program `portcullis-helper`: its arguments (without its own name) in, its exit status out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    os::set_usual_umask();
    os::sudo_uid();
    let refusal = if !os::is_macos() {
        "there is no pf of macOS here; nothing was changed"
    } else if !os::is_root() {
        "pf can be read and changed by root alone: run with sudo; nothing was changed"
    } else {
        return run(&Mac, &arguments.into_iter().collect::<Vec<_>>());
    };
    Response::failed(Outcome::Unchanged, refusal).print();
    ExitCode::from(2)
}

/// Does on `system` what the arguments say.
pub fn run(system: &dyn System, arguments: &[OsString]) -> ExitCode {
    match read_arguments(arguments) {
        Ok(Task::Request(request)) => {
            let answer = apply(system, &request);
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

/// What this run of the helper is for.
enum Task {
    /// One request.
    Request(Request),
    /// Recording what pf logs for so many minutes: how a request of that goes on after it was answered.
    Record(u16),
}

/// Why the arguments are refused.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("{USAGE}")]
    Words,
    #[error("the request is not UTF-8")]
    NotUtf8,
    #[error(transparent)]
    Request(#[from] RequestError),
}

fn read_arguments(arguments: &[OsString]) -> Result<Task, UsageError> {
    match arguments {
        [verb, minutes] if verb == "record" => {
            let minutes = minutes.to_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            let request = Request::new(Operation::Log { minutes }, &os::user_name());
            request.validate()?;
            Ok(Task::Record(minutes))
        }
        [verb, request] if verb == "apply" => {
            Ok(Task::Request(Request::decode(request.to_str().ok_or(UsageError::NotUtf8)?)?))
        }
        [verb] if verb == "status" => Ok(Task::Request(Request::new(Operation::Status {}, &os::user_name()))),
        [verb] if verb == "tick" => Ok(Task::Request(Request::new(Operation::Tick {}, &os::user_name()))),
        _ => Err(UsageError::Words),
    }
}
