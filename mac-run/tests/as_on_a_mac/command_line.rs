//! The command line as Ada types it: the prompt, root's shell, the helper, pf.

use crate::program;
use crate::root::Mac;
use crate::sockets::Listener;

const LEDGER: &str = "/Library/Application Support/Portcullis/ledger.json";
const PREFERENCES: &str = "/Users/ada/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";

fn port(status: &serde_json::Value, number: u16) -> serde_json::Value {
    let ports = status["ports"].as_array().unwrap();
    let found = ports.iter().find(|port| port["port"] == number);
    found.unwrap_or_else(|| panic!("{number} in {status:#}")).clone()
}

#[test]
fn a_stock_mac_is_unknown_until_root_has_looked() {
    let mac = Mac::new();
    let status = mac.status();
    assert_eq!((&status["icon"], &status["firewall"]["state"]), (&"unknown".into(), &"unknown".into()));
    assert!(status["lab"].is_null(), "{status:#}");
    assert!(mac.prompts().is_empty());
    mac.portcullis(&["status", "--check"]).expect(0);
    assert_eq!(mac.status()["firewall"]["state"], "disabled");
    assert_eq!(mac.prompts().len(), 1);
}

#[test]
fn a_port_is_opened_and_closed_behind_prompts() {
    let mac = Mac::new();
    mac.portcullis(&["guard", "on"]).expect(0);
    let opened =
        mac.portcullis(&["open", "2345", "--from", "192.168.1.0/24", "--keep", "--json"]).expect(0).json();
    assert_eq!((&opened["ok"], &opened["outcome"]), (&true.into(), &"changed".into()));
    let status = mac.status();
    let dlv = port(&status, 2345);
    assert_eq!((&dlv["state"], &dlv["from"]), (&"open".into(), &"192.168.1.0/24".into()));
    assert!(mac.rules().contains("to any port = 2345"), "{}", mac.rules());
    assert!(mac.read(LEDGER).contains("2345"));
    let prompts = mac.prompts();
    assert_eq!(prompts.len(), 2);
    let second = prompts[1]["prompt"].as_str().unwrap();
    assert!(
        second.starts_with("Portcullis wants to open port 2345 (dlv) for 192.168.1.0/24 until "),
        "{second}"
    );
    assert!(!second.contains("install"), "{second}");
    let first = prompts[0]["prompt"].as_str().unwrap();
    assert!(first.ends_with("install the part that closes ports in time."), "{first}");
    // Root's own copy, which launchd has.
    let copy = std::fs::read(mac.place("/Library/PrivilegedHelperTools/dev.portcullis.helper")).unwrap();
    assert_eq!(copy, std::fs::read(crate::root::built("portcullis-helper")).unwrap());
    let launchctl = mac.read("/private/var/log/launchctl.log");
    assert!(launchctl.contains("bootstrap system /Library/LaunchDaemons/dev.portcullis"), "{launchctl}");
    mac.portcullis(&["close", "--all"]).expect(0);
    assert!(!mac.rules().contains("keep state"), "{}", mac.rules());
    mac.portcullis(&["guard", "off"]).expect(0);
    assert!(mac.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Disabled"));
}

#[test]
fn what_root_runs_is_a_copy_that_is_gone_afterwards() {
    let mac = Mac::new();
    mac.portcullis(&["guard", "on"]).expect(0);
    let command = mac.prompts()[0]["command"].as_str().unwrap().to_owned();
    assert!(command.contains("/private/var/root/portcullis.") && !command.contains("--lab"), "{command}");
    assert_eq!(std::fs::read_dir(mac.place("/private/var/root")).unwrap().count(), 0);
}

#[test]
fn root_writes_for_ada_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let mac = Mac::new();
    mac.portcullis(&["guard", "on"]).expect(0);
    let mode = |path: &str| mac.place(path).metadata().unwrap().permissions().mode() & 0o7777;
    // The shell behind the prompt has a umask of 077.
    assert_eq!(mode("/Library/Application Support/Portcullis"), 0o755);
    assert_eq!(mode("/Library/Application Support/Portcullis/status.json"), 0o644);
    assert_eq!(mode(LEDGER), 0o644);
    assert_eq!(mode("/Library/Logs/Portcullis/audit.jsonl"), 0o644);
}

#[test]
fn each_answer_to_the_prompt() {
    let mac = Mac::new();
    mac.portcullis(&["guard", "on"]).expect(0);
    let before = mac.substance();
    for (prompt, code, says) in [
        ("cancel", 3, "cancelled"),
        ("deny", 1, "nothing was changed"),
        ("wrong-password", 1, "password"),
        ("not-admin", 1, "administrator"),
        ("no-gui", 1, "sudo '/Library/PrivilegedHelperTools/dev.portcullis.helper'"),
    ] {
        mac.write("/lab.toml", &format!("prompt = \"{prompt}\"\n"));
        let refused = mac.portcullis(&["open", "2345"]).expect(code);
        assert!(refused.err.contains(says), "{prompt}: {}", refused.err);
        assert_eq!(mac.substance(), before, "{prompt} changed something");
    }
}

#[test]
fn another_helper_is_not_started() {
    let mac = Mac::new();
    let helper = mac.place("/Applications/Portcullis.app/Contents/MacOS/portcullis-helper");
    let mut bytes = std::fs::read(&helper).unwrap();
    bytes.push(0);
    // Not in place: the file is one of all tests'.
    std::fs::remove_file(&helper).unwrap();
    std::fs::write(&helper, bytes).unwrap();
    let refused = mac.portcullis(&["guard", "on"]);
    assert!(refused.code != 0 && refused.err.contains("not the one it was built with"), "{refused:?}");
    assert!(mac.prompts().is_empty(), "nobody was asked");
}

