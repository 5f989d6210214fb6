//! A port of the user's own with a debugger named for it (`[[port]] debugger = "…"`), in every command.

mod common;

use std::net::TcpListener;

use common::Lab;

const PREFERENCES: &str = "/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";

/// A lab whose preferences name `port` `api`, with this debugger.
fn lab_with(port: impl std::fmt::Display, debugger: &str) -> Lab {
    let lab = Lab::new();
    let text = format!("[[port]]\nname = \"api\"\nport = \"{port}\"\ndebugger = \"{debugger}\"\n");
    lab.write(PREFERENCES, text);
    lab
}

/// A port on which nothing listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn of_port(report: &serde_json::Value, port: &serde_json::Value) -> serde_json::Value {
    report["ports"].as_array().unwrap().iter().find(|found| found["port"] == *port).unwrap().clone()
}

#[test]
fn its_title_protocol_and_harm_are_the_debuggers() {
    let lab = lab_with(40000, "delve");
    let ports = lab.portcullis(&["ports", "--json"]).expect(0).json();
    let expected = serde_json::json!({
        "name": "api", "title": "Delve (Go)", "port": 40000, "protocol": "dap or json-rpc", "bind": "127.0.0.1",
        "connect": "harms",
    });
    assert_eq!(of_port(&ports, &40000.into()), expected);
    let text = lab.portcullis(&["ports"]).expect(0).out;
    assert!(text.lines().any(|line| line.starts_with("40000       api        Delve (Go)")), "{text}");
    assert!(lab.portcullis(&["prefs"]).expect(0).out.contains("port  40000 api (delve)"));
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    assert_eq!(of_port(&status, &40000.into())["title"], "Delve (Go)");
}

#[test]
fn connect_has_its_settings() {
    let port = free_port();
    let lab = lab_with(port, "delve");
    let said = lab.portcullis(&["connect", "api", "--json"]).expect(0).json();
    assert_eq!(said["server"], "Delve (Go)");
    let clients: Vec<&str> = said["settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|setting| setting["client"].as_str().unwrap())
        .collect();
    assert!(clients.contains(&"VS Code") && clients.contains(&"GoLand"), "{clients:?}");
    let attach = said["settings"][0]["text"].as_str().unwrap();
    assert!(attach.contains("\"request\": \"attach\"") && attach.contains(&port.to_string()), "{attach}");
}

#[test]
fn connect_has_its_settings_for_what_something_else_forwards() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // This test is neither a debugger nor a forwarder: only the user's word tells.
    let said = lab_with(port, "jdwp").portcullis(&["connect", "api", "--json"]).expect(0).json();
    assert_eq!((&said["server"], &said["tunnel"]), (&"Java (JDWP)".into(), &true.into()));
    assert!(said["settings"].to_string().contains("SocketAttach"), "{said:#}");
    Lab::new().portcullis(&["connect", &port.to_string()]).expect(1);
}

#[test]
fn doctor_takes_the_users_word_for_what_a_configuration_connects_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let launch = format!(
        r#"{{ "configurations": [{{ "name": "Attach", "type": "java", "request": "attach", "port": {port} }}] }}"#
    );
    for (debugger, level, what) in [
        ("jdwp", "fine", "it fits Java (JDWP), which the preferences name for port"),
        ("delve", "problem", "it debugs Java, but the preferences name Delve (Go) for port"),
    ] {
        let lab = lab_with(port, debugger);
        lab.write("/project/.vscode/launch.json", &launch);
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("--lab").arg(lab.path()).args(["doctor", "--json"]).current_dir(lab.file("/project"));
        let report: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|found| found["about"] == "project, \"Attach\"").unwrap();
        assert_eq!(found["level"], level, "{found:#}");
        assert!(found["what"].as_str().unwrap().starts_with(what), "{found:#}");
    }
}

#[test]
fn it_is_started_on_loopback_until_it_is_open_for_others() {
    let port = free_port();
    let lab = lab_with(port, "delve");
    let start = format!(
        "start the debugger first: `dlv debug --headless --accept-multiclient --listen=127.0.0.1:{port}`"
    );
    let next = |lab: &Lab| {
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        let doctor = lab.portcullis(&["doctor", "--json"]).json();
        let connect = lab.portcullis(&["connect", "api", "--json"]).expect(0).json();
        let status = of_port(&status, &port.into())["next"].as_str().unwrap().to_owned();
        assert_eq!(of_port(&doctor, &port.into())["next_step"], status.as_str());
        assert_eq!(connect["next"], status.as_str());
        status
    };
    assert_eq!(next(&lab), start);
    lab.portcullis(&["open", "api", "--from", "any"]).expect(0);
    let everywhere = start.replace("127.0.0.1:", ":");
    assert_eq!(next(&lab), format!("{everywhere}; each client that is let in can run code as you"));
    assert!(lab.portcullis(&["status"]).expect(0).out.contains("can run code as you"));
    lab.portcullis(&["close", "api"]).expect(0);
    assert_eq!(next(&lab), start);
}

#[test]
fn a_range_is_started_on_its_first_port_and_each_port_of_it_is_the_debuggers() {
    let port = free_port();
    let (Some(last), lab) =
        (port.checked_add(1), lab_with(format!("{port}-{}", port.saturating_add(1)), "node"))
    else {
        return;
    };
    let range = serde_json::Value::from(format!("{port}-{last}"));
    let next = || {
        let status = lab.portcullis(&["status", "--json"]).expect(0).json();
        of_port(&status, &range)["next"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(), format!("start the debugger first: `node --inspect-brk=127.0.0.1:{port} app.js`"));
    lab.portcullis(&["open", "api", "--from", "any"]).expect(0);
    assert!(next().contains(&format!("--inspect-brk=0.0.0.0:{port} app.js`; each client")), "{}", next());
}

#[test]
fn a_probe_of_it_is_refused_while_nothing_listens() {
    let port = free_port();
    let said = lab_with(port, "node").portcullis(&["probe", "api"]).expect(1);
    assert!(said.err.contains("nothing listens there"), "{}", said.err);
}

#[test]
fn a_debugger_that_is_not_known_is_an_error_with_its_place_and_the_known_ones() {
    let lab = lab_with(40000, "delv");
    let said = lab.portcullis(&["ports"]).expect(2);
    for part in ["line 4, column 12", "\"delv\"", "use one of delve, node, debugpy", "lldb-server", "xdebug"]
    {
        assert!(said.err.contains(part), "no {part:?} in {}", said.err);
    }
    assert!(!said.err.contains("forwarder"), "{}", said.err);
}
