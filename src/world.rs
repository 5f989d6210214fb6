//! The two worlds: this Mac, and a lab (the same files below a directory that plays `/`).
//!
//! ```
//! use portcullis::world::World;
//! let lab = World::Lab("/tmp/trial".into());
//! assert_eq!(lab.path("/etc/pf.conf"), std::path::Path::new("/tmp/trial/etc/pf.conf"));
//! ```

use std::path::{Path, PathBuf};

use crate::os::Files;

/// Name of the anchor, of the bundle, and prefix of every launchd label.
pub const NAME: &str = "dev.portcullis";
/// The anchor that holds our rules when they hang below Apple's `anchor "com.apple/*"`. Its name sorts before
/// `200.AirDrop` and `250.ApplicationFirewall`, so it is evaluated before theirs.
pub const APPLE_ANCHOR: &str = "com.apple/100.dev.portcullis";
/// The anchor that holds our rules in the classic way, called by our block in pf.conf.
pub const CLASSIC_ANCHOR: &str = "dev.portcullis";
/// The ruleset that macOS loads at boot.
pub const PF_CONF: &str = "/etc/pf.conf";
/// Our rules as text, in both ways.
pub const ANCHOR_FILE: &str = "/etc/pf.anchors/dev.portcullis";
/// Folder of what root keeps for us.
pub const STATE_DIR: &str = "/Library/Application Support/Portcullis";
/// What is open, for whom, until when, by whom.
pub const LEDGER: &str = "/Library/Application Support/Portcullis/ledger.json";
/// What pf looked like when root last saw it.
pub const STATUS: &str = "/Library/Application Support/Portcullis/status.json";
/// Copies of what was replaced.
pub const SNAPSHOTS: &str = "/Library/Application Support/Portcullis/snapshots";
/// One change at a time: held while a request runs.
pub const LOCK: &str = "/Library/Application Support/Portcullis/lock";
/// One line for each request.
pub const AUDIT: &str = "/Library/Logs/Portcullis/audit.jsonl";
/// What pf logged, while a recording was or is under way.
pub const PFLOG: &str = "/Library/Logs/Portcullis/pflog.pcap";
/// Since when it is recorded, until when, and how it ended.
pub const RECORDING: &str = "/Library/Application Support/Portcullis/recording.json";
/// Held while a recording is under way.
pub const RECORDING_LOCK: &str = "/Library/Application Support/Portcullis/recording.lock";
/// Held while [`RECORDING`] is read and changed.
pub const RECORDING_CHANGE_LOCK: &str = "/Library/Application Support/Portcullis/recording.change.lock";

/// Where the app works: the system itself, or a directory that plays `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum World {
    /// This Mac: real paths, real pfctl, real prompt.
    Mac,
    /// A lab below this directory: pf is `pfctl-lab`, the prompt is answered as its `lab.toml` says.
    Lab(PathBuf),
}

impl World {
    /// The place of an absolute `path` in this world.
    pub fn path(&self, path: &str) -> PathBuf {
        match self {
            World::Mac => PathBuf::from(path),
            World::Lab(dir) => dir.join(path.trim_start_matches('/')),
        }
    }

    /// The files of this world.
    pub fn tree(&self) -> Files {
        match self {
            World::Mac => Files::system(),
            World::Lab(dir) => Files::lab(dir),
        }
    }

    /// The lab's directory, if this is a lab.
    pub fn lab(&self) -> Option<&Path> {
        match self {
            World::Mac => None,
            World::Lab(dir) => Some(dir),
        }
    }
}
