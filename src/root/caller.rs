//! Who asks, by what root sees itself; the name in a request is a claim.

use serde::{Deserialize, Serialize};

use crate::os;
use crate::system::{CONSOLE, System};

/// The user behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The user that the helper runs as: 0 on a Mac.
    pub uid: u32,
    /// The user who ran sudo(8).
    pub sudo_uid: Option<u32>,
    /// The user at the screen, who was asked by the prompt; `None` at the login window.
    pub console_uid: Option<u32>,
}

impl Caller {
    /// The caller of this process.
    pub fn of_process(system: &dyn System) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        // SCDynamicStoreCopyConsoleUser says the same, by way of configd, which a helper started by launchd at boot would
        // wait for, and by a framework that it does not link. loginwindow gives the console to the user who logs in, and back to root (console(4), Apple's QA1133).
        let owner = system.place(CONSOLE).symlink_metadata().map(|console| console.uid());
        Caller {
            uid: os::own_uid(),
            sudo_uid: os::sudo_uid(),
            console_uid: owner.ok().filter(|uid| *uid != 0),
        }
    }

    /// The user that a change counts as: who ran sudo(8), else who is at the screen, else who runs the helper.
    pub fn user(&self) -> u32 {
        self.sudo_uid.or(self.console_uid).unwrap_or(self.uid)
    }
}

/// The user's name, as a request can have it.
pub fn request_name(user: u32) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(plain);
    Some(os::user_of(user)).filter(fits).unwrap_or_else(|| format!("uid-{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_says_more_than_the_screen() {
        let caller = Caller { uid: 0, sudo_uid: Some(501), console_uid: Some(502) };
        assert_eq!(caller.user(), 501);
        assert_eq!(Caller { sudo_uid: None, ..caller }.user(), 502);
        assert_eq!(Caller { sudo_uid: None, console_uid: None, ..caller }.user(), 0);
    }
}
