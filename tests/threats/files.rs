//! Rows 4, 5 and 21: what lies where root reads and writes.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use portcullis::os::{FileError, Files};
use portcullis::root::request::Operation;
use portcullis::rules::ends::EndKind;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{ANCHOR_FILE, AUDIT, LEDGER, LOCK, PF_CONF, STATUS};

use crate::common::{Lab, request};

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Any file or folder whose mode or owner lets another than root change it is refused, for each of the 4,096 modes.
#[test]
fn threat_05_what_others_can_write_is_not_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let (folder, file) = (directory.path().join("etc"), directory.path().join("etc/pf.conf"));
    if chown(directory.path(), Some(0), Some(0)).is_err() {
        println!("skipped: only root can give files to others");
        return;
    }
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&file, "pass\n").unwrap();
    let tree = Files::of_root(directory.path());
    for owner in [0, 501] {
        for bits in 0..0o10000 {
            let is_trusted = owner == 0 && bits & 0o022 == 0;
            chown(&file, Some(owner), None).unwrap();
            mode(&file, bits);
            assert_eq!(tree.read("/etc/pf.conf").is_ok(), is_trusted, "file {owner} {bits:04o}");
            chown(&file, Some(0), None).unwrap();
            mode(&file, 0o644);
            chown(&folder, Some(owner), None).unwrap();
            mode(&folder, bits);
            assert_eq!(tree.read("/etc/pf.conf").is_ok(), is_trusted, "folder {owner} {bits:04o}");
            chown(&folder, Some(0), None).unwrap();
            mode(&folder, 0o755);
        }
    }
    // Nor is it written, nor given back to another.
    for (owner, bits) in [(501, 0o644), (0, 0o664), (0, 0o646)] {
        chown(&file, Some(owner), None).unwrap();
        mode(&file, bits);
        let error = tree.replace("/etc/pf.conf", b"block\n", 0o644).unwrap_err();
        assert!(matches!(error, FileError::Unsafe { .. }), "{error}");
        assert!(tree.append_line("/etc/pf.conf", "x").is_err());
        assert!(tree.lock("/etc/pf.conf", Duration::ZERO).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"pass\n");
    }
    chown(&file, Some(0), Some(80)).unwrap();
    mode(&file, 0o640);
    tree.replace("/etc/pf.conf", b"block\n", 0o644).unwrap();
    let meta = file.metadata().unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 80, 0o640), "group and mode stay");
}

/// Where root reads or writes: each of them in turn is something else.
const PATHS: [&str; 6] = [LEDGER, STATUS, LOCK, AUDIT, ANCHOR_FILE, PF_CONF];

#[test]
fn threat_04_nothing_planted_is_followed_or_waited_for() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    let guarded = Lab::new();
    guarded.portcullis(&["guard", "on"]).expect(0);
    for path in PATHS {
        for kind in ["link", "dangling link", "hard link", "pipe", "folder", "link above"] {
            std::fs::write(&target, "theirs\n").unwrap();
            let lab = Lab::new();
            let mut copy = std::process::Command::new("cp");
            assert!(copy.arg("-a").arg(guarded.path().join(".")).arg(lab.path()).status().unwrap().success());
            let place = lab.file(path);
            let _ = std::fs::remove_file(&place);
            match kind {
                "link" => symlink(&target, &place).unwrap(),
                "dangling link" => symlink(outside.path().join("new"), &place).unwrap(),
                "hard link" => std::fs::hard_link(&target, &place).unwrap(),
                "folder" => std::fs::create_dir(&place).unwrap(),
                "pipe" => {
                    let made = std::process::Command::new("mkfifo").arg(&place).status().unwrap();
                    assert!(made.success());
                }
                _ => {
                    let above = place.parent().unwrap();
                    let moved = outside.path().join("moved");
                    let _ = std::fs::remove_dir_all(&moved);
                    std::fs::rename(above, &moved).unwrap();
                    symlink(&moved, above).unwrap();
                }
            }
            let began = Instant::now();
            let ports = vec![NamedPort::unnamed("4321".parse().unwrap())];
            let said = lab.request(&request(Operation::Open {
                ports,
                from: Source::Any,
                until: None,
                ends: EndKind::Time,
                stay: false,
            }));
            assert!(began.elapsed() < Duration::from_secs(60), "{path}: {kind} held it up");
            assert!(!said.out.is_empty(), "{path}: {kind}: no answer: {}", said.err);
            assert_eq!(std::fs::read(&target).unwrap(), b"theirs\n", "{path}: {kind} was followed");
            assert!(!outside.path().join("new").exists(), "{path}: {kind} was followed");
        }
    }
}

/// Links are planted and taken away again as fast as can be while root works.
#[test]
fn threat_04_a_race_with_planted_links_leads_no_write_astray() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    std::fs::write(&target, "theirs\n").unwrap();
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let places: Vec<_> = [ANCHOR_FILE, STATUS, LEDGER].iter().map(|path| lab.file(path)).collect();
            let mut swaps = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                for place in &places {
                    // The file gives way to a link for a moment, as one who may write the folder can have it.
                    let aside = place.with_extension("aside");
                    if std::fs::rename(place, &aside).is_ok() {
                        let _ = symlink(&target, place);
                        let _ = std::fs::remove_file(place);
                        let _ = std::fs::rename(&aside, place);
                        swaps += 1;
                    }
                }
            }
            assert!(swaps > 100, "{swaps} swaps: is this test trying enough?");
        });
        for port in 4000..4020 {
            let ports = vec![NamedPort::unnamed(port.to_string().parse().unwrap())];
            lab.request(&request(Operation::Open {
                ports,
                from: Source::Any,
                until: None,
                ends: EndKind::Time,
                stay: false,
            }));
            assert_eq!(std::fs::read(&target).unwrap(), b"theirs\n", "a link was followed");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(std::fs::read(&target).unwrap(), b"theirs\n");
}

#[test]
fn threat_21_a_line_that_another_program_writes_meanwhile_stays() {
    let lab = Lab::new();
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    lab.portcullis(&["status"]).expect(0);
    // Another program appends to the file at the last moment: the load of our anchor comes before the edit.
    lab.wrap_pfctl("case \"$*\" in *-n*) ;; *'-f '*) test -e \"$2/once\" || { : >\"$2/once\"; echo '# a line of a VPN' >>\"$2/etc/pf.conf\"; };; esac\nexec $real \"$@\"",
    );
    let said = lab.portcullis(&["guard", "on"]);
    let conf = String::from_utf8(lab.read(PF_CONF)).unwrap();
    assert!(conf.contains("# a line of a VPN\n"), "{}\n{conf}", said.err);
    lab.portcullis(&["guard", "on"]).expect(0);
    let conf = String::from_utf8(lab.read(PF_CONF)).unwrap();
    assert!(conf.contains("# a line of a VPN\n") && conf.contains("anchor \"dev.portcullis\""), "{conf}");
}
