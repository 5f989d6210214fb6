//! A notification of osascript's, for which no rights are asked.

use std::time::Duration;

use super::quote;
use crate::system::System;

/// How long osascript may take to hand it over.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shows a notification, and waits until macOS has taken it. Where it shows none nothing is said: menu and status say the
/// same.
///
/// Source: `display notification` in the AppleScript Language Guide.
pub fn show(system: &dyn System, text: &str) {
    let program = system.program("/usr/bin/osascript").args(["-e", &script(text)]);
    let _ = program.timeout(PATIENCE).ending_with_us().run();
}

fn script(text: &str) -> String {
    format!("display notification {} with title \"Portcullis\"", quote::applescript(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::osascript::Banner;

    #[test]
    fn no_text_is_more_than_a_text() {
        for text in ["port 2345", "\"quoted\" \\ and\nmore", "\" with title \"x"] {
            let banner = Banner::parse(&script(text)).unwrap();
            assert_eq!((banner.title.as_str(), banner.text.as_str()), ("Portcullis", text));
        }
    }
}
