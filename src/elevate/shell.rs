//! What root's shell runs: copy the helper, hash the copy, run the copy, clean up.
//!
//! The text is fixed. What varies stands behind it, each value one quoted word: two paths, a hash, a code requirement, the
//! helper's words. `/bin/sh` reads the text with an empty environment, since `/usr/bin/shasum` is Perl and would run what
//! a PERL5OPT says.

use std::path::Path;

use super::quote;

/// $1 the template of a folder of root's own, $2 the helper, $3 its SHA-256, $4 a code requirement or nothing, then the
/// helper's arguments.
///
/// `cat`, not `cp`: on a Mac that copies com.apple.quarantine along, and Gatekeeper kills the copy. What is no plain file
/// is refused; what becomes a pipe or a device after that holds root up for ten seconds and 128 MiB at most.
const COPY_AND_RUN: &str = r#"set -eu; umask 077
fail() { echo "$1: it was not run, nothing was changed" >&2; exit 1; }
if test -L "$2" || ! test -f "$2"; then fail "the helper is no plain file"; fi
d=$(/usr/bin/mktemp -d "$1"); trap "/bin/rm -rf \"\$d\"" EXIT
( ulimit -f 262144; exec /bin/cat "$2" >"$d/helper" 2>/dev/null ) & c=$!
( exec >/dev/null 2>&1; s=; trap "kill \$s; exit 0" TERM; /bin/sleep 10 & s=$!; wait; kill $c ) & w=$!
wait $c || fail "the helper could not be copied"
kill $w 2>/dev/null || :
if test "$(HASH <"$d/helper")" != "$3  -"; then fail "the helper changed after it was checked"; fi
if test -n "$4"; then /usr/bin/codesign --verify --strict -R="$4" "$d/helper"; fi
/bin/chmod 0700 "$d/helper"; shift 4; "$d/helper" "$@""#;

/// The helper to run, and how it is known.
pub(super) struct CheckedHelper<'a> {
    /// Where root makes a folder of its own, as mktemp(1) takes it.
    pub home: &'a Path,
    pub helper: &'a Path,
    /// The SHA-256 in hexadecimal.
    pub digest: &'a str,
    /// The command that prints the SHA-256 of its standard input, as `DIGEST  -`.
    pub hash: &'a str,
    /// A code requirement, in builds that are signed by a team.
    pub requirement: Option<&'a str>,
    /// The user who ran sudo(8), for the helper's log.
    pub sudo_uid: Option<u32>,
}

/// The command for `sh -c`.
pub(super) fn command(checked: &CheckedHelper, arguments: &[String]) -> String {
    let CheckedHelper { home, helper, digest, hash, requirement, sudo_uid } = checked;
    let mut command = "exec /usr/bin/env -i PATH=/usr/bin:/bin".to_owned();
    command.extend(sudo_uid.iter().map(|uid| format!(" SUDO_UID={uid}")));
    command += &format!(" /bin/sh -c {} sh", quote::sh(&COPY_AND_RUN.replace("HASH", hash)));
    let (home, helper) = (home.to_string_lossy(), helper.to_string_lossy());
    let fixed = [&*home, &*helper, digest, requirement.unwrap_or_default()];
    for word in fixed.into_iter().chain(arguments.iter().map(String::as_str)) {
        command += &format!(" {}", quote::sh(word));
    }
    command
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::os::process::{Output, Program};

    /// A helper that says what it was given, in a folder whose name wants quoting.
    struct HelperFolder {
        _directory: tempfile::TempDir,
        folder: std::path::PathBuf,
        digest: String,
    }

    const SCRIPT: &str = "#!/bin/sh\necho \"$0\"; echo \"$@\"; env; umask\n";

    fn place() -> HelperFolder {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("it's $(id) \"a\" `b` ü\n");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("helper"), SCRIPT).unwrap();
        let sum = Program::new("/usr/bin/sha256sum").stdin(SCRIPT).run().unwrap().stdout;
        HelperFolder { _directory: directory, folder, digest: sum.split(' ').next().unwrap().to_owned() }
    }

    fn run(place: &HelperFolder, arguments: &[&str]) -> Output {
        let checked = CheckedHelper {
            home: &place.folder.join("root.XXXXXX"),
            helper: &place.folder.join("helper"),
            digest: &place.digest,
            hash: "/usr/bin/sha256sum",
            requirement: None,
            sudo_uid: Some(501),
        };
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let output = Program::new("/bin/sh")
            .args(["-c", &command(&checked, &arguments)])
            .timeout(Duration::from_secs(40));
        let output = output.run().unwrap();
        let left = std::fs::read_dir(&place.folder).unwrap().count();
        assert_eq!(left, 1, "the copy is gone");
        output
    }

    #[test]
    fn a_copy_runs_with_its_words_and_nothing_else() {
        let output = run(&place(), &["open", "2345=dlv", "--from", "a'b"]);
        let mut lines = output.stdout.lines();
        let name = lines.by_ref().take(2).collect::<Vec<_>>().join("\n");
        assert!(name.contains("/root.") && name.ends_with("/helper"), "{output:?}");
        assert_eq!(lines.next(), Some("open 2345=dlv --from a'b"));
        let mut rest: Vec<&str> = lines.filter(|line| !line.starts_with("_=")).collect();
        rest.sort_unstable();
        let pwd = rest.iter().position(|line| line.starts_with("PWD=")).unwrap();
        rest.remove(pwd);
        assert_eq!(rest, ["0077", "PATH=/usr/bin:/bin", "SUDO_UID=501"]);
    }

    #[test]
    fn another_file_is_not_run() {
        let mut place = place();
        place.digest = place.digest.chars().rev().collect();
        let output = run(&place, &[]);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""));
        assert!(output.stderr.contains("changed after it was checked"), "{output:?}");
    }

    #[test]
    fn a_swap_at_any_moment_runs_nothing_else() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let place = place();
        let (helper, other) = (place.folder.join("helper"), place.folder.with_extension("other"));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for text in ["#!/bin/sh\necho swapped\n", SCRIPT] {
                        // Whole at every moment, as one who means it would do it.
                        std::fs::write(&other, text).unwrap();
                        std::fs::rename(&other, &helper).unwrap();
                    }
                }
            });
            let mut ran = 0;
            for _ in 0..40 {
                let output = run(&place, &["tick"]);
                assert!(!output.stdout.contains("swapped"), "{output:?}");
                ran += u32::from(output.code == 0);
            }
            is_over.store(true, Ordering::Relaxed);
            println!("ran {ran} of 40");
        });
    }

    #[test]
    fn what_is_no_plain_file_is_not_read() {
        let place = place();
        let helper = place.folder.join("helper");
        for target in ["/dev/zero", "/bin/sh"] {
            std::fs::remove_file(&helper).unwrap();
            symlink(target, &helper).unwrap();
            assert!(run(&place, &[]).stderr.contains("no plain file"), "{target}");
        }
        std::fs::remove_file(&helper).unwrap();
        let made = Program::new("/usr/bin/mkfifo").args([&helper]).run().unwrap();
        assert!(made.success());
        let began = Instant::now();
        assert!(run(&place, &[]).stderr.contains("no plain file"));
        assert!(began.elapsed() < Duration::from_secs(30), "a pipe held it up");
    }

    #[test]
    fn what_has_no_end_is_bounded() {
        let place = place();
        std::fs::remove_file(place.folder.join("helper")).unwrap();
        // Sparse: the disk has room, and root does not read to its end.
        let file = std::fs::File::create(place.folder.join("helper")).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(run(&place, &[]).stderr.contains("could not be copied"));
    }
}
