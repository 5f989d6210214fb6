//! The Application Firewall, asked through socketfilterfw.
//!
//! ```
//! use portcullis::{firewall::app, status::AppFirewall};
//! assert_eq!(app::global_state("Firewall is disabled. (State = 0)\n"), AppFirewall::Off);
//! ```
//!
//! It works per program and beside pf: what pf passes, it may still stop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::os::process::Program;
use crate::status::AppFirewall;
use crate::system::System;

/// The tool; its plist is gone since macOS 15, so there is no other way.
const SOCKETFILTERFW: &str = "/usr/libexec/ApplicationFirewall/socketfilterfw";

/// The Application Firewall as it was asked, and the programs that it was asked about. Each question is a process, so
/// the answers are kept: a caller that looks often makes a new cache only now and then.
#[derive(Clone, Debug)]
pub struct AppFirewallCache {
    program: Program,
    /// What it does with incoming connections.
    pub state: AppFirewall,
    blocks: BTreeMap<PathBuf, bool>,
}

impl AppFirewallCache {
    /// Asks for its state.
    pub fn new(system: &dyn System) -> Self {
        let program = system.program(SOCKETFILTERFW);
        AppFirewallCache { state: state(&program), program, blocks: BTreeMap::new() }
    }

    /// Whether it says that it blocks the program at `path`. Asked once, and only where it is on: else there is no
    /// answer that matters.
    pub fn blocks(&mut self, path: &Path) -> bool {
        if self.state != AppFirewall::On {
            return false;
        }
        match self.blocks.get(path) {
            Some(known) => *known,
            None => {
                let blocks = is_blocked(&self.program, path);
                self.blocks.insert(path.to_owned(), blocks);
                blocks
            }
        }
    }
}

/// What the Application Firewall does with incoming connections.
fn state(socketfilterfw: &Program) -> AppFirewall {
    let run = |argument: &str| {
        let output = socketfilterfw.clone().args([argument]).run().map_err(|error| error.to_string())?;
        match output.success() {
            true => Ok(output.stdout),
            false => Err(format!(
                "{SOCKETFILTERFW} {argument} failed with {}: {}",
                output.code,
                output.stderr.trim()
            )),
        }
    };
    match run("--getglobalstate") {
        Err(why) => AppFirewall::Unknown(why),
        Ok(text) => match global_state(&text) {
            // The state says "on" also where the block-all switch is set, so the switch is read as well.
            AppFirewall::On => {
                run("--getblockall").map_or_else(AppFirewall::Unknown, |text| block_all(&text))
            }
            state => state,
        },
    }
}

/// Whether the Application Firewall says that it blocks the program at `path`; what cannot be asked, it did not say.
fn is_blocked(socketfilterfw: &Program, path: &Path) -> bool {
    let answer = socketfilterfw.clone().args([Path::new("--getappblocked"), path]).run();
    answer.is_ok_and(|output| program_blocked(&output.stdout, path))
}

/// Reads `--getglobalstate`: `Firewall is enabled. (State = 1)`. The words differ between versions, the number does not;
/// where there is none the words count (`Firewall is on`).
pub fn global_state(text: &str) -> AppFirewall {
    let number = text
        .split_once("(State = ")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(number, _)| number.trim());
    match number {
        Some("0") => AppFirewall::Off,
        Some("1") => AppFirewall::On,
        Some("2") => AppFirewall::BlockAll,
        Some(_) => AppFirewall::Unknown(text.trim().to_owned()),
        None => match words(text).as_str() {
            "firewall is off" | "firewall is disabled" => AppFirewall::Off,
            "firewall is on" => AppFirewall::On,
            "firewall is blocking all non-essential incoming connections" => AppFirewall::BlockAll,
            _ => AppFirewall::Unknown(not_understood(text)),
        },
    }
}

/// What it said, without the signs at its end.
fn words(text: &str) -> String {
    text.trim().to_ascii_lowercase().trim_end_matches(['.', '!', ' ']).to_owned()
}

/// A profile of the Mac's owner may keep its state from the command line.
fn not_understood(text: &str) -> String {
    match text.contains("on managed Mac computers") {
        true => format!("this Mac is managed ({})", text.trim()),
        false => text.trim().to_owned(),
    }
}

