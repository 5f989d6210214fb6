//! The helper under SIGKILL and under errors: a sample of what can go wrong between two calls of the system.

use portcullis::root::request::Request;

use crate::helper::{close, guarded, open};
use crate::root::{Mac, Said};

fn with_fault(mac: &Mac, fault: &str, request: &Request) -> Said {
    let mut command = mac.request_command(request);
    command.env("MAC_RUN_FAULT", format!("portcullis-helper:{fault}"));
    Said::of(command.output().unwrap())
}

/// Whether the ledger and pf say the same of port 2345.
fn agree(mac: &Mac) -> bool {
    let ledger = mac.read("/Library/Application Support/Portcullis/ledger.json");
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    let open = ledger["openings"].as_array().unwrap().iter().any(|opening| opening["port"] == 2345);
    let passes = mac.rules().lines().any(|rule| rule.contains("port = 2345 flags any keep state"));
    open == passes
}

/// Kills the helper before the Nth call of a function, until the whole request is done; after each the next request works.
fn killed_at_every(function: &str, most: usize) {
    let mut killed = 0;
    for number in 1..=most {
        let mac = guarded();
        let said = with_fault(&mac, &format!("{function}:{number}:kill"), &open("2345"));
        if said.code == 0 {
            break;
        }
        assert_eq!(said.code, 128 + 9, "{function} {number}: {said:?}");
        killed += 1;
        mac.request(&open("9229")).expect(0);
        assert!(
            agree(&mac),
            "{function} {number}: {}\n{}",
            mac.rules(),
            mac.read("/Library/Application Support/Portcullis/ledger.json")
        );
        // Nothing half written is left.
        for folder in ["/private/etc", "/private/etc/pf.anchors", "/Library/Application Support/Portcullis"] {
            for entry in std::fs::read_dir(mac.place(folder)).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(!name.to_string_lossy().contains(".json.new"), "{name:?} in {folder}");
            }
        }
    }
    assert!(killed > 0, "{function} is never called");
}

#[test]
fn killed_before_a_rename() {
    killed_at_every("renameat", 6);
}

#[test]
fn killed_before_a_program_is_started() {
    killed_at_every("posix_spawnp", 8);
}

/// What the helper calls to look at files, change them, and have others work, of which each tells an error by -1. `make
/// faults` tries every call on Linux; this is a sample of it on the Mac build.
const CALLS: &str = "open,openat,read,write,fstat,fstatat,fcntl,fsync,fchmod,fchown,ftruncate,lseek,renameat,\
                     unlinkat,mkdirat,flock,ioctl,waitpid,poll,pipe";
/// What else it may be killed before.
const OTHERS: &str = "close,opendir,fdopendir,readdir,posix_spawn,posix_spawnp,waitid";

#[test]
fn killed_before_every_so_many_calls() {
    let mut killed = 0;
    for number in (1..).step_by(151) {
        let mac = guarded();
        let said = with_fault(&mac, &format!("{CALLS},{OTHERS}:{number}:kill"), &open("2345"));
        if said.code == 0 {
            break;
        }
        assert_eq!(said.code, 128 + 9, "call {number}: {said:?}");
        killed += 1;
        mac.request(&open("9229")).expect(0);
        assert!(agree(&mac), "call {number}: {}", mac.rules());
    }
    println!("killed {killed} times");
    assert!(killed >= 10, "only {killed}");
}

/// One call fails: that is told, and what was begun is undone or not begun. Whether something failed.
fn fails(calls: &str, number: usize, error: i32) -> bool {
    let mac = guarded();
    // The guard looks after the port from then on.
    mac.request(&open("2345")).expect(0);
    mac.request(&close("2345")).expect(0);
    let (before, rules) = (mac.substance(), mac.rules());
    let said = with_fault(&mac, &format!("{calls}:{number}:{error}"), &open("2345"));
    match said.code {
        0 => {}
        1 | 4 => {
            assert_eq!((mac.substance(), mac.rules()), (before, rules), "{calls} {number}: {said:?}");
            assert!(!said.err.is_empty());
        }
        5 => assert!(said.err.contains("snapshots"), "{calls} {number}: {said:?}"),
        other => panic!("{calls} {number}: {other}: {said:?}"),
    }
    mac.request(&open("9229")).expect(0);
    said.code != 0
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn every_so_many_calls_fail() {
    let sample = (1..1500).step_by(97).zip([EIO, ENOSPC].into_iter().cycle());
    let failed = sample.filter(|(number, error)| fails(CALLS, *number, *error)).count();
    println!("failed {failed} times");
    assert!(failed >= 3, "only {failed}");
}

#[test]
fn no_room_on_the_disk() {
    for number in 1..=6 {
        fails("fcntl", number, ENOSPC);
    }
}

#[test]
fn a_rename_is_refused() {
    for number in 1..=4 {
        fails("renameat", number, EIO);
    }
}
