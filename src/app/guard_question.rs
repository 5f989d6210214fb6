//! Whether the other debug ports are to be kept closed: asked at the first opening, while pf is off.

use crate::elevate::question::Question;
use crate::port::PortRange;
use crate::rules::anchor;
use crate::rules::named_port::NamedPort;
use crate::sockets::{self, Socket, TcpState};

/// What is asked where keeping them closed blocks `ports`, and ends `ends` connections from other machines.
pub(super) fn question(ports: &[NamedPort], ends: usize) -> Question {
    // The dialog is as wide as macOS has it: so many fit on two lines.
    const MOST: usize = 6;
    let mut named: Vec<String> = ports.iter().take(MOST).map(NamedPort::to_string).collect();
    named.extend((ports.len() > MOST).then(|| format!("{} more", ports.len() - MOST)));
    let ends = match ends {
        0 => String::new(),
        1 => " 1 connection to them ends.".to_owned(),
        count => format!(" {count} connections to them end."),
    };
    Question {
        title: "Keep the other debug ports closed to other machines?".to_owned(),
        message: format!(
            "These are {}. The firewall is off now, so that a \
             closed port is not protected. To keep them closed it is turned on, which may pause iCloud Private Relay.{ends}",
            named.join(", ")
        ),
        yes: "Keep Closed",
        no: "Leave As They Are",
    }
}

/// The connections from other machines to `ports` that end where those are blocked; 0 where it is not known.
pub(super) fn ended(ports: &[NamedPort]) -> usize {
    let ends = |port: &&NamedPort| !anchor::sessions_outlive_closing(port.range.last());
    let ranges: Vec<PortRange> = ports.iter().filter(ends).map(|port| port.range).collect();
    let Ok(table) = sockets::read(&ranges) else { return 0 };
    table.connections.iter().filter(|connection| is_from_elsewhere(connection, &ranges)).count()
}

fn is_from_elsewhere(connection: &Socket, ranges: &[PortRange]) -> bool {
    let comes_in = ranges.iter().any(|range| range.contains(connection.local.port()));
    let remote = connection.remote.map(|remote| remote.ip().to_canonical());
    let is_elsewhere =
        remote.is_some_and(|remote| !remote.is_loopback() && remote != connection.local.ip().to_canonical());
    comes_in && is_elsewhere && connection.state == TcpState::Established
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::SocketOwner;

    fn port(port: &str) -> NamedPort {
        NamedPort { name: "p".parse().unwrap(), range: port.parse().unwrap() }
    }

    #[test]
    fn it_asks_in_a_line_and_says_the_price() {
        let ports = ["9229", "5678", "5005"].map(port);
        let asked = question(&ports, 2).message;
        assert!(asked.starts_with("These are 9229 (p), 5678 (p), 5005 (p). "), "{asked}");
        assert!(asked.ends_with("may pause iCloud Private Relay. 2 connections to them end."), "{asked}");
        let many: Vec<NamedPort> = (3000..3100).map(|number: u16| port(&number.to_string())).collect();
        let asked = question(&many, 0).message;
        assert!(asked.contains("3005 (p), 94 more. ") && asked.len() < 400, "{asked}");
    }

    #[test]
    fn connections_of_other_machines_to_what_is_blocked_end() {
        let connection = |local: &str, remote: &str, state| Socket {
            local: local.parse().unwrap(),
            remote: Some(remote.parse().unwrap()),
            state,
            v6_only: None,
            accept_queue: None,
            accepted: Some(true),
            owner: SocketOwner::Unknown { user: None },
        };
        let ranges = ["9229".parse().unwrap()];
        let established = TcpState::Established;
        for (local, remote, state, ends) in [
            ("192.168.1.9:9229", "192.168.1.20:50000", established, true),
            ("[::ffff:192.168.1.9]:9229", "[::ffff:192.168.1.20]:50000", established, true),
            ("127.0.0.1:9229", "127.0.0.1:50000", established, false),
            ("192.168.1.9:9229", "192.168.1.9:50000", established, false),
            ("[::ffff:127.0.0.1]:9229", "[::ffff:127.0.0.1]:50000", established, false),
            ("192.168.1.9:50000", "192.168.1.20:9229", established, false),
            ("192.168.1.9:9229", "192.168.1.20:50000", TcpState::Closed, false),
        ] {
            assert_eq!(
                is_from_elsewhere(&connection(local, remote, state), &ranges),
                ends,
                "{local} {remote}"
            );
        }
    }
}
