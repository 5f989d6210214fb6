//! A ledger that is gone or damaged takes no guard away and leaks no token, and an answer says what it closed beside.

mod common;

use common::Lab;
use portcullis::system::LEDGER;

#[test]
fn a_ledger_that_is_gone_is_a_damaged_one() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert!(lab.pfctl(&["-s", "References"]).out.contains("portcullis-helper"));
    std::fs::remove_file(lab.file(LEDGER)).unwrap();
    let status = lab.portcullis(&["status"]).out;
    assert!(status.contains("it is gone"), "{status}");
    let refused = lab.portcullis(&["open", "9229"]).expect(1).err;
    assert!(refused.contains("it is gone") && refused.contains("close --all"), "{refused}");
    let closed = lab.portcullis(&["close", "--all"]).expect(0).out;
    assert!(closed.contains("it is gone"), "{closed}");
    let rules = lab.rules();
    assert!(rules.contains("block") && rules.contains("2345") && !rules.contains("keep state"), "{rules}");
    lab.portcullis(&["guard", "off"]).expect(0);
    let references = lab.pfctl(&["-s", "References"]).out;
    assert!(references.contains("No pf starter references held"), "{references}");
}

#[test]
fn a_closing_says_what_a_damaged_ledger_closes_beside() {
    let lab = Lab::new();
    for port in ["2345", "9229"] {
        lab.portcullis(&["open", port, "--from", "any"]).expect(0);
    }
    lab.write(LEDGER, "{");
    let closed = lab.portcullis(&["close", "2345"]).expect(0).out;
    assert!(closed.contains("the ledger could not be used"), "{closed}");
    assert!(closed.contains("every port that it may have had open is closed too"), "{closed}");
    assert!(!lab.rules().contains("keep state"), "{}", lab.rules());
}

#[test]
fn what_was_blocked_by_a_guard_that_is_being_switched_off_may_be_open() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    // The first load kills the helper after it was made.
    lab.wrap_pfctl(
        "$real \"$@\"; code=$?\ncase \" $* \" in *' -f '*) case \" $* \" in *' -n '*) ;; *) kill -9 $PPID;; esac;; esac\nexit $code",
    );
    lab.portcullis(&["guard", "off"]);
    let status = lab.portcullis(&["status", "--json"]).json();
    assert_eq!(status["interrupted"], true);
    let dlv = status["ports"].as_array().unwrap().iter().find(|port| port["port"] == 2345).unwrap();
    assert_eq!(dlv["state"], "may-be-open", "{dlv}");
    assert_ne!(dlv["pf"]["anyone"], "no", "{dlv}");
}
