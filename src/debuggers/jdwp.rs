//! The Java Debug Wire Protocol: a JVM with the agent `jdwp`.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{Debugger, EditorClient, Harm, Listen, ListenOn, Mode, Probe, Server, UsualPort};
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};
use crate::diagnosis::Answer;

pub static DEBUGGER: Debugger = Debugger {
    name: "jdwp",
    title: "Java (JDWP)",
    protocol: "jdwp",
    bind: "127.0.0.1",
    connect: Harm::Noise,
    usual_port: Some(UsualPort { name: "jdwp", number: 5005, is_shown: true }),
    own_programs: &[],
    recognise,
    modes: &[&AGENT],
    usual_mode: &AGENT,
    start: |on, port| {
        // A bare port has meant loopback since JDK 9.
        let host = if on == ListenOn::Everywhere { "*:" } else { "" };
        Some(format!("java -agentlib:jdwp=transport=dt_socket,server=y,suspend=y,address={host}{port} …"))
    },
    clients: &[&CLIENT],
};

pub static AGENT: Mode = Mode {
    id: "jdwp",
    title: "Java debugger (JDWP)",
    protocol: "jdwp",
    takes_many: Answer::No,
    probe: Probe::Refused("a handshake lets a suspended program run, even when it comes too late"),
    has_other_listeners: true,
    listen_option: |on, port| Some(format!("address={}:{port}", on.host("*"))),
    settings,
    ..Mode::UNKNOWN
};

pub static CLIENT: EditorClient = EditorClient {
    does: "it debugs Java",
    in_vscode: |entry| match entry.is_type(&["java"]) {
        true => entry.connects_if_it_attaches(None),
        false => LaunchMatch::Other,
    },
    jetbrains_types: &["Remote"],
    speaks: |mode| *mode == AGENT,
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    let options = line.own.iter().chain(&line.rest).find_map(|argument| {
        let of_path = || argument.strip_prefix("-agentpath:").filter(|path| path.contains("libjdwp"));
        let plain = argument.strip_prefix("-agentlib:jdwp=").or_else(|| argument.strip_prefix("-Xrunjdwp:"));
        plain.or_else(|| Some(of_path()?.split_once('=')?.1))
    });
    let Some(options) = options else {
        // Started by JAVA_TOOL_OPTIONS or by a file of options: only the port speaks.
        return (line.program_is(&["java"]) && line.is_expected).then(|| Server::guessed(&AGENT));
    };
    let option = |name: &str| options.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    // Without server=y it dials its client.
    if option("server") != Some("y") {
        return None;
    }
    let listen = option("address").and_then(|address| {
        let mut listen = Listen::parse(address)?;
        // A bare port has meant loopback since JDK 9.
        if listen.host.is_empty() && !address.contains(':') {
            listen.host = "localhost".to_owned();
        }
        Some(listen)
    });
    Some(Server { listen, waits: Some(option("suspend") != Some("n")), ..Server::new(&AGENT) })
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "java", "request": "attach", "hostName": host, "port": port,
        })),
        Setting::steps(
            "IntelliJ IDEA",
            format!("Run > Edit Configurations > + > Remote JVM Debug\nHost: {host}\nPort: {port}"),
        ),
        Setting::terminal(format!("jdb -connect com.sun.jdi.SocketAttach:hostname={host},port={port}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            (
                "java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005 -jar x",
                5005,
                &AGENT,
                false,
                true,
            ),
            ("java -Xrunjdwp:transport=dt_socket,address=5005,server=y X", 5005, &AGENT, false, true),
            (
                "java -agentpath:/jdk/lib/libjdwp.so=transport=dt_socket,server=y,address=5005 X",
                5005,
                &AGENT,
                false,
                true,
            ),
            ("java -jar x", 5005, &AGENT, false, false),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        for (line, port) in [
            ("java -agentlib:jdwp=transport=dt_socket,server=n,address=box:5005 X", 8080),
            ("java -agentlib:jdwp=transport=dt_socket,server=y X", 8080),
            ("java -jar x", 5006),
        ] {
            assert_eq!(of_line(line, Some(port)), None, "{line}");
        }
    }

    #[test]
    fn a_bare_port_is_on_loopback() {
        let line = "java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=5005 X";
        let server = of_line(line, None).unwrap();
        assert_eq!(server.listen, Some(Listen { host: "localhost".into(), port: Some(5005) }));
        assert_eq!(server.waits, Some(false));
    }
}
