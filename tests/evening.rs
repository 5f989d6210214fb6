//! The job of launchd: installed with the first opening, read back, upgraded, held to what was installed; what a tick does,
//! and that it does nothing where nothing is due; closing by the bell.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Lab, program, request};
use portcullis::lab::clocks::SetClocks;
use portcullis::lab::launchd::{LaunchPace, Launchd, LaunchdError};
use portcullis::root::job::{self, InstalledJob, JobState};
use portcullis::root::request::{Operation, Permission, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::Ledger;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{
    AUDIT, BELL, INSTALLED_HELPER, JOB, JOB_LABEL, JOB_PLIST, LEDGER, Moment, PATHS_FILE, STATUS, System as _,
};

fn prompts(lab: &Lab) -> Vec<String> {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap_or_default();
    let prompt = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone();
    log.lines().map(|line| prompt(line).as_str().unwrap().to_owned()).collect()
}

fn launchctl(lab: &Lab, words: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_launchctl-lab"))
        .arg("--lab")
        .arg(lab.path())
        .args(words)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn target() -> String {
    format!("system/{JOB_LABEL}")
}

fn launchd(lab: &Lab) -> Launchd {
    Launchd::of(lab.path())
}

fn ledger(lab: &Lab) -> Ledger {
    Ledger::parse(&lab.read(LEDGER)).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Puts a script in front of one of the lab's programs; `real` is what it stands before.
fn wrap(lab: &Lab, path: &str, real: &str, script: &str) {
    program::script(&lab.file(path), &format!("real={real}\n{script}"));
}

/// A lab with the guard and the job.
fn ready() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab
}

fn open(port: &str, until: Option<i64>) -> Request {
    let ports = vec![NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() }];
    request(Operation::Open { ports, from: Source::Any, until, ends: EndKind::Time, stay: false })
}

/// Whatever is open is over by now.
fn make_over(lab: &Lab) {
    let mut ledger = ledger(lab);
    for opening in &mut ledger.openings {
        opening.until = opening.until.map(|_| portcullis::os::now() - 1);
    }
    lab.write(LEDGER, ledger.file().unwrap());
}

fn audit(lab: &Lab) -> usize {
    lab.read(AUDIT).iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn the_first_opening_installs_it_in_the_same_prompt() {
    let lab = Lab::new();
    let said = lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert!(said.out.contains("the part that closes ports in time is installed"), "{}", said.out);
    assert_eq!(prompts(&lab).len(), 1);
    assert!(
        prompts(&lab)[0].ends_with("and install the part that closes ports in time."),
        "{:?}",
        prompts(&lab)
    );
    assert_eq!(mode(&lab.file(INSTALLED_HELPER)), 0o755);
    assert_eq!((mode(&lab.file(JOB_PLIST)), mode(&lab.file(JOB))), (0o644, 0o644));
    let (loaded, text) = launchctl(&lab, &["print", &target()]);
    assert!(
        loaded && text.contains("run interval = 60 seconds") && text.contains(INSTALLED_HELPER),
        "{text}"
    );
    assert!(matches!(job::state(&lab.system()), JobState::Ready(_)));
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    assert!(!prompts(&lab)[1].contains("install"), "{:?}", prompts(&lab));
    let before = lab.read(JOB_PLIST);
    let again = lab.portcullis(&["install"]).expect(0);
    assert!(again.out.contains("there already"), "{}", again.out);
    assert_eq!(lab.read(JOB_PLIST), before);
}

#[test]
fn it_can_be_installed_first_and_goes_with_everything_else() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let said = lab.portcullis(&["install", "--json"]).expect(0).json();
    assert_eq!((said["ok"].clone(), said["outcome"].clone()), (true.into(), "changed".into()));
    let asked = "Portcullis wants to install the part that closes ports in time.";
    assert_eq!(prompts(&lab), [asked]);
    let dry = lab.portcullis(&["uninstall", "--dry-run"]).expect(0).out;
    assert!(dry.contains(INSTALLED_HELPER) && dry.contains(JOB_PLIST), "{dry}");
    lab.portcullis(&["uninstall"]).expect(0);
    for path in [INSTALLED_HELPER, JOB_PLIST, JOB, BELL] {
        assert!(!lab.file(path).exists(), "{path}");
    }
    assert!(matches!(launchd(&lab).job(JOB_LABEL), Err(LaunchdError::NotLoaded(_))));
}

#[test]
fn terminals_find_the_command_by_one_prompt_and_no_more_after_an_uninstallation() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let before = lab.tree();
    lab.portcullis(&["install", "--command-line"]).expect(0);
    assert_eq!(
        prompts(&lab),
        ["Portcullis wants to have terminals find portcullis, by /etc/paths.d/dev.portcullis."]
    );
    assert_eq!(lab.read(PATHS_FILE), b"/Applications/Portcullis.app/Contents/MacOS\n");
    assert_eq!(mode(&lab.file(PATHS_FILE)), 0o644);
    assert!(!lab.file(INSTALLED_HELPER).exists(), "more than was asked for");
    let again = lab.portcullis(&["install", "--command-line", "--json"]).expect(0).json();
    assert_eq!(again["outcome"], "unchanged");
    // What lies in its place is no reason to fail, and goes.
    std::fs::remove_file(lab.file(PATHS_FILE)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", lab.file(PATHS_FILE)).unwrap();
    lab.portcullis(&["install", "--command-line"]).expect(0);
    assert_eq!(lab.read(PATHS_FILE), b"/Applications/Portcullis.app/Contents/MacOS\n");
    let dry = lab.portcullis(&["uninstall", "--dry-run"]).expect(0).out;
    assert!(dry.contains(PATHS_FILE), "{dry}");
    lab.portcullis(&["uninstall"]).expect(0);
    let left = |tree: &std::collections::BTreeMap<_, _>| {
        tree.keys().filter(|path: &&std::path::PathBuf| path.starts_with("etc")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(left(&lab.tree()), left(&before));
}

#[test]
fn what_does_not_run_is_not_installed() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    // As macOS does with a copy that it does not trust.
    wrap(&lab, "/usr/libexec/helper-lab", env!("CARGO_BIN_EXE_helper-lab"), "kill -KILL $$");
    let said = lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert!(said.out.contains("could not be installed") && said.out.contains("137"), "{}", said.out);
    assert!(lab.rules().contains("2345"), "the port is open all the same");
    assert!(!lab.file(INSTALLED_HELPER).exists() && !lab.file(JOB_PLIST).exists() && !lab.file(JOB).exists());
    assert!(!lab.file(BELL).exists(), "nothing would hear it");
    let asked = prompts(&lab).len();
    lab.portcullis(&["close", "2345"]).expect(0);
    assert_eq!(prompts(&lab).len(), asked + 1);
}

#[test]
fn launchd_is_read_back() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let real = env!("CARGO_BIN_EXE_launchctl-lab");
    wrap(&lab, "/bin/launchctl", real, "case \"$*\" in *bootstrap*) exit 0;; esac\nexec $real \"$@\"");
    let said = lab.portcullis(&["install"]).expect(5);
    assert!(said.err.contains("launchd does not take the job"), "{}", said.err);
    wrap(&lab, "/bin/launchctl", real, "exec $real \"$@\"");
    // Switched off in Login Items: what lies there stays, and is not taken for a job.
    lab.portcullis(&["install"]).expect(0);
    assert!(launchctl(&lab, &["disable", &target()]).0);
    assert!(matches!(job::state(&lab.system()), JobState::NotLoaded(_)));
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert!(!prompts(&lab).last().unwrap().contains("install"), "the person's choice is left");
    let status = lab.portcullis(&["status"]).expect(0).out;
    assert!(status.contains("nothing closes by itself") && status.contains("Login Items"), "{status}");
    let again = lab.portcullis(&["install"]).expect(5).err;
    assert!(again.contains("Service is disabled") && again.contains("Login Items"), "{again}");
    assert!(launchctl(&lab, &["enable", &target()]).0);
    assert!(matches!(job::state(&lab.system()), JobState::Ready(_)));
    assert!(!lab.portcullis(&["status"]).expect(0).out.contains("Login Items"));
}

#[test]
fn threat_17_a_newer_helper_is_never_replaced_by_an_older_one() {
    let lab = ready();
    let whole = String::from_utf8(lab.read(JOB)).unwrap();
    let newer = whole.replace(job::VERSION, "999.0.0");
    assert_ne!(newer, whole);
    lab.write(JOB, &newer);
    let copy = lab.read(INSTALLED_HELPER);
    lab.portcullis(&["install"]).expect(0);
    assert_eq!((lab.read(JOB), lab.read(INSTALLED_HELPER)), (newer.clone().into_bytes(), copy));
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert!(!prompts(&lab).last().unwrap().contains("install"));
    // Not even where the newer one is damaged.
    lab.write(INSTALLED_HELPER, "#!/bin/sh\n");
    let said = lab.portcullis(&["install"]).expect(5);
    assert!(said.err.contains("999.0.0"), "{}", said.err);
    assert_eq!(lab.read(INSTALLED_HELPER), b"#!/bin/sh\n");
    // An older one is.
    lab.write(JOB, whole.replace(job::VERSION, "0.0.1"));
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    assert!(prompts(&lab).last().unwrap().contains("install"));
    assert_eq!(InstalledJob::read(&lab.system().files()).unwrap().unwrap().helper, job::VERSION);
}

#[test]
fn threat_06_a_copy_that_was_changed_does_not_run() {
    let lab = ready();
    lab.request(&open("2345", Some(portcullis::os::now() + 3600))).expect(0);
    make_over(&lab);
    let before = (lab.rules(), audit(&lab));
    for path in [INSTALLED_HELPER, JOB_PLIST] {
        let (place, right) = (lab.file(path), mode(&lab.file(path)));
        for bit in 0..12 {
            set_mode(&place, right ^ (1 << bit));
            let said = lab.helper(&["tick"]).expect(1);
            assert!(said.err.contains("has the mode") && said.err.contains(path), "{bit}: {}", said.err);
            set_mode(&place, right);
        }
        let bytes = lab.read(path);
        let mut changed = bytes.clone();
        changed[20] ^= 1;
        lab.write(path, &changed);
        assert!(lab.helper(&["tick"]).expect(1).err.contains("is not what was installed"));
        std::fs::remove_file(&place).unwrap();
        assert!(lab.helper(&["tick"]).expect(1).err.contains("is not there"));
        std::os::unix::fs::symlink("/bin/true", &place).unwrap();
        lab.helper(&["tick"]).expect(1);
        std::fs::remove_file(&place).unwrap();
        lab.write(path, &bytes);
        set_mode(&place, right);
    }
    assert_eq!(lab.rules(), before.0);
    assert!(audit(&lab) > before.1);
    let lines = audit(&lab);
    set_mode(&lab.file(INSTALLED_HELPER), 0o775);
    (0..3).for_each(|_| drop(lab.helper(&["tick"]).expect(1)));
    assert_eq!(audit(&lab), lines + 1, "once, however often");
    let status = lab.portcullis(&["status"]).expect(0).out;
    assert!(status.contains("nothing closes by itself") && status.contains("has the mode 0775"), "{status}");
    // The next opening puts it right, and says so.
    lab.portcullis(&["open", "9229", "--from", "any"]).expect(0);
    assert!(prompts(&lab).last().unwrap().contains("install"));
    assert_eq!(mode(&lab.file(INSTALLED_HELPER)), 0o755);
    lab.helper(&["tick"]).expect(0);
}

#[test]
fn a_tick_with_nothing_due_runs_no_program_and_writes_nothing() {
    let lab = ready();
    lab.request(&open("2345", Some(portcullis::os::now() + 3600))).expect(0);
    let calls = lab.file("/calls");
    std::fs::write(&calls, "").unwrap();
    let real = env!("CARGO_BIN_EXE_pfctl-lab");
    wrap(&lab, "/sbin/pfctl", real, "echo \"$*\" >>\"$2/calls\"\nexec $real \"$@\"");
    let runs = |lab: &Lab| {
        let count = std::fs::read_to_string(lab.file("/calls")).unwrap().lines().count();
        std::fs::write(lab.file("/calls"), "").unwrap();
        count
    };
    let before = lab.tree();
    let said = lab.helper(&["tick"]).expect(0).json();
    assert_eq!((said["outcome"].clone(), runs(&lab)), ("unchanged".into(), 0), "{said}");
    assert_eq!(lab.tree(), before);
    // What is to be looked at: an old look, another boot, a damaged look, a ledger that says otherwise, an edited pf.conf.
    let status = String::from_utf8(lab.read(STATUS)).unwrap();
    let report: serde_json::Value = serde_json::from_str(&status).unwrap();
    let with = |key: &str, value: serde_json::Value| {
        let mut report = report.clone();
        report[key] = value;
        report.to_string()
    };
    let seen = report["seen"].as_i64().unwrap();
    for damaged in [
        with("seen", (seen - 600).into()),
        with("seen", (seen + 600).into()),
        with("boot", "another".into()),
        with("guard", "off".into()),
        with("pf", "disabled".into()),
        "{".to_owned(),
    ] {
        lab.write(STATUS, damaged);
        let lines = audit(&lab);
        lab.helper(&["tick"]).expect(0);
        assert!(runs(&lab) > 0);
        assert_eq!(audit(&lab), lines, "a look is no request");
        lab.helper(&["tick"]).expect(0);
        assert_eq!(runs(&lab), 0);
    }
    make_over(&lab);
    lab.helper(&["tick"]).expect(0);
    assert!(runs(&lab) > 0 && !lab.rules().contains("keep state"), "{}", lab.rules());
}

#[test]
fn after_a_restart_guard_and_openings_are_back() {
    let lab = ready();
    lab.request(&open("2345", Some(portcullis::os::now() + 3600))).expect(0);
    lab.request(&open("9229", None)).expect(0);
    let rules = lab.rules();
    // The pretended Mac restarts: pf forgets, and what was seen and taken is of another boot.
    std::fs::remove_file(lab.file("/private/var/pf/kernel.json")).unwrap();
    let boot = portcullis::os::boot_id().unwrap();
    lab.edit_ledger(|ledger| ledger.replace(&boot, "another-boot"));
    for path in [STATUS, "/private/var/db/launchd.json"] {
        let text = String::from_utf8(lab.read(path)).unwrap();
        lab.write(path, text.replace(&boot, "another-boot"));
    }
    assert!(!lab.rules().contains("9229"));
    let status = lab.portcullis(&["status"]).expect(0);
    assert_eq!(lab.rules(), rules, "launchd loaded the job anew, and it ran at load");
    assert!(!status.out.contains("restarted"), "{}", status.out);
    assert!(lab.pfctl(&["-s", "info"]).expect(0).out.contains("Enabled"));
    assert_eq!(ledger(&lab).token.unwrap().boot, boot);
}

#[test]
fn a_port_closes_in_time_with_nothing_but_commands_that_look() {
    let lab = ready();
    lab.request(&open("2345", Some(portcullis::os::now() + 3600))).expect(0);
    make_over(&lab);
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!(status["open"], 0, "{status}");
    assert!(!lab.rules().contains("keep state"));
}

#[test]
fn closing_asks_for_no_password() {
    let lab = ready();
    let asked = prompts(&lab).len();
    let bells = |lab: &Lab| lab.system().files().list(BELL).unwrap();
    assert_eq!(bells(&lab), ["ring"]);
    lab.portcullis(&["open", "2345", "9229", "30000-30010", "--from", "any"]).expect(0);
    let uid = portcullis::os::own_uid();
    assert_eq!(
        bells(&lab),
        [
            format!("{uid}.2345"),
            format!("{uid}.30000-30010"),
            format!("{uid}.9229"),
            format!("{uid}.all"),
            "ring".to_owned()
        ]
    );
    assert_eq!(mode(&lab.file(BELL).join(format!("{uid}.2345"))), 0o600);
    assert_eq!(mode(&lab.file(BELL).join("ring")), 0o666);
    let cut = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n";
    lab.write("/private/var/pf/states", cut);
    let said = lab.portcullis(&["close", "2345"]).expect(0).out;
    assert!(said.contains("2345 (dlv) is closed") && said.contains("1 open connection was cut"), "{said}");
    assert_eq!((prompts(&lab).len(), bells(&lab).len()), (asked + 1, 4));
    let history = lab.portcullis(&["history"]).expect(0).out;
    assert!(
        history.lines().last().unwrap().contains("close  changed: port 2345 (dlv) is closed"),
        "{history}"
    );
    // A part of a range asks.
    lab.portcullis(&["close", "30000-30004"]).expect(0);
    assert_eq!(prompts(&lab).len(), asked + 2);
    lab.portcullis(&["close", "--all"]).expect(0);
    assert_eq!((prompts(&lab).len(), bells(&lab)), (asked + 2, vec!["ring".to_owned()]));
    assert!(ledger(&lab).openings.is_empty() && !lab.rules().contains("keep state"));
}

#[test]
fn without_the_job_closing_asks_as_before() {
    let lab = ready();
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    let asked = prompts(&lab).len();
    assert!(launchctl(&lab, &["bootout", &target()]).0);
    lab.portcullis(&["close", "2345"]).expect(0);
    assert_eq!(prompts(&lab).len(), asked + 1);
}

#[test]
fn what_was_rung_comes_before_the_next_request() {
    let lab = ready();
    lab.request(&open("2345", None)).expect(0);
    let bell = lab.file(BELL).join(format!("{}.2345", portcullis::os::own_uid()));
    std::fs::write(&bell, "1").unwrap();
    lab.request(&request(Operation::Status {})).expect(0);
    assert!(ledger(&lab).openings.is_empty() && !bell.exists());
    // A new opening has a new bell.
    lab.request(&open("2345", None)).expect(0);
    assert_eq!(bell.metadata().unwrap().len(), 0);
    lab.helper(&["tick"]).expect(0);
    assert_eq!(ledger(&lab).openings.len(), 1);
}

#[test]
fn a_bell_ends_our_block_in_pf_conf_too() {
    let lab = ready();
    lab.portcullis(&["guard", "off"]).expect(0);
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    assert!(String::from_utf8(lab.read("/etc/pf.conf")).unwrap().contains("portcullis"));
    let asked = prompts(&lab).len();
    lab.portcullis(&["close", "2345"]).expect(0);
    assert!(!String::from_utf8(lab.read("/etc/pf.conf")).unwrap().contains("portcullis"));
    assert_eq!(prompts(&lab).len(), asked);
}

#[test]
fn an_installation_needs_to_be_allowed() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.request(&open("2345", None)).expect(0);
    assert!(!lab.file(INSTALLED_HELPER).exists());
    let mut allowed = open("9229", None);
    allowed.allow(Permission::Install);
    lab.request(&allowed).expect(0);
    assert!(lab.file(INSTALLED_HELPER).exists());
}

