//! The bell: how a user has root close what that user opened, without a password.
//!
//! Beside each opening lies an empty file that belongs to the user that root saw open it. A byte in it means "close". root
//! looks at the files that it made itself and at no other, and takes nothing from them but whether they were touched:
//! whatever is done to them, a port is closed or nothing happens.

use crate::os::{self, BellFile, FileError, Files};
use crate::port::PortRange;
use crate::rules::ledger::{Ledger, Opening};
use crate::rules::named_port::NamedPort;
use crate::rules::order;
use crate::system::{BELL, JOB};

/// What launchd watches: it is rung after any other.
pub const RING: &str = "ring";
/// From how many bytes on the watched file begins anew: each time costs launchd a start.
const LONGEST_RING: u64 = 64 * 1024;

/// The bell that closes one range of a user's.
pub fn of_port(user: u32, port: PortRange) -> String {
    format!("{BELL}/{user}.{port}")
}

/// The bell that closes all that a user has opened.
pub fn of_all(user: u32) -> String {
    format!("{BELL}/{user}.all")
}

/// What launchd watches.
pub fn ring() -> String {
    format!("{BELL}/{RING}")
}

/// What users want closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RungBell {
    pub user: u32,
    pub ports: Vec<NamedPort>,
    /// Whether that is all that is open.
    pub is_all: bool,
}

/// The bells that were rung, by user.
pub fn rung(files: &Files, ledger: &Ledger) -> Result<Vec<RungBell>, FileError> {
    let mut found = Vec::new();
    for user in users(ledger) {
        let all = files.look_at_bell(&of_all(user))?;
        let mut ports = Vec::new();
        for opening in openings_of(ledger, user) {
            let is_rung = is_rung(all) || is_rung(files.look_at_bell(&of_port(user, opening.port))?);
            ports.extend(is_rung.then(|| opening.named_port()));
        }
        if !ports.is_empty() {
            let is_all = is_rung(all) && ports.len() == ledger.openings.len();
            found.push(RungBell { user, ports, is_all });
        }
    }
    Ok(found)
}

fn is_rung(bell: BellFile) -> bool {
    matches!(bell, BellFile::Rung(_) | BellFile::Other)
}

fn users(ledger: &Ledger) -> Vec<u32> {
    let mut users: Vec<u32> = ledger.openings.iter().filter_map(|opening| opening.user).collect();
    order::sort(&mut users);
    users.dedup();
    users
}

fn openings_of(ledger: &Ledger, user: u32) -> impl Iterator<Item = &Opening> {
    ledger.openings.iter().filter(move |opening| opening.user == Some(user))
}

/// Makes the bells of what is open, and takes away those of what is not. Without the job nothing would hear them. A bell that
/// is there stays as it is, rung or not.
///
/// Errors: of the first that could not be taken away or made, such as one with a flag of its owner's that keeps it; the others
/// are.
pub fn set_up(files: &Files, ledger: &Ledger) -> Result<(), FileError> {
    let mut wanted: Vec<(String, u32, u32)> = Vec::new();
    if files.mode(JOB)?.is_some() {
        wanted.push((ring(), os::own_uid(), 0o666));
        for user in users(ledger) {
            wanted.push((of_all(user), user, 0o600));
            wanted
                .extend(openings_of(ledger, user).map(|opening| (of_port(user, opening.port), user, 0o600)));
        }
    }
    let mut done = Ok(());
    for name in files.list(BELL)? {
        let path = format!("{BELL}/{name}");
        if !wanted.iter().any(|(wanted, ..)| *wanted == path) {
            done = done.and(files.remove_bell(&path));
        }
    }
    for (path, owner, mode) in wanted {
        done = done.and(match files.look_at_bell(&path) {
            Ok(BellFile::Missing) => files.put_bell(&path, owner, mode),
            there => there.map(|_| ()),
        });
    }
    done.and(renew_ring(files))
}

/// Puts a new file in the place of what launchd watches, where that is worn out.
pub fn renew_ring(files: &Files) -> Result<(), FileError> {
    match files.look_at_bell(&ring())? {
        BellFile::Rung(LONGEST_RING..) | BellFile::Other => files.put_bell(&ring(), os::own_uid(), 0o666),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::opening;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let own = os::own_uid();
        for (port, user) in [("2345", Some(own)), ("9229", Some(own)), ("4000-4009", None)] {
            ledger.open(Opening { user, ..opening(port, "any", 1) });
        }
        ledger
    }

    fn ranges(rung: &[RungBell]) -> Vec<String> {
        rung.iter().flat_map(|bell| &bell.ports).map(|port| port.range.to_string()).collect()
    }

    #[test]
    fn bells_come_and_go_with_what_is_open_and_with_the_job() {
        let directory = tempfile::tempdir().unwrap();
        let (files, ledger, own) = (Files::lab(directory.path()), ledger(), os::own_uid());
        set_up(&files, &ledger).unwrap();
        assert_eq!(files.list(BELL).unwrap(), [""; 0], "nothing would hear them");
        files.replace(JOB, b"{}", 0o644).unwrap();
        set_up(&files, &ledger).unwrap();
        let names = [format!("{own}.2345"), format!("{own}.9229"), format!("{own}.all"), RING.to_owned()];
        assert_eq!(files.list(BELL).unwrap(), names);
        assert_eq!(rung(&files, &ledger).unwrap(), []);
        files.ring_bell(&of_port(own, "9229".parse().unwrap())).unwrap();
        assert_eq!(ranges(&rung(&files, &ledger).unwrap()), ["9229"]);
        set_up(&files, &ledger).unwrap();
        assert_eq!(ranges(&rung(&files, &ledger).unwrap()), ["9229"], "it is heard still");
        files.ring_bell(&of_all(own)).unwrap();
        assert_eq!(ranges(&rung(&files, &ledger).unwrap()), ["2345", "9229"], "what others opened stays");
        set_up(&files, &Ledger::default()).unwrap();
        assert_eq!(files.list(BELL).unwrap(), [RING]);
        files.remove(JOB).unwrap();
        set_up(&files, &ledger).unwrap();
        assert_eq!(files.list(BELL).unwrap(), [""; 0]);
    }

    #[test]
    fn what_launchd_watches_begins_anew_only_when_it_is_long() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::lab(directory.path());
        files.replace(JOB, b"{}", 0o644).unwrap();
        set_up(&files, &Ledger::default()).unwrap();
        let length = || files.length(&ring()).unwrap();
        (0..3).for_each(|_| files.ring_bell(&ring()).unwrap());
        set_up(&files, &Ledger::default()).unwrap();
        assert_eq!(length(), 3);
        std::fs::write(files.place(&ring()), vec![b'1'; usize::try_from(LONGEST_RING).unwrap()]).unwrap();
        set_up(&files, &Ledger::default()).unwrap();
        assert_eq!(length(), 0);
    }
}
