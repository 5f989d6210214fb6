//! The command line of the helper: read by hand, since root links no more than it needs.
//!
//! `portcullis-helper [--lab DIR] apply REQUEST`, `… status`, `… tick`, `… record MINUTES`. One JSON object ([`Response`]) goes to standard
//! output; on failure its message goes to standard error too, which is what osascript passes on. For the exit status see
//! [`crate::root::answer`].

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::os;
use crate::root::answer::{Outcome, Response};
use crate::root::apply::apply;
use crate::root::record;
use crate::root::request::{Operation, Request};
use crate::world::World;

const USAGE: &str = "usage: portcullis-helper [--lab DIR] apply REQUEST | status | tick | record MINUTES";

/// Runs the helper on this process's arguments; gives its exit status.
pub fn main() -> ExitCode {
    os::set_usual_umask();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let answer = match read_arguments(&arguments) {
        Ok((world, Task::Request(request))) => apply(&world, &request),
        Ok((world, Task::Record(minutes))) => return record::run(&world, minutes),
        Err(message) => {
            report(&Response::failed(Outcome::Unchanged, message));
            return ExitCode::from(2);
        }
    };
    report(&answer);
    ExitCode::from(answer.exit_status())
}

/// Prints an answer.
pub(super) fn report(answer: &Response) {
    // Plain data with text keys: its JSON cannot fail. A reader that went away changes nothing of what was done.
    let json = serde_json::to_string(answer).unwrap_or_default();
    let _ = writeln!(std::io::stdout(), "{json}");
    if !answer.ok {
        let _ = writeln!(std::io::stderr(), "{}", answer.message);
    }
}

/// What this run of the helper is for.
enum Task {
    /// One request.
    Request(Request),
    /// Recording what pf logs for so many minutes: how a request of that goes on after it was answered.
    Record(u16),
}

fn read_arguments(arguments: &[OsString]) -> Result<(World, Task), String> {
    let (world, rest) = match arguments {
        [flag, dir, rest @ ..] if flag == "--lab" => (lab(dir)?, rest),
        rest => (World::Mac, rest),
    };
    let task = match rest {
        [verb, minutes] if verb == "record" => {
            let minutes = minutes.to_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            let request = Request::new(Operation::Log { minutes }, &os::user_name());
            request.validate().map_err(|error| format!("{error}; nothing was changed"))?;
            Task::Record(minutes)
        }
        [verb, request] if verb == "apply" => {
            let text = request.to_str().ok_or("the request is not UTF-8; nothing was changed")?;
            let request = Request::decode(text).map_err(|error| format!("{error}; nothing was changed"))?;
            Task::Request(request)
        }
        [verb] if verb == "status" => Task::Request(Request::new(Operation::Status {}, &os::user_name())),
        [verb] if verb == "tick" => Task::Request(Request::new(Operation::Tick {}, &os::user_name())),
        _ => return Err(format!("{USAGE}; nothing was changed")),
    };
    if world == World::Mac && !cfg!(target_os = "macos") {
        return Err("there is no pf of macOS here: name a lab with --lab DIR; nothing was changed".to_owned());
    }
    if world == World::Mac && !os::is_root() {
        return Err("pf can be read and changed by root alone: run with sudo; nothing was changed".to_owned());
    }
    Ok((world, task))
}

/// A lab has files and programs that its owner made: root does not run them on a machine that has a pf to harm.
fn lab(dir: &OsStr) -> Result<World, String> {
    let dir = PathBuf::from(dir);
    if os::is_root() && std::path::Path::new("/sbin/pfctl").exists() {
        return Err(
            "a lab is not run as root on a machine with a pf of its own; nothing was changed".to_owned()
        );
    }
    if !dir.is_absolute() || !dir.is_dir() {
        return Err(format!("{} is no absolute path of a directory; nothing was changed", dir.display()));
    }
    Ok(World::Lab(dir))
}
