//! Probes for hardware: OpenOCD and SEGGER's J-Link, which serve the gdb remote protocol.

use super::command_line::CommandLine;
use super::debugger::{Debugger, Listen, Mode, Probe, Server};
use super::gdbserver;

/// gdb's of OpenOCD (its manual, "GDB and Targets"); telnet has 4444 and Tcl 6666.
const OPENOCD_PORT: u16 = 3333;
/// SEGGER's manual UM08001, "J-Link GDB Server".
const JLINK_PORT: u16 = 2331;

const OPENOCD: [&str; 1] = ["openocd"];
const JLINK: [&str; 3] = ["jlinkgdbserver", "jlinkgdbserverclexe", "jlinkgdbservercl"];
const PROGRAMS: [&str; 4] = [OPENOCD[0], JLINK[0], JLINK[1], JLINK[2]];

pub static DEBUGGER: Debugger = Debugger {
    name: "hardware",
    title: "OpenOCD or J-Link",
    protocol: "gdb remote",
    bind: "127.0.0.1",
    own_programs: &PROGRAMS,
    recognise,
    modes: &[&GDB],
    usual_mode: &GDB,
    ..Debugger::UNKNOWN
};

pub static GDB: Mode = Mode {
    id: "hardware",
    title: "probe's gdb server",
    protocol: "gdb remote",
    probe: Probe::Refused("a client that connects may halt the device"),
    has_other_listeners: true,
    settings: gdbserver::settings,
    ..Mode::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    let port = match line.program_is(&OPENOCD) {
        true => line.own.iter().find_map(|argument| {
            let mut words = argument.split([' ', ';']).skip_while(|word| *word != "gdb_port").skip(1);
            words.next()?.parse().ok()
        }),
        false => line.value(&["-port", "-Port"]).and_then(|port| port.parse().ok()),
    };
    let usual = if line.program_is(&OPENOCD) { OPENOCD_PORT } else { JLINK_PORT };
    let listen = Listen { host: "127.0.0.1".into(), port: Some(port.unwrap_or(usual)) };
    line.program_is(&PROGRAMS).then(|| Server { listen: Some(listen), ..Server::new(&GDB) })
}

#[cfg(test)]
mod tests {
    use super::super::classify::{PortExpectation, classify};

    #[test]
    fn only_its_port_for_gdb_is_a_debuggers() {
        let found = |arguments: &[&str], port| {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            classify(&arguments[0], &arguments, Some(PortExpectation::usual(port)))
                .map(|server| server.mode.id)
        };
        assert_eq!(found(&["openocd", "-f", "board/x.cfg"], 3333), Some("hardware"));
        assert_eq!(found(&["openocd", "-f", "board/x.cfg"], 4444), None);
        assert_eq!(found(&["openocd", "-c", "init; gdb_port 3400"], 3400), Some("hardware"));
        assert_eq!(found(&["JLinkGDBServerCLExe", "-device", "x"], 2331), Some("hardware"));
        assert_eq!(found(&["JLinkGDBServer", "-port", "2400"], 2400), Some("hardware"));
    }
}
