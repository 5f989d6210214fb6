//! Go and Delve as the caller's PATH finds them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::os::process::{ProcessError, Program};

/// What is installed.
#[derive(Debug, Default)]
pub struct Toolchain {
    /// Every go on the PATH, in its order, each file once.
    pub go: Vec<Tool>,
    /// Every dlv on the PATH.
    pub dlv: Vec<Tool>,
    /// A dlv in a usual folder that is not on the PATH, where the PATH has none.
    pub unlisted_dlv: Option<String>,
    /// What is wrong with the environment's GOROOT, where something is.
    pub goroot: Option<String>,
    /// The PATH that was searched.
    pub path: String,
}

/// One program and its version.
#[derive(Debug)]
pub struct Tool {
    /// Its file.
    pub path: String,
    /// Its version, such as `1.22.3`.
    pub version: Result<String, VersionError>,
}

/// A program does not tell its version.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error(transparent)]
    Run(#[from] ProcessError),
    /// Holds what it printed.
    #[error("\"{}\" was not understood", .0.escape_debug())]
    Unread(String),
}

/// Looks for go and dlv along `path`, and asks each for its version. `variable` gives the environment's folders.
pub fn collect(path: &OsStr, variable: impl Fn(&str) -> Option<PathBuf>) -> Toolchain {
    let folders: Vec<PathBuf> = std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    let go = tools(&folders, "go", go_version);
    let dlv = tools(&folders, "dlv", dlv_version);
    // Where `go install` puts it.
    let installed = [
        variable("GOBIN"),
        variable("GOPATH").map(|path| path.join("bin")),
        variable("HOME").map(|home| home.join("go/bin")),
    ];
    let mut usual = installed.into_iter().flatten().map(|folder| folder.join("dlv"));
    let usual = usual.find(|file| dlv.is_empty() && file.is_file());
    Toolchain {
        unlisted_dlv: usual.map(|file| file.display().to_string()),
        goroot: variable("GOROOT").and_then(|goroot| goroot_problem(&goroot, go.first())),
        path: path.to_string_lossy().into_owned(),
        go,
        dlv,
    }
}

/// Reads `go version go1.22.3 darwin/arm64`.
pub fn go_version(text: &str) -> Option<String> {
    let version = text.split_ascii_whitespace().find_map(|word| word.strip_prefix("go1"))?;
    Some(format!("1{version}"))
}

/// Reads the `Version: 1.22.1` of `dlv version`.
pub fn dlv_version(text: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.trim().strip_prefix("Version:")?.trim().to_owned()))
}

/// Whether this dlv refuses programs of this Go. Since 1.20, dlv 1.N knows Go up to 1.N; what is not written as
/// numbers is not judged (Delve: pkg/goversion/compat.go).
pub fn is_delve_too_old(dlv: &str, go: &str) -> bool {
    let newest = match minor(dlv) {
        Some(9) => 19,
        Some(8) => 18,
        Some(dlv) if dlv >= 20 => dlv,
        _ => return false,
    };
    minor(go).is_some_and(|go| go > newest)
}

/// Whether this Go is too old for this dlv. Each dlv knows the Go of its own number and two to four before it; only
/// what is older than all of these is called too old.
pub fn is_go_too_old(dlv: &str, go: &str) -> bool {
    match (minor(dlv), minor(go)) {
        (Some(dlv), Some(go)) => dlv >= 20 && go + 4 < dlv,
        _ => false,
    }
}

/// The N of a version 1.N.
pub(super) fn minor(version: &str) -> Option<u32> {
    let mut parts = version.split('.');
    let first = parts.next()?;
    let second: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
    (first == "1").then_some(())?;
    second.parse().ok()
}

