//! The table of threats in SECURITY.md, attacked: `threat_NN_…` is of row NN.
//!
//! | row | where |
//! |---|---|
//! | 1 helper swapped | here, and with files that are no plain ones in `src/elevate/shell.rs` |
//! | 2 injection | `hostile`; quoting through a real shell in `src/elevate/quote.rs` and `shell.rs`, AppleScript's in `tests/lab.rs` |
//! | 3 inherited state | `inherited` |
//! | 4 links, pipes | `files`; what lies in the place of each file, and closing goes on: `closing`; planted between any two system calls: `make faults` (`POINT=planted`) |
//! | 5 writable by others | `files`: each mode of 4,096, two owners; access control lists are macOS's alone, type-checked and not run; closing goes on: `closing` |
//! | 6 root-run binary or plist | `tests/evening.rs`: each bit of both modes, each file changed, gone, a link |
//! | 7 confused deputy | here: nothing listens; `bell` |
//! | 8 hostile request | `hostile`, `prompt` |
//! | 9 rule injection | `tests/helper.rs` (what does not read back is undone); rules come from typed values alone |
//! | 10 damaged files | `hostile`; closing goes on: `closing`, `tests/cli.rs`, `tests/helper.rs` |
//! | 11 user-owned files | `traced`; root's shell reads the helper's bytes alone: `src/elevate/shell.rs` |
//! | 12 information leak | `tests/privacy.rs` |
//! | 13 replay, undo | `prompt`; `tests/undo.rs` |
//! | 14 denial | `hostile`: bounds of the ledger; time-outs and the killed group in `src/os/process.rs` |
//! | 15 clock set back | the request's clock: `prompt`; the ends of openings: `tests/clocks.rs` |
//! | 16 silent opening | `prompt`: it names all; there is no URL scheme yet |
//! | 17 downgrade | `tests/evening.rs` |
//! | 18, 19 crash, failing undo | `make faults` |
//! | 20 other users | `tests/history.rs` |
//! | 21 lost update of pf.conf | `files` |
//! | 22 recording | `tests/log.rs` |
//! | 23 uninstall | `tests/uninstall.rs` |
//! | 24 test double | `tests/helper_links.rs` |

mod bell;
mod closing;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod hostile;
mod inherited;
mod prompt;
mod strict;
mod traced;

use common::{Lab, program};

#[test]
fn threat_01_a_caller_whose_helper_changed_since_it_was_built_reaches_no_root() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    // What root copies is not what the app hashed: the reader of the copy sees another file.
    let script = "/bin/cat >/dev/null; echo \"$(printf '%064d' 0)  -\"";
    program::script(&lab.file("/usr/bin/shasum"), script);
    let said = lab.portcullis(&["open", "4321", "--from", "any"]).expect(1);
    assert!(said.err.contains("changed after it was checked"), "{}", said.err);
    assert!(!lab.rules().contains("4321"));
    assert_eq!(std::fs::read_dir(lab.file("/private/var/root")).unwrap().count(), 0, "the copy is gone");
}

/// Whether a socket of the helper is one of the network's, or of Unix and listens (flag 00010000 in /proc/net/unix). Rust's
/// library makes a pair of its own while it starts a program.
const SOCKETS: &str = r#"
for file in /proc/$PPID/fd/*; do
  target=$(readlink "$file") || continue
  case $target in socket:*) ;; *) continue;; esac
  number=${target#*[}; number=${number%]}
  grep -h " $number " /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6
  grep " $number\( \|$\)" /proc/net/unix | grep ' 00010000 '
done >>"$2/sockets" 2>/dev/null
echo >>"$2/looked"
exec $real "$@""#;

#[test]
fn threat_07_nothing_listens() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.wrap_pfctl(SOCKETS);
    lab.portcullis(&["open", "4321", "--from", "any"]).expect(0);
    assert!(lab.read("/looked").len() > 3);
    assert_eq!(String::from_utf8_lossy(&lab.read("/sockets")), "");
}
