//! pf, asked and told through pfctl: `/sbin/pfctl` on a Mac, our `pfctl-lab` in a lab.
//!
//! ```no_run
//! use portcullis::{firewall::Pfctl, system::Mac};
//! let pf = Pfctl::new(&Mac);
//! println!("{:?}", pf.info()?);
//! # Ok::<(), portcullis::firewall::PfctlError>(())
//! ```
//!
//! On a Mac everything here needs root: `/dev/pf` is root's alone.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use thiserror::Error;

use super::read::{self, Reference, Unreadable};
use crate::os::process::{Output, ProcessError, Program};
use crate::report::PfState;
use crate::system::System;

const PFCTL: &str = "/sbin/pfctl";

/// What pfctl says of an anchor that is not there: EINVAL of DIOCGETRULES, ENOENT of DIOCRGETTABLES.
const NO_ANCHOR: [&str; 2] =
    ["pfctl: DIOCGETRULES: Invalid argument", "pfctl: Anchor or Ruleset does not exist."];

/// pfctl of one system.
#[derive(Clone, Debug)]
pub struct Pfctl {
    program: Program,
}

/// Where rules are read from.
#[derive(Clone, Copy, Debug)]
pub enum Rules<'a> {
    /// A file, by its real path, in a lab too.
    File(&'a Path),
    /// A text, given on standard input.
    Text(&'a str),
}

/// What giving a token back did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was the last: pf is disabled now.
    Disabled,
    /// Others hold pf enabled.
    StillEnabled,
    /// pf does not know the token: it was restarted or stopped for everybody since. Nothing is held.
    AlreadyGone,
}

impl Pfctl {
    pub fn new(system: &dyn System) -> Self {
        Pfctl { program: system.program(PFCTL) }
    }

    /// Whether pf is enabled.
    pub fn info(&self) -> Result<PfState, PfctlError> {
        Ok(read::info(&self.show(&["-s", "info"])?))
    }

    /// Who holds pf enabled.
    pub fn references(&self) -> Result<Vec<Reference>, PfctlError> {
        Ok(read::references(&self.show(&["-s", "References"])?)?)
    }

    /// The scrub and filter rules of `anchor` (`None`: the main ruleset), as pfctl prints them; empty for an
    /// anchor that is not there.
    pub fn rules(&self, anchor: Option<&str>) -> Result<String, PfctlError> {
        self.show_anchor(anchor, "rules")
    }

    /// The translation rules of `anchor`, likewise.
    pub fn nat(&self, anchor: Option<&str>) -> Result<String, PfctlError> {
        self.show_anchor(anchor, "nat")
    }

    /// The paths of all anchors, children included.
    pub fn anchors(&self) -> Result<Vec<String>, PfctlError> {
        Ok(read::anchors(&self.show(&["-v", "-s", "Anchors"])?)?)
    }

    /// The interfaces that pf does not look at.
    pub fn skipped(&self) -> Result<Vec<String>, PfctlError> {
        Ok(read::skipped(&self.show(&["-v", "-s", "Interfaces"])?)?)
    }

    /// The names of the tables of `anchor`.
    pub fn tables(&self, anchor: Option<&str>) -> Result<Vec<String>, PfctlError> {
        Ok(read::tables(&self.show_anchor(anchor, "Tables")?)?)
    }

    /// The addresses of a table of `anchor`.
    pub fn table_addresses(&self, anchor: Option<&str>, table: &str) -> Result<Vec<String>, PfctlError> {
        let mut arguments = anchored(anchor);
        arguments.extend(["-t", table, "-T", "show"]);
        Ok(read::addresses(&self.show(&arguments)?)?)
    }

    /// Parses rules as they would be loaded into `anchor`, and loads nothing.
    pub fn check(&self, anchor: Option<&str>, rules: Rules) -> Result<(), PfctlError> {
        let mut arguments = vec![OsString::from("-n")];
        arguments.extend(anchored(anchor).into_iter().map(OsString::from));
        self.load(arguments, rules)
    }

