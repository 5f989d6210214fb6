//! What macOS itself has to say to debugging.

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding};
use crate::os::process::Program;

pub fn system(facts: &DoctorFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.macos.is_some_and(|(major, _)| major >= 15) {
        findings.push(finding(
            Level::Advice,
            "Local Network",
            "since macOS 15 a client needs permission to reach machines of the local network; without it, \
             it says \"No route to host\"",
            "this Mac runs macOS 15 or later",
            "allow the editor and the terminal in System Settings, Privacy & Security, Local Network",
        ));
    }
    if let Some(said) = &facts.developer_tools {
        let said = said.trim();
        let lower = said.to_ascii_lowercase();
        let (level, what, next) = match () {
            () if lower.contains("enabled") => (Level::Fine, "debuggers may attach to programs", ""),
            // A debugger of node or Java attaches to nothing.
            () if lower.contains("disabled") => (
                if facts.is_about_go() { Level::Problem } else { Level::Advice },
                "debuggers may not attach to programs: it looks like a network fault, and is none",
                "`sudo DevToolsSecurity -enable`",
            ),
            () => (Level::Unknown, "whether debuggers may attach is not known", "`DevToolsSecurity -status`"),
        };
        findings.push(finding(level, "Developer Tools", what, said, next));
    }
    findings
}

/// The version of macOS this runs on, such as `(15, 1)`; `None` elsewhere, or where it does not tell.
pub fn macos_version() -> Option<(u32, u32)> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let output = Program::new("/usr/bin/sw_vers").args(["-productVersion"]).run().ok()?;
    read_macos_version(&output.stdout)
}

fn read_macos_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.');
    Some((parts.next()?.parse().ok()?, parts.next().unwrap_or("0").parse().ok()?))
}

/// Whether this Mac has Apple silicon, also where this program runs translated; `None` elsewhere.
pub fn apple_silicon() -> Option<bool> {
    #[cfg(target_os = "macos")]
    return Some(
        crate::os::sysctl::by_name(c"hw.optional.arm64").is_ok_and(|value| value.first() == Some(&1)),
    );
    #[cfg(not(target_os = "macos"))]
    None
}

/// What macOS says of debuggers that attach to programs; `None` elsewhere.
pub fn developer_tools() -> Option<String> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    Some(match Program::new("/usr/sbin/DevToolsSecurity").args(["-status"]).run() {
        Ok(output) => output.stdout,
        Err(error) => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_macos_read() {
        assert_eq!(read_macos_version("15.1.1\n"), Some((15, 1)));
        assert_eq!(read_macos_version("26"), Some((26, 0)));
        assert_eq!(read_macos_version("junk"), None);
    }
}
