//! When to look again: never while nothing can change that would be shown.
//!
//! ```
//! use portcullis::debuggers::watch::{Interest, pause};
//! assert_eq!(pause(Interest { in_use: false, open: false }, false), None);
//! ```

use std::time::Duration;

use crate::os::process::Program;

/// Why a change would be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Whether a debug port has a listener or a session.
    pub in_use: bool,
    /// Whether a port is open for other machines.
    pub open: bool,
}

/// How long to wait before the next look; `None`: until the menu opens or a change is made. On battery the pauses are
/// longer.
pub fn pause(interest: Interest, on_battery: bool) -> Option<Duration> {
    let seconds = match (interest, on_battery) {
        (Interest { in_use: false, open: false }, _) => return None,
        (Interest { in_use: true, .. }, false) => 3,
        (Interest { in_use: true, .. }, true) => 15,
        (Interest { in_use: false, open: true }, false) => 10,
        (Interest { in_use: false, open: true }, true) => 60,
    };
    Some(Duration::from_secs(seconds))
}

/// Whether this machine runs on battery; unknown counts as no.
pub fn on_battery() -> bool {
    if cfg!(target_os = "macos") {
        let output = Program::new("/usr/bin/pmset").args(["-g", "batt"]).run();
        return output.is_ok_and(|output| is_battery_drawn(&output.stdout));
    }
    let Ok(supplies) = std::fs::read_dir("/sys/class/power_supply") else { return false };
    let online: Vec<String> = supplies
        .filter_map(|supply| std::fs::read_to_string(supply.ok()?.path().join("online")).ok())
        .collect();
    !online.is_empty() && online.iter().all(|text| text.trim() == "0")
}

/// Reads the first line of `pmset -g batt`: `Now drawing from 'Battery Power'`.
fn is_battery_drawn(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.contains("'Battery Power'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_see_is_never_looked_at_and_battery_waits_longer() {
        for in_use in [false, true] {
            for open in [false, true] {
                let interest = Interest { in_use, open };
                let (mains, battery) = (pause(interest, false), pause(interest, true));
                assert_eq!(mains.is_some(), in_use || open);
                assert!(mains.is_none() || mains < battery, "{interest:?}");
            }
        }
    }

    #[test]
    fn the_source_of_power_reads() {
        assert!(is_battery_drawn("Now drawing from 'Battery Power'\n -InternalBattery-0 90%"));
        assert!(!is_battery_drawn("Now drawing from 'AC Power'\n"));
        assert!(!is_battery_drawn(""));
    }
}
