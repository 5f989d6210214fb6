//! Row 7: the bell can close and nothing else, whatever its user makes of it. Rows 6 and 17 are in `tests/evening.rs`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis::lab::launchd::{LaunchPace, Launchd};
use portcullis::os::own_uid;
use portcullis::root::bell;
use portcullis::root::request::Operation;
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::Ledger;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{BELL, JOB_LABEL, LEDGER, System as _};

use crate::common::{Lab, request};

fn open(lab: &Lab, port: &str) {
    let ports = vec![NamedPort::unnamed(port.parse().unwrap())];
    lab.request(&request(Operation::Open {
        ports,
        from: Source::Any,
        until: None,
        ends: EndKind::Time,
        stay: false,
    }))
    .expect(0);
}

/// A lab with the job and two open ports.
fn ready() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    open(&lab, "2345");
    open(&lab, "9229");
    lab
}

fn ledger(lab: &Lab) -> Ledger {
    Ledger::parse(&lab.read(LEDGER)).unwrap()
}

fn opened(lab: &Lab) -> Vec<String> {
    ledger(lab).openings.iter().map(|opening| opening.port.to_string()).collect()
}

/// launchd's tick, which is never slow.
fn tick(lab: &Lab) {
    lab.helper_that_ends(&["tick"]).expect(0);
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn make_huge(path: &Path) {
    std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
}

#[test]
fn threat_07_what_takes_the_place_of_a_bell_closes_its_port_and_does_nothing_else() {
    let lab = ready();
    let bell = lab.file(&bell::of_port(own_uid(), "2345".parse().unwrap()));
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "kept").unwrap();
    make_pipe(&outside.path().join("pipe"));
    let again = outside.path().join("again");
    let kinds: [(&str, &dyn Fn()); 8] = [
        ("a link", &|| symlink(&victim, &bell).unwrap()),
        ("a link to a pipe", &|| symlink(outside.path().join("pipe"), &bell).unwrap()),
        ("a link to nothing", &|| symlink("/nowhere/at/all", &bell).unwrap()),
        ("a pipe", &|| make_pipe(&bell)),
        ("a folder", &|| std::fs::create_dir(&bell).unwrap()),
        ("huge", &|| make_huge(&bell)),
        ("another file", &|| std::fs::write(&bell, "\u{0}junk").unwrap()),
        ("of two names", &|| {
            std::fs::write(&bell, "").unwrap();
            std::fs::hard_link(&bell, &again).unwrap();
        }),
    ];
    for (kind, put) in kinds {
        open(&lab, "2345");
        std::fs::remove_file(&bell).unwrap();
        put();
        tick(&lab);
        assert_eq!(opened(&lab), ["9229"], "{kind}");
        assert!(bell.symlink_metadata().is_err(), "{kind}: it went with the opening");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept", "{kind}");
    }
    assert!(lab.rules().contains("9229") && lab.rules().contains("block return"));
}

#[test]
fn threat_07_what_launchd_watches_may_be_anything_too() {
    let lab = ready();
    let (files, ring) = (lab.system().files(), lab.file(&bell::ring()));
    let victim = lab.file("/victim");
    std::fs::write(&victim, "kept").unwrap();
    let kinds: [&dyn Fn(); 5] = [
        &|| symlink(&victim, &ring).unwrap(),
        &|| make_pipe(&ring),
        &|| std::fs::create_dir(&ring).unwrap(),
        &|| make_huge(&ring),
        &|| (),
    ];
    for put in kinds {
        std::fs::remove_file(&ring).unwrap();
        put();
        tick(&lab);
        // Where it was gone it comes back with the next change.
        open(&lab, "2345");
        let meta = ring.symlink_metadata().unwrap();
        assert!(meta.is_file() && meta.len() == 0 && meta.permissions().mode() & 0o7777 == 0o666);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept");
        assert_eq!(opened(&lab), ["2345", "9229"], "by itself it closes nothing");
    }
    // A thousand rings leave it as it is: a new file each time would start launchd each time.
    (0..1000).for_each(|_| files.ring_bell(&bell::ring()).unwrap());
    let before = ring.metadata().unwrap();
    tick(&lab);
    let after = ring.metadata().unwrap();
    assert_eq!((before.ino(), before.len(), before.mtime()), (after.ino(), after.len(), after.mtime()));
}