    /// Replaces the rules and tables of `anchor`, and nothing else, in one transaction.
    pub fn load_anchor(&self, anchor: &str, rules: Rules) -> Result<(), PfctlError> {
        self.load(vec!["-a".into(), anchor.into()], rules)
    }

    /// Replaces the main ruleset: what others inserted into it since it was loaded is lost.
    pub fn load_main(&self, rules: Rules) -> Result<(), PfctlError> {
        self.load(Vec::new(), rules)
    }

    /// Takes all rules and tables out of `anchor`.
    pub fn flush_anchor(&self, anchor: &str) -> Result<(), PfctlError> {
        self.run(&["-a", anchor, "-F", "all"]).map(drop)
    }

    /// Holds pf enabled until [`Pfctl::release`] is given the token.
    pub fn enable(&self) -> Result<u64, PfctlError> {
        Ok(read::token(&self.run(&["-E"])?.stderr)?)
    }

    /// Gives a token back; pf goes on while others hold it enabled.
    pub fn release(&self, token: u64) -> Result<Release, PfctlError> {
        match self.run(&["-X", &token.to_string()]) {
            Ok(output) if output.stderr.contains("remaining, pf still enabled") => Ok(Release::StillEnabled),
            Ok(output) if output.stderr.lines().any(|line| line == "pf disabled") => Ok(Release::Disabled),
            Ok(output) => Err(Unreadable { what: "-X", text: output.stderr }.into()),
            Err(PfctlError::Failed { message, .. })
                if message == "pfctl: pf not enabled" || message == "pfctl: pf: token invalid" =>
            {
                Ok(Release::AlreadyGone)
            }
            Err(error) => Err(error),
        }
    }

    /// Drops the states of connections that come from `source`, or go from there to `destination`: they are
    /// decided by the rules anew. Gives how many. pfctl on macOS can name no port.
    pub fn kill_states(&self, source: IpNet, destination: Option<IpNet>) -> Result<u64, PfctlError> {
        let source = host(source);
        let destination = destination.map(host);
        let mut arguments = vec!["-k", &source];
        if let Some(destination) = &destination {
            arguments.extend(["-k", destination]);
        }
        Ok(read::killed(&self.run(&arguments)?.stderr)?)
    }

    /// The connections that pf keeps a state for, one on a line, as pfctl prints them.
    pub fn states(&self) -> Result<String, PfctlError> {
        self.show(&["-s", "states"])
    }

    /// What `-s WHAT` shows of `anchor`; nothing for an anchor that is not there.
    fn show_anchor(&self, anchor: Option<&str>, what: &str) -> Result<String, PfctlError> {
        let mut arguments = anchored(anchor);
        arguments.extend(["-s", what]);
        match self.show(&arguments) {
            Err(PfctlError::Failed { message, .. })
                if anchor.is_some() && NO_ANCHOR.contains(&message.as_str()) =>
            {
                Ok(String::new())
            }
            shown => shown,
        }
    }

    /// Standard output of a call that prints nothing but noise on standard error, whatever its exit code:
    /// pfctl's is 0 also where it could not read what it was asked for.
    fn show(&self, arguments: &[&str]) -> Result<String, PfctlError> {
        let output = self.run(arguments)?;
        match read::without_noise(&output.stderr).as_str() {
            "" => Ok(output.stdout),
            message => Err(self.failed(arguments, output.code, message)),
        }
    }

