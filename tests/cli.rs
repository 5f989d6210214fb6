//! The command line end to end, in a lab: prompt, helper and pf are the real programs of this package.

mod common;

use common::{Lab, program};
use portcullis::lab::osascript::PROMPTS_LOG;
use portcullis::port::PortRange;
use portcullis::prefs::Preferences;
use portcullis::system::{AUDIT, LEDGER, STATUS};

const PREFERENCES: &str = "/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";
const STOCK: &[u8] = include_bytes!("../resources/stock-pf.conf");

fn port(status: &serde_json::Value, number: u16) -> serde_json::Value {
    let ports = status["ports"].as_array().unwrap();
    ports
        .iter()
        .find(|port| port["port"] == number)
        .unwrap_or_else(|| panic!("{number} in {status:#}"))
        .clone()
}

#[test]
fn a_day_from_morning_to_evening() {
    let lab = Lab::new();
    let fresh = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&fresh["version"], &fresh["icon"]), (&1.into(), &"unknown".into()));
    assert_eq!(fresh["firewall"]["state"], "unknown");
    assert_eq!(fresh["lab"], lab.path().to_str().unwrap());

    lab.portcullis(&["guard", "on"]).expect(0);
    let guarded = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&guarded["icon"], &guarded["firewall"]["state"]), (&"closed".into(), &"enabled".into()));
    assert_eq!(port(&guarded, 2345)["state"], "closed");
    assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Enabled"));
    assert!(lab.pfctl(&["-s", "References"]).expect(0).out.contains("portcullis-helper"));

    let opened = lab.portcullis(&["open", "2345", "--from", "192.168.1.0/24", "--json"]).expect(0).json();
    assert_eq!((&opened["ok"], &opened["outcome"]), (&true.into(), &"changed".into()));
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["icon"], &status["open"]), (&"open".into(), &1.into()));
    let dlv = port(&status, 2345);
    assert_eq!((&dlv["state"], &dlv["from"]), (&"open".into(), &"192.168.1.0/24".into()));
    assert_eq!(dlv["pf"], serde_json::json!({"loopback": "yes", "network": "yes", "anyone": "no"}));
    assert_eq!(
        port(&status, 9229)["pf"],
        serde_json::json!({"loopback": "yes", "network": "no", "anyone": "no"})
    );
    let rules = lab.rules();
    assert!(rules.contains("from <portcullis_2345> to any port = 2345"), "{rules}");
    let table =
        lab.pfctl(&["-a", "com.apple/100.dev.portcullis", "-t", "portcullis_2345", "-T", "show"]).expect(0);
    assert_eq!(table.out.trim(), "192.168.1.0/24");

    let again = lab.portcullis(&["open", "2345", "--from", "192.168.1.0/24", "--json"]).expect(0).json();
    assert_eq!(again["outcome"], "unchanged");

    lab.portcullis(&["close", "--all", "--json"]).expect(0);
    let closed = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&closed["icon"], &closed["open"]), (&"closed".into(), &0.into()));
    assert!(!lab.rules().contains("keep state"));

    lab.portcullis(&["guard", "off"]).expect(0);
    let off = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&off["icon"], &off["firewall"]["state"]), (&"off".into(), &"disabled".into()));
    assert_eq!(lab.rules(), "");
    assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Disabled"));
    assert!(!lab.file("/etc/pf.anchors/dev.portcullis").exists());
    assert_eq!(lab.read("/etc/pf.conf"), STOCK, "never touched in the default way");
}

#[test]
fn the_classic_way_leaves_no_trace() {
    let text = String::from_utf8(STOCK.to_vec()).unwrap();
    let recipe =
        "anchor \"com.golang.dlv\"\nload anchor \"com.golang.dlv\" from \"/etc/pf.anchors/com.golang.dlv\"\n";
    for conf in [
        text.clone(),
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
        format!("{text}{recipe}"),
        format!("{}\n{}", text.trim_end(), recipe.trim_end()),
    ] {
        let lab = Lab::new();
        lab.write("/etc/pf.conf", &conf);
        lab.write("/etc/pf.anchors/com.golang.dlv", "pass in proto tcp from any to any port 2345\n");
        lab.portcullis(&["prefs", "way", "classic"]).expect(0);
        lab.portcullis(&["guard", "on"]).expect(0);
        lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
        let edited = String::from_utf8(lab.read("/etc/pf.conf")).unwrap();
        assert!(edited.starts_with(&conf) && edited.contains("load anchor \"dev.portcullis\""), "{edited}");
        let loaded = lab.pfctl(&["-s", "rules"]).expect(0).out;
        assert!(loaded.contains("anchor \"dev.portcullis\" all"), "{loaded}");
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        assert_eq!((&status["icon"], &status["firewall"]["way"]), (&"open".into(), &"classic".into()));
        if conf.contains("com.golang.dlv") {
            assert!(status["notes"].to_string().contains("com.golang.dlv"), "{:#}", status["notes"]);
        }
        lab.portcullis(&["close", "--all"]).expect(0);
        lab.portcullis(&["guard", "off"]).expect(0);
        assert_eq!(lab.read("/etc/pf.conf"), conf.as_bytes());
        assert!(!lab.pfctl(&["-s", "rules"]).expect(0).out.contains("dev.portcullis"));
        assert!(lab.file("/etc/pf.anchors/com.golang.dlv").exists());
    }
}