#[test]
fn launchd_runs_it_every_minute_and_when_it_is_rung() {
    let lab = ready();
    let runs = || launchd(&lab).job(JOB_LABEL).unwrap().runs;
    let (now, before) = (portcullis::os::clock(), runs());
    let at = |seconds: u64| launchd(&lab).run_due(now + seconds, LaunchPace::Launchd).unwrap();
    at(1);
    assert_eq!(runs(), before + 1, "at load");
    at(12);
    assert_eq!(runs(), before + 1);
    lab.system().files().ring_bell(&portcullis::root::bell::ring()).unwrap();
    at(13);
    assert_eq!(runs(), before + 2, "it was rung");
    at(14);
    lab.system().files().ring_bell(&portcullis::root::bell::ring()).unwrap();
    at(15);
    assert_eq!(runs(), before + 2, "not within ten seconds");
}

/// What the clocks of a lab show: so many minutes after nine in the morning, in one boot.
fn set_clocks(lab: &Lab, minutes: i64) {
    const NINE: i64 = 1_764_061_200;
    let clock = (1000 + minutes * 60).unsigned_abs();
    let moment = Moment { time: NINE + minutes * 60, boot: "a-day".into(), clock };
    let set = serde_json::to_string(&SetClocks::new(moment, "UTC0")).unwrap();
    lab.write(portcullis::lab::clocks::FILE, set);
}

