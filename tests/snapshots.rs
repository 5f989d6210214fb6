//! Snapshots: taken before each change, and listed for every user by the audit.

mod common;

use common::Lab;
use portcullis::root::snapshot::{self, SnapshotError};
use portcullis::system::{LEDGER, PF_CONF, System as _};

#[test]
fn each_change_has_a_snapshot_and_what_changes_nothing_has_none() {
    let lab = Lab::new();
    assert!(lab.portcullis(&["snapshots"]).expect(0).out.contains("no change was made yet"));
    let untouched = lab.read(PF_CONF);
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345"]).expect(0);
    lab.portcullis(&["open", "2345"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    let text = lab.portcullis(&["snapshots"]).expect(0).out;
    assert!(
        text.contains("     2  ") && text.contains("port 2345 (dlv) is open") && !text.contains("     3  ")
    );
    let json = lab.portcullis(&["snapshots", "--json"]).expect(0).json();
    assert_eq!(json["snapshots"][1]["number"], 2);
    assert_eq!(json["snapshots"][1]["change"]["ports"][0]["port"], 2345);
    let files = lab.system().files();
    assert_eq!(snapshot::list(&files).unwrap(), [1, 2]);
    let manifest = snapshot::read(&files, 2).unwrap();
    assert!(manifest.sha256(LEDGER).is_some());
    assert_eq!(manifest.change.unwrap().user, portcullis::os::own_uid());
    let pristine = snapshot::pristine(&files).unwrap().unwrap();
    assert_eq!((pristine.sha256(LEDGER), &pristine.change), (None, &None));
    let copy = lab.file("/Library/Application Support/Portcullis/snapshots/pristine/pf.conf");
    assert_eq!(std::fs::read(copy).unwrap(), untouched);
}

#[test]
fn snapshots_are_roots_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let snapshots = lab.file("/Library/Application Support/Portcullis/snapshots");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&snapshots), 0o700);
    for folder in ["pristine", "000001"] {
        assert_eq!(mode(&snapshots.join(folder)), 0o700);
        assert_eq!(mode(&snapshots.join(folder).join("manifest.json")), 0o600);
        assert_eq!(mode(&snapshots.join(folder).join("pf.conf")), 0o600);
    }
    assert!(matches!(snapshot::read(&lab.system().files(), 9), Err(SnapshotError::Missing(_))));
}
