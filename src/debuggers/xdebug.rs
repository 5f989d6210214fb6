//! Xdebug, the debugger of PHP. It is the editor that listens: PHP dials.

use super::command_line::CommandLine;
use super::debugger::{Debugger, EditorClient, Harm, Mode, Probe, Server, UsualPort, WhoListens};
use super::editors;
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};

const PORT: u16 = 9003;

pub static DEBUGGER: Debugger = Debugger {
    name: "xdebug",
    title: "Xdebug (PHP, the editor listens)",
    protocol: "dbgp",
    bind: "*",
    connect: Harm::Unknown,
    usual_port: Some(UsualPort { name: "xdebug", number: PORT, is_shown: false }),
    own_programs: &[],
    recognise,
    modes: &[&EDITOR],
    usual_mode: &EDITOR,
    start_by_hand: Some(
        "let the editor listen first (Start Listening for PHP Debug Connections), then start PHP",
    ),
    clients: &[&CLIENT],
    ..Debugger::UNKNOWN
};

pub static EDITOR: Mode = Mode {
    id: "xdebug",
    title: "Xdebug client",
    protocol: "dbgp",
    probe: Probe::Refused("an editor waits there for PHP, and would take the connection for a debuggee"),
    settings,
    awaits_debuggee: true,
    ..Mode::UNKNOWN
};

static CLIENT: EditorClient = EditorClient {
    does: "it waits for PHP's Xdebug",
    in_vscode: |entry| match entry.is_type(&["php"]) {
        true => LaunchMatch::Connects { default_port: Some(PORT) },
        false => LaunchMatch::Other,
    },
    jetbrains_types: &["PhpRemoteDebugRunConfigurationType"],
    // A setting of the IDE's own, which no run configuration holds.
    jetbrains_port: Some(PORT),
    speaks: |mode| *mode == EDITOR,
    who_listens: WhoListens::Editor,
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    /// Xdebug 2's.
    const OLD_PORT: u16 = 9000;
    let is_its_port = line.is_expected || line.port == Some(OLD_PORT);
    let is_editor =
        editors::is_jetbrains(line) || editors::is_vscode(line) || line.program_is(&["electron", "netbeans"]);
    (is_its_port && is_editor).then(|| Server::new(&EDITOR))
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    let ini = |client, how, host| Setting {
        client,
        how,
        text: format!("xdebug.mode=debug\nxdebug.client_host={host}\nxdebug.client_port={port}"),
    };
    let in_container =
        ini("php.ini in a container", "where this Mac's Docker runs PHP", "host.docker.internal");
    let mut settings =
        vec![ini("php.ini", "on the machine that runs PHP; the editor waits, PHP dials", *host)];
    // Docker's name for this Mac, where the editor is.
    if ["127.0.0.1", "::1"].contains(host) {
        settings.push(in_container);
    }
    settings
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
