//! `make cases`: inputs of people, and what is right for each: verdicts as macOS's kernel gives them, problems as its pfctl
//! has them, and why a rule does not decide. Last line: `cases N, right N`.
//!
//! Cases with `control` guard against overdoing it: they were right before too. With `PORTCULLIS_BASE` another build is asked
//! the same, and the cases that it gets wrong are counted: the command line that it names, `pfctl-lab` beside it, and for
//! verdicts `base_verdict` (see there) below it, or else `explain`, where that can ask for the packet. `PORTCULLIS_CASES`
//! names one of the files, `servers` say, to try those alone.

mod namespace;

use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use namespace::{Namespaces, quoted};
use portcullis::pf::criteria::{Direction, Family};
use portcullis::pf::interfaces::InterfaceFacts;
use portcullis::pf::packet::{Packet, PacketSocket, SYN, TCP};
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::{Because, verdict};
use serde_json::Value;

#[test]
fn every_case_is_right() {
    let other = std::env::var("PORTCULLIS_BASE").ok();
    let only = std::env::var("PORTCULLIS_CASES").ok();
    let (mut count, mut right, mut there) = (0, 0, OtherBuild::default());
    let mut wrong = Vec::new();
    for (file, judge) in [
        ("verdicts", verdict_is_right as fn(&str, &Value) -> Result<(), String>),
        ("checks", check_is_right),
        ("prints", print_is_right),
        ("explains", explain_is_right),
        ("doctors", doctor_is_right),
        ("servers", server_is_right),
    ] {
        if only.as_ref().is_some_and(|only| only != file) {
            continue;
        }
        if file == "servers" && NAMESPACES.is_none() {
            println!("servers: not tried, since this user may have no namespace");
            continue;
        }
        for case in cases(file) {
            count += 1;
            match judge(env!("CARGO_BIN_EXE_portcullis"), &case) {
                Ok(()) => right += 1,
                Err(said) => wrong.push(format!("{file}, {}: {}\n{said}", case["kind"], case["conf"])),
            }
            let Some(other) = &other else { continue };
            let said =
                if file == "verdicts" { other_verdict(other, &case) } else { Some(judge(other, &case)) };
            there.add(file, &case, said);
        }
    }
    for wrong in &wrong {
        println!("wrong: {wrong}");
    }
    if other.is_some() {
        println!("{there}");
    }
    println!("cases {count}, right {right}");
    assert_eq!(right, count);
}

/// What another build makes of the cases that were not handed over.
#[derive(Default)]
struct OtherBuild {
    new: usize,
    new_wrong: usize,
    controls: usize,
    given: usize,
    given_wrong: usize,
    unasked: usize,
}

impl OtherBuild {
    fn add(&mut self, file: &str, case: &Value, said: Option<Result<(), String>>) {
        let is_wrong = said.as_ref().is_some_and(Result::is_err);
        self.unasked += usize::from(said.is_none());
        if case["given"] == true {
            self.given += 1;
            self.given_wrong += usize::from(is_wrong);
            return;
        }
        if case["control"] == true {
            self.controls += 1;
        } else {
            self.new += 1;
            self.new_wrong += usize::from(is_wrong);
        }
        if is_wrong == (case["control"] == true) {
            let what = if is_wrong { "a control, wrong there" } else { "right there too" };
            println!(
                "{what}: {file}, {}: {} {}",
                case["kind"],
                case["conf"],
                said.unwrap_or(Ok(())).err().unwrap_or_default()
            );
        }
    }
}

impl std::fmt::Display for OtherBuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OtherBuild { new, new_wrong, controls, given, given_wrong, unasked } = self;
        write!(
            f,
            "new {new}, wrong there {new_wrong}; controls {controls}; handed over {given}, wrong there {given_wrong}; {unasked} \
             not asked"
        )
    }
}

