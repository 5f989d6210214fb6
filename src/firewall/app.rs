//! The Application Firewall, asked through socketfilterfw.
//!
//! ```
//! use portcullis::{firewall::app, status::AppFirewall};
//! assert_eq!(app::global_state("Firewall is disabled. (State = 0)\n"), AppFirewall::Off);
//! ```
//!
//! It works per program and beside pf: what pf passes, it may still stop.

use std::path::Path;

use crate::lab::LabConfig;
use crate::os::process::Command;
use crate::status::{Answer, AppFirewall, Reason};
use crate::world::World;

/// The tool; its plist is gone since macOS 15, so there is no other way.
const SOCKETFILTERFW: &str = "/usr/libexec/ApplicationFirewall/socketfilterfw";

/// What the Application Firewall does with incoming connections. In a lab: what `lab.toml` says.
pub fn read(world: &World) -> AppFirewall {
    if let Some(directory) = world.lab() {
        return LabConfig::read(directory).map_or_else(
            |error| AppFirewall::Unknown(error.to_string()),
            |config| config.application_firewall.into(),
        );
    }
    let run = |argument: &str| {
        let output =
            Command::new(SOCKETFILTERFW).args([argument]).run().map_err(|error| error.to_string())?;
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

/// Whether the Application Firewall stops incoming connections to the program at `path`; asked only where it
/// is on. A lab has no such list: unknown.
pub fn read_program(world: &World, path: &Path) -> Reason {
    if world.lab().is_some() {
        return Reason::new(Answer::Unknown, "the lab's Application Firewall keeps no list of programs");
    }
    match Command::new(SOCKETFILTERFW).args([Path::new("--getappblocked"), path]).run() {
        Ok(output) => program_blocked(&output.stdout),
        Err(error) => Reason::new(Answer::Unknown, error.to_string()),
    }
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
pub fn program_blocked(text: &str) -> Reason {
    let text = text.trim();
    match text.contains("blocked") && !text.contains("permitted") && !text.contains("not blocked") {
        true => Reason::new(Answer::Yes, text),
        false => Reason::new(Answer::Unknown, text),
    }
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
        assert_eq!(program_blocked(blocked).answer, Answer::Yes);
        for text in ["Incoming connection to the application is permitted", "", "not blocked"] {
            assert_eq!(program_blocked(text).answer, Answer::Unknown);
        }
    }

    #[test]
    fn a_lab_says_what_its_settings_say() {
        let directory = tempfile::tempdir().unwrap();
        let world = World::Lab(directory.path().to_owned());
        assert!(matches!(read(&world), AppFirewall::Unknown(_)));
        std::fs::write(directory.path().join("lab.toml"), "application_firewall = \"block-all\"").unwrap();
        assert_eq!(read(&world), AppFirewall::BlockAll);
    }
}
