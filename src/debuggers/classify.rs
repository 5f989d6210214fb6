//! Which debugger a process is, from its program and arguments alone.
//!
//! ```
//! use portcullis::debuggers::{classify::{PortExpectation, classify}, delve};
//! let arguments = ["dlv", "dap", "--listen=127.0.0.1:2345"].map(String::from);
//! let server = classify("/usr/bin/dlv", &arguments, Some(PortExpectation::usual(2345))).unwrap();
//! assert_eq!(*server.mode, delve::DAP);
//! assert!(server.single_use);
//! ```

use super::command_line::CommandLine;
use super::debugger::{Debugger, Server};
use super::{ALL, usual};
use crate::sockets::Process;

/// A port, and the debugger that is expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortExpectation {
    /// In host order.
    pub port: u16,
    /// The debugger that the user named for it.
    pub named: Option<&'static Debugger>,
}

impl PortExpectation {
    /// Of a port for which the user named no debugger.
    pub fn usual(port: u16) -> Self {
        PortExpectation { port, named: None }
    }

    /// The debugger that the user named, else the one that usually has this port.
    pub fn debugger(&self) -> Option<&'static Debugger> {
        self.named.or_else(|| usual(self.port))
    }
}

/// Which debugger the process at `path` with these `arguments` (its own name first) is, or `None` where it is none.
///
/// With a `listener`, the question is about that listener of it: a node program that is debugged on 9229 may well serve
/// web pages on 3000, and that listener is not a debugger's.
pub fn classify(path: &str, arguments: &[String], listener: Option<PortExpectation>) -> Option<Server> {
    classify_line(CommandLine::new(path, arguments), listener)
}

fn classify_line(mut line: CommandLine<'_>, listener: Option<PortExpectation>) -> Option<Server> {
    line.port = listener.map(|listener| listener.port);
    let expected = listener.and_then(|listener| listener.debugger());
    let owner = ALL.into_iter().find(|debugger| line.program_is(debugger.own_programs));
    let asked = match owner {
        Some(owner) => vec![owner],
        None => ALL.into_iter().filter(|debugger| debugger.own_programs.is_empty()).collect(),
    };
    let found = asked.into_iter().filter_map(|debugger| {
        line.is_expected = expected == Some(debugger);
        (debugger.recognise)(&line).filter(|server| is_on(server, line.port))
    });
    // What its own arguments name is more certain than what only looks like another.
    let found: Vec<Server> = found.collect();
    let measured = found.iter().position(|server| server.measured);
    found.into_iter().nth(measured.unwrap_or(0))
}

/// [`classify`] for a process of the socket table.
pub fn classify_process(process: &Process, listener: Option<PortExpectation>) -> Option<Server> {
    classify_line(CommandLine::of(process), listener)
}

/// Whether the listener on `port` can be that of `server`.
fn is_on(server: &Server, port: Option<u16>) -> bool {
    let given = server.listen.as_ref().and_then(|listen| listen.port);
    match (given, port) {
        (_, None) => true,
        // It listens elsewhere: this listener is the program's own.
        (Some(given), Some(port)) => given == port,
        // A random port. What is guessed was guessed from the port.
        (None, Some(_)) => !(server.measured && server.mode.has_other_listeners),
    }
}

/// The server of a command line with blanks between its arguments, for tests.
#[cfg(test)]
pub fn of_line(line: &str, port: Option<u16>) -> Option<Server> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    classify(&arguments[0], &arguments, port.map(PortExpectation::usual))
}

#[cfg(test)]
mod tests {
    use super::super::debugger::ListenOn;
    use super::*;

    #[test]
    fn a_process_without_arguments_is_no_debugger() {
        assert_eq!(of_line(" x", Some(1)), None);
        assert_eq!(classify("", &[], Some(PortExpectation::usual(1))), None);
    }

