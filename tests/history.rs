//! The audit: a whole line for each request, whatever became of it, and `portcullis history`, which shows it.

mod common;

use common::{Lab, request};
use portcullis::root::audit::{self, AuditLine};
use portcullis::root::request::{Operation, Request};
use portcullis::system::{AUDIT, System as _};

fn lines(lab: &Lab) -> Vec<AuditLine> {
    let log = audit::read(&lab.system().files()).unwrap();
    assert_eq!(log.unreadable, 0);
    log.lines
}

#[test]
fn every_request_has_a_line_with_who_asked_and_the_whole_of_it() {
    let lab = Lab::new();
    lab.portcullis(&["open", "2345"]).expect(0);
    lab.helper(&["apply", "junk", "more"]).expect(2);
    lab.helper(&["fly\nblock all"]).expect(2);
    lab.write("/Library/Application Support/Portcullis/ledger.json", "junk");
    lab.portcullis(&["open", "9229"]).expect(1);
    let lines = lines(&lab);
    let [opened, installed, junk, fly, refused] = lines.as_slice() else { panic!("{lines:?}") };
    let request = opened.request.as_ref().unwrap();
    assert_eq!(request["action"]["do"], "open");
    assert!(request["action"]["ports"].to_string().contains("2345"), "{request}");
    assert_eq!((opened.asker.as_deref(), opened.caller.sudo_uid), (Some("ada"), None));
    assert_eq!(opened.caller.uid, portcullis::os::own_uid());
    assert_eq!(opened.helper.version, env!("CARGO_PKG_VERSION"));
    let sum = std::process::Command::new("sha256sum").arg(env!("CARGO_BIN_EXE_helper-lab")).output();
    if let Ok(sum) = sum {
        let sum = String::from_utf8(sum.stdout).unwrap();
        assert_eq!(opened.helper.sha256.as_deref(), sum.split(' ').next());
    }
    assert_eq!(installed.request.as_ref().unwrap()["action"]["do"], "install");
    assert!(opened.ok && installed.ok && !junk.ok && !fly.ok && !refused.ok);
    assert_eq!(junk.words.as_deref().unwrap(), ["apply", "junk", "more"]);
    assert_eq!(fly.words.as_deref().unwrap(), ["fly\nblock all"]);
    assert_eq!(refused.request.as_ref().unwrap()["action"]["do"], "open");
}

#[test]
fn sudo_and_the_screen_say_whose_request_it_is() {
    use std::os::unix::fs::MetadataExt as _;
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let helper = || {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_helper-lab"));
        command.arg("--lab").arg(lab.path());
        command
    };
    helper().arg("status").env("SUDO_UID", "54321").assert().success();
    helper().arg("status").env("SUDO_UID", "0x1").assert().success();
    lab.write("/dev/console", "");
    let console = lab.file("/dev/console");
    // Only root can give it to another user.
    let given = std::os::unix::fs::chown(&console, Some(54_322), None).is_ok();
    helper().arg("status").env_remove("SUDO_UID").assert().success();
    let lines = lines(&lab);
    assert_eq!((lines[0].caller.sudo_uid, lines[0].by.as_str()), (Some(54_321), "uid 54321"));
    assert_eq!(lines[1].caller.sudo_uid, None);
    let owner = if given { 54_322 } else { console.metadata().unwrap().uid() };
    assert_eq!(lines[2].caller.console_uid, Some(owner));
    assert_eq!(lines[2].caller.user(), owner);
}

