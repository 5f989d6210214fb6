//! What a program cannot do here ends with a word that says it.

use std::process::Command;

use crate::root::{Said, built, mac_run};

#[test]
fn what_is_no_mac_program_is_refused() {
    let said = Said::of(mac_run(std::path::Path::new("/bin/sh")).output().unwrap()).expect(126);
    assert!(said.err.contains("/bin/sh: not a Mach-O file"), "{}", said.err);
    let said = Said::of(mac_run(std::path::Path::new("/nowhere")).output().unwrap()).expect(126);
    assert!(said.err.contains("/nowhere"), "{}", said.err);
    let said = Said::of(Command::new(env!("CARGO_BIN_EXE_mac-run")).output().unwrap()).expect(126);
    assert!(said.err.contains("usage"), "{}", said.err);
}

#[test]
fn a_program_with_chained_fixups_runs_as_well() {
    let said = Said::of(mac_run(&built("chained")).arg("--version").output().unwrap()).expect(0);
    assert!(said.out.starts_with("portcullis "), "{}", said.out);
}

#[test]
fn a_fault_that_does_not_read_is_told() {
    let mut command = mac_run(&built("portcullis"));
    let said =
        Said::of(command.env("MAC_RUN_FAULT", "nonsense").arg("--version").output().unwrap()).expect(126);
    assert!(said.err.contains("PROGRAM:FUNCTION:N:ERROR"), "{}", said.err);
}
