//! The Java Debug Wire Protocol: a JVM with the agent `jdwp`.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{
    Debugger, EditorClient, Harm, Inside, Listen, ListenOn, Mode, Probe, Server, UsualPort, WhoListens,
};
use super::editors;
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
    modes: &[&AGENT, &WAITING_IDE],
    usual_mode: &AGENT,
    start: |on, port| {
        // A bare port has meant loopback since JDK 9.
        let host = if on == ListenOn::Everywhere { "*:" } else { "" };
        Some(format!("java -agentlib:jdwp=transport=dt_socket,server=y,suspend=y,address={host}{port} …"))
    },
    clients: &[&CLIENT],
    inside: Some(Inside { programs: &["java"], by: "JAVA_TOOL_OPTIONS or an @file" }),
    ..Debugger::UNKNOWN
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

/// A debugger that waits for its JVM: IntelliJ IDEA's "Listen to remote JVM".
pub static WAITING_IDE: Mode = Mode {
    id: "jdwp-listen",
    title: "Java debugger of an IDE",
    protocol: "jdwp",
    probe: Probe::Refused("it would take the connection for the JVM that it waits for"),
    settings: settings_to_dial,
    awaits_debuggee: true,
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
    who_listens: WhoListens::EditorIf("SERVER_MODE"),
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    // The last of them is the JDK's launcher's alone, which hands them on as arguments.
    let by_environment = line.options_of(&["JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"]);
    let options = line.own.iter().chain(&line.rest).copied().chain(by_environment).find_map(|argument| {
        let of_path = || argument.strip_prefix("-agentpath:").filter(|path| path.contains("libjdwp"));
        let plain = argument.strip_prefix("-agentlib:jdwp=").or_else(|| argument.strip_prefix("-Xrunjdwp:"));
        plain.or_else(|| Some(of_path()?.split_once('=')?.1))
    });
    if line.is_expected && editors::is_jetbrains(line) {
        return Some(Server::new(&WAITING_IDE));
    }
    let Some(options) = options else {
        // Started by a file of options, or by variables that may not be read: only the port speaks.
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

fn settings_to_dial(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let agent = format!("-agentlib:jdwp=transport=dt_socket,server=n,suspend=y,address={target}");
    vec![Setting {
        client: "JVM",
        how: "on the machine that runs it; the IDE waits, the JVM dials",
        text: agent,
    }]
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
