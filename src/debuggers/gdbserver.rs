//! gdbserver.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{
    Debugger, EditorClient, Harm, Listen, ListenOn, Mode, Probe, Server, Trap, TrapEffect, UsualPort,
};
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};
use crate::diagnosis::Answer;

/// The usual one, of QEMU too.
pub const PORT: u16 = 1234;

pub static DEBUGGER: Debugger = Debugger {
    name: "gdbserver",
    title: "gdbserver",
    protocol: "gdb remote",
    bind: "*",
    connect: Harm::Noise,
    usual_port: Some(UsualPort { name: "gdbserver", number: PORT, is_shown: true }),
    own_programs: &PROGRAMS,
    recognise,
    modes: &[&STUB],
    usual_mode: &STUB,
    // It listens on every address, whatever host it is given.
    start: |on, port| (on == ListenOn::Everywhere).then(|| format!("gdbserver :{port} ./app")),
    clients: &[&CLIENT],
    ..Debugger::UNKNOWN
};

const PROGRAMS: [&str; 1] = ["gdbserver"];

pub static STUB: Mode = Mode {
    id: "gdbserver",
    title: "gdbserver",
    protocol: "gdb remote",
    takes_many: Answer::No,
    probe: Probe::Refused("it takes any client that connects for its debugger"),
    settings,
    ..Mode::UNKNOWN
};

static IGNORES_HOST: Trap = Trap {
    id: "gdbserver-ignores-host",
    effect: TrapEffect::Surprises,
    what: "gdbserver listens on every address, whatever host it is given",
    cure: "keep its port closed for other machines: `portcullis close PORT`",
};

/// It speaks with lldb-server as well.
static CLIENT: EditorClient = EditorClient {
    does: "it speaks the gdb remote protocol",
    in_vscode: |entry| match entry.is_type(&["cppdbg", "gdb", "lldb", "lldb-dap"]) {
        true => LaunchMatch::Connects { default_port: None },
        false => LaunchMatch::Other,
    },
    jetbrains_types: &["com.jetbrains.cidr.remote.gdbserver.type", "CLion_Remote"],
    speaks: |mode| mode.protocol == STUB.protocol,
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    if !line.program_is(&PROGRAMS) {
        return None;
    }
    // `--wrapper CMD … --` comes before the address.
    let wrapped = line.has_word("--wrapper");
    let own: &[&str] = if wrapped { &line.rest } else { &line.own };
    let at = own.iter().position(|argument| !argument.starts_with('-'))?;
    let address = *own.get(at)?;
    let of_family = ["tcp:", "tcp4:", "tcp6:"].iter().find_map(|family| address.strip_prefix(family));
    let listen = Listen::parse(of_family.unwrap_or(address))?;
    // What follows the address is the program's.
    let given = |option: &str| {
        let before = if wrapped { &line.own[..] } else { &[] };
        before.iter().chain(own.get(..at).unwrap_or_default()).any(|argument| *argument == option)
    };
    let without_program = given("--multi") && own.len() == at + 1;
    let host_is_narrow = !listen.host.is_empty() && listen.host != "0.0.0.0";
    Some(Server {
        listen: Some(listen),
        waits: Some(true),
        // With --once it ends with its program, and without a program it ends itself.
        single_use: given("--once") || without_program,
        traps: if host_is_narrow { vec![&IGNORES_HOST] } else { vec![] },
        ..Server::new(&STUB)
    })
}

pub fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    vec![
        Setting::terminal(format!("gdb -ex 'target remote {target}'")),
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "cppdbg", "request": "launch", "MIMode": "gdb",
            "miDebuggerServerAddress": target.to_string(), "program": "${workspaceFolder}/PROGRAM",
            "cwd": "${workspaceFolder}",
        })),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("gdbserver localhost:1234 ./x", 1234, &STUB, false, true),
            ("gdbserver --once :1234 ./x", 1234, &STUB, true, true),
            ("gdbserver --multi :1234", 1234, &STUB, true, true),
            ("gdbserver --wrapper env LD_PRELOAD=x -- :1234 ./x", 1234, &STUB, false, true),
            ("gdbserver --once --wrapper env -- :1234 ./x", 1234, &STUB, true, true),
            ("gdbserver tcp6:[::1]:1234 ./x --once", 1234, &STUB, false, true),
            ("gdbserver --attach :1234 4711", 1234, &STUB, false, true),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        assert_eq!(of_line("gdbserver - ./x", Some(1234)), None);
    }

    #[test]
    fn a_host_is_a_trap_since_it_is_ignored() {
        assert_eq!(of_line("gdbserver localhost:1234 ./x", None).unwrap().traps, [&IGNORES_HOST]);
        assert!(of_line("gdbserver :1234 ./x", None).unwrap().traps.is_empty());
    }
}
