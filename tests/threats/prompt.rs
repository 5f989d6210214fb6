//! Rows 8 and 16, and "How root is reached": the prompt says all that a request changes, and stays no longer than the app.
#![allow(unsafe_code, reason = "a signal is set between fork and exec")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use fastrand::Rng;
use portcullis::elevate::prompt::{PromptFacts, describe};
use portcullis::root::request::{GuardAnswer, Operation, Permission, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::{Attachment, Guard, Ledger};
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{LEDGER, PF_CONF};

use crate::common::{Lab, request, until};

/// One of few ports, so that requests meet.
fn port(random: &mut Rng) -> NamedPort {
    let number = 4000 + random.u64(..6);
    let range = number.to_string().parse().unwrap();
    if random.u64(..2) == 0 {
        NamedPort::unnamed(range)
    } else {
        NamedPort { name: format!("n{number}").parse().unwrap(), range }
    }
}

fn ports(random: &mut Rng, least: u64, most: u64) -> Vec<NamedPort> {
    let count = least + random.u64(..most - least + 1);
    let mut ports: Vec<NamedPort> = Vec::new();
    for _ in 0..count {
        let one = port(random);
        if ports.iter().all(|other| other.range != one.range) {
            ports.push(one);
        }
    }
    ports
}

fn any_request(random: &mut Rng) -> Request {
    let hosts = vec![format!("10.0.0.{}/32", random.u64(..250)).parse().unwrap()];
    let from = if random.u64(..2) == 0 { Source::Any } else { Source::Hosts { hosts } };
    let end = (random.u64(..2) == 0).then(|| portcullis::os::now() + 3600);
    let mut request = request(match random.u64(..6) {
        0 | 1 => {
            Operation::Open { ports: ports(random, 1, 3), from, until: end, ends: EndKind::Time, stay: false }
        }
        2 => Operation::Close { ports: ports(random, 1, 3) },
        3 => Operation::CloseAll {},
        4 => Operation::Guard { on: random.u64(..3) > 0 },
        _ => Operation::Status {},
    });
    request.managed = ports(random, 0, 2);
    request.shown = ports(random, 0, 2);
    if matches!(request.action, Operation::Open { .. }) {
        request.guard = (random.u64(..3) == 0).then_some(GuardAnswer::On);
    }
    request.way = [None, Some(Attachment::Apple), Some(Attachment::Classic)][random.usize(..3)];
    for permission in [Permission::EditConf, Permission::LoadConf] {
        if random.u64(..3) > 0 {
            request.allow(permission);
        }
    }
    request
}

fn ledger(lab: &Lab) -> Ledger {
    std::fs::read(lab.file(LEDGER)).map_or_else(|_| Ledger::default(), |bytes| Ledger::parse(&bytes).unwrap())
}

/// Whether the text names a port by its number, as a word of its own.
fn names(text: &str, number: impl std::fmt::Display) -> bool {
    text.split(|letter: char| !letter.is_ascii_digit()).any(|word| word == number.to_string())
}

#[test]
fn threat_08_what_a_request_changes_and_the_prompt_does_not_name_is_nothing() {
    let mut random = Rng::with_seed(7);
    let (mut changed, mut missed) = (0, 0);
    for _ in 0..4 {
        let lab = Lab::new();
        lab.portcullis(&["status"]).expect(0);
        for _ in 0..12 {
            let request = any_request(&mut random);
            let said = describe(&request, &PromptFacts::default());
            let (before, conf, main) =
                (ledger(&lab), lab.read(PF_CONF), lab.pfctl(&["-s", "rules"]).expect(0).out);
            if request.validate().is_err() {
                continue;
            }
            let answer = lab.request(&request);
            let after = ledger(&lab);
            let context = format!("{said}\n{:?}\n{}", request.words(), answer.out);
            missed += usize::from(answer.out.contains("\"missing\""));
            changed += usize::from(before != after);
            for opening in after.openings.iter().filter(|opening| !before.openings.contains(opening)) {
                assert!(names(&said, opening.port) && said.contains("open port"), "{context}");
                assert!(said.contains(&opening.from.in_full()), "{context}");
                assert_eq!(opening.until.is_none(), said.contains("until it is closed"), "{context}");
            }
            for opening in before.openings.iter().filter(|opening| !after.openings.contains(opening)) {
                assert!(names(&said, opening.port) || said.contains("every debug port"), "{context}");
            }
            if before.guard != Guard::On && after.guard == Guard::On {
                assert!(said.contains("turn the firewall on"), "{context}");
            }
            if before.guard == Guard::On && after.guard != Guard::On {
                assert!(said.contains("stop blocking"), "{context}");
            }
            let ours = |ledger: &Ledger, port: &NamedPort| {
                ledger.guard == Guard::On
                    && (ledger.managed.iter().any(|one| one.range == port.range)
                        || ledger.openings.iter().any(|one| one.port == port.range))
            };
            for port in after.closed().iter().filter(|port| !ours(&before, port)) {
                assert!(names(&said, port.range), "{context}: {port} is blocked");
            }
            if lab.read(PF_CONF) != conf {
                assert!(said.contains("edit /etc/pf.conf"), "{context}");
            }
            if lab.pfctl(&["-s", "rules"]).expect(0).out != main {
                assert!(said.contains("load /etc/pf.conf"), "{context}");
            }
        }
    }
    assert!(changed > 15 && missed > 1, "{changed} changes, {missed} refused: is this test trying enough?");
}

#[test]
fn threat_08_what_is_missing_is_asked_again_and_said() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    // pf is on, and root has not looked since: the app cannot know.
    lab.pfctl(&["-E"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let prompts = prompts(&lab);
    let [first, second] = prompts.as_slice() else { panic!("{prompts:?}") };
    assert!(!first.contains("firewall on"), "{first}");
    // pf is on already.
    assert!(second.contains("open port 2345 (dlv)") && second.contains("keep the firewall on"), "{second}");
    assert!(second.contains("block port 2345 (dlv) once closed"), "{second}");
    assert!(second.contains("9229"), "{second}");
    assert!(lab.rules().contains("port = 9229"), "{}", lab.rules());
}

#[test]
fn threat_13_a_request_of_another_time_or_boot_is_refused() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let ports = vec![NamedPort::unnamed("4321".parse().unwrap())];
    let fresh =
        request(Operation::Open { ports, from: Source::Any, until: None, ends: EndKind::Time, stay: false });
    let mut old = fresh.clone();
    old.made.clock -= 121;
    let mut early = fresh.clone();
    early.made.clock += 10;
    let mut other = fresh.clone();
    other.made.boot = "7F3A".into();
    for (request, why) in [(old, "s old"), (early, "after it came"), (other, "restarted")] {
        let said = lab.request(&request).expect(2);
        assert!(said.err.contains(why) && said.err.contains("nothing was changed"), "{}", said.err);
    }
    assert!(!lab.rules().contains("4321"));
    lab.request(&fresh).expect(0);
    assert!(lab.rules().contains("4321"));
}

fn prompts(lab: &Lab) -> Vec<String> {
    let log = std::fs::read_to_string(lab.file("/private/var/log/prompts.log")).unwrap_or_default();
    let prompt = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone();
    log.lines().map(|line| prompt(line).as_str().unwrap().to_owned()).collect()
}

/// The stand-ins for osascript that run in this lab.
fn osascripts(lab: &Lab) -> usize {
    let place = lab.file("/usr/bin/osascript").into_os_string().into_encoded_bytes();
    let of_lab = |entry: std::io::Result<std::fs::DirEntry>| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        line.starts_with(&place).then_some(())
    };
    std::fs::read_dir("/proc").map_or(0, |entries| entries.filter_map(of_lab).count())
}