#[test]
fn the_way_can_change_while_ports_are_open() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "dlv"]).expect(0);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["open", "node"]).expect(0);
    assert_eq!(lab.rules(), "");
    assert!(lab.pfctl(&["-a", "dev.portcullis", "-s", "rules"]).expect(0).out.contains("9229"));
    lab.portcullis(&["prefs", "way", "apple"]).expect(0);
    // A closing keeps the way in use.
    lab.portcullis(&["close", "node"]).expect(0);
    assert_eq!(lab.rules(), "");
    lab.portcullis(&["guard", "on"]).expect(0);
    assert!(lab.rules().contains("2345"));
    assert_eq!(lab.pfctl(&["-a", "dev.portcullis", "-s", "rules"]).expect(0).out, "");
    assert_eq!(lab.read("/etc/pf.conf"), STOCK);
}

#[test]
fn rules_that_others_loaded_are_not_lost() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let with_vpn = format!("{}anchor \"com.vpn\"\n", String::from_utf8_lossy(STOCK));
    lab.write("/tmp/vpn.conf", with_vpn);
    lab.pfctl(&["-f", lab.file("/tmp/vpn.conf").to_str().unwrap()]).expect(0);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    let before = lab.pfctl(&["-s", "rules"]).expect(0).out;
    let refused = lab.portcullis(&["guard", "on"]).expect(1);
    assert!(
        refused.err.contains("anchor \"com.vpn\" all") && refused.err.contains("nothing was changed"),
        "{}",
        refused.err
    );
    assert_eq!(lab.pfctl(&["-s", "rules"]).expect(0).out, before);
    lab.portcullis(&["prefs", "way", "auto"]).expect(0);
    lab.portcullis(&["guard", "on"]).expect(0);
    assert_eq!(lab.pfctl(&["-s", "rules"]).expect(0).out, before);
}

#[test]
fn each_answer_to_the_prompt() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    for (prompt, code, says) in [
        ("cancel", 3, "cancelled"),
        ("deny", 1, "nothing was changed"),
        ("wrong-password", 1, "password"),
        ("not-admin", 1, "administrator"),
        ("no-gui", 1, "sudo"),
    ] {
        lab.write("/lab.toml", format!("prompt = \"{prompt}\"\n"));
        let before = without_prompts(&lab);
        let refused = lab.portcullis(&["open", "2345"]).expect(code);
        assert!(refused.err.contains(says), "{prompt}: {}", refused.err);
        assert_eq!(without_prompts(&lab), before, "{prompt} changed something");
        let json = lab.portcullis(&["open", "2345", "--json"]).expect(code).json();
        assert_eq!((&json["ok"], &json["outcome"]), (&false.into(), &"unchanged".into()));
    }
}

/// The tree but for the list of prompts that were shown.
fn without_prompts(lab: &Lab) -> std::collections::BTreeMap<std::path::PathBuf, String> {
    let mut tree = lab.tree();
    tree.retain(|path, _| !path.ends_with("prompts.log"));
    tree
}

#[test]
fn bad_usage_changes_nothing() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let before = lab.tree();
    for arguments in [
        &["open"][..],
        &["open", "0"],
        &["open", "65536"],
        &["open", "30-20"],
        &["open", "22"],
        &["open", "2345", "2340-2350"],
        &["open", "delve"],
        &["open", "2345", "--from", "everybody"],
        &["open", "2345", "--from", "any", "10.0.0.1"],
        &["open", "2345", "--from", "0.0.0.0/0"],
        &["open", "1024-60000"],
        &["close"],
        &["close", "2345", "--all"],
        &["guard", "maybe"],
        &["guard"],
        &["prefs", "way", "sideways"],
        &["prefs", "colour", "red"],
        &["prefs", "show"],
        &["levitate"],
    ] {
        let said = lab.portcullis(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {} {}", said.out, said.err);
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
    assert_eq!(lab.tree(), before);
}

#[test]
fn random_bytes_as_input_end_in_an_error() {
    use std::os::unix::ffi::OsStrExt as _;
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let before = lab.tree();
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..200 {
        // NUL cannot stand in an argument.
        let bytes: Vec<u8> = (0..=round % 40).map(|_| random.u8(1..)).collect();
        let comment = bytes.starts_with(b"#") || String::from_utf8_lossy(&bytes).trim().is_empty();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.parse::<PortRange>().is_err(), "{text:?}");
        assert!(Preferences::parse(&text).is_err() || comment, "{text:?}");
        // A process for each of them takes long.
        if round % 5 != 0 {
            continue;
        }
        let argument = std::ffi::OsStr::from_bytes(&bytes);
        for (program, verb) in
            [(env!("CARGO_BIN_EXE_portcullis"), "open"), (env!("CARGO_BIN_EXE_helper-lab"), "close")]
        {
            let mut command = assert_cmd::Command::new(program);
            command.arg("--lab").arg(lab.path()).arg(verb).arg(argument);
            let code = command.output().unwrap().status.code();
            assert_eq!(code, Some(2), "{verb} {bytes:?}");
        }
        if round % 4 == 0 {
            lab.write(PREFERENCES, &bytes);
            let said = lab.portcullis(&["status"]).expect(0);
            assert!(said.out.contains("! the preferences do not read: line ") || comment, "{bytes:?}");
            assert!(lab.portcullis(&["ports"]).code == 2 || comment, "{bytes:?}");
            std::fs::remove_file(lab.file(PREFERENCES)).unwrap();
        }
    }
    let mut after = lab.tree();
    // What was refused is in the audit: tests/history.rs.
    after.retain(|path, _| before.contains_key(path) && !path.starts_with("Library/Logs"));
    let mut before = before;
    before.retain(|path, _| after.contains_key(path));
    assert!(before.len() > 10);
    assert_eq!(after, before);
}

