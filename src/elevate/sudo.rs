//! The other way to root: sudo in a terminal, where the Mac's owner has it answered by Touch ID. It starts root's own copy of
//! the helper and never the app's, which its owner could change while the finger is on its way.

use std::ffi::OsStr;
use std::path::Path;

use super::{ElevateError, read_directly};
use crate::os::hash;
use crate::os::process::{Output, Program};
use crate::root::answer::Response;
use crate::root::job::InstalledJob;
use crate::system::{INSTALLED_HELPER, System};

const SUDO: &str = "/usr/bin/sudo";
/// What an administrator adds to sudo's questions; macOS has it since 14, and updates leave it as it is
/// (`/etc/pam.d/sudo_local.template`).
const SUDO_LOCAL: &str = "/etc/pam.d/sudo_local";
/// No longer is read of it.
const LONGEST: u64 = 64 << 10;

/// What starts root's copy of the helper by sudo, where Touch ID answers for sudo here, and the copy is there as it was
/// installed and is the one of this build.
pub(super) fn program(system: &dyn System, helper: &Path) -> Option<Program> {
    if !takes_touch(&sudo_local(system)?) {
        return None;
    }
    let installed = InstalledJob::read(&system.files()).ok()??;
    let own = system.job_program(helper).ok()?;
    let is_own = installed.sha256 == hash::of_bytes(&own);
    let copy = system.place(INSTALLED_HELPER);
    // With -k sudo asks for this command however shortly ago it asked, and does not remember the answer.
    let words = [OsStr::new("-k"), OsStr::new("--"), copy.as_os_str()];
    is_own.then(|| system.program(SUDO).args(words).at_our_terminal())
}

/// What sudo's end says: what the helper said, or that sudo did not start it.
pub(super) fn read_outcome(output: Output) -> Result<Response, ElevateError> {
    match refusal(&output) {
        Some(why) => Err(ElevateError::Sudo(why)),
        None => read_directly(output),
    }
}

/// What sudo said, where it started nothing.
fn refusal(output: &Output) -> Option<String> {
    // The helper writes no line like these.
    let is_sudos = |line: &&str| line.starts_with("sudo: ") || line.contains("is not in the sudoers file");
    let last = output.stderr.lines().rfind(is_sudos)?;
    let is_refused = output.code == 1 && output.stdout.is_empty();
    is_refused.then(|| last.strip_prefix("sudo: ").unwrap_or(last).trim_end_matches('.').to_owned())
}

fn sudo_local(system: &dyn System) -> Option<String> {
    let bytes = crate::os::read_plain(&system.place(SUDO_LOCAL), LONGEST).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether pam.conf(5)'s lines name the module of Touch ID for authentication.
fn takes_touch(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let is_auth = words.next() == Some("auth");
        is_auth
            && words.any(|word| word.rsplit('/').next().is_some_and(|name| name.starts_with("pam_tid.so")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touch_id_answers_where_a_line_of_authentication_names_it() {
        for (text, takes) in [
            ("auth       sufficient     pam_tid.so\n", true),
            (
                "# sudo_local\nauth optional /opt/homebrew/lib/pam/pam_reattach.so\nauth sufficient pam_tid.so\n",
                true,
            ),
            ("auth sufficient /usr/lib/pam/pam_tid.so.2\n", true),
            ("auth [success=done default=ignore] pam_tid.so # finger\n", true),
            ("#auth       sufficient     pam_tid.so\n", false),
            ("account required pam_tid.so\n", false),
            ("auth sufficient pam_smartcard.so # not pam_tid.so\n", false),
            ("", false),
        ] {
            assert_eq!(takes_touch(text), takes, "{text}");
        }
    }

    #[test]
    fn what_sudo_says_is_told_from_what_the_helper_says() {
        let output = |code, stdout: &str, stderr: &str| Output {
            code,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        let cases = [
            (
                output(1, "", "Sorry, try again.\nsudo: 3 incorrect password attempts\n"),
                Some("3 incorrect password attempts"),
            ),
            (
                output(1, "", "sudo: a terminal is required to read the password\n"),
                Some("a terminal is required to read the password"),
            ),
            (output(1, "", "ada is not in the sudoers file.\n"), Some("ada is not in the sudoers file")),
            (output(1, "", "pfctl refused (1); nothing was changed\n"), None),
            (output(4, "", "sudo: put back\n"), None),
            (output(0, "{}", ""), None),
        ];
        for (output, why) in cases {
            assert_eq!(refusal(&output).as_deref(), why, "{output:?}");
        }
    }
}