/// launchd looks at the job once, so many minutes after nine.
fn launchd_at(lab: &Lab, minutes: i64) {
    set_clocks(lab, minutes);
    let clock = (1000 + minutes * 60).unsigned_abs();
    // What would be lost in sleep does not count: in between it has looked all the time.
    launchd(lab).run_due(clock, LaunchPace::Lab).unwrap();
}

#[test]
fn a_day_has_three_prompts() {
    let lab = Lab::new();
    set_clocks(&lab, 0);
    let open =
        |arguments: &[&str]| lab.portcullis_as_given(&[&["open"], arguments, &["--from", "any"]].concat());
    open(&["2345", "9229", "--guard", "on"]).expect(0);
    assert_eq!(prompts(&lab).len(), 1, "{:?}", prompts(&lab));
    for start in 1..=20 {
        // The last look is nine minutes old when a debugger starts.
        launchd_at(&lab, start * 20);
        set_clocks(&lab, start * 20 + 9);
        let said = open(&["2345", "--json"]).expect(0).json();
        assert_eq!(said["outcome"], "unchanged", "start {start}: {said}");
    }
    assert_eq!(prompts(&lab).len(), 1, "{:?}", prompts(&lab));
    open(&["2345", "--until", "19:30"]).expect(0);
    lab.portcullis(&["close", "9229"]).expect(0);
    assert_eq!(prompts(&lab).len(), 2, "{:?}", prompts(&lab));
    assert!(lab.rules().contains("keep state"));
    // Half past seven in the evening.
    launchd_at(&lab, 10 * 60 + 30);
    assert!(!lab.rules().contains("keep state") && ledger(&lab).openings.is_empty());
    let history = lab.portcullis(&["history"]).expect(0).out;
    assert!(history.contains("2345 (dlv) is closed: its time is over"), "{history}");
    // The next morning.
    launchd_at(&lab, 24 * 60);
    open(&["2345"]).expect(0);
    assert_eq!(prompts(&lab).len(), 3, "{:?}", prompts(&lab));
}

#[test]
fn one_tick_after_the_bell_its_rules_are_gone() {
    let lab = ready();
    lab.request(&open("2345", None)).expect(0);
    let runs = || launchd(&lab).job(JOB_LABEL).unwrap().runs;
    let now = portcullis::os::clock();
    launchd(&lab).run_due(now, LaunchPace::Launchd).unwrap();
    let before = runs();
    let files = lab.system().files();
    let bell = portcullis::root::bell::of_port(portcullis::os::own_uid(), "2345".parse().unwrap());
    [bell, portcullis::root::bell::ring()].iter().for_each(|bell| files.ring_bell(bell).unwrap());
    assert!(lab.rules().contains("keep state"));
    launchd(&lab).run_due(now + 10, LaunchPace::Launchd).unwrap();
    assert_eq!((runs(), lab.rules().contains("keep state")), (before + 1, false));
}
