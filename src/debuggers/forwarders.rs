//! Programs that hand connections on: what is behind them is somewhere else.

use super::command_line::CommandLine;
use super::debugger::{Debugger, Mode, Probe, Server};
use super::{editors, gdbserver};

/// What all of them have in common.
const FORWARDER: Debugger = Debugger {
    name: "forwarder",
    title: "forwarder",
    modes: &[&PROXY],
    usual_mode: &PROXY,
    ..Debugger::UNKNOWN
};

pub static DEBUGGER: Debugger = Debugger { own_programs: &PROGRAMS, recognise, ..FORWARDER };

/// For containers and virtual machines, each by a process that does nothing else.
pub static CONTAINERS: Debugger = Debugger {
    name: "container",
    own_programs: &OF_CONTAINERS,
    recognise: |line| line.program_is(&OF_CONTAINERS).then(|| Server::new(&CONTAINER)),
    modes: &[&CONTAINER],
    usual_mode: &CONTAINER,
    ..FORWARDER
};

/// Programs that forward among other things: their arguments do not say when.
pub static AMONG_OTHERS: Debugger = Debugger {
    name: "forwarding-program",
    recognise: recognise_among_others,
    modes: &[&EDITOR, &QEMU_STUB],
    usual_mode: &EDITOR,
    ..FORWARDER
};

pub static PROXY: Mode = Mode {
    id: "proxy",
    title: "proxy",
    forwards: true,
    behind: "look at the debugger at the other end",
    probe: Probe::Refused("what is behind the proxy is not known, and may be harmed by a connection"),
    ..Mode::UNKNOWN
};

/// What it forwards to sees the connection come from its own gateway.
pub static CONTAINER: Mode = Mode {
    id: "container-proxy",
    title: "container's or VM's proxy",
    behind: "look in the container or VM: there the debugger must listen on 0.0.0.0, not on 127.0.0.1",
    ..PROXY
};

/// VS Code's forwarding of a remote machine's, a container's or a tunnel's ports.
pub static EDITOR: Mode = Mode {
    id: "editor-proxy",
    title: "editor's port forwarding",
    behind: "see the editor's list of forwarded ports, and look at the debugger at the other end",
    ..PROXY
};

/// `qemu -s`: the guest's kernel is debugged.
pub static QEMU_STUB: Mode = Mode {
    id: "qemu-gdb",
    title: "QEMU's gdb stub",
    protocol: "gdb remote",
    probe: Probe::Refused("it takes any client that connects for its debugger, and halts the guest"),
    settings: gdbserver::settings,
    ..Mode::UNKNOWN
};

const OF_CONTAINERS: [&str; 33] = [
    "docker-proxy",
    "rootlesskit-docker-proxy",
    "com.docker.backend",
    "com.docker.vpnkit",
    "com.docker.virtualization",
    "vpnkit",
    "vpnkit-bridge",
    "orbstack helper",
    "orbstack",
    "rootlessport",
    "rootlesskit",
    "slirp4netns",
    "pasta",
    "passt",
    "pasta.avx2",
    "passt.avx2",
    "gvproxy",
    "podman",
    "limactl",
    "colima",
    "rdctl",
    "rancher desktop",
    "rancher-desktop",
    "host-switch",
    "container-runtime-linux",
    "container-network-vmnet",
    "container-apiserver",
    "multipassd",
    "qemulauncher",
    "vboxheadless",
    "virtualboxvm",
    "vmnet-natd",
    "prl_naptd",
];

const PROGRAMS: [&str; 24] = [
    "socat",
    "sshd",
    "sshd-session",
    "haproxy",
    "k9s",
    "telepresence",
    "iproxy",
    "skaffold",
    "tilt",
    "ssh",
    "autossh",
    "adb",
    "kubectl",
    "oc",
    "session-manager-plugin",
    "chisel",
    "cloudflared",
    "frpc",
    "devspace",
    "okteto",
    "kubefwd",
    "sshuttle",
    "rinetd",
    "jetbrains_client",
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

fn recognise_among_others(line: &CommandLine<'_>) -> Option<Server> {
    let port = line.port?;
    let file = line.path.rsplit('/').next().unwrap_or(line.path).to_ascii_lowercase();
    if file.starts_with("qemu-system-") {
        let is_stub = line.value(&["-gdb"]).and_then(|device| device.rsplit(':').next()?.parse().ok())
            == Some(port)
            || (line.has_word("-s") && port == gdbserver::PORT);
        return Some(Server::new(if is_stub { &QEMU_STUB } else { &CONTAINER }));
    }
    /// Those of debuggers that no IDE waits for: one of JetBrains that listens there hands on what is on another machine.
    const OF_DEBUGGERS_THAT_LISTEN: [u16; 5] = [2345, 9229, 9222, 1234, 12345];
    let is_forwarding = editors::is_jetbrains(line) && OF_DEBUGGERS_THAT_LISTEN.contains(&port);
    (is_forwarding || editors::is_vscode(line)).then(|| Server::guessed(&EDITOR))
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/usr/bin/docker-proxy -proto tcp -host-port 2345", 2345, &CONTAINER, false, true),
            ("ssh -fNL 2345:localhost:2345 box", 2345, &PROXY, false, true),
            ("kubectl port-forward pod/x 2345", 2345, &PROXY, false, true),
            ("ssh box", 2345, &PROXY, false, true),
            ("com.docker.backe", 2345, &CONTAINER, false, true),
            ("skaffold dev --port-forward", 2345, &PROXY, false, true),
            ("qemu-system-x86_64 -netdev user,hostfwd=tcp::2345-:2345", 2345, &CONTAINER, false, true),
            ("qemu-system-x86", 2345, &CONTAINER, false, true),
            ("qemu-system-aarch64 -s -S -kernel x", 1234, &QEMU_STUB, false, true),
            ("qemu-system-aarch64 -gdb tcp::7000 -kernel x", 7000, &QEMU_STUB, false, true),
            ("cursor --type=utility", 2345, &EDITOR, false, false),
            ("goland", 2345, &EDITOR, false, false),
            ("jetbrains_client", 40000, &PROXY, false, true),
            ("container-network-vmnet", 2345, &CONTAINER, false, true),
            ("rdctl", 2345, &CONTAINER, false, true),
            ("session-manager-plugin", 2345, &PROXY, false, true),
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
