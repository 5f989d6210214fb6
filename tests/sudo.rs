//! A request from a terminal, where Touch ID answers for sudo: no dialog, and root's own copy of the helper alone.
#![cfg(target_os = "linux")]

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

use common::{Lab, program};
use portcullis::system::INSTALLED_HELPER;

/// Its lab is its second argument. It writes its arguments down, asks at the terminal as sudo does, and runs the rest.
const SUDO: &str = r#"echo "$@" >>"$2/sudo.log"
printf 'Password:' >/dev/tty
read -r word </dev/tty
[ "$word" = secret ] || { echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }
shift 4
exec "$@""#;

/// A lab whose helper is installed, and what its sudo is answered by.
fn lab(sudo_local: &str) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["open", "2345", "--guard", "off"]).expect(0);
    program::script(&lab.file("/usr/bin/sudo"), SUDO);
    std::fs::create_dir_all(lab.file("/etc/pam.d")).unwrap();
    lab.write("/etc/pam.d/sudo_local", sudo_local);
    lab
}

const TOUCH: &str = "# sudo_local\nauth       sufficient     pam_tid.so\n";

/// Runs a command at a terminal of its own, on which `typed` is typed: its exit status, and what the terminal shows.
fn at_terminal(lab: &Lab, arguments: &str, typed: &str) -> (i32, String) {
    let command =
        format!("{} --lab '{}' {arguments}", env!("CARGO_BIN_EXE_portcullis"), lab.path().display());
    let mut child = Command::new("/usr/bin/script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env("USER", "ada")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}

fn prompts(lab: &Lab) -> usize {
    let log = std::fs::read_to_string(lab.file(portcullis::lab::osascript::PROMPTS_LOG)).unwrap_or_default();
    log.lines().count()
}

fn sudo_log(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path().join("sudo.log")).unwrap_or_default()
}

#[test]
fn at_a_terminal_sudo_asks_where_touch_id_answers_for_it() {
    let lab = lab(TOUCH);
    let before = prompts(&lab);
    let (code, shown) = at_terminal(&lab, "open 9229 --from any --for 1h", "secret\n");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(prompts(&lab), before, "a dialog was shown");
    // What the dialog would have said, before sudo asks.
    let (says, asks) =
        (shown.find("Portcullis wants to open port 9229").unwrap(), shown.find("Password:").unwrap());
    assert!(says < asks && shown.contains("each client can run code as you"), "{shown}");
    let log = sudo_log(&lab);
    let copy = lab.file(INSTALLED_HELPER);
    assert!(log.contains(&format!("-k -- {} open 9229=node --from any", copy.display())), "{log}");
    assert!(lab.portcullis(&["--json", "status"]).out.contains("9229"));
}

#[test]
fn what_sudo_refuses_changes_nothing() {
    let lab = lab(TOUCH);
    let before = lab.tree();
    let (code, shown) = at_terminal(&lab, "open 9229 --for 1h", "wrong\n");
    assert_eq!(code, 1, "{shown}");
    assert!(
        shown.contains("sudo did not let root be asked: 1 incorrect password attempt; nothing was changed"),
        "{shown}"
    );
    let mut after = lab.tree();
    after.retain(|path, _| path.as_os_str() != "sudo.log");
    assert_eq!(after, before);
}

/// The dialog is shown as before, and sudo is not run.
#[test]
fn elsewhere_the_dialog_asks() {
    let no_touch = lab("#auth       sufficient     pam_tid.so\n");
    let (code, shown) = at_terminal(&no_touch, "open 9229 --for 1h", "");
    assert_eq!((code, sudo_log(&no_touch).as_str()), (0, ""), "{shown}");

    let no_terminal = lab(TOUCH);
    no_terminal.portcullis(&["open", "9229"]).expect(0);
    assert_eq!(sudo_log(&no_terminal), "");

    // Not root's copy as it was installed.
    let changed = lab(TOUCH);
    program::script(&changed.file(INSTALLED_HELPER), "echo changed >&2; exit 1");
    let (code, shown) = at_terminal(&changed, "open 9229 --for 1h", "");
    assert_eq!((code, sudo_log(&changed).as_str()), (0, ""), "{shown}");
}
