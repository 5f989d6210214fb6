//! How often connections to a port were blocked.

use std::collections::{BTreeMap, HashSet};

use super::entry::{End, LogAction, LogDirection, LogEntry};
use crate::pf::packet::{ACK, SYN};
use crate::rules::ledger::Seconds;
use crate::status::Attempts;

/// The connections that were begun to each port and blocked on their way in, since `since` (seconds since 1970-01-01
/// UTC). A client that gets no answer sends its SYN several times: what comes from one address and port is one attempt.
pub fn blocked<'a>(
    entries: impl IntoIterator<Item = &'a LogEntry>,
    since: Seconds,
) -> BTreeMap<u16, Attempts> {
    let mut clients: BTreeMap<u16, HashSet<End>> = BTreeMap::new();
    let mut counts: BTreeMap<u16, Attempts> = BTreeMap::new();
    for entry in entries {
        let (Some(from), Some(End { port: Some(port), .. })) = (entry.from, entry.to) else { continue };
        let seconds = Seconds::from(entry.seconds);
        let begins = entry.flags.is_some_and(|flags| flags & (SYN | ACK) == SYN);
        let blocked_in = entry.action == LogAction::Block && entry.direction == LogDirection::In;
        if !begins || !blocked_in || seconds < since {
            continue;
        }
        let is_new = clients.entry(port).or_default().insert(from);
        let first = Attempts { attempts: 0, last_from: from.address, last: seconds };
        let attempts = counts.entry(port).or_insert(first);
        attempts.attempts += u64::from(is_new);
        if seconds >= attempts.last {
            (attempts.last_from, attempts.last) = (from.address, seconds);
        }
    }
    counts
}