#[test]
fn completions_and_help_need_no_lab() {
    for arguments in [&["completions", "zsh"][..], &["--help"], &["--version"], &["open", "--help"]] {
        let output =
            assert_cmd::Command::new(env!("CARGO_BIN_EXE_portcullis")).args(arguments).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_dry_run_shows_and_changes_nothing() {
    let lab = Lab::new();
    let unseen = lab.portcullis(&["open", "2345", "--dry-run"]).expect(1);
    assert!(unseen.err.contains("status --check"), "{}", unseen.err);
    lab.portcullis(&["guard", "on"]).expect(0);
    let before = lab.tree();
    let shown = lab.portcullis(&["open", "2345", "--from", "any", "--dry-run", "--json"]).expect(0).json();
    let diff = shown["diff"].to_string();
    assert!(diff.contains("+pass in quick on ! lo0 proto tcp from any to any port = 2345"), "{diff}");
    let anyone = shown["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["first"] == 2345 && row["from"] == "anyone");
    let anyone = anyone.unwrap();
    assert_eq!((&anyone["before"], &anyone["after"]), (&"block".into(), &"pass".into()));
    assert!(
        lab.portcullis(&["close", "--all", "--dry-run"])
            .expect(0)
            .out
            .contains("no client would reach more or less")
    );
    lab.portcullis(&["open", "22", "--dry-run"]).expect(2);
    assert_eq!(lab.tree(), before);
}

#[test]
fn explain_and_check_need_files_alone() {
    let lab = Lab::new();
    lab.write("/anchors/com.golang.dlv", "pass in proto tcp from any to any port 2345\n");
    let conf = |rules: &str| {
        lab.write("/pf.conf", rules);
        lab.file("/pf.conf").to_str().unwrap().to_owned()
    };
    let anchors = lab.file("/anchors").to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let output =
            assert_cmd::Command::new(env!("CARGO_BIN_EXE_portcullis")).args(arguments).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), out)
    };
    let load = "load anchor \"com.golang.dlv\" from \"/etc/pf.anchors/com.golang.dlv\"\n";
    for (rules, code, says) in [
        ("block drop in all\n".to_owned(), 1, "blocked by rule 0"),
        (
            format!("block drop in all\nanchor \"com.golang.dlv\"\n{load}"),
            0,
            "passed by rule 0 of anchor com.golang.dlv",
        ),
        (format!("block drop in all\n{load}"), 1, "no ruleset calls the anchor"),
        ("block in from 192.0.2.7\n".to_owned(), 0, "no rule matches"),
        ("block in proto tcp to port 2345 probability 50%\n".to_owned(), 3, "unknown"),
        ("block in inet from 192.168.0.0/16\n".to_owned(), 1, "over IPv6: passed: no rule matches"),
        (
            "pas all\nblock quick all\n".to_owned(),
            3,
            "unknown: pfctl would load nothing of this file, for its problem (line 1)",
        ),
        ("anchor \"y\"\nload anchor \"y\" from \"/nowhere/y\"\n".to_owned(), 3, "the rules in /nowhere/y"),
    ] {
        let file = conf(&rules);
        let (status, out) = run(&["explain", "2345", "--conf", &file, "--anchors", &anchors]);
        assert_eq!(status, Some(code), "{rules}: {out}");
        assert!(out.contains(says), "{rules}: {out}");
        let (status, out) = run(&["explain", "dlv", "--conf", &file, "--anchors", &anchors, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let verdict = match code {
            0 => "pass",
            1 => "block",
            _ => "unknown",
        };
        assert_eq!((status, &json["verdict"]), (Some(code), &verdict.into()));
        assert!(json["because"].is_string() && json["trail"].is_array());
    }
    let file = conf("block in from 192.0.2.7\n");
    assert_eq!(run(&["explain", "2345", "--conf", &file, "--from", "192.0.2.7"]).0, Some(1));
    assert_eq!(run(&["explain", "2345", "--conf", "/nowhere/pf.conf"]).0, Some(2));
    assert_eq!(run(&["explain", "0", "--conf", &file]).0, Some(2));
    let (status, out) = run(&["explain", "2345-2350", "--conf", &file]);
    assert!(status == Some(0) && out.contains("port 2345 was asked about, of 2345-2350"), "{out}");
    assert_eq!(run(&["explain", "2345", "--conf", &file, "--from", "loopback", "--on", "en0"]).0, Some(2));
    assert_eq!(run(&["explain", "2345", "--conf", &file, "--on", "lo0", "--json"]).0, Some(0));
    assert_eq!(run(&["explain", "2345", "--conf", &file, "--from", "somebody"]).0, Some(2));
    lab.write("/anchors/outer", "load anchor \"inner\" from \"/etc/pf.anchors/inner\"\n");
    lab.write("/anchors/inner", "pas all\n");
    let nested = conf("anchor \"outer\"\nload anchor \"outer\" from \"/etc/pf.anchors/outer\"\n");
    let (status, out) = run(&["check", &nested]);
    if cfg!(target_os = "macos") {
        // There the file that is named would be loaded.
        assert!(
            status == Some(1) && out.contains("cannot load anchor outer from /etc/pf.anchors/outer"),
            "{out}"
        );
    } else {
        assert!(status == Some(0) && out.contains("it was not looked at; --anchors"), "{out}");
    }
    let (status, out) = run(&["check", &nested, "--anchors", &anchors]);
    assert!(status == Some(1) && out.contains("/etc/pf.anchors/inner:1:1"), "{out}");
    lab.write("/anchors/inner", "load anchor \"inner\" from \"/etc/pf.anchors/inner\"\n");
    let (status, out) = run(&["check", &nested, "--anchors", &anchors]);
    assert!(status == Some(1) && out.contains("more than 1000 files"), "{out}");
    let (status, out) = run(&["check", &conf("pass in proto { tcp\nudp }")]);
    assert!(status == Some(1) && out.contains("1 problem: macOS's pfctl would load nothing of it"), "{out}");
    assert!(out.contains("refuses this: the last line of a file needs a line end"), "{out}");
    assert!(out.contains("note: ") && out.contains("safe only behind a `\\`"), "{out}");
    let file = conf("block in from 192.0.2.7\n");
    assert_eq!(run(&["check", &file]).0, Some(0));
    let file = conf("block in from\npas in\nblock all\n");
    let (status, out) = run(&["check", &file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, json["problems"].as_array().unwrap().len()), (Some(1), 2));
    assert_eq!(json["problems"][1]["line"], 2);
    assert_eq!(run(&["check", "/nowhere/pf.conf"]).0, Some(2));
}

#[test]
fn explain_follows_what_is_loaded() {
    let lab = Lab::new();
    assert_eq!(lab.portcullis(&["explain", "2345", "--json"]).expect(3).json()["verdict"], "unknown");
    lab.portcullis(&["guard", "on"]).expect(0);
    let blocked = lab.portcullis(&["explain", "2345"]).expect(1);
    assert!(
        blocked.out.starts_with("blocked by rule") && blocked.out.contains("portcullis:dlv:2345"),
        "{}",
        blocked.out
    );
    lab.portcullis(&["open", "2345", "--from", "10.0.0.0/8"]).expect(0);
    lab.portcullis(&["explain", "2345", "--from", "10.1.2.3"]).expect(0);
    lab.portcullis(&["explain", "2345", "--from", "192.168.1.9"]).expect(1);
    lab.portcullis(&["explain", "2345", "--from", "loopback"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    lab.portcullis(&["close", "--all"]).expect(0);
    assert!(lab.portcullis(&["explain", "2345"]).expect(0).out.contains("pf is off"));
}

#[test]
fn a_change_that_would_not_do_what_was_asked_is_undone() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    // Another's quick rule before our anchor is called: no rule of ours can pass.
    let conf = String::from_utf8(include_bytes!("../resources/stock-pf.conf").to_vec()).unwrap();
    let conf = conf.replace(
        "anchor \"com.apple/*\"\nload",
        "block drop in quick proto tcp to port 2345\nanchor \"com.apple/*\"\nload",
    );
    assert!(conf.contains("quick"));
    lab.write("/etc/pf.conf", &conf);
    lab.pfctl(&["-f", lab.file("/etc/pf.conf").to_str().unwrap()]).expect(0);
    let rules = lab.rules();
    let refused = lab.portcullis(&["open", "2345", "--from", "any"]).expect(4);
    assert!(
        refused.err.contains("blocked by rule 0 (`portcullis explain 2345`")
            && refused.err.contains("put back"),
        "{}",
        refused.err
    );
    assert!(!String::from_utf8(lab.read(AUDIT)).unwrap().contains("block drop in quick"));
    let explained = lab.portcullis(&["explain", "2345"]).expect(0).out;
    assert!(explained.contains("were pf on: blocked by rule 0 `block drop in quick"), "{explained}");
    assert_eq!(lab.rules(), rules);
}

/// Each face words the same state: JSON, the row, the guard's line, the sentence, doctor.
#[test]
fn no_face_says_closed_where_pf_lets_others_in() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let before_ours = "pass in quick proto tcp from any to any port 9229\n";
    lab.write("/other.conf", before_ours);
    lab.pfctl(&["-a", "com.apple/050.other", "-f", lab.file("/other.conf").to_str().unwrap()]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["icon"], &status["open"]), (&"open".into(), &1.into()));
    assert_eq!(status["sentence"], "1 port is let in although our rules close it: 9229 (node)");
    assert_eq!(
        (&port(&status, 9229)["state"], &port(&status, 2345)["state"]),
        (&"let-in".into(), &"closed".into())
    );
    let text = lab.portcullis(&["status"]).expect(0).out;
    assert!(text.contains("node       closed in our rules, yet let in"), "{text}");
    assert!(text.contains("guard on, yet pf lets other machines in"), "{text}");
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(doctor.contains("our rules close 9229 (node), and pf lets other machines in"), "{doctor}");
    assert!(doctor.contains("do: see which rule lets them in: `portcullis explain 9229`"), "{doctor}");
    assert!(
        lab.portcullis(&["explain", "9229"])
            .expect(0)
            .out
            .contains("passed by rule 0 of anchor com.apple/050.other")
    );
    // pf that was switched off closes nothing, and the command that is named mends it.
    lab.pfctl(&["-a", "com.apple/050.other", "-F", "rules"]).expect(0);
    lab.pfctl(&["-d"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["icon"], &port(&status, 2345)["state"]), (&"off".into(), &"let-in".into()));
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(doctor.contains("do: have pf enabled again: `portcullis guard on`"), "{doctor}");
    lab.portcullis(&["guard", "on"]).expect(0);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["icon"], &port(&status, 2345)["state"]), (&"closed".into(), &"closed".into()));
}