fn cases(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/cases/{name}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The verdict of the library on the case's packet.
fn verdict_is_right(_: &str, case: &Value) -> Result<(), String> {
    let (conf, files) = (case["conf"].as_str().unwrap(), &case["files"]);
    let (loaded, problems) = Rulesets::from_conf("pf.conf", conf, &mut |path| {
        files[path].as_str().map(str::to_owned).ok_or_else(|| "no such file".into())
    });
    if !problems.is_empty() {
        return Err(format!("{problems:?}"));
    }
    let interface = |name: &str, addresses: &[&str]| InterfaceFacts {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let loaded = loaded.with_interfaces(vec![
        interface("en0", &["192.168.1.10/24", "fe80::1/64"]),
        interface("lo0", &["127.0.0.1/8", "::1/128"]),
    ]);
    let packet = packet(&case["packet"]);
    let found = verdict(&loaded, &packet);
    let translated = found.because == Because::TranslationPass || found.translated != [packet];
    // The kernel names no filter rule where the translation passes.
    let rule = found.rule.filter(|_| found.because != Because::TranslationPass);
    let decides = (rule.map(|rule| rule.number), rule.map_or("", |rule| rule.anchor));
    let said = format!("{} by {decides:?}, translated {translated}", found.outcome);
    let names_rule = case["verdict"] != "unknown" && !case["rule"].is_null();
    let number = case["rule"].as_u64().map(|number| usize::try_from(number).unwrap());
    let is_right = case["verdict"] == found.outcome.to_string()
        && case["translated"] == translated
        && (!names_rule || decides == (number, case["anchor"].as_str().unwrap_or_default()));
    if is_right { Ok(()) } else { Err(said) }
}

fn packet(case: &Value) -> Packet {
    let address = |name: &str| case[name].as_str().unwrap().parse::<IpAddr>().unwrap();
    let number = |name: &str| u16::try_from(case[name].as_u64().unwrap()).unwrap();
    let destination = address("to");
    Packet {
        direction: if case["dir"] == "in" { Direction::In } else { Direction::Out },
        interface: case["on"].as_str().unwrap().to_owned(),
        family: if destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
        protocol: TCP,
        source: Some(address("from")),
        source_port: Some(number("from_port")),
        destination: Some(destination),
        destination_port: Some(number("to_port")),
        flags: u8::try_from(number("flags")).unwrap(),
        socket: match case["uid"].as_u64() {
            Some(user) => PacketSocket::Owned(u32::try_from(user).unwrap()),
            None => PacketSocket::Missing,
        },
        established: false,
    }
}

/// The verdict of the other build's library, where it could be built into a program, else that of its `explain`.
fn other_verdict(program: &str, case: &Value) -> Option<Result<(), String>> {
    let library = Path::new(program).with_file_name("examples/base_verdict");
    if !library.exists() {
        return explained_verdict(program, case);
    }
    let mut running = std::process::Command::new(library)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(case.to_string().as_bytes()).unwrap();
    let said = String::from_utf8(running.wait_with_output().unwrap().stdout).unwrap();
    let found: Value = serde_json::from_str(&said).unwrap();
    let names_rule = case["verdict"] != "unknown" && !case["rule"].is_null();
    let is_right = found["verdict"] == case["verdict"]
        && found["translated"] == case["translated"]
        && (!names_rule || (&found["anchor"], &found["rule"]) == (&case["anchor"], &case["rule"]));
    Some(if is_right { Ok(()) } else { Err(said) })
}

/// The same by `explain`, where the packet is the first of a connection to this Mac.
fn explained_verdict(program: &str, case: &Value) -> Option<Result<(), String>> {
    let packet = &case["packet"];
    let own = packet["to"] == "192.168.1.10" || packet["to"] == "127.0.0.1";
    if packet["dir"] != "in" || packet["flags"] != u64::from(SYN) || !own || packet["uid"].is_null() {
        return None;
    }
    let loopback = packet["on"] == "lo0";
    let port = packet["to_port"].to_string();
    let from = if loopback { "loopback" } else { packet["from"].as_str()? };
    let mut arguments = vec!["explain", &port, "--from", from];
    if !loopback {
        arguments.extend(["--on", "en0"]);
    }
    let mut conf = case["conf"].as_str()?.to_owned();
    for name in case["files"].as_object()?.keys() {
        let below = name.trim_start_matches('/').replace('/', "_");
        conf = conf.replace(&format!("from \"{name}\""), &format!("from \"/etc/pf.anchors/{below}\""));
    }
    let (_, out) = run(program, &arguments, &conf, &case["files"], "--conf");
    let verdict = match out.split([' ', ':']).next()? {
        "passed" => "pass",
        "blocked" => "block",
        _ => "unknown",
    };
    Some(if case["verdict"] == verdict { Ok(()) } else { Err(out) })
}

fn check_is_right(program: &str, case: &Value) -> Result<(), String> {
    let (code, out) = run(program, &["check"], case["conf"].as_str().unwrap(), &case["anchors"], "");
    judge(case, code, &out)?;
    let count = match case["problems"].as_u64() {
        Some(1) => "1 problem".to_owned(),
        Some(count) => format!("{count} problems"),
        None => return Ok(()),
    };
    if out.contains(&count) { Ok(()) } else { Err(out) }
}

/// What `pfctl -nvf` prints in a lab.
fn print_is_right(program: &str, case: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pf.conf"), case["conf"].as_str().unwrap()).unwrap();
    let (code, out) = in_lab(folder.path(), program, "pfctl-lab", &["-nvf", "pf.conf"]);
    if code == Some(0) { judge_text(case, &out) } else { Err(format!("{code:?} {out}")) }
}

/// Runs a program beside `portcullis` in the lab of the folder.
fn in_lab(folder: &Path, portcullis: &str, program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(Path::new(portcullis).with_file_name(program));
    command.current_dir(folder).arg("--lab").arg(folder.join("lab")).args(arguments);
    let output = command.env("PATH", folder).env("HOME", folder).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn explain_is_right(program: &str, case: &Value) -> Result<(), String> {
    let port = case["port"].to_string();
    let mut arguments = vec!["explain", &port, "--on", case["on"].as_str().unwrap()];
    if let Some(from) = case["from"].as_str() {
        arguments.extend(["--from", from]);
    }
    let (code, out) = run(program, &arguments, case["conf"].as_str().unwrap(), &case["anchors"], "--conf");
    if out.lines().next().is_none_or(|first| first.chars().count() > 100) {
        return Err(format!("a long first line: {out}"));
    }
    judge(case, code, &out)
}

/// What a command says in a lab that has these files, with these modes.
fn doctor_is_right(program: &str, case: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("lab");
    let run =
        |program_name: &str, arguments: &[&str]| in_lab(folder.path(), program, program_name, arguments);
    run("portcullis", &["ports"]);
    for step in case["steps"].as_array().into_iter().flatten() {
        let words: Vec<&str> = step.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        run(words[0], &words[1..]);
    }
    let place = |path: &str| lab.join(path.trim_start_matches('/'));
    for (path, text) in case["files"].as_object().unwrap() {
        std::fs::create_dir_all(place(path).parent().unwrap()).unwrap();
        std::fs::write(place(path), text.as_str().unwrap()).unwrap();
    }
    for (path, file) in case["copies"].as_object().into_iter().flatten() {
        std::fs::create_dir_all(place(path).parent().unwrap()).unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jobs").join(file.as_str().unwrap());
        std::fs::copy(data, place(path)).unwrap();
    }
    for (path, mode) in case["modes"].as_object().unwrap() {
        let mode = u32::from_str_radix(mode.as_str().unwrap(), 8).unwrap();
        std::fs::set_permissions(place(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let arguments: Vec<&str> =
        case["run"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let (code, out) = run("portcullis", &arguments);
    judge(case, code.filter(|_| !case["exit"].is_null()), &out)
}

static NAMESPACES: std::sync::LazyLock<Option<Namespaces>> = std::sync::LazyLock::new(Namespaces::new);

/// What a command says beside the servers of a case, after its steps, in a lab whose Mac may be elsewhere by then.
fn server_is_right(program: &str, case: &Value) -> Result<(), String> {
    let namespaces = NAMESPACES.as_ref().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("lab");
    let line = |words: &[&str]| {
        let program = Path::new(program).with_file_name(words[0]);
        let program = [program.to_str().unwrap(), "--lab", lab.to_str().unwrap()];
        let words: Vec<String> = program.iter().chain(&words[1..]).map(|word| quoted(word)).collect();
        words.join(" ")
    };
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut lines = vec![line(&["portcullis", "ports"]) + " >/dev/null 2>&1"];
    for step in case["steps"].as_array().into_iter().flatten() {
        let words = texts(&step["run"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let input = quoted(step["input"].as_str().unwrap_or_default());
        lines.push(format!("printf '%s\\n' {input} | {} >/dev/null 2>&1", line(&words)));
    }
    for (key, value) in case["lab"].as_object().into_iter().flatten() {
        let (file, value) = (lab.join("lab.toml"), value.as_str().unwrap());
        let (sed, file) =
            (quoted(&format!("s|^{key} = .*|{key} = {value}|")), quoted(file.to_str().unwrap()));
        lines.push(format!("/bin/sed -i {sed} {file}"));
    }
    for (name, text) in case["project"].as_object().into_iter().flatten() {
        let place = folder.path().join(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text.as_str().unwrap()).unwrap();
    }
    if let Some(answers) = case["firewall"].as_object() {
        let place = quoted(lab.join("usr/libexec/ApplicationFirewall/socketfilterfw").to_str().unwrap());
        let answer = |(option, text): (&String, &Value)| {
            // The last word is the path that was asked about.
            let text = text.as_str().unwrap().replace("PATH", "'\"$last\"'");
            format!("case \"$*\" in *{option}*) echo '{text}';; esac\n")
        };
        let script: String = answers.iter().map(answer).collect();
        let script = quoted(&format!("#!/bin/sh\nfor last; do :; done\n{script}"));
        lines.push(format!("/bin/rm -f {place}; printf %s {script} >{place}; /bin/chmod 755 {place}"));
    }
    let words = texts(&case["run"]);
    let words: Vec<&str> = std::iter::once("portcullis").chain(words.iter().map(String::as_str)).collect();
    lines.push(format!("exec {} </dev/null 2>&1", line(&words)));
    let output = namespaces.run(folder.path(), &case["listeners"], &lines);
    let said = String::from_utf8_lossy(&output.stdout);
    judge(case, output.status.code().filter(|_| !case["exit"].is_null()), &said)
}

fn judge(case: &Value, code: Option<i32>, out: &str) -> Result<(), String> {
    if code.map(i64::from) != case["exit"].as_i64() {
        return Err(format!("{code:?} {out}"));
    }
    judge_text(case, out)
}

fn judge_text(case: &Value, out: &str) -> Result<(), String> {
    let texts = |name: &str| -> Vec<String> {
        let texts = case[name].as_array().into_iter().flatten();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let is_right = texts("says").iter().all(|text| out.contains(text.as_str()))
        && !texts("lacks").iter().any(|text| out.contains(text.as_str()));
    if is_right { Ok(()) } else { Err(out.to_owned()) }
}

/// Runs the program in a folder with the case's pf.conf, and with its anchors' files.
fn run(
    program: &str,
    arguments: &[&str],
    conf: &str,
    anchors: &Value,
    option: &str,
) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pf.conf"), conf).unwrap();
    let mut command = std::process::Command::new(program);
    command.current_dir(folder.path()).args(arguments);
    command.args(Some(option).filter(|option| !option.is_empty())).arg("pf.conf");
    if let Some(files) = anchors.as_object().filter(|files| !files.is_empty()) {
        let below = folder.path().join("anchors");
        std::fs::create_dir(&below).unwrap();
        for (name, text) in files {
            let name = name.trim_start_matches('/').replace('/', "_");
            std::fs::write(below.join(name), text.as_str().unwrap()).unwrap();
        }
        command.args(["--anchors", "anchors"]);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}
