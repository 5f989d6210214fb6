//! A dialog of osascript's that only says something.

use super::quote;
use crate::system::{PATIENCE, System};

/// Shows it, and comes back when it was answered, or after two minutes. Where no dialog can be shown nothing is said.
///
/// Source: `display alert` in the AppleScript Language Guide.
pub fn show(system: &dyn System, title: &str, message: &str) {
    let dialog = system.program("/usr/bin/osascript").args(["-e", &script(title, message)]);
    let _ = dialog.timeout(PATIENCE).ending_with_us().run();
}

pub(super) fn script(title: &str, message: &str) -> String {
    format!(
        "display alert {} message {} buttons {{\"OK\"}}",
        quote::applescript(title),
        quote::applescript(message)
    )
}
