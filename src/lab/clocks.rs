//! The clocks of a lab: those of the machine that it runs on, unless a file in the lab says what they show.
//!
//! ```
//! use portcullis::lab::clocks::{FILE, SetClocks};
//! use portcullis::{lab::Lab, system::System};
//! let directory = tempfile::tempdir().unwrap();
//! let lab = Lab::open(directory.path())?;
//! let set = r#"{"moment": {"time": 1764072000, "boot": "first", "clock": 60}, "zone": "CET-1CEST,M3.5.0,M10.5.0/3"}"#;
//! std::fs::write(lab.place(FILE), set).unwrap();
//! assert_eq!(SetClocks::read(directory.path()).unwrap().moment, Lab::open(directory.path())?.moment().unwrap());
//! # Ok::<(), portcullis::lab::LabError>(())
//! ```

use std::path::Path;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::os::{self, BootError, Files};
use crate::system::Moment;

/// Where it is in a lab.
pub const FILE: &str = "/private/var/db/clocks.json";

/// What the clocks of a lab show, for as long as the file stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetClocks {
    pub moment: Moment,
    /// As POSIX's `TZ` has it: `CET-1CEST,M3.5.0,M10.5.0/3`.
    zone: String,
}

impl SetClocks {
    pub fn new(moment: Moment, zone: &str) -> Self {
        SetClocks { moment, zone: zone.to_owned() }
    }

    /// What the file says; `None`: there is none that reads, so the machine's clocks count.
    pub fn read(directory: &Path) -> Option<Self> {
        // Read plainly: a program of the lab's does this at each start.
        let bytes = std::fs::read(Files::lab(directory).place(FILE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub fn zone(&self) -> TimeZone {
        TimeZone::posix(&self.zone).unwrap_or(TimeZone::UTC)
    }
}

/// Now, by every clock of a lab.
pub(super) fn moment(directory: &Path) -> Result<Moment, BootError> {
    match SetClocks::read(directory) {
        Some(set) => Ok(set.moment),
        None => Ok(Moment { time: os::now(), boot: os::boot_id()?, clock: os::clock() }),
    }
}

/// Seconds since 1970-01-01 UTC by the wall clock of a lab.
pub(super) fn now(directory: &Path) -> i64 {
    SetClocks::read(directory).map_or_else(os::now, |set| set.moment.time)
}