/// A rule of others for one network is in no answer for "anyone", and is said all the same.
#[test]
fn a_network_that_others_let_in_or_keep_out_is_said() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let others = |rule: &str| {
        lab.write("/other.conf", format!("{rule}\n"));
        let file = lab.file("/other.conf").display().to_string();
        lab.pfctl(&["-a", "com.apple/050.other", "-f", &file]).expect(0);
        // Without a look it is not known, and what is closed already is not asked about.
        lab.portcullis(&["status", "--check"]).expect(0);
    };
    // A policy of this Mac's: nothing is undone for it.
    others("pass in quick from 203.0.113.0/24 to any");
    let closed = lab.portcullis(&["close", "2345"]).expect(0).out;
    let lets = "rule 0 of anchor com.apple/050.other lets some addresses in to ports";
    assert!(closed.contains(lets) && !closed.contains("refused"), "{closed}");
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    let dlv = port(&status, 2345);
    assert_eq!(
        (&status["icon"], &dlv["state"], &dlv["pf"]["anyone"]),
        (&"open".into(), &"let-in".into(), &"no".into())
    );
    assert_eq!(dlv["exceptions"], serde_json::json!([{"clients": "some addresses", "pf": "yes"}]));
    assert!(status["notes"].to_string().contains(lets), "{status:#}");
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(doctor.contains("seen: rule 0: `pass in quick inet from 203.0.113.0/24 to any"), "{doctor}");
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    // Rules for the port itself name their clients. They are another program's, and refuse nothing.
    others("block in quick proto tcp from 203.0.113.0/24 to any port 5678");
    let opened = lab.portcullis(&["open", "5678", "--from", "any"]).expect(0).out;
    assert!(opened.contains("keeps 203.0.113.0/24 out of port 5678, which our rules open"), "{opened}");
    others("pass in quick proto tcp from 203.0.113.0/24 to any port 9229");
    let said = lab.portcullis(&["close", "9229", "--json"]).json();
    assert_eq!((&said["ok"], &said["outcome"]), (&true.into(), &"changed".into()), "{said:#}");
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("lets 203.0.113.0/24 in to port 9229, which our rules close"), "{message}");
    assert!(message.starts_with("port 9229 (node) is closed in our rules"), "{message}");
    assert_eq!(port(&said["status"], 9229)["state"], "let-in");
    let explained = lab.portcullis(&["explain", "9229", "--from", "203.0.113.2"]).expect(0).out;
    assert!(
        explained.starts_with("passed by rule 0 of anchor com.apple/050.other; it is quick")
            && explained.contains("\n  pass in quick"),
        "{explained}"
    );
}

