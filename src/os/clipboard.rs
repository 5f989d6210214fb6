//! The clipboard, by the program that the system has for it: `pbcopy` on a Mac; on Linux the one that fits the display.
//!
//! A library would have to stay alive to serve what was copied (X11, Wayland), which a command line does not; these
//! programs do that by themselves.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::inherited::keep_ends_of_children;
use super::process::wait_at_most;

/// How long a program may take to accept the text.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text is not on the clipboard.
#[derive(Debug, thiserror::Error)]
pub enum ClipboardError {
    /// There is no program for it.
    #[error("cannot copy to the clipboard: {0}")]
    NoProgram(&'static str),
    /// The program did not start or take the text.
    #[error("cannot copy to the clipboard: {program}: {source}")]
    Start { program: &'static str, source: std::io::Error },
    /// The program refused.
    #[error("cannot copy to the clipboard: {program} {what}")]
    Failed {
        program: &'static str,
        /// What it did instead.
        what: String,
    },
}

/// Puts `text` on the clipboard in place of what is there.
pub fn copy(text: &str) -> Result<(), ClipboardError> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let (program, arguments) = program(is_set, |path: &str| Path::new(path).exists())?;
    let failed = |source| ClipboardError::Start { program, source };
    keep_ends_of_children();
    let mut child = Command::new(program)
        .args(arguments)
        // pbcopy reads its input by the locale, which an app from the Finder does not have.
        .env("LC_ALL", "en_US.UTF-8")
        .stdin(Stdio::piped())
        // On Linux a process stays behind to serve the text: it must hold no stream that a caller waits for.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    // The text is shorter than a pipe holds, so that this never blocks. Dropping it ends the input.
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).map_err(failed)?;
    }
    match wait_at_most(&mut child, PATIENCE).map_err(failed)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(ClipboardError::Failed { program, what: format!("ended with {status}") }),
        None => {
            // It is of no use any more, whether it can be ended or not.
            let _ = child.kill().and_then(|()| child.wait());
            Err(ClipboardError::Failed { program, what: format!("did not end within {PATIENCE:?}") })
        }
    }
}

/// A program and its arguments.
type CopyCommand = (&'static str, &'static [&'static str]);

const WAYLAND: [CopyCommand; 1] = [("/usr/bin/wl-copy", &[])];
const X11: [CopyCommand; 2] =
    [("/usr/bin/xclip", &["-selection", "clipboard"]), ("/usr/bin/xsel", &["--clipboard", "--input"])];

/// The program that fits the display and is there.
fn program(
    is_set: impl Fn(&str) -> bool,
    is_there: impl Fn(&str) -> bool,
) -> Result<CopyCommand, ClipboardError> {
    if cfg!(target_os = "macos") {
        return Ok(("/usr/bin/pbcopy", &[]));
    }
    let wayland = WAYLAND.iter().filter(|_| is_set("WAYLAND_DISPLAY"));
    let mut candidates = wayland.chain(X11.iter().filter(|_| is_set("DISPLAY"))).peekable();
    if candidates.peek().is_none() {
        let why = "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)";
        return Err(ClipboardError::NoProgram(why));
    }
    let missing = "no program for it is there; install wl-clipboard (Wayland) or xclip (X11)";
    candidates.find(|(program, _)| is_there(program)).copied().ok_or(ClipboardError::NoProgram(missing))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_program_fits_the_display() {
        let of = |set: &[&str], there: &[&str]| {
            program(|name| set.contains(&name), |path| there.contains(&path)).map(|(program, _)| program)
        };
        let all = ["/usr/bin/xsel", "/usr/bin/xclip", "/usr/bin/wl-copy"];
        assert_eq!(of(&["DISPLAY", "WAYLAND_DISPLAY"], &all).unwrap(), "/usr/bin/wl-copy");
        assert_eq!(of(&["DISPLAY"], &all).unwrap(), "/usr/bin/xclip");
        assert_eq!(of(&["DISPLAY"], &all[..1]).unwrap(), "/usr/bin/xsel");
        assert!(of(&["DISPLAY"], &all[2..]).unwrap_err().to_string().contains("install"));
        assert!(of(&[], &all).unwrap_err().to_string().contains("no display"));
    }
}
