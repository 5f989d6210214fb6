//! The lab's programs from outside: `pfctl-lab` and `osascript-lab` as commands, and [`Pfctl`] on top of
//! them.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use portcullis::firewall::app::AppFirewallCache;
use portcullis::firewall::{Pfctl, Rules};
use portcullis::lab::Lab;
use portcullis::os::holds::Release;
use portcullis::report::PfState;
use portcullis::status::AppFirewall;
use portcullis::system::APPLE_ANCHOR;

fn pfctl(lab: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pfctl-lab"));
    command.arg("--lab").arg(lab);
    command
}

fn osascript(lab: &Path, script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_osascript-lab");
    Command::new(program).arg("--lab").arg(lab).args(["-e", script]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn rules_from_standard_input_and_back() {
    let lab = tempfile::tempdir().unwrap();
    assert_cmd::Command::from_std(pfctl(lab.path()))
        .args(["-a", APPLE_ANCHOR, "-f", "-"])
        .write_stdin("pass in proto tcp to port 2345\n")
        .assert()
        .success();
    assert_cmd::Command::from_std(pfctl(lab.path()))
        .args(["-a", APPLE_ANCHOR, "-sr"])
        .assert()
        .success()
        .stdout("pass in proto tcp from any to any port = 2345 flags S/SA keep state\n")
        .stderr("No ALTQ support in kernel\nALTQ related functions disabled\n");
    assert_cmd::Command::from_std(pfctl(lab.path()))
        .args(["-n", "-f", "-"])
        .write_stdin("pass\nblok\n")
        .assert()
        .code(1)
        .stdout("");
}

#[test]
fn errors_name_the_line_of_standard_input() {
    let lab = tempfile::tempdir().unwrap();
    let output = assert_cmd::Command::from_std(pfctl(lab.path()))
        .args(["-f", "-"])
        .write_stdin("pass\nblok\n")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.ends_with("stdin:2: syntax error\npfctl: Syntax error in config file: pf rules not loaded\n"),
        "{said}"
    );
}

#[test]
fn what_is_refused_is_named() {
    let lab = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], message: &str, usage: bool| {
        let output = pfctl(lab.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = text(&output.stderr);
        assert_eq!(said.lines().next(), Some(message));
        assert_eq!(said.contains("usage: pfctl-lab"), usage, "{said}");
    };
    refused(&["-s", "memory"], "pfctl-lab: the lab has no -s memory", false);
    refused(&["-s", "x"], "pfctl: Unknown show modifier 'x'", true);
    refused(&["-Z"], "pfctl: illegal option -- Z", true);
    refused(&["--lab", "x"], "pfctl: illegal option -- -", true);
    assert!(lab.path().read_dir().unwrap().next().is_none(), "a refused call makes no lab");
}

#[test]
fn damage_is_told() {
    let lab = tempfile::tempdir().unwrap();
    assert!(pfctl(lab.path()).arg("-si").output().unwrap().status.success());
    std::fs::write(lab.path().join("private/var/pf/kernel.json"), b"{\xff").unwrap();
    let output = pfctl(lab.path()).arg("-si").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("pfctl-lab: cannot use the lab's pf: "), "{:?}", output.stderr);
}