#[test]
fn the_application_firewall_is_asked_about_the_program_that_listens() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    let lab = Lab::new();
    lab.portcullis(&["open", &number.to_string(), "--from", "any"]).expect(0);
    let state = |settings: &str| {
        lab.write("/lab.toml", settings);
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        let port = port(&status, number);
        assert_eq!(port["in_use"], true);
        port["situation"].as_str().unwrap().to_owned()
    };
    let this = std::env::current_exe().unwrap().canonicalize().unwrap();
    assert_eq!(state(""), "reachable");
    assert_eq!(state("application_firewall = \"on\""), "unknown");
    let blocks = format!("application_firewall = \"on\"\napplication_firewall_blocks = [{this:?}]");
    assert_eq!(state(&blocks), "blocked-by-app-firewall");
    assert_eq!(state("application_firewall = \"block-all\""), "blocked-by-app-firewall");
}

/// A lab with the guard on and 2345, 7100 (mine) and 9000 open, whose preferences are these bytes then, or a folder.
fn lab_with_spoilt_preferences(bytes: Option<&[u8]>) -> Lab {
    let lab = Lab::new();
    lab.write(PREFERENCES, "[[port]]\nname = \"mine\"\nport = 7100\n");
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "mine", "9000", "--from", "any"]).expect(0);
    std::fs::remove_file(lab.file(PREFERENCES)).unwrap();
    match bytes {
        Some(bytes) => lab.write(PREFERENCES, bytes),
        None => std::fs::create_dir(lab.file(PREFERENCES)).unwrap(),
    }
    lab
}

