//! The change that is under way, as it stands on disk from before the first thing that lasts until after the last one.
//!
//! A helper that finds one knows that the change was interrupted: pf is then put where both the ledger before and the one
//! after allow ([`Journal::half`]), whatever was done of it.

use serde::{Deserialize, Serialize};

use crate::os::children::{ProcessId, Register, read_register};
use crate::os::{FileError, Files};
use crate::root::request::Request;
use crate::rules::half::half_of_change;
use crate::rules::ledger::{Changing, Ledger, LedgerError, Seconds};
use crate::rules::seal::{self, SealError};
use crate::system::{JOURNAL, JOURNAL_CHILDREN};

/// A change between two ledgers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Version of this form: [`Journal::VERSION`].
    pub version: u32,
    pub boot: String,
    pub since: Seconds,
    pub request: Request,
    /// The helper that makes the change, then those that tried to recover from it.
    pub helpers: Vec<ProcessId>,
    pub before: Ledger,
    pub after: Ledger,
    /// How often launchd's tick could not recover from it, and when it tried last.
    #[serde(default)]
    pub failed_ticks: FailedTicks,
}

/// The tries of launchd's tick, which must not go on all day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedTicks {
    pub count: u32,
    pub last: Seconds,
}

impl FailedTicks {
    /// After how many seconds the next tick tries again: launchd's interval, which is a minute, then 2, 5 and 10 minutes.
    const PAUSES: [Seconds; 4] = [0, 2 * 60, 5 * 60, 10 * 60];

    /// How many seconds the next try is ahead; 0 where it is due. A clock that was set back delays nothing.
    pub fn pause_left(self, now: Seconds) -> Seconds {
        let Some(index) = self.count.checked_sub(1).and_then(|index| usize::try_from(index).ok()) else {
            return 0;
        };
        let pause = Self::PAUSES.get(index).or(Self::PAUSES.last()).copied().unwrap_or(0);
        let since = now.saturating_sub(self.last);
        if since < 0 { 0 } else { pause.saturating_sub(since).max(0) }
    }
}

/// Why there is a journal that says nothing.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    File(FileError),
    /// It is no plain file, or others could have written it.
    #[error(transparent)]
    Unfit(FileError),
    #[error("{JOURNAL} does not read: {0}")]
    Seal(#[from] SealError),
    #[error("{JOURNAL} does not read: {0}")]
    Json(#[source] serde_json::Error),
    #[error("{JOURNAL} has version {0}")]
    Version(u32),
    #[error("{JOURNAL} has a ledger that no request can lead to: {0}")]
    Bounds(#[source] LedgerError),
}

/// How many helpers a journal knows.
const MOST_HELPERS: usize = 16;

impl Journal {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// The journal of a change that this process makes.
    pub fn new(request: &Request, before: &Ledger, after: &Ledger, boot: &str, since: Seconds) -> Self {
        Journal {
            version: Self::VERSION,
            boot: boot.to_owned(),
            since,
            request: request.clone(),
            helpers: vec![ProcessId::own()],
            before: Ledger { changing: None, ..before.clone() },
            after: Ledger { changing: None, ..after.clone() },
            failed_ticks: FailedTicks::default(),
        }
    }

    /// The journal on disk; `None` where no change is under way.
    pub fn read(files: &Files) -> Result<Option<Self>, JournalError> {
        let bytes = match files.read(JOURNAL) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) if error.is_unfit() => return Err(JournalError::Unfit(error)),
            Err(error) => return Err(JournalError::File(error)),
        };
        let journal: Journal = serde_json::from_slice(&seal::open(&bytes)?).map_err(JournalError::Json)?;
        if journal.version != Self::VERSION {
            return Err(JournalError::Version(journal.version));
        }
        for ledger in [&journal.before, &journal.after] {
            ledger.check_bounds().map_err(JournalError::Bounds)?;
        }
        Ok(Some(journal))
    }

    /// Writes it where it outlives a power loss.
    pub fn write(&self, files: &Files) -> Result<(), FileError> {
        // Plain data with text keys: its JSON cannot fail.
        files.replace(JOURNAL, &seal::close(self).unwrap_or_default(), 0o600)
    }

    /// Notes that this process recovers from the change.
    pub fn taken_up(mut self) -> Self {
        if self.helpers.len() >= MOST_HELPERS {
            // The first made the change; the others have ended, and what they started with them.
            self.helpers.remove(1);
        }
        self.helpers.push(ProcessId::own());
        self
    }

    /// What both ledgers allow. Where one of them has no rules it has no way to load them either; then the way is that of
    /// the other.
    pub fn half(&self) -> Ledger {
        let mut half = half_of_change(&self.before, &self.after);
        half.way = if half.needs_rules() { self.before.way.or(self.after.way) } else { None };
        half
    }

    /// What pf may have open beside `half` as long as this is not done.
    pub fn changing(&self, half: &Ledger) -> Changing {
        let mut open = Vec::new();
        for side in [&self.before, &self.after] {
            for more in side.open_beyond(half).into_iter().chain(half.blocked_beyond(side)) {
                if !open.contains(&more) {
                    open.push(more);
                }
            }
        }
        let pid = self.helpers.first().map_or(0, |helper| helper.pid);
        Changing { since: self.since, pid, open }
    }

    /// The same, with what an earlier change that was not seen through may have left open.
    pub fn changing_after(&self, half: &Ledger, earlier: Option<Changing>) -> Changing {
        let mut changing = self.changing(half);
        for more in earlier.into_iter().flat_map(|earlier| earlier.open) {
            if !changing.open.contains(&more) {
                changing.open.push(more);
            }
        }
        changing
    }
}