fn quarantine(place: &std::path::Path) {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::ffi::CString::new(place.as_os_str().as_bytes()).unwrap();
    let (name, value) = (c"user.com.apple.quarantine", c"0083;");
    // SAFETY: C strings, and a value as long as said.
    let result = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), 5, 0) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// A copy by cp would be killed: root's shell makes one that is not quarantined.
#[test]
fn a_quarantined_app_works_once_it_was_let_through() {
    let mac = Mac::new();
    let helper = "/Applications/Portcullis.app/Contents/MacOS/portcullis-helper";
    let place = mac.place(helper);
    // Not in place: the file is one of all tests'.
    let bytes = std::fs::read(&place).unwrap();
    program::write(&place, bytes);
    quarantine(&place);
    mac.portcullis(&["guard", "on"]).expect(0);
    for (copy, code) in [("/bin/cp \"$1\" /tmp/copy", 137), ("/bin/cat \"$1\" > /tmp/copy", 0)] {
        let script = format!("{copy}; /bin/chmod 0700 /tmp/copy; /tmp/copy status; exit $?");
        crate::root::Said::of(mac.shell(&script).arg(helper).output().unwrap()).expect(code);
        std::fs::remove_file(mac.place("/private/tmp/copy")).unwrap();
    }
}

#[test]
fn a_helper_that_changes_behind_the_prompt_is_not_run() {
    let mac = Mac::new();
    mac.wrap("/bin/cat", "$real \"$@\"; echo x");
    let refused = mac.portcullis(&["guard", "on"]).expect(1);
    assert!(refused.err.contains("the helper changed after it was checked"), "{}", refused.err);
    assert!(!mac.place(LEDGER).exists());
}

#[test]
fn the_classic_way_edits_pf_conf_and_leaves_no_trace() {
    let mac = Mac::new();
    let stock = mac.read("/etc/pf.conf");
    mac.portcullis(&["prefs", "way", "classic"]).expect(0);
    assert!(mac.read(PREFERENCES).contains("classic"));
    mac.portcullis(&["guard", "on"]).expect(0);
    mac.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let edited = mac.read("/etc/pf.conf");
    assert!(edited.starts_with(&stock) && edited.contains("load anchor \"dev.portcullis\""), "{edited}");
    assert!(mac.pfctl(&["-s", "rules"]).expect(0).out.contains("anchor \"dev.portcullis\" all"));
    mac.portcullis(&["close", "--all"]).expect(0);
    mac.portcullis(&["guard", "off"]).expect(0);
    assert_eq!(mac.read("/etc/pf.conf"), stock);
}

#[test]
fn a_dry_run_asks_nobody_and_changes_nothing() {
    let mac = Mac::new();
    mac.portcullis(&["guard", "on"]).expect(0);
    let (before, prompts) = (mac.substance(), mac.prompts().len());
    let shown = mac.portcullis(&["open", "2345", "--from", "any", "--dry-run", "--json"]).expect(0).json();
    let diff = shown["diff"].to_string();
    assert!(diff.contains("+pass in quick on ! lo0 proto tcp from any to any port = 2345"), "{diff}");
    assert_eq!((mac.substance(), mac.prompts().len()), (before, prompts));
}

#[test]
fn explain_reads_what_root_saw() {
    let mac = Mac::new();
    mac.portcullis(&["guard", "on"]).expect(0);
    let said = mac.portcullis(&["explain", "2345", "--json"]);
    let verdict = said.json();
    assert_eq!((said.code, &verdict["verdict"]), (1, &"block".into()), "{verdict:#}");
}

#[test]
fn settings_for_an_editor_are_copied() {
    let mac = Mac::new();
    mac.write(PREFERENCES, "[[port]]\nname = \"api\"\nport = 7100\ndebugger = \"delve\"\n");
    mac.portcullis(&["connect", "api", "--host", "büro.local", "--copy"]).expect(0);
    let copied = mac.read("/private/var/pasteboard");
    assert!(copied.contains("7100") && copied.contains("büro.local"), "{copied}");
}

#[test]
fn bad_usage_ends_with_2() {
    let mac = Mac::new();
    for arguments in [&["open"][..], &["open", "0"], &["open", "22"], &["guard", "maybe"], &["levitate"]] {
        let said = mac.portcullis(arguments).expect(2);
        assert!(!said.err.is_empty());
    }
    assert!(mac.prompts().is_empty());
}

#[test]
fn help_version_and_completions() {
    let mac = Mac::new();
    for arguments in [&["--help"][..], &["--version"], &["completions", "zsh"]] {
        assert!(!mac.portcullis(arguments).expect(0).out.is_empty());
    }
}

#[test]
fn the_application_firewall_is_asked() {
    let mac = Mac::new();
    let listener = Listener::start("0.0.0.0:0", Some("501")).unwrap();
    mac.portcullis(&["open", &listener.port.to_string(), "--from", "any"]).expect(0);
    let situation = |settings: &str| {
        mac.write("/lab.toml", settings);
        port(&mac.status(), listener.port)["situation"].clone()
    };
    assert_eq!(situation(""), "reachable");
    assert_eq!(situation("application_firewall = \"block-all\""), "blocked-by-app-firewall");
}
