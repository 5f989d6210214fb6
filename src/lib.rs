//! Portcullis opens debug ports on a Mac, closes them in the evening, and says why a port cannot be
//! reached.
//!
//! Three programs stand above this library: the command line (`src/main.rs`, `src/cli/`), the tray (`src/tray/`), and the
//! root helper, which is built from the library alone.
//!
//! The map of the library, in reading order; imports point down this list only (a test holds it to that):
//!
//! | module | what |
//! |---|---|
//! | [`app`] | what both front ends do: read the status, ask for a change |
//! | [`lab`] | a Mac in a directory: the other implementation of [`system::System`] |
//! | [`elevate`] | how root is reached: the prompt, the code-signature check |
//! | [`root`] | what runs as root: request, plan, apply |
//! | [`doctor`] | everything that may stand in the way, in one report |
//! | [`firewall`] | asks pf and the Application Firewall |
//! | [`pflog`] | what pf logged: capture, entries, counts |
//! | [`menu`], [`status`], [`prefs`] | facts in, what is shown out; what the user prefers |
//! | [`report`] | what root saw, as it stands on disk |
//! | [`debuggers`] | how each debugger is recognised, what harms it, its settings |
//! | [`sockets`] | who listens and who is connected |
//! | [`diagnosis`] | what stands between a client and a debugger: one state, one sentence, one next step |
//! | [`rules`] | our rules: named ports, ledger, anchor, the block in pf.conf |
//! | [`pf`] | pf's language and verdicts |
//! | [`port`] | ports and ranges |
//! | [`system`] | the trait `System`, and `Mac`: where everything is |
//! | [`os`] | the one door to the system: atomic files, processes, locks |

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod app;
pub mod debuggers;
pub mod diagnosis;
pub mod doctor;
pub mod elevate;
pub mod firewall;
pub mod lab;
pub mod menu;
pub mod os;
pub mod pf;
pub mod pflog;
pub mod port;
pub mod prefs;
pub mod report;
pub mod root;
pub mod rules;
pub mod sockets;
pub mod status;
pub mod system;

/// The version, with the commit where the app was built as a bundle: `0.1.0 (574f9cb09a12)`.
pub const BUILD: &str = match option_env!("PORTCULLIS_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};
