//! The real pfctl, on a Mac, as root: `sudo PORTCULLIS_REAL_PF=1 cargo test --test real_pfctl -- --nocapture`.
//!
//! Reads, and loads one rule for a port nobody uses into an anchor of the test's own, which is emptied again. It neither
//! enables nor disables pf, and loads no main ruleset. Elsewhere each test says that it is skipped, and why.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Below Apple's `anchor "com.apple/*"`, as our own anchor is, but not it.
const ANCHOR: &str = "com.apple/100.dev.portcullis.test";
/// Blocks a port that no service is registered for, from a documentation network: harmless even if it stayed.
const RULE: &str = "block return in quick on ! lo0 inet proto tcp from 192.0.2.0/24 to any port = 49151 \
                    label \"portcullis:test:49151\"";

#[test]
fn pfctl_speaks_as_we_read_it() {
    let Some(()) = real("pfctl_speaks_as_we_read_it") else { return };
    let info = pfctl(&["-s", "info"], "");
    assert!(info.status.success(), "{info:?}");
    assert!(text(&info.stdout).starts_with("Status: "), "{}", text(&info.stdout));
    let rules = pfctl(&["-s", "rules"], "");
    assert!(rules.status.success(), "{rules:?}");
    for line in text(&rules.stderr).lines() {
        let noise = line.contains("ALTQ") || line.trim().is_empty();
        assert!(noise, "a line on standard error that is no known noise: {line}");
    }
}

#[test]
fn the_stock_ruleset_calls_the_anchors_of_apple() {
    let Some(()) = real("the_stock_ruleset_calls_the_anchors_of_apple") else { return };
    let check = pfctl(&["-n", "-f", "/etc/pf.conf"], "");
    assert!(check.status.success(), "{}", text(&check.stderr));
    assert!(std::fs::read_to_string("/etc/pf.conf").unwrap().contains("anchor \"com.apple/*\""));
}

#[test]
fn a_bad_rule_is_refused_and_nothing_is_loaded() {
    let Some(()) = real("a_bad_rule_is_refused_and_nothing_is_loaded") else { return };
    let check = pfctl(&["-n", "-a", ANCHOR, "-f", "-"], "pass in prto tcp\n");
    assert!(!check.status.success());
    assert!(text(&check.stderr).contains("syntax error"), "{}", text(&check.stderr));
}

#[test]
fn an_anchor_of_our_own_is_loaded_read_back_and_emptied() {
    let Some(()) = real("an_anchor_of_our_own_is_loaded_read_back_and_emptied") else { return };
    let _emptied = Emptied;
    let rule = format!("{RULE}\n");
    let check = pfctl(&["-n", "-a", ANCHOR, "-f", "-"], &rule);
    assert!(check.status.success(), "{}", text(&check.stderr));
    let load = pfctl(&["-a", ANCHOR, "-f", "-"], &rule);
    assert!(load.status.success(), "{}", text(&load.stderr));
    let read = text(&pfctl(&["-a", ANCHOR, "-s", "rules"], "").stdout);
    assert_eq!(read.trim(), RULE, "pfctl prints our rule otherwise than we write it");
    drop(_emptied);
    let read = text(&pfctl(&["-a", ANCHOR, "-s", "rules"], "").stdout);
    assert_eq!(read.trim(), "");
}

/// Empties the test's anchor, also when a test fails.
struct Emptied;

impl Drop for Emptied {
    fn drop(&mut self) {
        let emptied = pfctl(&["-a", ANCHOR, "-F", "rules"], "");
        if !emptied.status.success() {
            eprintln!("cannot empty {ANCHOR}: {}", text(&emptied.stderr));
        }
    }
}

/// Something on a Mac where these tests are wanted and may run; otherwise it says why `test` is skipped.
fn real(test: &str) -> Option<()> {
    let why = if !cfg!(target_os = "macos") {
        "there is a real pfctl on a Mac only"
    } else if std::env::var_os("PORTCULLIS_REAL_PF").is_none() {
        "PORTCULLIS_REAL_PF is not set"
    } else if !rustix::process::geteuid().is_root() {
        "pf is read by root only: run it with sudo"
    } else {
        return Some(());
    };
    // Past the test runner's capture, so that a skipped test is seen.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
    None
}

fn pfctl(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("/sbin/pfctl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
