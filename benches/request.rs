//! What a request costs beside pfctl: the time from request to answer ÷ the time in which a pfctl runs, each of which is
//! delayed by 30 ms, about what one takes on a Mac. What is left is reading, planning, writing and syncing.
//!
//! The time of a pfctl is taken in it, without its start and its end, so the quotient that is shown is rather too high
//! than too low.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long each pfctl is delayed.
const DELAY: Duration = Duration::from_millis(30);
/// How high the quotient may be.
const AIM: f64 = 1.3;
/// How often each request is measured; the best counts.
const TIMES: usize = 3;

const PORT: &str = "2345=dlv";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, _script, rest @ ..] = &arguments[..]
        && let Some(log) = mode.strip_prefix("stand-in=")
    {
        std::process::exit(stand_in(Path::new(log), rest));
    }
    let directory = tempfile::tempdir().expect("a temporary folder");
    let lab = directory.path().join("lab");
    let log = directory.path().join("log");
    let pfctl = |arguments: &[&str]| {
        let status = Command::new(env!("CARGO_BIN_EXE_pfctl-lab"))
            .arg("--lab")
            .arg(&lab)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("pfctl-lab starts").success());
    };
    pfctl(&["-s", "info"]);
    delay(&lab, &log);
    println!("{:<12} {:>9} {:>9} {:>6} {:>6}", "request", "answer", "pfctl", "runs", "÷");
    let (mut whole, mut inside) = (Duration::ZERO, Duration::ZERO);
    let requests = [
        ("guard on", vec!["guard", "on", "--managed", PORT]),
        ("open", vec!["open", PORT, "--from", "any"]),
        ("tick", vec!["tick"]),
        ("close", vec!["close", PORT]),
        ("guard off", vec!["guard", "off"]),
    ];
    let mut best = vec![None::<(Duration, Vec<(u64, u64)>)>; requests.len()];
    for _ in 0..TIMES {
        for ((_, action), best) in requests.iter().zip(&mut best) {
            let measured = measure(&lab, &log, action);
            if best.as_ref().is_none_or(|(fastest, _)| measured.0 < *fastest) {
                *best = Some(measured);
            }
        }
    }
    for ((name, _), (answer, runs)) in requests.iter().zip(best.into_iter().flatten()) {
        let (pfctl, count) = (covered(&runs), runs.len());
        if count == 0 {
            println!("{name:<12} {:>6} ms without pfctl", answer.as_millis());
            continue;
        }
        let quotient = answer.as_secs_f64() / pfctl.as_secs_f64();
        println!(
            "{name:<12} {:>6} ms {:>6} ms {count:>6} {quotient:>6.2}",
            answer.as_millis(),
            pfctl.as_millis()
        );
        whole += answer;
        inside += pfctl;
    }
    let quotient = whole.as_secs_f64() / inside.as_secs_f64();
    println!("request to answer ÷ its pfctl runs: {quotient:.2} (at most {AIM})");
}

/// One request: how long the answer took, and when each pfctl ran.
fn measure(lab: &Path, log: &Path, action: &[&str]) -> (Duration, Vec<(u64, u64)>) {
    let made = jiff::Timestamp::from_second(portcullis::os::now()).expect("a time").to_string();
    let boot = portcullis::os::boot_id().expect("a boot");
    let since_boot = portcullis::os::clock().to_string();
    let _ = std::fs::remove_file(log);
    let began = clock();
    let output = Command::new(env!("CARGO_BIN_EXE_helper-lab"))
        .arg("--lab")
        .arg(lab)
        .args(action)
        .args(["--made", &made, "--boot", &boot, "--clock", &since_boot, "--asker", "ada"])
        .env("USER", "ada")
        .output()
        .expect("the helper starts");
    let answer = Duration::from_nanos(clock() - began);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let runs = text.lines().filter_map(|line| {
        let (start, end) = line.split_once(' ')?;
        Some((start.parse().ok()?, end.parse().ok()?))
    });
    (answer, runs.collect())
}

/// The time in which at least one of them ran.
fn covered(runs: &[(u64, u64)]) -> Duration {
    let mut runs = runs.to_vec();
    runs.sort_unstable();
    let (mut covered, mut until) = (0, 0);
    for (start, end) in runs {
        covered += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    Duration::from_nanos(covered)
}

/// Puts this program in the place of the lab's pfctl.
fn delay(lab: &Path, log: &Path) {
    let place = lab.join("sbin/pfctl");
    std::fs::remove_file(&place).expect("the lab has a pfctl");
    let me = std::env::current_exe().expect("this program");
    let mut file = std::fs::File::create(&place).expect("a script");
    writeln!(file, "#!{} stand-in={}", me.display(), log.display()).expect("a script");
    file.set_permissions(PermissionsExt::from_mode(0o755)).expect("a script");
}

/// pfctl, later.
fn stand_in(log: &Path, arguments: &[String]) -> i32 {
    let began = clock();
    std::thread::sleep(DELAY);
    let status = Command::new(env!("CARGO_BIN_EXE_pfctl-lab")).args(arguments).status();
    let line = format!("{began} {}\n", clock());
    let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    status.ok().and_then(|status| status.code()).unwrap_or(99)
}

fn clock() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
