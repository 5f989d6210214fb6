//! Row 3: what a caller sets up before it starts the helper.
#![allow(unsafe_code, reason = "the state is made between fork and exec")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use portcullis::root::request::Operation;
use portcullis::rules::ends::EndKind;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;

use crate::common::{Lab, request};

/// One state, made by calls that are safe between fork and exec.
struct State {
    name: &'static str,
    make: fn() -> io::Result<()>,
    environment: &'static [(&'static str, &'static str)],
}

const fn state(name: &'static str, make: fn() -> io::Result<()>) -> State {
    State { name, make, environment: &[] }
}

fn ignore(signals: impl IntoIterator<Item = i32>) -> io::Result<()> {
    // SAFETY: no code of ours runs at a signal.
    signals.into_iter().for_each(|signal| unsafe {
        libc::signal(signal, libc::SIG_IGN);
    });
    Ok(())
}

fn block(signals: impl IntoIterator<Item = i32>) -> io::Result<()> {
    // SAFETY: the set is made valid before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        signals.into_iter().for_each(|signal| {
            libc::sigaddset(&raw mut set, signal);
        });
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
    Ok(())
}

/// Whether this process may raise a hard limit, as root of a Mac may (on Linux CAP_SYS_RESOURCE, which containers lack).
fn may_raise() -> bool {
    static MAY: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *MAY.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0");
        u64::from_str_radix(effective.trim(), 16).is_ok_and(|bits| bits & (1 << 24) != 0)
    })
}

#[cfg(target_os = "linux")]
type Limited = libc::__rlimit_resource_t;
#[cfg(not(target_os = "linux"))]
type Limited = libc::c_int;

/// Lowers the soft limit, and where the helper may raise it again the hard one too.
fn limit(resource: Limited, to: u64) -> io::Result<()> {
    // SAFETY: the value is valid for the call.
    unsafe {
        let hard = if may_raise() { to } else { libc::RLIM_INFINITY };
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(resource, &raw mut now);
        let limit = libc::rlimit { rlim_cur: to.min(now.rlim_max), rlim_max: hard.min(now.rlim_max) };
        libc::setrlimit(resource, &raw const limit);
    }
    Ok(())
}

/// A timer whose signal ends a process; the pfctl of the test takes longer than it.
fn timer(which: u32, milliseconds: libc::suseconds_t) -> io::Result<()> {
    let value = libc::timeval { tv_sec: 0, tv_usec: milliseconds * 1000 };
    let timer = libc::itimerval { it_interval: value, it_value: value };
    // SAFETY: the value is valid for the call.
    unsafe { libc::setitimer(which as _, &raw const timer, std::ptr::null_mut()) };
    Ok(())
}

