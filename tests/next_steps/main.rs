//! Doing what the program says, word by word, makes a port reachable, or says why it is not: with real debug servers, at the
//! first try, for a client on another machine.
//!
//! Each situation has a network and a process namespace of its own, which plays the Mac, and a second network namespace
//! behind a pair of veth interfaces, which plays the client's machine. A command prints a next step; what it names is run
//! as it stands, but for the names that it leaves open (`USER`, `THIS-MAC`, `…`). Then the client connects from its machine
//! and speaks with the server; where the server does not survive that, the socket table has to show the right address. And
//! the lab's pf has to let that client pass.
//!
//! The last line counts: `next steps N, skipped S, wrong W`. Where `PORTCULLIS_NEXT_STEPS_LEAST` is set, every situation is
//! tried, and fewer than that fail; else a few are, which start quickly.

mod hand;
mod machines;
mod servers;
mod situations;

use std::path::Path;
use std::process::{Command, ExitCode};

use machines::{Machines, NAMESPACES};
use situations::{SITUATIONS, Situation};

/// The first argument of a child that is in the namespaces of one situation.
const INSIDE: &str = "inside";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        // libtest's listing, which editors and runners ask of every test binary.
        words if words.contains(&"--list") => {
            println!("next_steps: test");
            ExitCode::SUCCESS
        }
        [INSIDE, name, folder] => inside(name, Path::new(folder)),
        ["speak", host, port] => servers::speak(host, port),
        _ => all(),
    }
}

/// Tries the situations, each in a child.
fn all() -> ExitCode {
    let least = std::env::var("PORTCULLIS_NEXT_STEPS_LEAST").ok();
    let least: Option<usize> = least.map(|text| text.parse().expect("a number"));
    let only = std::env::var("PORTCULLIS_NEXT_STEPS").ok();
    let (mut right, mut skipped, mut wrong) = (0, 0, 0);
    let namespaces = NAMESPACES.iter().find(|options| machines::may_have(options));
    for situation in SITUATIONS {
        let Situation { name, is_quick, .. } = situation;
        let is_named = only.as_ref().is_some_and(|only| name.contains(only.as_str()));
        if !(is_named || only.is_none() && (*is_quick || least.is_some())) {
            continue;
        }
        let said = match namespaces {
            None => Err("skipped: this user may have no namespace".to_owned()),
            // Root in a user namespace is no one who could log in.
            Some(options) if situation.takes_root() && *options != NAMESPACES[0] => {
                Err("skipped: only root can log in to this machine".to_owned())
            }
            Some(options) => situation.servers_are_here().and_then(|()| child(options, name)),
        };
        match said {
            Ok(said) => {
                right += 1;
                println!("{name}: {said}");
            }
            Err(why) if why.starts_with("skipped: ") => {
                skipped += 1;
                println!("{name}: {why}");
            }
            Err(why) => {
                wrong += 1;
                println!("{name}: WRONG: {why}");
            }
        }
    }
    println!("next steps {right}, skipped {skipped}, wrong {wrong}");
    // A container may be refused them; each situation has said so.
    if namespaces.is_some() && least.is_some_and(|least| right < least) {
        println!("WRONG: fewer than were to be; install the servers: scripts/setup.sh debuggers");
        return ExitCode::FAILURE;
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tries one situation in namespaces of its own. They end with it, and everything that runs in them.
fn child(options: &[&str], name: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let me = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(options).arg(me).args([INSIDE, name]).arg(folder.path());
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(said + &String::from_utf8_lossy(&output.stderr))
}

/// The situation of this name, in namespaces that no one else has.
fn inside(name: &str, folder: &Path) -> ExitCode {
    let situation = SITUATIONS.iter().find(|situation| situation.name == name).expect("a situation");
    let tried = Machines::new(folder).and_then(|mut machines| situation.try_it(&mut machines));
    match tried {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}