#[test]
fn many_calls_at_once_lose_nothing() {
    const CALLS: usize = 24;
    let lab = tempfile::tempdir().unwrap();
    let rules = lab.path().join("rules");
    std::fs::write(&rules, "pass in proto tcp to port 2345\n").unwrap();
    let start = |arguments: Vec<String>| {
        pfctl(lab.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The lab itself is made by whichever comes first.
    let children: Vec<_> = (0..CALLS)
        .flat_map(|number| {
            let anchor = format!("com.apple/{number}.x");
            let load = ["-a".into(), anchor, "-f".into(), rules.display().to_string()].to_vec();
            [start(vec!["-E".into()]), start(load), start(vec!["-si".into()])]
        })
        .collect();
    let mut tokens = std::collections::BTreeSet::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        tokens.extend(
            text(&output.stderr).lines().filter_map(|line| line.strip_prefix("Token : ")).map(str::to_owned),
        );
    }
    assert_eq!(tokens.len(), CALLS, "every token is another");
    let pf = Pfctl::new(&Lab::existing(lab.path()).unwrap());
    assert_eq!(pf.references().unwrap().len(), CALLS);
    assert_eq!(pf.anchors().unwrap().iter().filter(|anchor| anchor.ends_with(".x")).count(), CALLS);
}

#[test]
fn random_arguments_end_with_a_word() {
    use proptest::strategy::{Strategy, ValueTree};
    let lab = tempfile::tempdir().unwrap();
    let word = proptest::prop_oneof!["-[a-zA-Z]{1,4}", "\\PC{0,12}", "[a-z0-9./:*_-]{1,8}"];
    let words = proptest::collection::vec(word, 0..6);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..200 {
        let words: Vec<String> = words.new_tree(&mut runner).unwrap().current();
        if words.iter().any(|word| word.contains('\0')) {
            continue;
        }
        let output = pfctl(lab.path()).args(&words).stdin(Stdio::null()).output().unwrap();
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1 | 2 | 255)), "{words:?}: {output:?}");
        assert!(!said.contains("panicked"), "{words:?}: {said}");
        assert!(output.status.success() || !said.is_empty(), "{words:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn arguments_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let lab = tempfile::tempdir().unwrap();
    let junk = std::ffi::OsStr::from_bytes(b"-\xff\xfe");
    let output = pfctl(lab.path()).arg(junk).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not UTF-8"));
    let program = env!("CARGO_BIN_EXE_osascript-lab");
    let output = Command::new(program).arg("--lab").arg(lab.path()).arg("-e").arg(junk).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not ASCII"));
}

#[test]
fn the_library_drives_the_lab() {
    let lab = tempfile::tempdir().unwrap();
    assert!(Lab::existing(lab.path()).unwrap_err().to_string().contains("leads to no program"));
    // The links are made from the folder of the program that makes the lab.
    assert!(pfctl(lab.path()).arg("-si").output().unwrap().status.success());
    let pf = Pfctl::new(&Lab::existing(lab.path()).unwrap());
    assert_eq!(pf.info().unwrap(), PfState::Disabled);
    let (first, second) = (pf.enable().unwrap(), pf.enable().unwrap());
    assert_eq!(pf.info().unwrap(), PfState::Enabled);
    assert_eq!(pf.release(first).unwrap(), Release::StillEnabled);
    assert_eq!(pf.release(first).unwrap(), Release::AlreadyGone);
    assert_eq!(pf.release(second).unwrap(), Release::Disabled);
    assert_eq!(pf.release(second).unwrap(), Release::AlreadyGone);

    let rules = "table <portcullis_dlv> const { 192.168.1.0/24 }\n\
        pass in quick proto tcp from <portcullis_dlv> to any port 2345\n";
    pf.check(Some(APPLE_ANCHOR), Rules::Text(rules)).unwrap();
    assert_eq!(pf.rules(Some(APPLE_ANCHOR)).unwrap(), "");
    pf.load_anchor(APPLE_ANCHOR, Rules::Text(rules)).unwrap();
    assert!(
        pf.rules(Some(APPLE_ANCHOR)).unwrap().starts_with("pass in quick proto tcp from <portcullis_dlv>")
    );
    let addresses = || pf.table_addresses(Some(APPLE_ANCHOR), "portcullis_dlv").unwrap();
    assert_eq!(addresses(), Some(vec!["192.168.1.0/24".to_owned()]));
    assert!(pf.anchors().unwrap().contains(&APPLE_ANCHOR.to_owned()));
    let error = pf.check(Some(APPLE_ANCHOR), Rules::Text("pas\n")).unwrap_err().to_string();
    assert!(error.ends_with("stdin:1: syntax error"), "{error}");
    pf.load_main(Rules::Text("set skip on lo0\nanchor \"com.apple/*\"\n")).unwrap();
    assert_eq!(pf.skipped().unwrap(), ["lo0"]);
    assert_eq!(
        (pf.rules(None).unwrap().as_str(), pf.nat(None).unwrap().as_str()),
        ("anchor \"com.apple/*\" all\n", "")
    );
    pf.load_anchor(APPLE_ANCHOR, Rules::Text("")).unwrap();
    assert_eq!(addresses(), None);
    assert_eq!(pf.rules(Some(APPLE_ANCHOR)).unwrap(), "");
}