#[test]
fn a_closing_that_rules_of_others_contradict_says_so_each_time() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.write("/tmp/vpn.conf", "pass in quick proto tcp from any to any port 2345\n");
    let vpn = lab.file("/tmp/vpn.conf");
    lab.pfctl(&["-a", "com.apple/050.vpn", "-f", vpn.to_str().unwrap()]).expect(0);
    for outcome in ["changed", "unchanged"] {
        let said = lab.portcullis(&["close", "2345", "--json"]).json();
        assert_eq!((&said["ok"], &said["outcome"]), (&false.into(), &outcome.into()), "{said:#}");
        let message = said["message"].as_str().unwrap();
        assert!(message.contains("050.vpn") && !message.contains("is closed"), "{message}");
    }
}

#[test]
fn no_face_says_closed_where_others_flushed_our_rules() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.pfctl(&["-F", "all"]).expect(0);
    let said = lab.portcullis(&["status", "--check"]).expect(0).out;
    assert!(!said.contains("are blocked from other machines") && !said.contains(" closed, "), "{said}");
    assert!(
        said.contains("closed in our rules, yet let in") && said.contains("guard on, and without effect"),
        "{said}"
    );
    assert!(said.contains("  ! "), "{said}");
}

#[test]
fn what_is_open_is_known_whatever_root_saw() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let before = lab.read(STATUS);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let opened = lab.read(STATUS);
    let shown = |what: &str| {
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        assert_eq!((&status["icon"], &status["open"]), (&"open".into(), &1.into()), "{what}: {status:#}");
        let port = port(&status, 2345);
        assert_eq!((&port["state"], &port["from"]), (&"open".into(), &"any".into()), "{what}");
        assert_eq!(port["pf"]["network"], "unknown", "{what}");
        lab.portcullis(&["explain", "2345"]).expect(3);
    };
    lab.write(STATUS, &before);
    shown("root was killed before it wrote down what it saw");
    lab.write(
        STATUS,
        String::from_utf8(opened.clone()).unwrap().replacen("\"boot\":", "\"boot\": \"x\",\"b\":", 1),
    );
    shown("it does not read");
    std::fs::remove_file(lab.file(STATUS)).unwrap();
    shown("it is gone");
    lab.portcullis(&["close", "2345"]).expect(0);
    lab.write(STATUS, &opened);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["icon"], &port(&status, 2345)["state"]), (&"unknown".into(), &"unknown".into()));
    assert!(
        status["sentence"].as_str().unwrap().contains("not looked at since the last change"),
        "{status:#}"
    );
    lab.portcullis(&["status", "--check"]).expect(0);
    assert_eq!(lab.portcullis(&["status", "--json"]).expect(0).json()["icon"], "closed");
}

/// A mistake, bytes that are no text, a key that there is not, and (`None`) a file that cannot be read even by root.
const SPOILT: [(&str, Option<&[u8]>); 4] = [
    ("line 1, column 9", Some(b"show = [\n")),
    ("line 2, column 3: byte 3 is not UTF-8", Some(b"\n# \xff")),
    ("line 1, column 1: unknown field `colour`", Some(b"colour = \"red\"")),
    ("Is a directory", None),
];

#[test]
fn with_spoilt_preferences_ports_close_and_do_not_open() {
    for (says, bytes) in SPOILT {
        let lab = lab_with_spoilt_preferences(bytes);
        opening_needs_the_preferences(&lab, says);
        closing_needs_no_preferences(&lab, says);
    }
}

