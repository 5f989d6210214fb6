//! A pf that lives in a directory: the surface of pfctl over [`crate::pf`], for trying the app and for
//! testing it.
//!
//! ```
//! use portcullis::{lab::Lab, system::System};
//! let directory = tempfile::tempdir().unwrap();
//! let lab = Lab::open(directory.path())?;
//! assert!(lab.place("/etc/pf.conf").is_file());
//! # Ok::<(), portcullis::lab::LabError>(())
//! ```
//!
//! The directory plays `/` of a stock Mac. What the kernel would hold is in `private/var/pf`; how a person
//! would answer is in `lab.toml` ([`config`]). Nothing outside the directory is ever written.

pub mod arguments;
pub mod clocks;
pub mod config;
mod directory;
mod error;
pub mod helper;
pub mod kernel;
pub mod launchctl;
pub mod launchd;
pub mod load;
mod make;
pub mod osascript;
pub mod packets;
pub mod pfctl;
pub mod pflog;
pub mod shasum;
pub mod socketfilterfw;
pub mod states;
pub mod store;
mod system;

use crate::system::System;
use launchd::Launchd;

pub use config::LabConfig;
pub use directory::default_dir;
pub use error::LabError;
pub use make::{STOCK_COM_APPLE, STOCK_PF_CONF};
pub use store::init;
pub use system::{Lab, choose};

/// Does in a lab what launchd would have done by now; on a Mac launchd does it itself. Where that fails the next command
/// tries again.
pub fn catch_up(system: &dyn System) {
    if let Some(directory) = system.lab() {
        let _ = Launchd::of(directory).catch_up();
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::directory::take_directory;
    use super::store::{connections, drop_states};
    use super::*;

    #[test]
    fn a_lab_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let lab = directory.path().join("a/b");
        init(&lab).unwrap();
        assert_eq!(std::fs::read_to_string(lab.join("etc/pf.conf")).unwrap(), STOCK_PF_CONF);
        std::fs::write(lab.join("etc/pf.conf"), "pass\n").unwrap();
        std::fs::write(lab.join("lab.toml"), "prompt = \"cancel\"\n").unwrap();
        init(&lab).unwrap();
        assert_eq!(std::fs::read_to_string(lab.join("etc/pf.conf")).unwrap(), "pass\n");
        assert_eq!(LabConfig::read(&lab).unwrap().prompt, config::Prompt::Cancel);
        let left: Vec<_> =
            std::fs::read_dir(lab.join("etc")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn the_directory_stands_first() {
        let take = |words: &[&str]| {
            let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
            take_directory(&mut words).map(|directory| (directory, words.len()))
        };
        assert_eq!(take(&["--lab", "/a b", "-sr"]).unwrap(), ("/a b".into(), 1));
        assert_eq!(take(&["--lab=/a", "-sr"]).unwrap(), ("/a".into(), 1));
        assert!(take(&["--lab", "a"]).unwrap().0.is_absolute());
        assert_eq!(take(&["--lab"]).unwrap_err().to_string(), "option requires an argument -- --lab");
        assert!(take(&["--lab", ""]).is_err() && take(&["--lab="]).is_err());
    }

    #[test]
    fn many_may_make_it_at_once() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in [(); 8].map(|()| scope.spawn(|| init(directory.path()))) {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(
            std::fs::read_to_string(directory.path().join("etc/pf.anchors/com.apple")).unwrap(),
            STOCK_COM_APPLE
        );
    }

    #[test]
    fn a_state_is_dropped_alone() {
        let directory = tempfile::tempdir().unwrap();
        init(directory.path()).unwrap();
        let states = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n\
            ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50001       ESTABLISHED:ESTABLISHED\n\
            ALL tcp 192.168.1.2:9229 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n\
            ALL udp 192.168.1.2:2345 <- 192.168.1.9:50000       MULTIPLE:MULTIPLE\n\
            ALL tcp 127.0.0.1:2345 <- 127.0.0.1:50002       ESTABLISHED:ESTABLISHED\n\
            ALL tcp 192.168.1.2:50003 -> 192.168.1.9:2345       ESTABLISHED:ESTABLISHED\n";
        let path = directory.path().join(&store::STATES[1..]);
        std::fs::write(&path, states).unwrap();
        let known = connections(directory.path()).unwrap();
        assert_eq!(known.len(), 5, "UDP has none");
        assert_eq!(drop_states(directory.path(), &known[..1]).unwrap(), 1);
        let expected: String = states.lines().skip(1).map(|line| format!("{line}\n")).collect();
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
        assert_eq!(drop_states(directory.path(), &known[..1]).unwrap(), 0, "it is gone");
    }

    #[test]
    fn says_what_could_not_be_made() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("etc"), "").unwrap();
        let error = init(directory.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot make the lab's ") && error.contains("/etc/pf.anchors"), "{error}");
    }
}
