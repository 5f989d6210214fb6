//! Every TCP socket of this machine, as the kernel lists them (netlink `sock_diag`; linux/inet_diag.h).

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::FromRawFd as _;

/// A TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
    /// The interface that a link-local address belongs to; 0 for all.
    pub interface: u32,
    /// Linux's number (net/tcp_states.h).
    pub state: u8,
    /// Whether it takes IPv4 too; `None` for a socket of IPv4.
    pub v6_only: Option<bool>,
    /// Of a listener, how many connections wait.
    pub waiting: u32,
    /// Of a listener, how many may wait.
    pub room: u32,
    pub uid: u32,
    /// What `/proc/PID/fd` names it by; 0 until it is accepted.
    pub inode: u32,
}

/// The listener's state in Linux's numbers.
pub const LISTEN: u8 = 10;

/// All of them, IPv4 first.
pub fn tcp() -> io::Result<Vec<TcpSocket>> {
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump(family as u8, &mut found)?;
    }
    Ok(found)
}

/// Asks for one family.
fn dump(family: u8, found: &mut Vec<TcpSocket>) -> io::Result<()> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const REQUEST_AND_DUMP: u16 = 0x301;
    const LENGTH: u32 = 72;
    // SAFETY: takes numbers alone; the new socket has no other owner.
    let mut socket = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        match libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) {
            socket if socket < 0 => return Err(io::Error::last_os_error()),
            socket => std::fs::File::from_raw_fd(socket),
        }
    };
    let mut request = LENGTH.to_ne_bytes().to_vec();
    request.extend([SOCK_DIAG_BY_FAMILY, REQUEST_AND_DUMP].map(u16::to_ne_bytes).concat());
    request.extend([0; 8]);
    // Every state, and no attribute but the one that is always given.
    request.extend([family, libc::IPPROTO_TCP as u8, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    request.resize(LENGTH as usize, 0);
    socket.write_all(&request)?;
    let mut answer = vec![0; 1 << 16];
    loop {
        let length = socket.read(&mut answer)?;
        let mut rest = &answer[..length];
        while let Some((kind, body, next)) = message(rest) {
            const ERROR: u16 = 2;
            const DONE: u16 = 3;
            match kind {
                DONE => return Ok(()),
                ERROR => return Err(io::Error::other("netlink refused")),
                _ => found.extend(parse(body)),
            }
            rest = next;
        }
        if length == 0 {
            return Ok(());
        }
    }
}

/// Kind and body of the first message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, bytes.get(16..length)?, next))
}

/// `struct inet_diag_msg` and its attributes.
fn parse(body: &[u8]) -> Option<TcpSocket> {
    const ATTRIBUTES: usize = 72;
    const SKV6ONLY: u16 = 11;
    let family = i32::from(*body.first()?);
    let number = |at: usize| Some(u32::from_ne_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let end = |port: usize, address: usize| {
        let bytes: [u8; 16] = body.get(address..address + 16)?.try_into().ok()?;
        let [a, b, c, d, ..] = bytes;
        let address: IpAddr = match family {
            libc::AF_INET => Ipv4Addr::new(a, b, c, d).into(),
            _ => Ipv6Addr::from(bytes).into(),
        };
        Some((address, u16::from_be_bytes(body.get(port..port + 2)?.try_into().ok()?)))
    };
    let v6_only = attribute(body.get(ATTRIBUTES..)?, SKV6ONLY).and_then(|value| value.first());
    Some(TcpSocket {
        local: end(4, 8)?,
        remote: end(6, 24)?,
        interface: number(40)?,
        state: *body.get(1)?,
        v6_only: (family == libc::AF_INET6).then_some(v6_only == Some(&1)),
        waiting: number(56)?,
        room: number(60)?,
        uid: number(64)?,
        inode: number(68)?,
    })
}

fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == wanted {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_of_ours_is_listed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mine =
            || tcp().unwrap().into_iter().find(|socket| socket.local.1 == port && socket.state == LISTEN);
        let socket = mine().unwrap();
        assert_eq!((socket.waiting, socket.v6_only), (0, None));
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(mine().unwrap().waiting, 1);
    }
}