/// Reads `--getblockall` of a firewall that is on: `Firewall has block all state set to disabled.` or `enabled.`, and what
/// other versions say.
pub fn block_all(text: &str) -> AppFirewall {
    match words(text).as_str() {
        "firewall has block all state set to disabled"
        | "block all disabled"
        | "block all is off"
        | "firewall is set to allow specific services and applications" => AppFirewall::On,
        "firewall has block all state set to enabled"
        | "block all enabled"
        | "block all is on"
        | "firewall is set to block all non-essential incoming connections"
        | "firewall is blocking all non-essential incoming connections" => AppFirewall::BlockAll,
        _ => AppFirewall::Unknown(not_understood(text)),
    }
}

/// Reads `--getappblocked PATH`. Only "blocked" can be trusted: "permitted" is also said of programs that are in no list.
/// The answer may name the path, whose words are not the answer's.
pub fn program_blocked(text: &str, path: &Path) -> bool {
    let answer = text.replace(&*path.to_string_lossy(), "");
    answer.contains("blocked") && !answer.contains("permitted") && !answer.contains("not blocked")
}

/// Whether stealth mode is on: then a port on which nothing listens does not answer. `None`: it could not be asked.
pub fn stealth_mode(system: &dyn System) -> Option<bool> {
    let output = system.program(SOCKETFILTERFW).args(["--getstealthmode"]).run().ok()?;
    if output.success() { is_stealthy(&output.stdout) } else { None }
}

/// Reads `--getstealthmode`: `Stealth mode enabled`, or of later versions `Firewall stealth mode is on`.
pub fn is_stealthy(text: &str) -> Option<bool> {
    match words(text).as_str() {
        "stealth mode enabled" | "firewall stealth mode is on" | "stealth mode is on" => Some(true),
        "stealth mode disabled" | "firewall stealth mode is off" | "stealth mode is off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stealth_mode_is_read() {
        for (text, is_on) in [
            ("Stealth mode enabled \n", Some(true)),
            ("Firewall stealth mode is on\n", Some(true)),
            ("Stealth mode disabled", Some(false)),
            ("Firewall stealth mode is off", Some(false)),
            ("usage", None),
        ] {
            assert_eq!(is_stealthy(text), is_on, "{text}");
        }
    }

    #[test]
    fn the_number_is_read() {
        assert_eq!(global_state("Firewall is disabled. (State = 0) \n"), AppFirewall::Off);
        assert_eq!(global_state("Firewall is enabled. (State = 1)"), AppFirewall::On);
        let all = "Firewall is blocking all non-essential incoming connections. (State = 2)";
        assert_eq!(global_state(all), AppFirewall::BlockAll);
        assert_eq!(global_state("Firewall is on\n"), AppFirewall::On);
        assert_eq!(global_state("Firewall is off\n"), AppFirewall::Off);
        for junk in ["", "Firewall is enabled.", "(State = 3)", "(State =", "(State = 01)"] {
            assert_eq!(global_state(junk), AppFirewall::Unknown(junk.to_owned()));
        }
    }

    #[test]
    fn block_all_is_on_off_or_unknown() {
        assert_eq!(block_all("Firewall has block all state set to disabled.\n"), AppFirewall::On);
        assert_eq!(block_all("Firewall has block all state set to enabled.\n"), AppFirewall::BlockAll);
        for off in ["Block all is off\n", "Block all DISABLED! \n"] {
            assert_eq!(block_all(off), AppFirewall::On);
        }
        assert_eq!(
            block_all("Firewall is set to allow specific services and applications."),
            AppFirewall::On
        );
        for on in [
            "Block all is on",
            "Firewall is set to block all non-essential incoming connections",
            "Firewall is blocking all non-essential incoming connections.\n",
        ] {
            assert_eq!(block_all(on), AppFirewall::BlockAll);
        }
        assert_eq!(block_all("not enabled"), AppFirewall::Unknown("not enabled".into()));
        let managed = "Firewall settings cannot be modified from command line on managed Mac computers.\n";
        for said in [global_state(managed), block_all(managed)] {
            assert!(
                matches!(said, AppFirewall::Unknown(why) if why.starts_with("this Mac is managed (Firewall"))
            );
        }
    }

    #[test]
    fn permitted_proves_nothing() {
        let blocked = "Incoming connection to the application is blocked";
        let dlv = Path::new("/Users/ada/unblocked/dlv");
        assert!(program_blocked(blocked, dlv));
        assert!(program_blocked("Incoming connection to /Users/ada/unblocked/dlv is blocked.\n", dlv));
        let unknown = "The application at path ( /Users/ada/unblocked/dlv ) is not part of the firewall\n";
        assert!(!program_blocked(unknown, dlv));
        for text in ["Incoming connection to the application is permitted", "", "not blocked"] {
            assert!(!program_blocked(text, dlv), "{text}");
        }
    }
}
