//! The commands that `status` and `doctor` name lead on.

mod common;

use common::Lab;
use portcullis::rules::ledger::Ledger;
use portcullis::system::{LEDGER, STATUS};

#[test]
fn with_the_guard_off_a_look_at_pf_counts() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    let looked_at = |what: &str| {
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        assert_eq!((&status["icon"], &status["firewall"]["guard"]), (&"off".into(), &"off".into()), "{what}");
        let seen: serde_json::Value = serde_json::from_slice(&lab.read(STATUS)).unwrap();
        assert_eq!(seen["managed"], serde_json::json!([]), "{what}");
        let is_asked = |verdict: &serde_json::Value| verdict["port"] == 2345;
        assert!(seen["verdicts"].as_array().unwrap().iter().any(is_asked), "{what}: {seen:#}");
        lab.portcullis(&["explain", "2345"]).expect(0);
    };
    looked_at("turned off");
    lab.portcullis(&["status", "--check"]).expect(0);
    looked_at("looked at");
    // launchd's look names nothing: it goes on with what the last one was on.
    lab.helper(&["tick"]).expect(0);
    looked_at("a tick");
}

#[test]
fn a_damaged_ledger_is_a_problem() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.write(LEDGER, "{");
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(doctor.contains("✗ pf: the ledger of what is open cannot be used"), "{doctor}");
    assert!(doctor.contains("`portcullis close --all`\n"), "{doctor}");
    lab.portcullis(&["close", "--all"]).expect(0);
    assert!(!lab.portcullis(&["doctor"]).out.contains("the ledger of what is open"));
}

#[test]
fn a_client_that_a_rule_of_others_names_is_asked_about() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let others = |rule: &str| {
        lab.write("/other.conf", format!("{rule}\n"));
        let file = lab.file("/other.conf").display().to_string();
        lab.pfctl(&["-a", "com.apple/050.other", "-f", &file]).expect(0);
        lab.portcullis(&["status", "--check"]).expect(0);
    };
    let explain = "`portcullis explain 9229 --from 203.0.113.2`";
    others("pass in quick proto tcp from 203.0.113.0/24 to any port 9229");
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    let mut ports = status["ports"].as_array().unwrap().iter();
    let node = ports.find(|port| port["port"] == 9229).unwrap();
    assert_eq!(node["next"], format!("see which rule lets others in: {explain}"));
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(doctor.contains(&format!("do: see which rule lets others in: {explain}")), "{doctor}");
    lab.portcullis(&["explain", "9229", "--from", "203.0.113.2"]).expect(0);
    others("block in quick proto tcp from 203.0.113.0/24 to any port 9229");
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    let doctor = lab.portcullis(&["doctor"]).expect(1).out;
    let kept_out = "keeps 203.0.113.0/24 out of port 9229, which our rules open";
    assert!(doctor.lines().any(|line| line.starts_with("✗") && line.contains(kept_out)), "{doctor}");
    assert!(doctor.contains(&format!("do: see the rule: {explain}")), "{doctor}");
}

/// What people type and mean, and what they are told where it means nothing here.
#[test]
fn own_words_are_understood_or_answered() {
    let lab = Lab::new();
    lab.write("/pass.conf", "pass in all\n");
    let conf = lab.file("/pass.conf").display().to_string();
    for port in [":2345", "localhost:2345", "２３４５"] {
        let said = lab.portcullis(&["explain", port, "--conf", &conf]).expect(0).out;
        assert!(said.contains("to 192.168.1.10 port 2345") || said.contains("port 2345"), "{port}: {said}");
    }
    lab.portcullis(&["open", "2345，9229", "--from", "any"]).expect(0);
    let open = Ledger::parse(&lab.read(LEDGER)).unwrap().openings;
    assert_eq!(open.iter().map(|opening| opening.port.first()).collect::<Vec<_>>(), [2345, 9229]);
    lab.portcullis(&["prefs", "show", "dlv,8081"]).expect(0);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert!(status["ports"].as_array().unwrap().iter().any(|port| port["port"] == 8081), "{status:#}");
    for (arguments, says) in [
        (&["open", "192.168.1.9:2345"][..], "ports are those of this Mac, so write 2345"),
        (&["prefs", "way", "foo"], "way is auto, apple or classic, and not \"foo\"; nothing was changed"),
        (&["prefs", "show", "delve"], "show names delve, which is no port from 1024 on, and none of dlv, "),
        (&["prefs", "from", "my friends"], "my friends"),
        (
            &["explain", "2345", "--on", "wifi", "--conf", &conf],
            "there is no interface \"wifi\": macOS names them",
        ),
        (&["log", "/var/log/pflog"], "macOS has no pflogd"),
    ] {
        let said = lab.portcullis(arguments).expect(2).err;
        assert!(said.contains(says) && !said.contains("preferences.toml"), "{arguments:?}: {said}");
    }
    let piped = |rules: &'static str| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["check", "-"]).write_stdin(rules).assert()
    };
    piped("pass in all\n").code(0);
    let refused = String::from_utf8(piped("pass in al\n").code(1).get_output().stdout.clone()).unwrap();
    assert!(refused.contains("-:1"), "{refused}");
}

#[test]
fn this_mac_is_no_other_machine() {
    let lab = Lab::new();
    for here in ["127.0.0.1", "::1", "10.0.0.5,127.0.0.0/8"] {
        let said = lab.portcullis(&["open", "2345", "--from", here]).expect(2).err;
        assert!(
            said.contains(" is this Mac itself, which reaches its own ports: name another machine"),
            "{said}"
        );
    }
}
