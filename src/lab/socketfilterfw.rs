//! The stand-in for `/usr/libexec/ApplicationFirewall/socketfilterfw`: the Application Firewall, as `lab.toml` has it.

use std::ffi::OsString;
use std::path::Path;

use super::config::{ApplicationFirewall, LabConfig};
use super::directory::take_directory;
use super::error::LabError;

/// The program `socketfilterfw-lab`: its arguments (without its own name) in, its exit code out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    match run(&mut arguments) {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum SocketFilterError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("a lab has no `socketfilterfw {0}`")]
    Unknown(String),
}

fn run(arguments: &mut Vec<OsString>) -> Result<String, SocketFilterError> {
    let directory = take_directory(arguments)?;
    if let [option, program] = arguments.as_slice()
        && option == "--unblockapp"
    {
        LabConfig::unblock(&directory, Path::new(program))?;
        return Ok("Incoming connection to the application is permitted".to_owned());
    }
    answer(&LabConfig::read(&directory)?, arguments)
}

/// What macOS prints for these arguments.
fn answer(config: &LabConfig, arguments: &[OsString]) -> Result<String, SocketFilterError> {
    let state = config.application_firewall;
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match words.as_slice() {
        ["--getglobalstate"] => Ok(match state {
            ApplicationFirewall::Off => "Firewall is disabled. (State = 0)",
            ApplicationFirewall::On => "Firewall is enabled. (State = 1)",
            ApplicationFirewall::BlockAll => {
                "Firewall is blocking all non-essential incoming connections. (State = 2)"
            }
        }
        .to_owned()),
        ["--getblockall"] if state == ApplicationFirewall::BlockAll => {
            Ok("Firewall has block all state set to enabled.".to_owned())
        }
        ["--getblockall"] => Ok("Firewall has block all state set to disabled.".to_owned()),
        ["--getstealthmode"] => {
            Ok(format!("Stealth mode {}", if config.stealth_mode { "enabled" } else { "disabled" }))
        }
        ["--getappblocked", _] => {
            let program = arguments.get(1).map(Path::new);
            let blocks =
                config.application_firewall_blocks.iter().any(|path| Some(path.as_path()) == program);
            let word = if blocks { "blocked" } else { "permitted" };
            Ok(format!("Incoming connection to the application is {word}"))
        }
        _ => Err(SocketFilterError::Unknown(words.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::app::{block_all, global_state, program_blocked};
    use crate::status::AppFirewall;

    fn said(settings: &str, arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        answer(&LabConfig::parse(settings).unwrap(), &arguments).unwrap()
    }

    #[test]
    fn the_settings_are_said_as_macos_says_them() {
        for (name, state) in
            [("off", AppFirewall::Off), ("on", AppFirewall::On), ("block-all", AppFirewall::BlockAll)]
        {
            let settings = format!("application_firewall = \"{name}\"");
            assert_eq!(global_state(&said(&settings, &["--getglobalstate"])), state);
            let block = if state == AppFirewall::BlockAll { AppFirewall::BlockAll } else { AppFirewall::On };
            assert_eq!(block_all(&said(&settings, &["--getblockall"])), block);
        }
        let settings = "application_firewall_blocks = [\"/usr/bin/dlv\"]";
        let is_blocked = |program: &str| {
            program_blocked(&said(settings, &["--getappblocked", program]), Path::new(program))
        };
        assert!(is_blocked("/usr/bin/dlv") && !is_blocked("/usr/bin/node"));
        assert!(answer(&LabConfig::default(), &["--setglobalstate".into(), "on".into()]).is_err());
    }
}