fn tools(folders: &[PathBuf], name: &str, read: fn(&str) -> Option<String>) -> Vec<Tool> {
    let mut seen = BTreeSet::new();
    let files = folders.iter().map(|folder| folder.join(name)).filter(|file| file.is_file());
    // Links to one file are one program.
    let distinct = files.filter(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    distinct.take(8).map(|file| tool(&file, read)).collect()
}

fn tool(file: &Path, read: fn(&str) -> Option<String>) -> Tool {
    let output = Program::new(file).args(["version"]).timeout(Duration::from_secs(5)).run();
    let version = output.map_err(VersionError::from).and_then(|output| {
        read(&output.stdout).ok_or_else(|| VersionError::Unread(output.stdout.trim().to_owned()))
    });
    Tool { path: file.display().to_string(), version }
}

fn goroot_problem(goroot: &Path, go: Option<&Tool>) -> Option<String> {
    let own = goroot.join("bin/go");
    let Ok(own) = own.canonicalize() else {
        return Some(format!("GOROOT names {}, where there is no bin/go", goroot.display()));
    };
    let used = Path::new(&go?.path).canonicalize().ok()?;
    (own != used)
        .then(|| format!("GOROOT names {}, but the go on the PATH is {}", goroot.display(), used.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read() {
        assert_eq!(go_version("go version go1.22.3 darwin/arm64\n").as_deref(), Some("1.22.3"));
        assert_eq!(go_version("go version devel"), None);
        assert_eq!(dlv_version("Delve Debugger\nVersion: 1.20.2\nBuild: x\n").as_deref(), Some("1.20.2"));
        assert_eq!(dlv_version(""), None);
    }

    #[test]
    fn an_old_delve_is_too_old_for_a_new_go() {
        for (dlv, go, too_old) in [
            ("1.20.2", "1.21.0", true),
            ("1.20.2", "1.20.14", false),
            ("1.25.0", "1.25rc1", false),
            ("1.9.1", "1.20", true),
            ("1.9.1", "1.19.8", false),
            ("junk", "1.25", false),
            ("1.20.2", "", false),
            ("1.", "1.x", false),
        ] {
            assert_eq!(is_delve_too_old(dlv, go), too_old, "{dlv} {go}");
        }
    }

    #[test]
    fn an_old_go_is_too_old_for_a_new_delve() {
        for (dlv, go, too_old) in [
            ("1.25.2", "1.20.14", true),
            ("1.25.2", "1.21.0", false),
            ("1.20.2", "1.19.8", false),
            ("1.20.2", "1.15", true),
            ("1.9.1", "1.4", false),
            ("junk", "1.4", false),
        ] {
            assert_eq!(is_go_too_old(dlv, go), too_old, "{dlv} {go}");
        }
    }

    #[test]
    fn a_dlv_that_go_installed_is_found_beside_the_path() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bin")).unwrap();
        std::fs::write(root.path().join("bin/dlv"), "").unwrap();
        let variable = |name: &str| (name == "GOPATH").then(|| root.path().to_owned());
        let found = collect(OsStr::new("/nowhere"), variable);
        assert_eq!(found.unlisted_dlv, Some(root.path().join("bin/dlv").display().to_string()));
    }

    #[test]
    fn several_files_count_and_links_do_not() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = root.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let (a, b, c) = (folder("a"), folder("b"), folder("c"));
        for (at, version) in [(&a, "1.20.2"), (&b, "1.25.0")] {
            let file = at.join("dlv");
            std::fs::write(&file, format!("#!/bin/sh\necho 'Version: {version}'\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(a.join("dlv"), c.join("dlv")).unwrap();
        let path = std::env::join_paths([&a, &b, &c, Path::new("relative")]).unwrap();
        let found = collect(&path, |name| (name == "GOROOT").then(|| "/nowhere".into()));
        let versions: Vec<_> = found.dlv.iter().map(|tool| tool.version.as_deref().unwrap()).collect();
        assert_eq!(versions, ["1.20.2", "1.25.0"]);
        assert!(found.go.is_empty());
        assert_eq!(found.goroot.as_deref(), Some("GOROOT names /nowhere, where there is no bin/go"));
    }
}
