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

/// The command line is linked with chained fixups, the helper with opcodes: both forms run in every test.
#[test]
fn both_forms_of_fixups_are_run() {
    const DYLD_INFO_ONLY: u32 = 0x8000_0022;
    const CHAINED_FIXUPS: u32 = 0x8000_0034;
    for (program, form) in [("portcullis", CHAINED_FIXUPS), ("portcullis-helper", DYLD_INFO_ONLY)] {
        let file = std::fs::read(built(program)).unwrap();
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        // Load commands stand behind the header of 32 bytes, each with its length.
        let mut at = 32;
        let commands: Vec<u32> = (0..word(16))
            .map(|_| {
                let (command, length) = (word(at), word(at + 4));
                at += length as usize;
                command
            })
            .collect();
        let forms: Vec<&u32> =
            commands.iter().filter(|command| [DYLD_INFO_ONLY, CHAINED_FIXUPS].contains(command)).collect();
        assert_eq!(forms, [&form], "{program}");
    }
}

#[test]
fn a_fault_that_does_not_read_is_told() {
    let mut command = mac_run(&built("portcullis"));
    let said =
        Said::of(command.env("MAC_RUN_FAULT", "nonsense").arg("--version").output().unwrap()).expect(126);
    assert!(said.err.contains("expected PROGRAM:FUNCTION"), "{}", said.err);
}
