//! The system that everything works on, as one trait: the only boundary that a test replaces.
//!
//! ```
//! use portcullis::system::{Mac, PF_CONF, System};
//! assert_eq!(Mac.place(PF_CONF), std::path::Path::new("/etc/pf.conf"));
//! ```
//!
//! [`Mac`] is the real one. [`crate::lab`] has the other: a directory that plays `/`. A front end chooses once; everything
//! below takes `&dyn System` and does not know which it is.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::os::holds::{self, HoldError, Release};
use crate::os::process::Program;
use crate::os::states::{self, StatesError};
use crate::os::{self, BootError, Files, Interface};
pub use crate::os::{Gateway, GatewayError, HardwareAddress, NetworkFacts, TrackedConnection, is_hardware};

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
/// The open ports, their sources, ends and askers.
pub const LEDGER: &str = "/Library/Application Support/Portcullis/ledger.json";
/// The change that is under way; nothing between changes.
pub const JOURNAL: &str = "/Library/Application Support/Portcullis/journal.json";
/// The processes that the change under way has started: a number and a start on each line.
pub const JOURNAL_CHILDREN: &str = "/Library/Application Support/Portcullis/journal.children";
/// What pf looked like when root last saw it.
pub const STATUS: &str = "/Library/Application Support/Portcullis/status.json";
/// All that pf held then: for root and administrators.
pub const RULESETS: &str = "/Library/Application Support/Portcullis/rulesets.json";
/// Files that a user writes to have root close ports.
pub const BELL: &str = "/Library/Application Support/Portcullis/bell";
/// Copies of what was replaced.
pub const SNAPSHOTS: &str = "/Library/Application Support/Portcullis/snapshots";
/// The number of the last one, which is not given again.
pub const SNAPSHOT_NUMBER: &str = "/Library/Application Support/Portcullis/snapshots.last";
/// One change at a time: held while a request runs.
pub const LOCK: &str = "/Library/Application Support/Portcullis/lock";
/// Folder of our logs.
pub const LOGS: &str = "/Library/Logs/Portcullis";
/// One line for each request.
pub const AUDIT: &str = "/Library/Logs/Portcullis/audit.jsonl";
/// The file before [`AUDIT`], and the one before that.
pub const OLDER_AUDITS: [&str; 2] =
    ["/Library/Logs/Portcullis/audit.1.jsonl", "/Library/Logs/Portcullis/audit.2.jsonl"];
/// Held while a line is written to [`AUDIT`].
pub const AUDIT_LOCK: &str = "/Library/Logs/Portcullis/lock";
/// Belongs to the user at the screen.
pub const CONSOLE: &str = "/dev/console";
/// What pf logged, while a recording was or is under way.
pub const PFLOG: &str = "/Library/Logs/Portcullis/pflog.pcap";
/// Since when it is recorded, until when, and how it ended.
pub const RECORDING: &str = "/Library/Application Support/Portcullis/recording.json";
/// The processes that a recording has started, one a line.
pub const RECORDING_CHILDREN: &str = "/Library/Application Support/Portcullis/recording.children";
/// Held while a recording is under way.
pub const RECORDING_LOCK: &str = "/Library/Application Support/Portcullis/recording.lock";
/// Held while [`RECORDING`] is read and changed.
pub const RECORDING_CHANGE_LOCK: &str = "/Library/Application Support/Portcullis/recording.change.lock";

/// The copy of the helper that root owns.
pub const INSTALLED_HELPER: &str = "/Library/PrivilegedHelperTools/dev.portcullis.helper";
/// What launchd knows the job by that runs the copy.
pub const JOB_LABEL: &str = "dev.portcullis.helper";
/// How launchd runs it.
pub const JOB_PLIST: &str = "/Library/LaunchDaemons/dev.portcullis.helper.plist";
/// Which helper was installed: its version and hash.
pub const JOB: &str = "/Library/Application Support/Portcullis/job.json";
/// launchd's command line.
pub const LAUNCHCTL: &str = "/bin/launchctl";

/// Where the app lies once it is installed: the folder of its programs.
pub const APP_PROGRAMS: &str = "/Applications/Portcullis.app/Contents/MacOS";
/// What has login shells find the command line there (path_helper(8)).
pub const PATHS_FILE: &str = "/etc/paths.d/dev.portcullis";

/// How long a prompt stays: as long as root takes the request that stands behind it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What differs between a Mac and a lab.
pub trait System: fmt::Debug + Send + Sync {
    /// The files below `/`, with the rules of who must own them.
    fn files(&self) -> Files;

    /// One of macOS's own programs, by its absolute path there. Arguments are still to be added.
    fn program(&self, path: &str) -> Program;

    /// The interfaces with their addresses, loopback apart.
    fn interfaces(&self) -> Result<Vec<Interface>, SystemError>;

    /// The local networks that this Mac is on.
    fn networks(&self) -> Result<Vec<IpNet>, SystemError>;

    /// The networks of this Mac's hardware and of its virtual machines, each with its gateway, as far as that is known.
    fn network_facts(&self) -> Result<Vec<NetworkFacts>, SystemError>;