/// Takes the journal away: from then on the change is done. Errors: it is there still.
pub fn remove(files: &Files) -> Result<(), FileError> {
    let removed = files.remove(JOURNAL).or_else(|error| match error {
        // It is away, and may come back after a power loss.
        FileError::Unclear { .. } => {
            let _ = files.sync_folder_of(JOURNAL);
            Ok(())
        }
        _ => files.remove(JOURNAL),
    });
    if removed.is_ok() {
        // Without a journal it says nothing; the next helper sweeps it away.
        let _ = files.remove(JOURNAL_CHILDREN);
    }
    removed
}

/// From now on the processes that this one starts write themselves down.
pub fn register(files: &Files) -> Result<Register, FileError> {
    Ok(Register::open(files.append(JOURNAL_CHILDREN, 0o600)?))
}

/// The processes that the change under way has started, whether they run or not.
pub fn children(files: &Files) -> Result<Vec<ProcessId>, FileError> {
    Ok(files.read(JOURNAL_CHILDREN)?.map(|bytes| read_register(&bytes)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::request::Operation;
    use crate::rules::ledger::{Attachment, Guard};
    use crate::rules::sample::opening;
    use crate::system::Moment;

    fn journal(before: &Ledger, after: &Ledger) -> Journal {
        let made = Moment { time: 7, boot: "boot".into(), clock: 1 };
        Journal::new(&Request::new(Operation::CloseAll {}, "ada", made), before, after, "boot", 7)
    }

    #[test]
    fn is_read_as_it_was_written_and_an_unknown_field_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::lab(directory.path());
        assert!(Journal::read(&files).unwrap().is_none());
        let journal = journal(&Ledger::default(), &Ledger::default()).taken_up();
        journal.write(&files).unwrap();
        assert_eq!(Journal::read(&files).unwrap(), Some(journal.clone()));
        let file = files.read(JOURNAL).unwrap().unwrap();
        for damaged in [&b""[..], b"{}", &file[..file.len() / 2]] {
            files.replace(JOURNAL, damaged, 0o600).unwrap();
            assert!(matches!(Journal::read(&files), Err(JournalError::Seal(_))));
        }
        let text = String::from_utf8(seal::open(&file).unwrap()).unwrap();
        let changed = |from: &str, to: &str| seal::sealed(text.replacen(from, to, 1).as_bytes());
        files.replace(JOURNAL, &changed("\"boot\"", "\"more\":1,\"boot\""), 0o600).unwrap();
        assert!(matches!(Journal::read(&files), Err(JournalError::Json(_))));
        files.replace(JOURNAL, &changed("\"version\": 1", "\"version\": 2"), 0o600).unwrap();
        assert!(matches!(Journal::read(&files), Err(JournalError::Version(2))));
        files.replace(JOURNAL_CHILDREN, b"", 0o600).unwrap();
        remove(&files).unwrap();
        assert_eq!(files.list("/Library/Application Support/Portcullis").unwrap(), [""; 0]);
    }

    #[test]
    fn ticks_try_again_after_1_2_5_and_10_minutes() {
        let left = |count, now| FailedTicks { count, last: 1000 }.pause_left(now);
        assert_eq!([left(0, 1000), left(1, 1000), left(2, 1000), left(3, 1000)], [0, 0, 120, 300]);
        assert_eq!([left(4, 1000), left(99, 1000), left(4, 1599), left(4, 1600)], [600, 600, 1, 0]);
        assert_eq!(left(4, 10), 0, "the clock was set back");
        let mut journal = journal(&Ledger::default(), &Ledger::default());
        let first = journal.helpers[0];
        (0..40).for_each(|_| journal = journal.clone().taken_up());
        assert_eq!((journal.helpers.len(), journal.helpers[0]), (MOST_HELPERS, first));
    }

    #[test]
    fn half_has_a_way_where_it_has_rules() {
        let mut before = Ledger::default();
        let mut after = Ledger { guard: Guard::On, way: Some(Attachment::Apple), ..Ledger::default() };
        after.open(opening("2345", "any", 0));
        assert_eq!(journal(&before, &after).half().way, None);
        before.guard = Guard::On;
        let half = journal(&before, &after).half();
        assert_eq!(half.way, Some(Attachment::Apple), "the port is blocked, although it was not before");
        let changing = journal(&before, &after).changing(&half);
        assert_eq!((changing.since, changing.open.len()), (7, 1));
    }
}
