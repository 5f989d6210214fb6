//! Takes away what was put on this Mac as root, after pf has nothing of ours any more: the last part of `uninstall`.
//!
//! What root puts anywhere is listed in [`STAGES`]; whatever is installed one day is to have its row there. The snapshots go
//! last, since pf.conf is held to the pristine one, and then the lock, which is held meanwhile.

use crate::firewall::{Pfctl, PfctlError, Rules};
use crate::os::hash;
use crate::os::{BootError, FileError, Files};
use crate::root::answer::{Outcome, Response};
use crate::root::command_line;
use crate::root::job::{self, JobError};
use crate::root::record::{self, RecordError};
use crate::root::snapshot::{self, SnapshotError};
use crate::rules::conf::{self, ConfError};
use crate::rules::ledger::{Attachment, Seconds};
use crate::system::{ANCHOR_FILE, BELL, LOCK, LOGS, PF_CONF, SNAPSHOTS, STATE_DIR, System};

/// Why something is left.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("pf's log is recorded still: {0}")]
    Recording(String),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error("{PF_CONF} has our block still")]
    Block,
    #[error("{ANCHOR_FILE} is there still")]
    AnchorFile,
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error("the anchor {0} holds rules still")]
    Rules(&'static str),
}

/// One kind of thing that is taken away: its name, and how.
type Stage = (&'static str, fn(&Uninstallation) -> Result<(), UninstallError>);

/// In this order; what fails ends it, and asking again goes on from there.
const STAGES: [Stage; 6] = [
    // First: a tick that waits for us is ended, and none begins.
    ("the part that closes ports in time", |it| Ok(job::remove(it.system)?)),
    ("the entry in /etc/paths.d", |it| Ok(command_line::remove(&it.files)?)),
    ("the recording of pf's log", |it| it.end_recording()),
    ("the bell", |it| it.empty(BELL)),
    ("the logs", |it| if it.keep_logs { Ok(()) } else { it.empty(LOGS) }),
    ("ledger, status and snapshots", |it| it.remove_state()),
];

struct Uninstallation<'a> {
    system: &'a dyn System,
    files: Files,
    keep_logs: bool,
    now: Seconds,
    boot: &'a str,
}

/// Takes everything away. `closed` is what the change came to that took our rules from pf.
pub fn finish(system: &dyn System, keep_logs: bool, now: Seconds, boot: &str, closed: Response) -> Response {
    let it = Uninstallation { system, files: system.files(), keep_logs, now, boot };
    match it.run() {
        Ok(proof) => {
            let names = STAGES.iter().map(|(name, _)| *name);
            let names: Vec<&str> = names.filter(|name| !keep_logs || *name != "the logs").collect();
            let logs = if keep_logs { format!("; the logs stay in {LOGS}") } else { String::new() };
            let message = format!(
                "{}; removed, where there was any: {}{logs}; {proof}",
                closed.message,
                names.join(", ")
            );
            Response { snapshot: None, ..Response::done(Outcome::Changed, message) }
        }
        Err((stage, error)) => {
            let message = format!(
                "{}; but {stage} could not be removed: {error}; ask again when that is mended",
                closed.message
            );
            Response::failed(Outcome::Changed, message)
        }
    }
}

/// Whether the audit is to have no line of an answer: it was taken away with the logs.
pub fn leaves_no_audit(keep_logs: bool, answer: &Response) -> bool {
    !keep_logs && answer.ok
}

impl Uninstallation<'_> {
    /// Gives what is known of pf.conf. Errors: what is left, and why.
    fn run(&self) -> Result<String, (&'static str, UninstallError)> {
        let proof = self.proof().map_err(|error| ("our part of pf's files", error))?;
        for (name, stage) in STAGES {
            stage(self).map_err(|error| (name, error))?;
        }
        Ok(proof)
    }

    /// Holds pf.conf to what it was before us, and our anchors to nothing, each asked for by its name: the list of anchors
    /// that the change went by may have been short.
    fn proof(&self) -> Result<String, UninstallError> {
        let pf = Pfctl::new(self.system);
        for anchor in [Attachment::Apple, Attachment::Classic].map(Attachment::anchor) {
            // An anchor that is not there has no rules to show.
            let holds_rules = || pf.rules(Some(anchor)).is_ok_and(|rules| !rules.trim().is_empty());
            if holds_rules() {
                pf.load_anchor(anchor, Rules::Text(""))?;
                if holds_rules() {
                    return Err(UninstallError::Rules(anchor));
                }
            }
        }
        if self.files.read(ANCHOR_FILE)?.is_some() {
            return Err(UninstallError::AnchorFile);
        }
        let Some(bytes) = self.files.read(PF_CONF)? else { return Ok(format!("there is no {PF_CONF}")) };
        if conf::contains(&bytes)? {
            return Err(UninstallError::Block);
        }
        let sha256 = hash::of_bytes(&bytes);
        let before = match snapshot::pristine(&self.files) {
            Ok(Some(pristine)) => pristine.sha256(PF_CONF).map(str::to_owned),
            Ok(None) => return Ok(format!("{PF_CONF} has nothing of ours (SHA-256 {sha256})")),
            Err(SnapshotError::File(error)) => return Err(error.into()),
            // What it was is not known: it is said as one that differs.
            Err(_) => None,
        };
        Ok(if before.as_deref() == Some(sha256.as_str()) {
            format!("{PF_CONF} is byte for byte as it was before Portcullis (SHA-256 {sha256})")
        } else {
            format!(
                "{PF_CONF} has nothing of ours (SHA-256 {sha256}); others have changed it since Portcullis first did, or `clean-up` has"
            )
        })
    }

    fn end_recording(&self) -> Result<(), UninstallError> {
        let answer = record::stop(self.system, self.now, self.boot)?;
        if answer.ok { Ok(()) } else { Err(UninstallError::Recording(answer.message)) }
    }

    /// Removes a folder of ours with the plain files in it.
    fn empty(&self, folder: &str) -> Result<(), UninstallError> {
        for name in self.files.list(folder)? {
            self.remove_own(&format!("{folder}/{name}"))?;
        }
        Ok(self.files.remove_directory(folder)?)
    }

    /// A file, or what was set aside since it was none.
    fn remove_own(&self, path: &str) -> Result<(), FileError> {
        if path.contains(".damaged-") { self.files.remove_whole(path) } else { self.files.remove(path) }
    }

    fn remove_state(&self) -> Result<(), UninstallError> {
        let of_state = |path: &str| format!("{STATE_DIR}/{path}");
        for name in self.files.list(STATE_DIR)? {
            let path = of_state(&name);
            if path != SNAPSHOTS && path != LOCK {
                self.remove_own(&path)?;
            }
        }
        let (folder, ours) = ANCHOR_FILE.rsplit_once('/').unwrap_or_default();
        let aside = format!("{ours}.damaged-");
        for name in self.files.list(folder)?.iter().filter(|name| name.starts_with(&aside)) {
            self.files.remove_whole(&format!("{folder}/{name}"))?;
        }
        snapshot::remove_all(&self.files)?;
        self.files.remove(LOCK)?;
        Ok(self.files.remove_directory(STATE_DIR)?)
    }
}