#[test]
fn threat_07_a_bell_that_is_gone_closes_nothing_and_comes_back() {
    let lab = ready();
    let folder = lab.file(BELL);
    std::fs::remove_dir_all(&folder).unwrap();
    tick(&lab);
    assert_eq!(opened(&lab), ["2345", "9229"]);
    open(&lab, "5005");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 5);
}

#[test]
fn threat_07_a_user_closes_no_port_of_another() {
    let lab = ready();
    let (own, other) = (own_uid(), own_uid() + 501);
    // 9229 is another user's.
    let mut ledger = ledger(&lab);
    ledger.openings[1].user = Some(other);
    lab.write(LEDGER, ledger.file().unwrap());
    // Files that root did not make are not looked at, by whatever name.
    for name in [format!("{own}.9229"), format!("{own}.1024-65535"), format!("{other}.2345"), "9229".into()] {
        std::fs::write(lab.file(BELL).join(name), "1").unwrap();
    }
    tick(&lab);
    assert_eq!(opened(&lab), ["2345", "9229"]);
    std::fs::write(lab.file(&bell::of_all(own)), "1").unwrap();
    tick(&lab);
    assert_eq!(opened(&lab), ["9229"]);
    // Nor does the app ring for it.
    let asked = || {
        std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap().lines().count()
    };
    let before = asked();
    lab.portcullis(&["close", "--all"]).expect(0);
    assert_eq!((asked(), opened(&lab)), (before + 1, vec![]));
}

/// Swaps what lies at `place` for another kind of thing, over and over, until `done`.
fn swap_until(done: &AtomicBool, place: &Path, victim: &Path) {
    let remove = || std::fs::remove_file(place).or_else(|_| std::fs::remove_dir(place));
    while !done.load(Ordering::Relaxed) {
        let kinds: [&dyn Fn() -> std::io::Result<()>; 4] = [
            &|| symlink(victim, place),
            &|| std::fs::create_dir(place),
            &|| std::fs::write(place, "1"),
            &|| std::fs::hard_link(victim, place),
        ];
        for put in kinds {
            // The tick may have been there first.
            let _ = (remove(), put());
        }
    }
}

#[test]
fn threat_07_what_is_swapped_while_a_tick_runs_closes_its_port_at_most() {
    let lab = ready();
    let bell = lab.file(&bell::of_port(own_uid(), "2345".parse().unwrap()));
    let victim = lab.file("/victim");
    std::fs::write(&victim, "kept").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| swap_until(&done, &bell, &victim));
        for _ in 0..6 {
            tick(&lab);
            open(&lab, "2345");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(opened(&lab).contains(&"9229".to_owned()) && lab.rules().contains("port = 9229"));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept");
}

#[test]
fn threat_07_a_thousand_rings_while_a_tick_runs_close_nothing_and_start_no_more() {
    let lab = ready();
    let files = lab.system().files();
    let launchd = Launchd::of(lab.path());
    let runs = || launchd.job(JOB_LABEL).unwrap().runs;
    let now = portcullis::os::clock();
    launchd.run_due(now, LaunchPace::Launchd).unwrap();
    let before = runs();
    for second in 1..=30 {
        (0..1000).for_each(|_| files.ring_bell(&bell::ring()).unwrap());
        launchd.run_due(now + second, LaunchPace::Launchd).unwrap();
    }
    assert_eq!(runs(), before + 3, "one in ten seconds");
    assert_eq!(opened(&lab), ["2345", "9229"]);
}

/// A file that nothing changes, root included, until this goes (chattr(1); a user's `chflags uchg` of a Mac's).
struct Immutable(PathBuf);

impl Immutable {
    /// `None`: this file system has no such flag, or it takes root.
    fn new(place: &Path) -> Option<Self> {
        let flagged = Command::new("chattr").arg("+i").arg(place).output();
        flagged.is_ok_and(|output| output.status.success()).then(|| Immutable(place.to_owned()))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(&self.0).output();
    }
}

#[test]
fn threat_07_a_bell_that_cannot_be_taken_away_closes_its_port_and_keeps_no_other_from_its_bell() {
    let lab = ready();
    let bell = |port: &str| lab.file(&bell::of_port(own_uid(), port.parse().unwrap()));
    std::fs::write(bell("2345"), "1").unwrap();
    let Some(immutable) = Immutable::new(&bell("2345")) else {
        println!("skipped: nothing can be made immutable here");
        return;
    };
    for _ in 0..2 {
        tick(&lab);
        assert_eq!(opened(&lab), ["9229"]);
        assert!(!lab.rules().contains("port = 2345 flags any keep state"));
    }
    open(&lab, "5005");
    assert_eq!(opened(&lab), ["5005", "9229"]);
    assert!(bell("5005").is_file() && bell("9229").is_file() && bell("2345").is_file());
    drop(immutable);
    tick(&lab);
    assert_eq!(opened(&lab), ["5005", "9229"]);
}

