//! A pfctl that misbehaves, in the place of the lab's for one run.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The word before what it does: `stand-in=hang-done:/dev/shm/…`.
pub const WORD: &str = "stand-in=";

/// Misbehaves as `mode` says. `arguments`: pfctl's own.
pub fn main(mode: &str, arguments: &[String]) -> ExitCode {
    let (mode, wings) = mode.split_once(':').unwrap_or((mode, ""));
    let wings = PathBuf::from(wings);
    let mut input = Vec::new();
    if arguments.windows(2).any(|words| words == ["-f", "-"]) {
        let _ = std::io::stdin().read_to_end(&mut input);
    }
    match mode {
        "fail" | "fail-on" => refused(),
        "fail-done" => {
            run(arguments, &input, Stdio::null());
            refused()
        }
        "junk" => junk(),
        "junk-done" => {
            run(arguments, &input, Stdio::null());
            junk()
        }
        "silent" => ExitCode::SUCCESS,
        "hang" => {
            wait(&wings);
            refused()
        }
        "hang-done" => {
            run(arguments, &input, Stdio::null());
            wait(&wings);
            refused()
        }
        "late" | "late-start" => {
            let _ = std::fs::create_dir(wings.join("started"));
            wait(&wings);
            run(arguments, &input, Stdio::null());
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(99),
    }
}

fn refused() -> ExitCode {
    eprintln!("pfctl: DIOCXCOMMIT: Device busy");
    ExitCode::from(1)
}

fn junk() -> ExitCode {
    println!("\u{fffd}\u{1}Segmentation fault: 11 }}{{");
    eprintln!("dyld: Library not loaded: @rpath/libjunk.dylib\n  Reason: image not found");
    ExitCode::SUCCESS
}

/// Waits until the gate is opened.
fn wait(wings: &Path) {
    let _ = OpenOptions::new().read(true).open(wings.join("gate"));
}

/// Has the lab's pfctl do it.
fn run(arguments: &[String], input: &[u8], output: Stdio) {
    let child = Command::new(env!("CARGO_BIN_EXE_pfctl-lab"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return };
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(input);
    }
    let _ = child.wait();
}
