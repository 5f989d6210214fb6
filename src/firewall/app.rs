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

    /// Whether it says that it blocks the program at `path`. AppFirewallCache once, and only where it is on: else there is no
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
    answer.is_ok_and(|output| program_blocked(&output.stdout))
}

/// Reads `--getglobalstate`: `Firewall is enabled. (State = 1)`. The words differ between versions, the
/// number does not.
pub fn global_state(text: &str) -> AppFirewall {
    let number = text
        .split_once("(State = ")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(number, _)| number.trim());
    match number {
        Some("0") => AppFirewall::Off,
        Some("1") => AppFirewall::On,
        Some("2") => AppFirewall::BlockAll,
        _ => AppFirewall::Unknown(text.trim().to_owned()),
    }
}

/// Reads `--getblockall` of a firewall that is on: `Firewall has block all state set to disabled.` or
/// `enabled.`.
pub fn block_all(text: &str) -> AppFirewall {
    let text = text.trim();
    match text.to_ascii_lowercase().trim_end_matches(['.', '!']) {
        "firewall has block all state set to disabled" | "block all disabled" => AppFirewall::On,
        "firewall has block all state set to enabled" | "block all enabled" => AppFirewall::BlockAll,
        _ => AppFirewall::Unknown(text.to_owned()),
    }
}

/// Reads `--getappblocked PATH`. Only "blocked" can be trusted: "permitted" is also said of programs that are
/// in no list.
pub fn program_blocked(text: &str) -> bool {
    text.contains("blocked") && !text.contains("permitted") && !text.contains("not blocked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read() {
        assert_eq!(global_state("Firewall is disabled. (State = 0) \n"), AppFirewall::Off);
        assert_eq!(global_state("Firewall is enabled. (State = 1)"), AppFirewall::On);
        let all = "Firewall is blocking all non-essential incoming connections. (State = 2)";
        assert_eq!(global_state(all), AppFirewall::BlockAll);
        for junk in ["", "Firewall is enabled.", "(State = 3)", "(State =", "(State = 01)"] {
            assert_eq!(global_state(junk), AppFirewall::Unknown(junk.to_owned()));
        }
    }

    #[test]
    fn block_all_is_on_off_or_unknown() {
        assert_eq!(block_all("Firewall has block all state set to disabled.\n"), AppFirewall::On);
        assert_eq!(block_all("Firewall has block all state set to enabled.\n"), AppFirewall::BlockAll);
        assert_eq!(block_all("not enabled"), AppFirewall::Unknown("not enabled".into()));
    }

    #[test]
    fn permitted_proves_nothing() {
        let blocked = "Incoming connection to the application is blocked";
        assert!(program_blocked(blocked));
        for text in ["Incoming connection to the application is permitted", "", "not blocked"] {
            assert!(!program_blocked(text), "{text}");
        }
    }
}