/// What launchd's tick says while something is mounted over `place` by the words of a shell; `None`: nothing can be mounted so
/// here. A tick that waits for a volume that never answers is ended, and so says nothing.
fn tick_under(lab: &Lab, mount: &str, place: &Path) -> Option<String> {
    let helper = env!("CARGO_BIN_EXE_helper-lab");
    let script = format!("{mount} || exit 77; timeout -s KILL 60 '{helper}' --lab \"$2\" tick 3>&-");
    let ran =
        Command::new("unshare").args(["-m", "sh", "-c", &script, "sh"]).arg(place).arg(lab.path()).output();
    match ran {
        Ok(output) if output.status.code() != Some(77) && !output.stdout.is_empty() => {
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Ok(output) if output.status.code() == Some(137) => Some(String::new()),
        other => {
            println!("skipped: nothing can be mounted here: {other:?}");
            None
        }
    }
}

/// A volume whose program answers nothing: the shell has the device open, and does not read it.
fn silent_volume(mode: &str) -> String {
    format!("exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode={mode},user_id=0,group_id=0 none \"$1\"")
}

// Only root can mount there.
#[test]
fn threat_07_a_volume_over_the_bells_hides_them_and_is_not_waited_for() {
    let lab = ready();
    let (folder, own) = (lab.file(BELL), own_uid());
    let rung = format!("mount -t tmpfs none \"$1\" && echo 1 >\"$1/{own}.2345\" && : >\"$1/junk\"");
    for mount in [rung, silent_volume("40000")] {
        let Some(said) = tick_under(&lab, &mount, &folder) else { return };
        assert!(said.contains("nothing was changed"), "{mount}: {said}");
        assert_eq!(opened(&lab), ["2345", "9229"], "{mount}");
    }
    // What comes due meanwhile is closed.
    lab.edit_ledger(|text| text.replacen("\"until\": null", "\"until\": 1", 1));
    let Some(said) = tick_under(&lab, &silent_volume("40000"), &folder) else { return };
    assert!(said.contains("2345 is closed"), "{said}");
    assert_eq!(opened(&lab), ["9229"]);
    // In place of one bell it closes that port.
    let bell = lab.file(&bell::of_port(own, "9229".parse().unwrap()));
    open(&lab, "2345");
    let Some(said) = tick_under(&lab, &silent_volume("100000"), &bell) else { return };
    assert!(said.contains("9229 is closed") && !said.contains("nothing was"), "{said}");
    assert_eq!(opened(&lab), ["2345"]);
    assert!(lab.rules().contains("block return"));
}

#[test]
fn threat_07_another_user_can_ring_and_nothing_else() {
    let lab = ready();
    std::fs::set_permissions(lab.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (folder, own) = (lab.file(BELL), own_uid());
    let as_other = |command: &str| {
        let script = format!("cd '{}' && {command}", folder.display());
        let mut other = Command::new("setpriv");
        other.args(["--reuid", "501", "--regid", "501", "--clear-groups", "sh", "-c", &script]);
        other.output().is_ok_and(|output| output.status.success())
    };
    if own != 0 || !as_other("true") {
        println!("skipped: there is no other user here");
        return;
    }
    for command in [
        format!("echo 1 >>{own}.2345"),
        format!("echo 1 >>{own}.all"),
        format!("rm -f {own}.2345"),
        format!("ln {own}.2345 ../again"),
        format!("mv {own}.2345 {own}.9229"),
        "ln -s /etc/passwd 501.9229".to_owned(),
        "mkdir 501.all".to_owned(),
        "rm -f ring".to_owned(),
        "chmod 600 ring".to_owned(),
    ] {
        assert!(!as_other(&command), "{command}");
    }
    assert!(as_other("echo 1 >>ring") && as_other("truncate -s 1G ring"));
    tick(&lab);
    assert_eq!(opened(&lab), ["2345", "9229"]);
    assert_eq!(lab.file(&bell::ring()).metadata().unwrap().len(), 0);
}