fn closing_needs_no_preferences(lab: &Lab, says: &str) {
    let notes = |text: &str| text.contains(says) && text.contains("ports can be closed and not opened");

    let shown = lab.portcullis(&["status"]).expect(0).out;
    assert!(notes(&shown) && shown.contains("7100        mine       open for anyone"), "{shown}");
    let shown = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!((&shown["open"], &shown["icon"]), (&3.into(), &"open".into()));
    assert_eq!(port(&shown, 2345)["title"], "Delve (Go)");
    assert!(notes(shown["notes"][0].as_str().unwrap()), "{shown:#}");

    // Each command says the same of each: one is tried in all.
    if says == SPOILT[0].0 {
        let closed = lab.portcullis(&["close", "mine"]).expect(0).out;
        assert!(closed.starts_with("port 7100 (mine) is closed") && notes(&closed), "{closed}");
        let closed = lab.portcullis(&["close", "dlv", "--json"]).expect(0).json();
        assert_eq!((&closed["outcome"], &closed["status"]["open"]), (&"changed".into(), &1.into()));
        assert!(notes(closed["status"]["notes"][0].as_str().unwrap()), "{closed:#}");
    }
    let closed = lab.portcullis(&["close", "--all"]).expect(0).out;
    assert!(closed.starts_with("every debug port is closed") && notes(&closed), "{closed}");
    assert!(!lab.rules().contains("keep state"));
    let off = lab.portcullis(&["guard", "off", "--json"]).expect(0).json();
    assert_eq!((&off["ok"], &off["status"]["firewall"]["guard"]), (&true.into(), &"off".into()));
    assert_eq!(lab.rules(), "");
}

fn opening_needs_the_preferences(lab: &Lab, says: &str) {
    let before = lab.tree();
    for command in [&["open", "5678"][..], &["guard", "on"]] {
        let refused = lab.portcullis(command).expect(2);
        assert!(refused.err.contains(says), "{command:?}: {}", refused.err);
        let refused = lab.portcullis(&[command, &["--json"]].concat()).expect(2).json();
        assert_eq!((&refused["ok"], &refused["outcome"]), (&false.into(), &"unchanged".into()));
    }
    // Only the preferences could know this name.
    let unknown = lab.portcullis(&["close", "mine,other"]).expect(2).err;
    assert!(unknown.contains("\"other\" at column 6") && unknown.contains(says), "{unknown}");
    assert!(unknown.contains("(open: 2345, 7100, 9000)"), "{unknown}");
    let unknown = lab.portcullis(&["close", "other", "--json"]).expect(2).json();
    assert!(unknown["message"].as_str().unwrap().contains("(open: 2345, 7100, 9000)"), "{unknown:#}");
    let dry = lab.portcullis(&["close", "mine", "--dry-run", "--json"]).expect(0).json();
    assert!(dry["diff"].to_string().contains("portcullis:mine:7100"), "{dry:#}");
    assert!(dry["notes"][0].as_str().unwrap().contains(says), "{dry:#}");
    assert_eq!(lab.tree(), before, "{says}: something was changed");
}

