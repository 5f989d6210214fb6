//! Where a lab keeps what a kernel would: `private/var/pf` in its directory, one call of pfctl at a time.
//!
//! The state is one file, replaced as a whole. A state of another boot is forgotten, as a Mac forgets it: pf
//! is as it is just after the start, with `/etc/pf.conf` loaded and not running. The connections that pf
//! would know are a plain text file, one on a line as `pfctl -s states` prints them, so that a person or a
//! test can add some.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clocks;
use super::error::LabError;
use super::kernel::{Kernel, KernelError};
use super::load::{How, RuleFiles, load};
use super::make::make;
use super::states::StateEntry;
use crate::os::{Files, Lock, TrackedConnection};
use crate::system::PF_CONF;

/// The folder of all that follows.
const FOLDER: &str = "/private/var/pf";
/// Held while a call works.
const LOCK: &str = "/private/var/pf/lock";
/// What the kernel holds.
const KERNEL: &str = "/private/var/pf/kernel.json";
/// The connections that it knows.
pub const STATES: &str = "/private/var/pf/states";
/// How much the kernel may hold, in bytes: what [`Files::read`] reads.
const LARGEST: usize = 16 << 20;
/// How long a call waits for others.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lab's pf, held for one call.
#[derive(Debug)]
pub struct Store {
    tree: Files,
    directory: PathBuf,
    _lock: Lock,
}

impl Store {
    /// Makes the lab where it is missing, and waits for its turn. Errors: no lab, or others hold it for a
    /// minute.
    pub fn open(directory: &Path) -> Result<Self, LabError> {
        let fail = |source| LabError::Create { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(fail)?;
        let tree = Files::lab(directory);
        let lock = tree.lock(LOCK, PATIENCE)?;
        make(directory)?;
        // What a call that was killed had begun to write; only the holder of the lock writes
        // here.
        for name in tree.list(FOLDER)?.iter().filter(|name| name.starts_with('.')) {
            tree.remove(&format!("{FOLDER}/{name}"))?;
        }
        Ok(Store { tree, directory: directory.to_owned(), _lock: lock })
    }

    /// The lab's files.
    pub fn files(&self) -> RuleFiles<'_> {
        RuleFiles { directory: &self.directory }
    }

    /// What the kernel holds. Nothing is left of another boot: then, and in a new lab, the pretended Mac
    /// starts.
    pub fn kernel(&self) -> Result<Kernel, LabError> {
        let boot = clocks::moment(&self.directory)?.boot;
        if let Some(bytes) = self.tree.read(KERNEL)? {
            let kernel = Kernel::parse(&bytes)
                .map_err(|source| LabError::Damaged { path: self.tree.place(KERNEL), source })?;
            if kernel.boot == boot {
                return Ok(kernel);
            }
        }
        let kernel = self.start(&boot);
        self.keep_states(&[])?;
        self.keep(&kernel)?;
        Ok(kernel)
    }

    /// pf just after the start; a pf.conf that does not read is not loaded, there as here.
    fn start(&self, boot: &str) -> Kernel {
        let mut kernel = Kernel::at_boot(boot);
        let files = self.files();
        let how = How { pid: 1, numbered: false, check_only: false };
        if let Ok(loaded) = load(files, "", PF_CONF, files.read(PF_CONF), how) {
            kernel.skip = loaded.skip;
            kernel.replace(loaded.rulesets);
        }
        kernel
    }

    /// Keeps what the kernel holds.
    pub fn keep(&self, kernel: &Kernel) -> Result<(), LabError> {
        let damaged =
            |error| LabError::Damaged { path: self.tree.place(KERNEL), source: KernelError::Json(error) };
        let text = serde_json::to_vec(kernel).map_err(damaged)?;
        if text.len() > LARGEST {
            return Err(LabError::Full { max: LARGEST });
        }
        Ok(self.tree.replace(KERNEL, &text, 0o600)?)
    }

