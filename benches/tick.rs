//! What a tick with nothing due costs, in processor time, beside `/bin/true`: launchd runs one each minute.

use std::path::Path;
use std::process::{Command, Stdio};

/// How often each is run: the kernel counts processor time by hundredths of a second.
const RUNS: u32 = 300;
/// The most milliseconds that a tick may take.
const AIM: f64 = 5.0;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let lab = directory.path();
    let portcullis = |arguments: &[&str]| run(env!("CARGO_BIN_EXE_portcullis"), Some(lab), arguments);
    portcullis(&["guard", "on"]);
    portcullis(&["open", "2345", "--from", "any"]);
    let tick = || run(env!("CARGO_BIN_EXE_helper-lab"), Some(lab), &["tick"]);
    tick();
    let (ticks, nothing) = (milliseconds(tick), milliseconds(|| run("/bin/true", None, &[])));
    println!(
        "a tick with nothing due {ticks:.1} ms, /bin/true {nothing:.1} ms of processor time (at most {AIM} ms)"
    );
}

fn run(program: &str, lab: Option<&Path>, arguments: &[&str]) {
    let mut command = Command::new(program);
    if let Some(lab) = lab {
        command.arg("--lab").arg(lab);
    }
    let status = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("it starts").success(), "{program} {arguments:?}");
}

/// The processor time of one run.
fn milliseconds(run: impl Fn()) -> f64 {
    let began = of_children();
    (0..RUNS).for_each(|_| run());
    f64::from(of_children() - began) * 10.0 / f64::from(RUNS)
}

/// The processor time of the children that have ended, in hundredths of a second: fields 16 and 17 of proc(5)'s stat.
fn of_children() -> u32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<u32>().ok()).sum()
}
