//! The rows of the table of threats in SECURITY.md, attacked: `threat_NN_…` is of row NN.

#[path = "../common/mod.rs"]
mod common;
mod files;
mod hostile;
mod inherited;
mod prompt;
mod random;

use common::Lab;

/// Replaces the lab's pfctl by a script in front of it.
fn wrap_pfctl(lab: &Lab, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let place = lab.file("/sbin/pfctl");
    std::fs::remove_file(&place).unwrap();
    std::fs::write(&place, format!("#!/bin/sh\nreal={}\n{script}\n", env!("CARGO_BIN_EXE_pfctl-lab")))
        .unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
}
