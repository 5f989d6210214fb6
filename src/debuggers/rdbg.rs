//! rdbg, the debugger of Ruby.

use serde_json::json;

use super::command_line::{CommandLine, is_named, value_in};
use super::debugger::{
    Debugger, EditorClient, Harm, Inside, Listen, ListenOn, Mode, Probe, Server, UsualPort,
};
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};

/// Where `rdebug-ide` listens unless another port is given (ruby-debug-ide: bin/rdebug-ide).
const IDE_PORT: u16 = 1234;

pub static DEBUGGER: Debugger = Debugger {
    name: "rdbg",
    title: "rdbg (Ruby)",
    protocol: "dap",
    bind: "127.0.0.1",
    connect: Harm::Noise,
    usual_port: Some(UsualPort { name: "rdbg", number: 12345, is_shown: false }),
    own_programs: &[],
    recognise,
    modes: &[&OPEN, &IDE],
    usual_mode: &OPEN,
    start: |on, port| {
        let host = if on == ListenOn::Everywhere { "--host 0.0.0.0 " } else { "" };
        Some(format!("rdbg --open {host}--port {port} app.rb"))
    },
    clients: &[&CLIENT],
    inside: Some(Inside { programs: &["ruby"], by: "RUBY_DEBUG_OPEN or `require \"debug/open\"`" }),
    ..Debugger::UNKNOWN
};

pub static OPEN: Mode = Mode {
    id: "rdbg",
    title: "rdbg",
    protocol: "dap",
    probe: Probe::Refused("a client that greets it lets the waiting program run"),
    listen_option: |on, port| Some(format!("--host {} --port {port}", on.host("0.0.0.0"))),
    settings,
    ..Mode::UNKNOWN
};

/// `rdebug-ide` of the gem ruby-debug-ide, which RubyMine uses.
pub static IDE: Mode = Mode {
    id: "rdebug-ide",
    title: "rdebug-ide",
    protocol: "ruby-debug-ide",
    probe: Probe::Refused("it takes any client that connects for its IDE"),
    listen_option: |on, port| Some(format!("--host {} --port {port}", on.host("0.0.0.0"))),
    settings: |ConnectTarget { host, port }| {
        let how = "Run > Edit Configurations > + > Ruby Remote Debug";
        vec![Setting::steps("RubyMine", format!("{how}\nRemote host: {host}\nRemote port: {port}"))]
    },
    ..Mode::UNKNOWN
};

static CLIENT: EditorClient = EditorClient {
    does: "it debugs Ruby",
    in_vscode: |entry| match entry.is_type(&["rdbg"]) {
        true => LaunchMatch::Connects { default_port: None },
        false => LaunchMatch::Other,
    },
    speaks: |mode| *mode == OPEN,
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    if line.program_is(&["rdebug-ide"]) || line.own.iter().any(|argument| is_named(argument, &["rdebug-ide"]))
    {
        let port = line.value(&["--port", "-p"]).and_then(|port| port.parse().ok()).unwrap_or(IDE_PORT);
        let host = line.value(&["--host", "-h"]).unwrap_or("127.0.0.1").to_owned();
        return Some(Server { listen: Some(Listen { host, port: Some(port) }), ..Server::new(&IDE) });
    }
    let script = line.own.iter().position(|argument| is_named(argument, &["rdbg"]));
    let options = match script {
        Some(script) => line.own.get(script + 1..).unwrap_or(&[]),
        None if line.program_is(&["rdbg"]) => &line.own[..],
        None if line.program_is(&["ruby"]) && line.variable("RUBY_DEBUG_PORT").is_some() => {
            let port = line.variable("RUBY_DEBUG_PORT").and_then(|port| port.trim().parse().ok());
            let host = line.variable("RUBY_DEBUG_HOST").unwrap_or("127.0.0.1").to_owned();
            return port.map(|port| Server {
                listen: Some(Listen { host, port: Some(port) }),
                ..Server::new(&OPEN)
            });
        }
        // rdbg hands its options on in RUBYOPT and becomes ruby; where it does not, ruby writes the script's name over
        // its command line (seen with rdbg 1.4 on Linux). Then only the port speaks.
        None if line.program_is(&["ruby"]) && line.is_expected => return Some(Server::guessed(&OPEN)),
        None => return None,
    };
    let open = options.iter().any(|option| *option == "-O" || option.starts_with("--open"));
    let port = value_in(options, &["--port"]).and_then(|port| port.parse().ok());
    let host = value_in(options, &["--host"]).unwrap_or("127.0.0.1").to_owned();
    let waits = Some(!options.iter().any(|option| ["-n", "--nonstop"].contains(option)));
    let listen = port.map(|port| Listen { host, port: Some(port) });
    open.then(|| Server { listen, waits, ..Server::new(&OPEN) })
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "rdbg", "request": "attach", "debugPort": target.to_string(),
        })),
        Setting::terminal(format!("rdbg --attach {host} {port}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/usr/bin/ruby /usr/bin/rdbg --open --port 12345 x.rb", 12345, &OPEN, false, true),
            ("ruby x.rb", 12345, &OPEN, false, false),
            ("/usr/bin/ruby3.1 /usr/bin/rdbg3.1 -O --port=12345 x.rb", 12345, &OPEN, false, true),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        assert_eq!(of_line("ruby x.rb", Some(3000)), None);
    }
}