    /// The connections that pf knows.
    pub fn states(&self) -> Result<Vec<StateEntry>, LabError> {
        let bytes = self.tree.read(STATES)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(number, line)| {
                line.parse().map_err(|source| LabError::StateEntry {
                    path: self.tree.place(STATES),
                    line: number + 1,
                    source,
                })
            })
            .collect()
    }

    /// Keeps the connections that pf knows.
    pub fn keep_states(&self, states: &[StateEntry]) -> Result<(), LabError> {
        let text: String = states.iter().map(|state| format!("{}\n", state.stored())).collect();
        Ok(self.tree.replace(STATES, text.as_bytes(), 0o600)?)
    }
}

/// Makes `directory` the `/` of a stock Mac just after its start: Apple's pf.conf and anchors on disk and
/// loaded, pf disabled, our stand-ins for its programs, `lab.toml` with its defaults. Files that are there
/// already stay as they are; two calls at once do no harm.
///
/// Errors: a file or folder that cannot be made, what pf holds is damaged.
pub fn init(directory: &Path) -> Result<(), LabError> {
    Store::open(directory)?.kernel().map(drop)
}

/// The TCP connections that the lab's pf keeps states of, as the kernel's DIOCGETSTATES gives them.
///
/// Errors: a lab that cannot be used.
pub(super) fn connections(directory: &Path) -> Result<Vec<TrackedConnection>, LabError> {
    Ok(Store::open(directory)?.states()?.iter().filter_map(StateEntry::connection).collect())
}

/// Forgets the states of these connections, as the kernel's DIOCKILLSTATES would: by both ends, whichever way they were
/// opened. Gives how many.
///
/// Errors: a lab that cannot be used.
pub(super) fn drop_states(directory: &Path, connections: &[TrackedConnection]) -> Result<usize, LabError> {
    let store = Store::open(directory)?;
    let is_named = |state: &StateEntry| {
        let Some(kept) = state.connection() else { return false };
        connections.iter().any(|named| {
            let bound = named.interface.is_none() || named.interface == kept.interface;
            bound && (named.source(), named.destination()) == (kept.source(), kept.destination())
        })
    };
    let (dropped, kept): (Vec<_>, Vec<_>) = store.states()?.into_iter().partition(is_named);
    if !dropped.is_empty() {
        store.keep_states(&kept)?;
    }
    Ok(dropped.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_as_a_stock_mac_and_keeps_what_it_is_given() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut kernel = store.kernel().unwrap();
        assert!(!kernel.runs());
        assert!(kernel.knows("com.apple/250.ApplicationFirewall"));
        kernel.hold(7, 1, 2);
        store.keep(&kernel).unwrap();
        assert_eq!(store.kernel().unwrap(), kernel);
    }

    #[test]
    fn what_a_killed_call_left_is_swept_up() {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path()).unwrap());
        let left = directory.path().join("private/var/pf/.kernel.json.1.portcullis");
        std::fs::write(&left, "half a").unwrap();
        drop(Store::open(directory.path()).unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn a_restart_forgets_everything() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut kernel = store.kernel().unwrap();
        kernel.hold(7, 1, 2);
        kernel.boot = "another".to_owned();
        kernel.rulesets.clear();
        store.keep(&kernel).unwrap();
        let after = store.kernel().unwrap();
        assert!(!after.runs() && after.holders.is_empty() && after.knows("com.apple"));
    }

    #[test]
    fn damage_is_told_and_not_overlooked() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let place = directory.path().join(&KERNEL[1..]);
        let kernel = serde_json::to_string(&store.kernel().unwrap()).unwrap();
        for damaged in [
            "",
            "{}",
            "\u{0}",
            &kernel[..kernel.len() / 2],
            &kernel.replace("\"version\":1", "\"version\":2"),
            &kernel.replace("\"skip\"", "\"slip\""),
        ] {
            std::fs::write(&place, damaged).unwrap();
            let error = store.kernel().unwrap_err().to_string();
            assert!(error.contains("is damaged (") && error.contains("kernel.json"), "{error}");
        }
        std::fs::write(directory.path().join(&STATES[1..]), "\nhello\n").unwrap();
        let error = store.states().unwrap_err().to_string();
        assert!(error.contains("/states:2: "), "{error}");
    }
}