    /// Else the settings to connect would not be those of what was started.
    #[test]
    fn the_advice_to_start_starts_the_usual_mode_on_the_port() {
        for debugger in ALL {
            for on in [ListenOn::Loopback, ListenOn::Everywhere] {
                let Some(command) = (debugger.start)(on, 40000) else { continue };
                let server = of_line(&command, Some(40000)).unwrap_or_else(|| panic!("{command}"));
                assert_eq!(server.mode, debugger.usual_mode, "{command}");
                assert!(server.traps.is_empty(), "{command}");
            }
        }
    }

    #[test]
    fn what_a_forwarder_runs_elsewhere_is_not_here() {
        let line = "ssh -L 9229:localhost:9229 box node --inspect app.js";
        assert!(of_line(line, Some(9229)).unwrap().mode.forwards);
        assert_eq!(of_line(line, None), None);
    }

    #[test]
    fn of_two_debuggers_in_one_process_each_has_its_port() {
        let line = "electron --inspect=5858 --remote-debugging-port=9222 .";
        assert_eq!(of_line(line, Some(5858)).unwrap().mode.id, "node");
        assert_eq!(of_line(line, Some(9222)).unwrap().mode.id, "chrome");
    }

    #[test]
    fn where_only_the_port_speaks_the_one_that_the_user_named_counts() {
        let arguments = ["ruby", "x.rb"].map(String::from);
        let of = |named| classify("/usr/bin/ruby", &arguments, Some(PortExpectation { port: 40000, named }));
        assert_eq!(of(None), None);
        assert_eq!(of(super::super::named("jdwp")), None, "a ruby is no Java");
        let guessed = of(super::super::named("rdbg")).unwrap();
        assert_eq!((guessed.mode.id, guessed.measured), ("rdbg", false));
    }

    #[test]
    fn what_was_started_by_the_environment_is_known() {
        let of = |line: &str, variable: (&str, &str), port| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let path = Some(arguments[0].clone().into());
            let environment = vec![(variable.0.to_owned(), variable.1.to_owned())];
            let process =
                Process { pid: 7, parent: None, name: None, path, user: None, arguments, environment };
            let server = classify_process(&process, Some(PortExpectation::usual(port)))?;
            assert!(server.measured, "{line}");
            Some(server.mode.id)
        };
        let agent = "-Xmx1g -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:8000";
        for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"] {
            assert_eq!(of("/usr/bin/java -jar x", (name, agent), 8000), Some("jdwp"), "{name}");
            assert_eq!(of("/usr/bin/java -jar x", (name, agent), 8080), None, "{name}");
        }
        let inspect = ("NODE_OPTIONS", "--max-old-space-size=99 --inspect=0.0.0.0:9230");
        assert_eq!(of("node app.js", inspect, 9230), Some("node"));
        assert_eq!(of("node app.js", inspect, 3000), None);
        assert_eq!(of("python3 app.py", inspect, 9230), None);
        assert_eq!(of("ruby app.rb", ("RUBY_DEBUG_PORT", "9092"), 9092), Some("rdbg"));
        assert_eq!(of("ruby app.rb", ("RUBY_DEBUG_PORT", "9092"), 3000), None);
    }

    #[test]
    fn an_ide_that_waits_on_a_debuggers_port_is_no_debuggee() {
        for (line, port, mode) in [
            ("/Applications/IntelliJ IDEA.app/Contents/MacOS/idea", 5005, Some("jdwp-listen")),
            ("/opt/pycharm-2025/jbr/bin/java", 5678, Some("pycharm")),
            ("/opt/pycharm", 5678, Some("pycharm")),
            ("/opt/idea", 7777, None),
        ] {
            let found = classify(line, &[], Some(PortExpectation::usual(port)));
            assert_eq!(found.map(|server| server.mode.id), mode, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(path in "\\PC{0,20}", arguments in proptest::collection::vec("(--?[a-zA-Z-]{0,8}=?)?\\PC{0,12}", 0..8), port: u16) {
            let _ = classify(&path, &arguments, Some(PortExpectation::usual(port)));
            for program in ALL.iter().flat_map(|debugger| debugger.own_programs).chain(&["node", "ruby", "java"]) {
                let _ = classify(program, &arguments, None);
            }
        }
    }
}