#[test]
fn without_preferences_nothing_is_added_to_what_is_ours_to_close() {
    let lab = Lab::new();
    lab.write(PREFERENCES, "show = [\"dlv\"]\n");
    lab.portcullis(&["guard", "on"]).expect(0);
    let managed =
        || serde_json::from_slice::<serde_json::Value>(&lab.read(LEDGER)).unwrap()["managed"].clone();
    let before = managed();
    lab.write(PREFERENCES, "show = [\n");
    lab.portcullis(&["close", "--all"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    assert_eq!((managed(), &before), (before.clone(), &serde_json::json!([{"name": "dlv", "port": 2345}])));
}

#[test]
fn what_is_wrong_with_the_preferences_comes_before_their_path() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    for (text, says) in [
        ("show = 5", "line 1, column 8, key show: invalid type: integer `5`"),
        ("\nway = \"side\"", "line 2, column 7, key way: unknown variant `side`"),
        ("[[port]]\nname = \"UP\"\nport = 1", "line 2, column 8, key port.name: \"UP\" is no name"),
        ("[[port]]\nname = \"a\"\nport = 22", "port 22 of a lies below 1024"),
    ] {
        lab.write(PREFERENCES, text);
        let refused = lab.portcullis(&["open", "2345"]).expect(2).err;
        let (problem, path) = (refused.find(says), refused.find(PREFERENCES));
        assert!(problem.is_some() && problem < path && path.is_some(), "{text}: {refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

/// What root makes of a damaged ledger is root's affair: it is asked.
#[test]
fn a_damaged_file_of_roots_keeps_no_closing_from_root() {
    let lab = lab_with_spoilt_preferences(Some(b"show = [\n"));
    lab.write(STATUS, "{");
    lab.portcullis(&["close", "9000"]).expect(0);
    assert!(!lab.rules().contains("port = 9000 flags any keep state"));
    lab.write(LEDGER, "{");
    lab.write(STATUS, "{");
    assert_eq!(lab.portcullis(&["status", "--json"]).expect(0).json()["icon"], "unknown");
    // Root keeps the ledger aside, and closes all the same.
    let asks_root = |command: &[&str]| {
        lab.write(LEDGER, "{");
        let before = prompts(&lab);
        lab.portcullis(command).expect(0);
        assert_eq!(prompts(&lab), before + 1, "{command:?}: root was not asked");
    };
    for command in [&["close", "2345"][..], &["close", "dlv"], &["close", "--all"], &["guard", "off"]] {
        asks_root(command);
    }
    lab.write(PREFERENCES, "");
    asks_root(&["close", "dlv"]);
}

fn prompts(lab: &Lab) -> usize {
    String::from_utf8_lossy(&lab.read(PROMPTS_LOG)).lines().count()
}

#[test]
fn a_port_without_a_name_is_its_number() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let opened = lab.portcullis(&["open", "7001,7002", "30000-30010", "--from", "any"]).expect(0).out;
    assert!(opened.starts_with("ports 7001, 7002, 30000-30010 are open"), "{opened}");
    let log = String::from_utf8(lab.read(PROMPTS_LOG)).unwrap();
    assert!(log.contains("open ports 7001, 7002, 30000-30010 for anyone"), "{log}");
    lab.portcullis(&["close", "30005"]).expect(0);
    let rules = lab.rules();
    for label in ["7001:7001", "30000-30004:30000-30004", "30005:30005", "30006-30010:30006-30010"] {
        assert!(rules.contains(&format!("\"portcullis:{label}\"")), "{label}: {rules}");
    }
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!(port(&status, 7001)["name"], "7001");

    // A ledger from before, when it was named port.
    lab.edit_ledger(|text| text.replace("\"name\": \"7001\"", "\"name\": \"port\""));
    lab.portcullis(&["close", "7001"]).expect(0);
    assert!(lab.rules().contains("portcullis:7001:7001") && !lab.rules().contains("portcullis:port:"));
}

/// `nc -zv` makes a waiting `dlv dap` exit; nothing of ours does.
#[test]
fn a_waiting_debugger_is_not_harmed() {
    use std::io::BufRead as _;
    let Ok(mut dlv) = std::process::Command::new("dlv")
        .args(["dap", "--listen=127.0.0.1:2345"])
        .stdout(std::process::Stdio::piped())
        .spawn()
    else {
        println!("skipped: there is no dlv here");
        return;
    };
    let mut line = String::new();
    std::io::BufReader::new(dlv.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("2345"), "dlv does not listen: {line}");
    let lab = Lab::new();
    for arguments in [
        &["status"][..],
        &["guard", "on"],
        &["open", "2345", "--from", "any"],
        &["status", "--json"],
        &["status", "--check"],
        &["explain", "2345"],
        &["open", "9229", "--dry-run"],
        &["close", "2345"],
        &["close", "--all"],
        &["guard", "off"],
    ] {
        lab.portcullis(arguments);
    }
    lab.portcullis(&["open", "2345"]).expect(0);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    let port = port(&status, 2345);
    assert!(port["listener"].as_str().unwrap().contains("dlv"), "{port:#}");
    assert_eq!(
        (&port["reachable"]["loopback"], &port["reachable"]["network"]),
        (&"yes".into(), &"no".into())
    );
    assert_eq!((&port["situation"], &port["about"]), (&"loopback-only".into(), &2345.into()));
    assert!(port["because"].as_str().unwrap().contains("127.0.0.1 only"), "{port:#}");
    assert!(port["next"].as_str().unwrap().contains("--listen=:2345"), "{port:#}");
    assert!(port["connect"].as_array().unwrap().contains(&"VS Code".into()), "{port:#}");
    let text = lab.portcullis(&["status"]).expect(0).out;
    assert!(text.contains("next: on this Mac, connect to it"), "{text}");
    // Every command says the same.
    let connect = lab.portcullis(&["connect", "2345", "--json"]).expect(0).json();
    assert_eq!((&connect["because"], &connect["tunnel"]), (&port["because"], &true.into()));
    let doctor = lab.portcullis(&["doctor", "--json"]).json();
    let findings = doctor["findings"].as_array().unwrap();
    assert!(findings.iter().any(|found| found["what"] == port["because"]), "{doctor:#}");
    let alive = dlv.try_wait().unwrap().is_none();
    let _ = dlv.kill();
    let _ = dlv.wait();
    assert!(alive, "dlv has ended");
}

#[test]
fn json_without_a_command_is_bad_usage() {
    let said = Lab::new().portcullis(&["--json"]).expect(2);
    assert!(said.err.contains("such as `portcullis status --json`"), "{}", said.err);
}

#[test]
fn without_a_tray_it_says_so_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("portcullis");
    program::copy(env!("CARGO_BIN_EXE_portcullis"), &alone);
    let output = assert_cmd::Command::new(&alone).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.starts_with("portcullis: this build has no tray (") && said.contains("portcullis-tray"),
        "{said}"
    );
}