#[test]
fn threat_13_a_prompt_ends_with_its_app() {
    if !cfg!(target_os = "linux") {
        println!("skipped: reads /proc");
        return;
    }
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGKILL] {
        let lab = Lab::new();
        lab.portcullis(&["status"]).expect(0);
        lab.write("/lab.toml", "prompt = \"hang\"\n");
        let mut app = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        app.arg("--lab").arg(lab.path()).args(["open", "2345"]).stdout(Stdio::null()).stderr(Stdio::null());
        // A caller of the test may ignore it, as nohup(1) does.
        // SAFETY: signal(2) may be called between fork and exec.
        unsafe {
            app.pre_exec(move || {
                libc::signal(signal, libc::SIG_DFL);
                Ok(())
            })
        };
        let mut app = app.spawn().unwrap();
        until("the prompt is shown", || prompts(&lab).len() == 1 && osascripts(&lab) == 1);
        let pid = rustix::process::Pid::from_child(&app);
        rustix::process::kill_process(pid, rustix::process::Signal::from_named_raw(signal).unwrap()).unwrap();
        app.wait().unwrap();
        until("the prompt is gone", || osascripts(&lab) == 0);
    }
}

#[test]
fn threat_13_a_prompt_that_nobody_answers_is_taken_away() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.write("/lab.toml", "prompt = \"hang\"\nprompt_milliseconds = 300\n");
    let said = lab.portcullis(&["open", "2345"]).expect(1);
    assert!(said.err.contains("not answered") && said.err.contains("nothing was changed"), "{}", said.err);
    assert!(!lab.rules().contains("2345"));
}