    /// The TCP connections that pf keeps states of: it passes their packets without evaluating a rule, so a connection
    /// that is open ends only with its state.
    fn connections(&self) -> Result<Vec<TrackedConnection>, StatesError>;

    /// Drops the states of these connections, and of no other. Gives how many states there were.
    fn drop_states(&self, connections: &[TrackedConnection]) -> Result<usize, StatesError>;

    /// Holds pf enabled until the token that it gives is released.
    fn hold_pf(&self) -> Result<u64, HoldError>;

    /// Gives a token back; pf goes on while others hold it enabled.
    fn release_pf(&self, token: u64) -> Result<Release, HoldError>;

    /// The file of the user's preferences.
    fn preferences_file(&self) -> Result<PathBuf, SystemError>;

    /// How the elevated helper is started.
    fn helper(&self) -> HelperLaunch;

    /// The bytes that are to be installed as root's own copy of the helper in the file `helper`.
    fn job_program(&self, helper: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(helper)
    }

    /// The directory of a lab, for display only.
    fn lab(&self) -> Option<&Path>;

    /// The place of an absolute path.
    fn place(&self, path: &str) -> PathBuf {
        self.files().place(path)
    }

    /// A text that is the same until the machine restarts.
    fn boot_id(&self) -> Result<String, BootError> {
        os::boot_id()
    }

    /// Seconds since 1970-01-01 UTC by the wall clock.
    fn now(&self) -> i64 {
        os::now()
    }

    /// Seconds by a clock that starts with the machine, goes on in sleep, and that no user can set.
    fn clock(&self) -> u64 {
        os::clock()
    }

    /// The time zone of this machine.
    fn zone(&self) -> jiff::tz::TimeZone {
        os::zone()
    }

    /// Now, by every clock.
    fn moment(&self) -> Result<Moment, BootError> {
        Ok(Moment { time: self.now(), boot: self.boot_id()?, clock: self.clock() })
    }
}

/// A point in time by every clock: what one of them hides, another shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// Seconds since 1970-01-01 UTC by the wall clock, which a user can set.
    pub time: i64,
    /// The boot, as [`System::boot_id`] names it.
    pub boot: String,
    /// As [`System::clock`].
    pub clock: u64,
}

/// How the elevated helper is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperLaunch {
    /// Name of its file, which lies beside the running program.
    pub name: &'static str,
    /// Its first arguments, before the request.
    pub arguments: Vec<OsString>,
    /// The command that prints the SHA-256 of its standard input, as `DIGEST  -`.
    pub hash: String,
    /// Whether it must be the helper that this build was made with.
    pub is_pinned: bool,
    /// Whether an administrator is asked; root itself starts it directly.
    pub needs_prompt: bool,
    /// How long a person may think about the prompt, and the helper take, before it is taken away.
    pub patience: Duration,
}

/// The Mac that this program runs on.
#[derive(Clone, Copy, Debug)]
pub struct Mac;

impl System for Mac {
    fn files(&self) -> Files {
        Files::system()
    }

    fn program(&self, path: &str) -> Program {
        Program::new(path)
    }

    fn interfaces(&self) -> Result<Vec<Interface>, SystemError> {
        os::interfaces().map_err(SystemError::Networks)
    }

    fn networks(&self) -> Result<Vec<IpNet>, SystemError> {
        os::networks().map_err(SystemError::Networks)
    }

    fn network_facts(&self) -> Result<Vec<NetworkFacts>, SystemError> {
        os::network_facts().map_err(SystemError::Networks)
    }

    fn connections(&self) -> Result<Vec<TrackedConnection>, StatesError> {
        states::connections()
    }

    fn drop_states(&self, connections: &[TrackedConnection]) -> Result<usize, StatesError> {
        states::drop_states(connections)
    }

    fn hold_pf(&self) -> Result<u64, HoldError> {
        holds::hold()
    }

    fn release_pf(&self, token: u64) -> Result<Release, HoldError> {
        holds::release(token)
    }

    fn preferences_file(&self) -> Result<PathBuf, SystemError> {
        const FILE: &str = "Library/Application Support/dev.portcullis.Portcullis/preferences.toml";
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        home.map(|home| home.join(FILE)).ok_or(SystemError::NoHome)
    }

    fn helper(&self) -> HelperLaunch {
        HelperLaunch {
            name: "portcullis-helper",
            arguments: Vec::new(),
            hash: "/usr/bin/shasum -a 256".to_owned(),
            is_pinned: true,
            needs_prompt: !os::is_root(),
            patience: PATIENCE,
        }
    }

    fn lab(&self) -> Option<&Path> {
        None
    }
}

/// Why the system did not say what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// getifaddrs(3) fails.
    #[error("cannot read the networks this Mac is on: {0}; use --from with a host or network")]
    Networks(#[source] std::io::Error),
    #[error("cannot tell where your preferences are: no home folder is known")]
    NoHome,
    /// What another implementation of [`System`] says.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}
