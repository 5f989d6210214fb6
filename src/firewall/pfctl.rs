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
use std::path::Path;

use thiserror::Error;

use super::read::{self, Reference, Unreadable};
use crate::os::holds::{HoldError, Release};
use crate::os::process::{Output, ProcessError, Program};
use crate::report::PfState;
use crate::system::System;

const PFCTL: &str = "/sbin/pfctl";

/// What pfctl says of an anchor that is not there: EINVAL of DIOCGETRULES, ENOENT of DIOCRGETTABLES.
const NO_ANCHOR: [&str; 2] =
    ["pfctl: DIOCGETRULES: Invalid argument", "pfctl: Anchor or Ruleset does not exist."];

/// What pfctl says of a table that is not there: ESRCH of DIOCRGETADDRS, and ENOENT where the anchor is missing too.
const NO_TABLE: [&str; 2] = ["pfctl: Table does not exist.", "pfctl: Anchor or Ruleset does not exist."];

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

    /// The addresses of a table of `anchor`; `None` for a table that is not there.
    pub fn table_addresses(
        &self,
        anchor: Option<&str>,
        table: &str,
    ) -> Result<Option<Vec<String>>, PfctlError> {
        let mut arguments = anchored(anchor);
        arguments.extend(["-t", table, "-T", "show"]);
        match self.show(&arguments) {
            Ok(text) => Ok(Some(read::addresses(&text)?)),
            Err(PfctlError::Failed { message, .. }) if NO_TABLE.contains(&message.as_str()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Parses rules as they would be loaded into `anchor`, and loads nothing.
    pub fn check(&self, anchor: Option<&str>, rules: Rules) -> Result<(), PfctlError> {
        let mut arguments = vec![OsString::from("-n")];
        arguments.extend(anchored(anchor).into_iter().map(OsString::from));
        self.load(arguments, rules)
    }

    /// What of these rules would be loaded as the main ruleset, as pfctl prints it; nothing is loaded.
    pub fn would_load(&self, rules: &str) -> Result<String, PfctlError> {
        Ok(self.run_with(&["-nvf", "-"].map(OsStr::new), Some(rules))?.stdout)
    }

    /// Replaces the rules and tables of `anchor`, and nothing else, in one transaction.
    pub fn load_anchor(&self, anchor: &str, rules: Rules) -> Result<(), PfctlError> {
        self.load(vec!["-a".into(), anchor.into()], rules)
    }

    /// Replaces the main ruleset: what others inserted into it since it was loaded is lost.
    pub fn load_main(&self, rules: Rules) -> Result<(), PfctlError> {
        self.load(Vec::new(), rules)
    }

    /// Holds pf enabled until [`Pfctl::release`] is given the token.
    pub fn enable(&self) -> Result<u64, PfctlError> {
        Ok(read::token(&self.run(&["-E"])?.stderr)?)
    }

    /// As [`Pfctl::enable`], with nothing left on where that fails: a pfctl that hung, or whose token does not read, may
    /// have taken one all the same. Released is what its process holds, and nothing else.
    pub fn hold(&self) -> Result<u64, HoldError> {
        let held = |references: Vec<Reference>| references.into_iter().map(|held| (held.token, held.pid));
        let before: Vec<_> =
            held(self.references().map_err(|error| HoldError::Refused(error.into()))?).collect();
        let mut pid = None;
        let enabled = self.program.clone().args(["-E"]).run_started(|started| pid = Some(started));
        let failure = match self.judge(&["-E"], enabled).and_then(|output| Ok(read::token(&output.stderr)?)) {
            Ok(token) => return Ok(token),
            Err(failure) => failure,
        };
        let is_ours = |reference: &(u64, u32)| Some(reference.1) == pid && !before.contains(reference);
        let released = self.references().and_then(|references| {
            held(references).filter(is_ours).try_for_each(|(token, _)| self.release(token).map(drop))
        });
        match released {
            Ok(()) => Err(HoldError::Refused(failure.into())),
            Err(_) => Err(HoldError::Unclear(failure.into())),
        }
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
        self.judge(arguments, command.run())
    }

    /// What it said, if it ended well.
    fn judge(
        &self,
        arguments: &[impl AsRef<OsStr>],
        output: Result<Output, ProcessError>,
    ) -> Result<Output, PfctlError> {
        let output = output?;
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
        assert_eq!(pf.table_addresses(Some("a"), "t").unwrap(), None);
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
    fn an_enabling_that_fails_leaves_nothing_on() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("held");
        let others = "TOKENS:\nPID Process Name TOKEN TIMESTAMP\n1 pfctl 6 0 days 00:00:00\n";
        // Takes the token 7, says or does `then`; -X takes the token's line out.
        let held_after = |takes: &str, then: &str| {
            std::fs::write(&list, others).unwrap();
            let script = format!(
                "list={0}; case \"$*\" in *References) cat $list;; \
                 -E) {takes}; {then};; \
                 -X*) grep -v \" $2 \" $list > $list.new; mv $list.new $list; echo 'pf disabled' >&2;; esac",
                list.display()
            );
            let program = Program::new("/bin/sh").args(["-c", &script, "pfctl"]);
            let pf = Pfctl { program: program.timeout(std::time::Duration::from_secs(2)) };
            (pf.hold(), std::fs::read_to_string(&list).unwrap())
        };
        let takes = "echo \"$$ pfctl 7 0 days 00:00:00\" >> $list";
        for then in ["sleep 60", ":", "echo 'Token : many' >&2", "echo 'pfctl: DIOCSTARTREF: no' >&2; exit 1"]
        {
            let (held, left) = held_after(takes, then);
            assert!(matches!(held, Err(HoldError::Refused(_))), "{then}: {held:?}");
            assert_eq!(left, others, "{then}");
        }
        let (held, left) = held_after(takes, "echo 'Token : 7' >&2");
        assert_eq!((held.unwrap(), left.lines().count()), (7, 4));
        // Another process's token stays, whenever it was taken.
        let (held, left) = held_after("echo '1 pfctl 8 0 days 00:00:00' >> $list", "exit 1");
        assert!(held.is_err() && left.lines().count() == 4, "{left}");
        // What cannot be read back is not called harmless.
        let (held, _) = held_after("echo junk > $list", "exit 1");
        assert!(matches!(held, Err(HoldError::Unclear(_))), "{held:?}");
    }
}