#[test]
fn a_prompt_is_answered_as_the_settings_say() {
    let lab = tempfile::tempdir().unwrap();
    let ran = lab.path().join("ran");
    let command = portcullis::elevate::quote::applescript(&format!("touch '{}'", ran.display()));
    let script = format!("do shell script {command} with prompt \"May I?\" with administrator privileges");
    let done = osascript(
        lab.path(),
        "do shell script \"echo done\" with prompt \"p\" with administrator privileges",
    );
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "done\n".to_owned()));
    for (kind, number) in [
        ("cancel", "(-128)"),
        ("deny", "(-60005)"),
        ("wrong-password", "(-60007)"),
        ("not-admin", "(-10004)"),
        ("no-gui", "(-1713)"),
    ] {
        std::fs::write(lab.path().join("lab.toml"), format!("prompt = \"{kind}\"\n")).unwrap();
        let refused = osascript(lab.path(), &script);
        let said = text(&refused.stderr);
        assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(1), String::new()));
        assert!(said.starts_with("0:") && said.trim_end().ends_with(number), "{kind}: {said}");
        assert!(!ran.exists(), "{kind}");
    }
    let log = std::fs::read_to_string(lab.path().join("private/var/log/prompts.log")).unwrap();
    assert_eq!(log.lines().count(), 6);
    std::fs::write(lab.path().join("lab.toml"), "\nprompt = \"perhaps\"\n").unwrap();
    let refused = osascript(lab.path(), &script);
    assert!(text(&refused.stderr).contains("line 2"), "{refused:?}");
}

#[test]
fn a_prompt_that_nobody_answers_waits() {
    let lab = tempfile::tempdir().unwrap();
    assert!(osascript(lab.path(), "do shell script \"true\"").status.success());
    std::fs::write(lab.path().join("lab.toml"), "prompt = \"hang\"\n").unwrap();
    let script = "do shell script \"true\" with administrator privileges";
    let program = Path::new(env!("CARGO_BIN_EXE_osascript-lab"));
    let error = portcullis::os::process::Program::new(program)
        .args([Path::new("--lab"), lab.path(), Path::new("-e"), Path::new(script)])
        .timeout(std::time::Duration::from_millis(300))
        .run()
        .unwrap_err();
    assert!(error.to_string().contains("was killed"), "{error}");
}

#[test]
fn quoting_survives_osascript_and_a_real_shell() {
    use portcullis::elevate::quote;
    let lab = tempfile::tempdir().unwrap();
    for hostile in [
        "plain",
        "it's \"quoted\" and \\back\\slashed\\",
        "$(touch x) `id` $HOME ; exit 3 & | > <",
        "two\nlines\tand a tab",
        "端口 2345 é ‘’ “”",
        "\\n \\\\ \\\" ''' \"\"\"",
    ] {
        let command = format!("printf %s {}", quote::sh(hostile));
        let script = format!(
            "do shell script {} with prompt {} with administrator privileges without altering line endings",
            quote::applescript(&command),
            quote::applescript(hostile)
        );
        let output = osascript(lab.path(), &script);
        assert_eq!(text(&output.stdout), format!("{hostile}\n"), "{output:?}");
    }
    let log = std::fs::read_to_string(lab.path().join("private/var/log/prompts.log")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["prompt"].as_str(), Some("\\n \\\\ \\\" ''' \"\"\""));
}

#[test]
fn a_program_is_asked_about_once_and_only_where_it_matters() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::open(directory.path()).unwrap();
    let settings = |text: &str| std::fs::write(directory.path().join("lab.toml"), text).unwrap();
    let firewall = || AppFirewallCache::new(&lab);
    let (dlv, node) = (Path::new("/usr/bin/dlv"), Path::new("/usr/bin/node"));
    settings("application_firewall = \"off\"\napplication_firewall_blocks = [\"/usr/bin/dlv\"]");
    assert!(!firewall().blocks(dlv));
    settings("application_firewall = \"on\"\napplication_firewall_blocks = [\"/usr/bin/dlv\"]");
    let mut asked = firewall();
    assert_eq!((asked.blocks(dlv), asked.blocks(node)), (true, false));
    settings("application_firewall = \"on\"");
    assert!(asked.blocks(dlv), "it is kept");
    assert!(!firewall().blocks(dlv));
    settings("application_firewall = \"block-all\"");
    assert_eq!(firewall().state, AppFirewall::BlockAll);
    settings("application_firewall = \"perhaps\"");
    assert!(matches!(firewall().state, AppFirewall::Unknown(_)));
}
