//! What is to be said of root's own job, which closes in time what is open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::root::job::{self, JobState};
use crate::rules::ledger::Opening;
use crate::system::{JOB, System};

/// For how long an answer counts where something open is to close by itself: launchd is asked by a program of its own.
const LASTS: Duration = Duration::from_secs(60);
/// For how long it counts while nothing is.
const IDLE_LASTS: Duration = Duration::from_secs(600);
/// For how long a doubt counts: the answer may have come while the job was being installed.
const DOUBT_LASTS: Duration = Duration::from_secs(5);

/// The last answer; a tray asks every few seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct JobCache(Arc<Mutex<Option<KnownJob>>>);

#[derive(Clone, Debug)]
struct KnownJob {
    asked: Instant,
    /// When it was last installed, or taken away.
    written: Option<SystemTime>,
    /// Why nothing closes by itself; `None`: it does.
    missing: Option<String>,
    is_installed: bool,
}

impl JobCache {
    /// Why nothing closes by itself, where the user has to know it: the job is not as it was installed, or something is open
    /// with an end.
    pub fn note(&self, system: &dyn System, openings: &[Opening]) -> Option<String> {
        let ends = openings.iter().any(ends_by_itself);
        let known = self.known(system, if ends { LASTS } else { IDLE_LASTS });
        known.missing.filter(|_| known.is_installed || ends)
    }

    /// Why what was just opened does not close by itself, where it is to.
    pub fn doubt(&self, system: &dyn System, openings: &[Opening]) -> Option<String> {
        openings.iter().any(ends_by_itself).then(|| self.known(system, LASTS).missing)?
    }

    /// Whether it runs, so that root hears of a closing.
    pub fn runs(&self, system: &dyn System) -> bool {
        self.known(system, LASTS).missing.is_none()
    }

    fn known(&self, system: &dyn System, lasts: Duration) -> KnownJob {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = std::fs::metadata(system.place(JOB)).and_then(|record| record.modified()).ok();
        match last.as_ref().filter(|last| last.written == written && last.asked.elapsed() < last.lasts(lasts))
        {
            Some(known) => known.clone(),
            None => last.insert(ask(system, written)).clone(),
        }
    }
}

impl KnownJob {
    fn lasts(&self, most: Duration) -> Duration {
        if self.missing.is_some() { DOUBT_LASTS } else { most }
    }
}

fn ends_by_itself(opening: &Opening) -> bool {
    opening.until.is_some() || opening.restart || !opening.stay
}

fn ask(system: &dyn System, written: Option<SystemTime>) -> KnownJob {
    let (missing, is_installed) = match job::state(system) {
        JobState::Ready(_) => (None, true),
        JobState::NotInstalled => {
            (Some("the part that closes ports in time is not installed".to_owned()), false)
        }
        JobState::Changed(changed) => (Some(changed.to_string()), true),
        JobState::NotLoaded(_) => {
            let because = "the part that closes ports in time is switched off: switch Portcullis on in System Settings, \
                General, Login Items";
            (Some(because.to_owned()), true)
        }
    };
    let missing = missing
        .map(|because| format!("nothing closes by itself: {because}; `portcullis install` installs it anew"));
    KnownJob { asked: Instant::now(), written, missing, is_installed }
}
