//! What the helper opens and runs, as the kernel saw it by strace(1).

use std::path::Path;
use std::process::Command;

use portcullis::root::request::Operation;
use portcullis::rules::ends::EndKind;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;

use crate::common::{Lab, request};

/// The paths that `arguments` led the helper to open or run, and its exit status; `None` where nothing can be traced here.
fn traced(lab: &Lab, home: &Path, arguments: &[String]) -> Option<(Vec<String>, i32)> {
    let trace = home.with_extension("trace");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-y", "-s", "4096", "-e", "trace=open,openat,openat2,execve", "-o"])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_helper-lab"))
        .arg("--lab")
        .arg(lab.path())
        .args(arguments)
        .env("HOME", home)
        .env("USER", "ada")
        .current_dir(home)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("strace does not start ({error}): nothing is traced");
            return None;
        }
    };
    let Ok(text) = std::fs::read_to_string(&trace) else {
        println!("strace may not trace here: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    };
    Some((text.lines().filter_map(reached).collect(), output.status.code()?))
}

/// `7 openat(5</tmp>, "x", O_RDONLY) = 3</tmp/x>` gives `/tmp/x`; so does a call that failed.
fn reached(line: &str) -> Option<String> {
    if let Some((_, result)) = line.rsplit_once(" = ").filter(|(_, result)| result.contains('<')) {
        return Some(result.split_once('<')?.1.trim_end().trim_end_matches('>').to_owned());
    }
    let (call, rest) = line.split_once('"')?;
    let asked = rest.split_once('"')?.0;
    let folder =
        call.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(folder, _)| folder);
    Some(Path::new(folder).join(asked).to_string_lossy().into_owned())
}

#[test]
fn threat_11_the_helper_opens_no_file_of_a_user() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let outside = tempfile::tempdir().unwrap();
    let home = outside.path().join("ada");
    for file in [
        "preferences.toml",
        "Library/Application Support/dev.portcullis.Portcullis/preferences.toml",
        ".pf.conf",
        "pf.conf",
    ] {
        let place = home.join(file);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, "show = [2345]\n").unwrap();
    }
    let port = || vec![NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() }];
    // Not a recording: strace waits for its recorder.
    let requests = [
        Operation::Guard { on: true },
        Operation::Open { ports: port(), from: Source::Any, until: None, ends: EndKind::Time, stay: false },
        Operation::Status {},
        Operation::Tick {},
        Operation::Close { ports: port() },
        Operation::Guard { on: false },
        Operation::Uninstall { keep_logs: false },
    ];
    for operation in requests {
        let request = request(operation);
        let words = request.words();
        let Some((reached, code)) = traced(&lab, &home, &words) else { return };
        assert_eq!(code, 0, "{words:?}");
        assert!(reached.iter().any(|path| path.ends_with("/ledger.json")), "{words:?}");
        let of_user = |path: &&String| !path.starts_with('/') || Path::new(path.as_str()).starts_with(&home);
        let theirs: Vec<&String> = reached.iter().filter(of_user).collect();
        assert!(theirs.is_empty(), "{words:?}: {theirs:?}");
    }
}