#[test]
fn twenty_at_once_leave_twenty_whole_lines_at_rotation_too() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.helper(&["status"]).expect(0);
    let line = String::from_utf8(lab.read(AUDIT)).unwrap();
    lab.write(AUDIT, line.repeat(1024 * 1024 / line.len() - 3));
    let before = lines(&lab).len();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let lab = &lab;
            scope.spawn(move || {
                let asker = format!("user-{number}");
                match number % 2 {
                    0 => lab.request(&Request { asker, ..request(Operation::Status {}) }),
                    _ => lab.helper(&["apply", "junk", &asker]),
                }
            });
        }
    });
    let lines = lines(&lab);
    assert_eq!(lines.len(), before + 20);
    assert!(lab.file("/Library/Logs/Portcullis/audit.1.jsonl").exists(), "it was rotated");
    for number in 0..20 {
        let asker = format!("user-{number}");
        let of_asker = |line: &&AuditLine| {
            line.asker.as_ref() == Some(&asker)
                || line.words.as_ref().is_some_and(|words| words.last() == Some(&asker))
        };
        assert_eq!(lines.iter().filter(of_asker).count(), 1, "{asker}");
    }
}

#[test]
fn history_shows_each_request_on_a_line_of_its_own() {
    let lab = Lab::new();
    assert!(lab.portcullis(&["history"]).expect(0).out.contains("not asked anything"));
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.helper(&["fly\n\u{1b}[2J"]).expect(2);
    let text = lab.portcullis(&["history"]).expect(0).out;
    assert_eq!(text.lines().count(), 3, "with the installation: {text}");
    assert!(text.contains("  open  changed: port 2345 (dlv) is open for anyone"), "{text}");
    assert!(text.contains("  malformed  refused: the word "), "{text}");
    assert!(text.contains("(as ada)") || text.contains("  ada  "), "{text}");
    let json = lab.portcullis(&["history", "--json", "--last", "1"]).expect(0).json();
    assert_eq!(json["requests"].as_array().unwrap().len(), 1);
    assert_eq!(json["requests"][0]["words"][0], "fly\n\u{1b}[2J");
    lab.write(AUDIT, "junk\n");
    assert!(lab.portcullis(&["history"]).expect(0).out.contains("1 more line"));
}

#[test]
fn what_became_of_a_request_and_whose_it_was_is_in_its_line() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let mut other = assert_cmd::Command::new(env!("CARGO_BIN_EXE_helper-lab"));
    other.arg("--lab").arg(lab.path()).arg("status").env("SUDO_UID", "54321").assert().success();
    lab.helper(&["fly"]).expect(2);
    lab.write("/Library/Application Support/Portcullis/ledger.json", "junk");
    lab.portcullis(&["open", "2345"]).expect(1);
    // A journal that was cut short: what it was to do is not known, and everything is closed.
    lab.write("/Library/Application Support/Portcullis/journal.json", "{");
    lab.portcullis(&["repair"]).expect(0);
    let text = lab.portcullis(&["history"]).expect(0).out;
    let line = |word: &str| {
        text.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {text}"))
    };
    assert!(line("  guard  ").contains("  guard  changed: "), "{text}");
    assert!(line("uid 54321").contains("  status  done: "), "{text}");
    assert!(line("  malformed  ").contains("refused: "), "{text}");
    assert!(
        line("  open  ").contains("refused: ") && line("  open  ").contains("nothing was changed"),
        "{text}"
    );
    // What was interrupted has a line of its own, before that of the request which ended it.
    let recovered = text.find("  close-all  changed: a change that was interrupted is not known");
    assert!(recovered.is_some() && recovered < text.find("  tick  changed: "), "{text}");
    assert!(!text.contains("(as uid-54321)"), "a claim that is no other name: {text}");
}

#[test]
fn a_log_that_cannot_be_written_takes_nothing_away() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    std::fs::create_dir_all(lab.file(AUDIT)).unwrap();
    let said = lab.portcullis(&["open", "2345"]).expect(0);
    assert!(said.out.contains("audit log was not written"), "{}", said.out);
    assert!(lab.rules().contains("2345"));
}

#[test]
fn the_last_none_is_a_usage_error() {
    Lab::new().portcullis(&["history", "--last", "0"]).expect(2);
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_is_a_failure() {
    let lab = Lab::new();
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" --lab \"$1\" history > /dev/full", env!("CARGO_BIN_EXE_portcullis")])
        .arg(lab.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write what came of it to standard output: No space left"), "{said}");
}