const STATES: &[State] = &[
    state("none", || Ok(())),
    state("SIGCHLD ignored", || ignore([libc::SIGCHLD])),
    state("SIGCHLD blocked", || block([libc::SIGCHLD])),
    state("SIGPIPE at its default", || {
        // SAFETY: no code of ours runs at a signal.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        Ok(())
    }),
    state("every signal ignored", || ignore(1..65)),
    state("every signal blocked", || block((1..65).filter(|signal| ![32, 33].contains(signal)))),
    state("FSIZE 0", || limit(libc::RLIMIT_FSIZE, 0)),
    state("FSIZE 100", || limit(libc::RLIMIT_FSIZE, 100)),
    state("CPU 0", || limit(libc::RLIMIT_CPU, 1)),
    state("AS 1 GiB", || limit(libc::RLIMIT_AS, 1 << 30)),
    state("NOFILE 8", || limit(libc::RLIMIT_NOFILE, 8)),
    state("NPROC 1", || limit(libc::RLIMIT_NPROC, 1)),
    state("CORE without bound", || limit(libc::RLIMIT_CORE, libc::RLIM_INFINITY)),
    state("a timer", || timer(0, 3000)),
    state("a profiling timer", || timer(2, 100)),
    state("umask 0777", || {
        // SAFETY: takes a number alone.
        unsafe { libc::umask(0o777) };
        Ok(())
    }),
    state("umask 0", || {
        // SAFETY: takes a number alone.
        unsafe { libc::umask(0) };
        Ok(())
    }),
    state("open files", || {
        // SAFETY: takes numbers alone. The test left 3 open to a file.
        (10..40).for_each(|file| unsafe {
            libc::dup2(2, file);
        });
        Ok(())
    }),
    state("stdin closed", || {
        // SAFETY: takes a number alone.
        unsafe { libc::close(0) };
        Ok(())
    }),
    state("stderr closed", || {
        // SAFETY: takes a number alone.
        unsafe { libc::close(2) };
        Ok(())
    }),
    state("another folder", || {
        // SAFETY: a C string.
        unsafe { libc::chdir(c"/dev/fd".as_ptr()) };
        Ok(())
    }),
    State {
        name: "an environment",
        make: || Ok(()),
        environment: &[
            ("PATH", "/nowhere"),
            ("IFS", "/"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("TZ", ":/etc/shadow"),
            ("PERL5OPT", "-Mevil"),
            ("TMPDIR", "/nowhere"),
            ("RUST_BACKTRACE", "full"),
            ("MALLOC_ARENA_MAX", "0"),
        ],
    },
];

/// Writes down what its parent, the helper, is at the first call. While it starts us, the C library blocks every signal.
const OBSERVER: &str = r#"
test -e "$2/seen" || {
  tries=0
  until grep -q '^SigBlk:.0*4003$' /proc/$PPID/status || test $tries -gt 100; do tries=$((tries + 1)); done
  grep -E '^(SigBlk|SigIgn|Umask)' /proc/$PPID/status
  grep -E '^Max (file size|cpu time|address space|core)' /proc/$PPID/limits | tr -s ' '
  echo "cwd $(readlink /proc/$PPID/cwd)"
  find /proc/$PPID/fd -type l -lname '*planted*' | wc -l
} >"$2/seen" 2>/dev/null
exec $real "$@""#;

#[test]
fn threat_03_the_result_is_the_same_in_each_inherited_state() {
    // Asked before the first fork.
    println!("hard limits are lowered too: {}", may_raise());
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let _ = std::fs::remove_file(lab.file("/seen"));
    lab.wrap_pfctl(OBSERVER);
    let planted = lab.file("/planted");
    let mut seen_first = None;
    for (port, state) in (4000..).zip(STATES) {
        let slow = state.name == "a timer";
        if slow {
            // Longer than the timer.
            lab.wrap_pfctl(&format!("test -e \"$2/once\" || {{ : >\"$2/once\"; sleep 3.3; }}\n{OBSERVER}"));
        }
        let ports =
            vec![NamedPort { name: "dlv".parse().unwrap(), range: port.to_string().parse().unwrap() }];
        let request = request(Operation::Open {
            ports,
            from: Source::Any,
            until: None,
            ends: EndKind::Time,
            stay: false,
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_helper-lab"));
        command.arg("--lab").arg(lab.path()).args(request.words()).envs(state.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(&planted).unwrap());
        // SAFETY: the states are made by calls that are safe between fork and exec.
        let output = unsafe { command.pre_exec(state.make) }.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}: {:?} {said}", state.name, output.status);
        assert!(said.contains("\"outcome\":\"changed\""), "{}: {said}", state.name);
        // Standard error alone leads to the planted file.
        let seen = std::fs::read_to_string(lab.file("/seen")).unwrap();
        std::fs::remove_file(lab.file("/seen")).unwrap();
        let seen = if state.name == "stderr closed" { seen.replacen("\n0\n", "\n1\n", 1) } else { seen };
        assert_eq!(*seen_first.get_or_insert_with(|| seen.clone()), seen, "{}", state.name);
        if slow {
            std::fs::remove_file(lab.file("/once")).unwrap();
            lab.wrap_pfctl(OBSERVER);
        }
    }
    let seen = seen_first.unwrap();
    for line in ["SigBlk:\t0000000000004003", "Umask:\t0022", "cwd /\n"] {
        assert!(seen.contains(line), "{line:?} in {seen}");
    }
    // 32 and 33 are the C library's own.
    let ignored = seen.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & !(0b11 << 31), 1 << (libc::SIGPIPE - 1), "{seen}");
}

#[test]
fn threat_03_a_signal_waits_until_the_change_is_whole() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        let lab = Lab::new();
        lab.portcullis(&["guard", "on"]).expect(0);
        // The helper is signalled by each pfctl that it runs.
        lab.wrap_pfctl(&format!("kill -{signal} $PPID\nexec $real \"$@\""));
        let said = lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
        assert!(said.out.contains("open for anyone"), "{signal}: {}", said.out);
        assert!(lab.rules().contains("port = 2345"));
    }
}