    fn load(&self, mut arguments: Vec<OsString>, rules: Rules) -> Result<(), PfctlError> {
        arguments.push("-f".into());
        let text = match rules {
            Rules::File(path) => {
                arguments.push(path.into());
                None
            }
            Rules::Text(text) => {
                arguments.push("-".into());
                Some(text)
            }
        };
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        self.run_with(&arguments, text).map(drop)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, PfctlError> {
        self.run_with(&arguments.iter().map(OsStr::new).collect::<Vec<_>>(), None)
    }

    fn run_with(&self, arguments: &[&OsStr], stdin: Option<&str>) -> Result<Output, PfctlError> {
        let mut command = self.program.clone().args(arguments);
        if let Some(text) = stdin {
            command = command.stdin(text);
        }
        let output = command.run()?;
        match output.success() {
            true => Ok(output),
            false => Err(self.failed(arguments, output.code, &read::without_noise(&output.stderr))),
        }
    }

    fn failed(&self, arguments: &[impl AsRef<OsStr>], code: i32, message: &str) -> PfctlError {
        let words = arguments.iter().map(|argument| argument.as_ref().display().to_string());
        PfctlError::Failed {
            command: std::iter::once("pfctl".to_owned()).chain(words).collect::<Vec<_>>().join(" "),
            code,
            message: message.to_owned(),
        }
    }
}

/// Why pf could not be asked or told.
#[derive(Debug, Error)]
pub enum PfctlError {
    /// It gave no answer.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It said no.
    #[error("`{command}` failed with {code}: {message}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code; 0 where only its standard error says that something is wrong.
        code: i32,
        /// What it said, noise taken out.
        message: String,
    },
    /// It said something that is not understood.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

fn anchored(anchor: Option<&str>) -> Vec<&str> {
    anchor.map_or_else(Vec::new, |anchor| vec!["-a", anchor])
}

/// A host or network as `-k` takes it: a plain address for a single host.
fn host(network: IpNet) -> String {
    let single: Option<IpAddr> = (network.prefix_len() == network.max_prefix_len()).then(|| network.addr());
    single.map_or_else(|| network.trunc().to_string(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pfctl that prints what the test says.
    fn scripted(script: &str) -> Pfctl {
        Pfctl { program: Program::new("/bin/sh").args(["-c", script]) }
    }

    const NOISE: &str = "printf 'No ALTQ support in kernel\\nALTQ related functions disabled\\n' >&2;";

    #[test]
    fn noise_is_no_error_and_errors_are_no_noise() {
        let pf = scripted(&format!("{NOISE} echo 'Status: Disabled   Debug: Urgent'"));
        assert_eq!(pf.info().unwrap(), PfState::Disabled);
        let pf = scripted(&format!("{NOISE} echo 'pfctl: /dev/pf: Permission denied' >&2; exit 1"));
        let error = pf.info().unwrap_err().to_string();
        assert_eq!(error, "`pfctl -s info` failed with 1: pfctl: /dev/pf: Permission denied");
        // Exit code 0 does not make a complaint an answer.
        let pf = scripted("echo 'pfctl: DIOCGETRULES: Operation not permitted' >&2");
        assert!(pf.rules(None).is_err());
    }

    #[test]
    fn an_anchor_that_is_not_there_has_no_rules() {
        let pf = scripted("echo 'pfctl: Anchor or Ruleset does not exist.' >&2");
        assert!(pf.tables(Some("a")).unwrap().is_empty());
        let pf = scripted("echo 'pfctl: DIOCGETRULES: Invalid argument' >&2");
        assert_eq!(pf.rules(Some("a")).unwrap(), "");
        assert!(pf.rules(None).is_err());
    }

    #[test]
    fn a_release_says_what_it_did() {
        let release = |script: &str| scripted(script).release(7);
        assert_eq!(release("echo 'pf disabled' >&2").unwrap(), Release::Disabled);
        let others = "echo 'disable request successful. \
            1 more pf enable reference(s) remaining, pf still enabled.' >&2";
        assert_eq!(release(others).unwrap(), Release::StillEnabled);
        assert_eq!(release("echo 'pfctl: pf not enabled' >&2; exit 1").unwrap(), Release::AlreadyGone);
        assert_eq!(release("echo 'pfctl: pf: token invalid' >&2; exit 1").unwrap(), Release::AlreadyGone);
        assert!(release("echo hello >&2").is_err());
        assert!(release("exit 1").is_err());
    }

    #[test]
    fn hosts_are_written_as_pfctl_takes_them() {
        assert_eq!(host("10.0.0.1/32".parse().unwrap()), "10.0.0.1");
        assert_eq!(host("10.0.0.1/8".parse().unwrap()), "10.0.0.0/8");
        assert_eq!(host("fe80::1/128".parse().unwrap()), "fe80::1");
    }
}
