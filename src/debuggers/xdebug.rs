//! Xdebug, the debugger of PHP. It is the editor that listens: PHP dials.

use super::command_line::CommandLine;
use super::debugger::{Debugger, Harm, Mode, Probe, Server, UsualPort};
use super::settings::{ConnectTarget, Setting};

pub static DEBUGGER: Debugger = Debugger {
    name: "xdebug",
    title: "Xdebug (PHP, the editor listens)",
    protocol: "dbgp",
    bind: "*",
    connect: Harm::Unknown,
    usual_port: Some(UsualPort { name: "xdebug", number: 9003, is_shown: false }),
    own_programs: &[],
    recognise,
    modes: &[&EDITOR],
    usual_mode: &EDITOR,
    // It is switched on in the editor.
    start: |_, _| None,
    clients: &[],
};

pub static EDITOR: Mode = Mode {
    id: "xdebug",
    title: "Xdebug client",
    protocol: "dbgp",
    probe: Probe::Refused("an editor waits there for PHP, and would take the connection for a debuggee"),
    settings,
    ..Mode::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    const EDITORS: [&str; 8] =
        ["phpstorm", "idea", "code", "code helper (plugin)", "electron", "cursor", "vscodium", "netbeans"];
    /// Xdebug 2's.
    const OLD_PORT: u16 = 9000;
    // On Linux an editor of JetBrains may run as its own java.
    let is_editor = line.program_is(&EDITORS) || line.path.to_ascii_lowercase().contains("/phpstorm");
    let is_its_port = line.is_expected || line.port == Some(OLD_PORT);
    (is_its_port && is_editor).then(|| Server::new(&EDITOR))
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![Setting {
        client: "php.ini",
        how: "on the machine that runs PHP; the editor waits, PHP dials",
        text: format!("xdebug.mode=debug\nxdebug.client_host={host}\nxdebug.client_port={port}"),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/Applications/PhpStorm.app/Contents/MacOS/phpstorm", 9003, &EDITOR, false, true),
            ("/home/me/PhpStorm-2025/jbr/bin/java -cp x", 9003, &EDITOR, false, true),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        assert_eq!(of_line("nginx", Some(9003)), None);
    }
}
