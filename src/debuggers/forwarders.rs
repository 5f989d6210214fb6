//! Programs that hand connections on: what is behind them is somewhere else.

use super::command_line::CommandLine;
use super::debugger::{Debugger, Harm, Mode, Probe, Server};

pub static DEBUGGER: Debugger = Debugger {
    name: "forwarder",
    title: "forwarder",
    protocol: "",
    bind: "",
    connect: Harm::Unknown,
    usual_port: None,
    own_programs: &PROGRAMS,
    recognise,
    modes: &[&PROXY],
    usual_mode: &PROXY,
    start: |_, _| None,
    clients: &[],
};

pub static PROXY: Mode = Mode {
    id: "proxy",
    title: "proxy",
    forwards: true,
    probe: Probe::Refused("what is behind the proxy is not known, and may be harmed by a connection"),
    ..Mode::UNKNOWN
};

const PROGRAMS: [&str; 24] = [
    "docker-proxy",
    "com.docker.backend",
    "com.docker.vpnkit",
    "vpnkit",
    "vpnkit-bridge",
    "orbstack helper",
    "rootlessport",
    "rootlesskit",
    "slirp4netns",
    "pasta",
    "gvproxy",
    "limactl",
    "socat",
    "sshd",
    "sshd-session",
    "haproxy",
    "k9s",
    "telepresence",
    "iproxy",
    "ssh",
    "autossh",
    "adb",
    "kubectl",
    "oc",
];

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    /// A client that listens does so for a forwarding, whether its arguments say so or its configuration does.
    const CLIENTS: [&str; 3] = ["ssh", "autossh", "adb"];
    const KUBERNETES: [&str; 2] = ["kubectl", "oc"];
    let forwards = match () {
        () if line.program_is(&CLIENTS) => line.port.is_some(),
        () if line.program_is(&KUBERNETES) => line.has_word("port-forward") || line.has_word("proxy"),
        () => line.program_is(&PROGRAMS),
    };
    forwards.then(|| Server::new(&PROXY))
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/usr/bin/docker-proxy -proto tcp -host-port 2345", 2345, &PROXY, false, true),
            ("ssh -fNL 2345:localhost:2345 box", 2345, &PROXY, false, true),
            ("kubectl port-forward pod/x 2345", 2345, &PROXY, false, true),
            ("ssh box", 2345, &PROXY, false, true),
            ("com.docker.backe", 2345, &PROXY, false, true),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn an_ssh_that_has_written_a_title_of_its_own_is_one() {
        let title = ["ssh: /Users/me/.colima/_lima/colima/ssh.sock [mux]".to_owned()];
        let listener = super::super::classify::PortExpectation::usual(2345);
        let server = super::super::classify::classify("/usr/bin/ssh", &title, Some(listener)).unwrap();
        assert_eq!(server.mode, &PROXY);
    }
}
