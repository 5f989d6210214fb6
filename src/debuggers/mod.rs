//! Debuggers: how each is recognised, what a connection does to it, how a client connects, how it is started.
//!
//! Each debugger is one file, which says everything that is known of it in the types of [`debugger`], and one line of
//! [`ALL`].
//!
//! Nothing here connects to a debug port or binds one, but for the one probe that the user asks for, and only where that
//! was measured to be harmless.

pub mod build_info;
pub mod classify;
pub mod command_line;
pub mod debugger;
pub mod editors;
pub mod launch;
pub mod port_view;
pub mod ports;
pub mod probe;
pub mod programs;
pub mod scan;
pub mod settings;
mod silent;
pub mod watch;
pub mod wire;

pub mod bun;
pub mod chrome;
pub mod dart;
pub mod debugpy;
pub mod delve;
pub mod dotnet;
pub mod forwarders;
pub mod gdbserver;
pub mod hardware;
pub mod jdwp;
pub mod lldb;
pub mod metro;
pub mod node;
pub mod rdbg;
pub mod xdebug;

use debugger::{Debugger, Lingering, Mode, Silence};

/// Every debugger. The ports of those that have a usual one are shown in this order.
pub static ALL: [&Debugger; 20] = [
    &delve::DEBUGGER,
    &node::DEBUGGER,
    &debugpy::DEBUGGER,
    &jdwp::DEBUGGER,
    &gdbserver::DEBUGGER,
    &chrome::DEBUGGER,
    &lldb::DAP,
    &lldb::SERVER,
    &rdbg::DEBUGGER,
    &xdebug::DEBUGGER,
    &dotnet::DEBUGGER,
    &dart::DEBUGGER,
    &bun::DEBUGGER,
    &bun::WORKERD,
    &metro::DEBUGGER,
    &hardware::DEBUGGER,
    &lldb::CODELLDB,
    &forwarders::DEBUGGER,
    &forwarders::CONTAINERS,
    &forwarders::AMONG_OTHERS,
];

/// Those that a user may name for a port: what a forwarder is in front of is named instead.
pub fn nameable() -> impl Iterator<Item = &'static Debugger> {
    ALL.into_iter().filter(|debugger| !debugger.usual_mode.forwards)
}

/// The debugger of this name; the name of its usual port does as well: `delve`, `dlv`.
pub fn named(name: &str) -> Option<&'static Debugger> {
    nameable().find(|debugger| {
        debugger.name == name || debugger.usual_port.as_ref().is_some_and(|port| port.name == name)
    })
}

/// The debugger that usually listens on `port`.
pub fn usual(port: u16) -> Option<&'static Debugger> {
    ALL.into_iter().find(|debugger| debugger.usual_port.as_ref().is_some_and(|usual| usual.number == port))
}

pub fn modes() -> impl Iterator<Item = &'static Mode> {
    ALL.into_iter().flat_map(|debugger| debugger.modes).copied()
}

/// Whether a process of this short name may be a debugger that has lost its listener or never had one, or shows that one has not begun to
/// listen yet: no socket leads to these.
pub fn may_linger(process_name: &str) -> bool {
    let lingering = |mode: &Mode| mode.lingering.map_or(&[][..], |Lingering { programs, .. }| programs);
    let silent = |mode: &Mode| mode.silence.map_or(&[][..], |Silence { programs, .. }| programs);
    modes()
        .flat_map(|mode| [lingering(mode), silent(mode)])
        .any(|programs| command_line::is_named(process_name, programs))
}

#[cfg(test)]
mod tests {
    use super::debugger::ListenOn;
    use super::settings::{ConnectTarget, Setting};
    use super::*;

    #[test]
    fn how_each_is_started_and_connected_to() {
        let mut text = String::new();
        for debugger in ALL {
            text += &format!("=== {debugger:?}\n");
            for on in [ListenOn::Loopback, ListenOn::Everywhere] {
                let command = (debugger.start)(on, 40000);
                // A Mac starts its programs by `open`.
                let command = command
                    .as_deref()
                    .unwrap_or("-")
                    .replace("open -na 'Google Chrome' --args", "google-chrome");
                text += &format!("{on:?}: {command}\n");
            }
            for mode in debugger.modes {
                text += &format!("== {mode:?}\n");
                let of_linux = |setting: String| setting.replace("remote-macosx", "remote-linux");
                let target = ConnectTarget { host: "127.0.0.1", port: 2345 };
                for Setting { client, how, text: setting } in (mode.settings)(&target) {
                    text += &format!("{client}: {how}\n{}\n", of_linux(setting));
                }
            }
        }
        insta::assert_snapshot!(text);
    }

    /// Each of these was measured with the real server: see that no other slips in.
    #[test]
    fn only_three_may_be_asked() {
        let harmless = modes().filter(|mode| matches!(mode.probe, debugger::Probe::Harmless(_)));
        let harmless: Vec<&str> = harmless.map(|mode| mode.id).collect();
        assert_eq!(harmless, ["delve-multiclient", "node", "chrome"]);
    }

    #[test]
    fn a_setting_that_is_json_reads_as_json_and_names_the_port() {
        for mode in modes() {
            for setting in (mode.settings)(&ConnectTarget { host: "::1", port: 2345 }) {
                assert!(setting.text.contains("2345"), "{setting:?}");
                if setting.client == "VS Code" {
                    let value: serde_json::Value = serde_json::from_str(&setting.text).unwrap();
                    assert!(value["type"].is_string());
                }
            }
        }
    }

    #[test]
    fn names_and_usual_ports_are_each_debuggers_own() {
        let mut names: Vec<&str> = ALL.iter().map(|debugger| debugger.name).collect();
        names.extend(ALL.iter().filter_map(|debugger| Some(debugger.usual_port.as_ref()?.name)));
        let mut modes: Vec<&str> = modes().map(|mode| mode.id).collect();
        for debugger in ALL {
            assert!(debugger.modes.contains(&debugger.usual_mode), "{debugger:?}");
            let of_it = |name: &&str| *name == debugger.name;
            let allowed =
                1 + usize::from(debugger.usual_port.as_ref().is_some_and(|port| port.name == debugger.name));
            assert_eq!(names.iter().filter(|name| of_it(name)).count(), allowed, "{debugger:?}");
            if let Some(port) = &debugger.usual_port {
                assert_eq!(usual(port.number), Some(debugger));
                assert_eq!(named(port.name), Some(debugger));
            }
        }
        modes.sort_unstable();
        assert!(modes.windows(2).all(|pair| pair[0] != pair[1]), "{modes:?}");
        assert_eq!(named("delve"), Some(&delve::DEBUGGER));
        assert_eq!(named("forwarder"), None);
    }
}
