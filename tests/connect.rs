//! `portcullis connect PORT`: the settings of each client, for an editor here and one on another machine.

mod common;

use std::net::TcpListener;

use common::{Lab, program};

const PREFERENCES: &str = "/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";

#[test]
fn one_port_is_connected_to() {
    let lab = Lab::new();
    lab.write(PREFERENCES, "[[port]]\nname = \"many\"\nport = \"7100-7110\"\n");
    for (command, given, said) in [
        ("connect", "2345,9229", "connect takes one port; you gave 2345, 9229"),
        ("connect", "dlv,node", "connect takes one port; you gave 2345, 9229"),
        ("connect", "many", "connect takes one port; you gave 7100-7110"),
        ("probe", "2345-2350", "probe takes one port; you gave 2345-2350"),
    ] {
        assert_eq!(lab.portcullis(&[command, given]).expect(2).err, format!("portcullis: {said}\n"));
        assert_eq!(lab.portcullis(&[command, given, "--json"]).expect(2).json()["message"], said);
    }
}

#[test]
fn an_editor_elsewhere_is_given_the_address_of_this_mac_on_its_network() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    lab.write("/lab.toml", "networks = [\"192.168.1.0/24\"]\n[interfaces]\nen7 = [\"10.1.0.0/16\"]\n");
    // Nothing listens there, so that the settings are those of what usually does.
    let port = "12345";
    let text = |arguments: &[&str]| lab.portcullis(&[&["connect", port], arguments].concat()).out;
    assert!(text(&[]).contains("\"debugPort\": \"127.0.0.1:12345\""), "{}", text(&[]));
    assert_eq!(text(&["--client", "here"]), text(&[]));
    for (client, host) in
        [("10.1.2.3", "10.1.0.1"), ("192.168.1.50", "192.168.1.1"), ("203.0.113.9", "10.1.0.1")]
    {
        let said = text(&["--client", client]);
        assert!(said.contains(&format!("\"debugPort\": \"{host}:12345\"")), "{client}: {said}");
        assert!(!said.contains("127.0.0.1"), "{client}: {said}");
    }
    let named = text(&["--client", "10.1.2.3", "--host", "mymac.local"]);
    assert!(named.contains("mymac.local:12345"), "{named}");
    assert!(text(&["--client", "build-box.corp"]).contains("\"debugPort\": "));
    for slip in ["999.1.1.1", "10.1.2", "fe80::zz", "ada@build-box", "a b", ""] {
        let refused = lab.portcullis(&["connect", port, "--client", slip]).expect(2).err;
        assert!(refused.contains("is neither an address nor the name of a machine"), "{slip}: {refused}");
    }
    lab.write("/lab.toml", "networks = []\n");
    let refused = lab.portcullis(&["connect", port, "--client", "10.1.2.3"]).expect(1).err;
    assert!(refused.contains("no address of this Mac is known by which 10.1.2.3 could find it"), "{refused}");
}

#[test]
fn the_name_of_this_mac_on_its_own_network_is_given() {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let scutil = lab.file("/usr/sbin/scutil");
    std::fs::create_dir_all(scutil.parent().unwrap()).unwrap();
    let said = |arguments: &[&str]| lab.portcullis(&[&["connect"], arguments].concat()).expect(0).out;
    let elsewhere = ["12345", "--client", "192.168.1.50"];
    assert!(!said(&elsewhere).contains(".local"));
    program::script(&scutil, "echo Adas-Mac");
    assert!(said(&elsewhere).contains("\non this Mac's own network it is also Adas-Mac.local\n"));
    // Nothing there is for other machines; and Xdebug's client_host is the editor's machine.
    for arguments in [&["12345"][..], &["9003", "--client", "192.168.1.50"]] {
        assert!(!said(arguments).contains(".local"), "{arguments:?}");
    }
    program::script(&scutil, "echo 'not set'");
    assert!(!said(&elsewhere).contains(".local"));
}

#[test]
fn another_program_is_named_and_no_debugger_is_invented() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let refused = lab.portcullis(&["connect", &port.to_string()]).expect(1).err;
    let wanted = format!(
        "listens on port {port} and is not known as a debugger: let the debugger listen on another port"
    );
    assert!(refused.contains(&wanted) && refused.contains(&std::process::id().to_string()), "{refused}");
    drop(listener);
    let refused = lab.portcullis(&["connect", &port.to_string()]).expect(1).err;
    assert!(refused.contains("and no debugger usually does: start the debugger first"), "{refused}");
}

#[test]
fn a_machine_that_is_not_let_in_is_told_of_with_what_lets_it_in() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let next = |client: &str| {
        let said = lab.portcullis(&["connect", "2345", "--client", client, "--json"]).expect(0).json();
        said["next"].as_str().unwrap().to_owned()
    };
    assert!(next("192.168.1.20").starts_with("let it in: `portcullis open 2345 --from 192.168.1.20`"));
    lab.portcullis(&["open", "2345", "--from", "192.168.1.20"]).expect(0);
    assert!(next("192.168.1.20").starts_with("start the debugger first"), "{}", next("192.168.1.20"));
    let both = "let it in: `portcullis open 2345 --from 192.168.1.20 192.168.1.21`";
    assert!(next("192.168.1.21").starts_with(both), "{}", next("192.168.1.21"));
    let text = lab.portcullis(&["connect", "2345", "--client", "192.168.1.21"]).expect(0).out;
    assert!(text.contains("\n    192.168.1.21 is not let in\n    next: let it in: "), "{text}");
    // As it is said, with the ports behind the hosts too; and who is no longer let in is named.
    lab.portcullis(&["open", "--from", "192.168.1.20", "192.168.1.21", "2345"]).expect(0);
    assert!(next("192.168.1.21").starts_with("start the debugger first"), "{}", next("192.168.1.21"));
    lab.portcullis(&["open", "2345", "--from", "lan"]).expect(0);
    let both = "let it in: `portcullis open 2345 --from 192.168.1.0/24 10.0.0.5`";
    assert!(next("10.0.0.5").starts_with(both), "{}", next("10.0.0.5"));
    lab.portcullis(&["open", "2345", "--from", "192.168.1.20", "192.168.1.21"]).expect(0);
    let said = lab.portcullis(&["open", "2345", "--from", "192.168.1.21"]).expect(0).out;
    assert!(said.contains("; 192.168.1.20 is no longer let in"), "{said}");
}

#[test]
fn looking_needs_no_preferences() {
    let lab = Lab::new();
    lab.portcullis(&["status", "--check"]).expect(0);
    lab.write(PREFERENCES, "show = 5");
    let mended = "mend that file, or take it away: each setting is then as it is at first";
    let said = lab.portcullis(&["doctor", "2345"]).expect(1).out;
    assert!(said.starts_with("1 problem") && said.contains(mended), "{said}");
    for arguments in
        [&["explain", "2345"][..], &["explain", "dlv"], &["connect", "2345"], &["connect", "node"]]
    {
        let said = lab.portcullis(arguments);
        assert!(!said.err.contains("preferences"), "{arguments:?}: {}", said.err);
    }
    let status = lab.portcullis(&["status"]).expect(0).out;
    assert!(status.contains(mended) && status.contains("  2345 "), "{status}");
    assert!(lab.portcullis(&["open", "2345"]).expect(2).err.contains(mended));
}
