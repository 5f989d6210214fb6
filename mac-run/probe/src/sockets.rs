//! Sockets, interfaces, names.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{
    IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket,
};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::Folder;

#[test]
fn a_connection_of_either_family() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let local = listener.local_addr().unwrap();
        assert_eq!(local.ip(), address.parse::<SocketAddr>().unwrap().ip());
        let mut client = TcpStream::connect(local).unwrap();
        let (mut server, peer) = listener.accept().unwrap();
        assert_eq!((peer, client.peer_addr().unwrap()), (client.local_addr().unwrap(), local));
        client.write_all(b"ping").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ping");
    }
}

#[test]
fn refusals_and_times() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(TcpListener::bind(address).unwrap_err().raw_os_error(), Some(48), "EADDRINUSE");
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    assert_eq!(client.read_timeout().unwrap(), Some(Duration::from_millis(1500)));
    client.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap_err().raw_os_error(), Some(35), "EAGAIN");
    client.set_nonblocking(true).unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.set_nodelay(true).unwrap();
    assert!(client.nodelay().unwrap());
    client.set_ttl(7).unwrap();
    assert_eq!(client.ttl().unwrap(), 7);
    drop(listener);
    let refused = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(61), "ECONNREFUSED, from SO_ERROR");
}

#[test]
fn a_listener_that_does_not_block_accepts_sockets_that_do_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = loop {
        match listener.accept() {
            Ok((server, _)) => break server,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    };
    // SAFETY: takes numbers alone.
    let flags = unsafe { libc::fcntl(server.as_raw_fd(), libc::F_GETFL) };
    assert_eq!(flags & libc::O_NONBLOCK, libc::O_NONBLOCK, "inherited, as on every BSD");
}

#[test]
fn datagrams_tell_their_sender() {
    let one = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    one.send_to(b"hello", other.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 16];
    let (length, from) = other.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"hello"[..], one.local_addr().unwrap()));
    one.set_broadcast(true).unwrap();
    assert!(one.broadcast().unwrap());
}

#[test]
fn sockets_with_a_path() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
    let mut client = UnixStream::connect(&path).unwrap();
    let (mut server, peer) = listener.accept().unwrap();
    assert!(peer.is_unnamed());
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    let (mut one, mut other) = UnixStream::pair().unwrap();
    one.write_all(b"y").unwrap();
    other.read_exact(&mut [0]).unwrap();
}

#[test]
fn waiting_for_several() {
    let (one, mut other) = UnixStream::pair().unwrap();
    let mut polled = [libc::pollfd { fd: one.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: one is given.
    assert_eq!(unsafe { libc::poll(polled.as_mut_ptr(), 1, 0) }, 0);
    other.write_all(b"x").unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { libc::poll(polled.as_mut_ptr(), 1, 10_000) }, 1);
    assert_eq!(polled[0].revents, libc::POLLIN);
}

#[test]
fn addresses_have_macos_layout() {
    // SAFETY: zeroes are values of both.
    unsafe {
        let mut four: libc::sockaddr_in = std::mem::zeroed();
        let mut length = size_of_val(&four) as u32;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(libc::getsockname(listener.as_raw_fd(), (&raw mut four).cast(), &raw mut length), 0);
        assert_eq!((four.sin_len, four.sin_family, length), (16, libc::AF_INET as u8, 16));
        assert_eq!(four.sin_addr.s_addr, u32::from_ne_bytes([127, 0, 0, 1]));
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let mut six: libc::sockaddr_in6 = std::mem::zeroed();
        length = size_of_val(&six) as u32;
        assert_eq!(libc::getsockname(listener.as_raw_fd(), (&raw mut six).cast(), &raw mut length), 0);
        assert_eq!((six.sin6_len, six.sin6_family, length), (28, 30, 28));
        assert_eq!(Ipv6Addr::from(six.sin6_addr.s6_addr), Ipv6Addr::LOCALHOST);
    }
}

#[test]
fn names_and_interfaces() {
    let found: Vec<SocketAddr> = "localhost:80".to_socket_addrs().unwrap().collect();
    assert!(found.iter().any(|address| address.ip().is_loopback() && address.port() == 80), "{found:?}");
    assert!("no-such-host.invalid:80".to_socket_addrs().is_err());
    // SAFETY: a C string.
    assert_ne!(unsafe { libc::if_nametoindex(c"lo0".as_ptr()) }, 0);
    let mut loopback = None;
    // SAFETY: the list is read and given back; addresses are of the family that they say.
    unsafe {
        let mut list = std::ptr::null_mut();
        assert_eq!(libc::getifaddrs(&raw mut list), 0);
        let mut next = list;
        while let Some(interface) = next.as_ref() {
            next = interface.ifa_next;
            let family = interface.ifa_addr.as_ref().map(|address| address.sa_family);
            if std::ffi::CStr::from_ptr(interface.ifa_name) == c"lo0" && family == Some(libc::AF_INET as u8) {
                let address = &*interface.ifa_addr.cast::<libc::sockaddr_in>();
                assert_ne!(interface.ifa_flags & libc::IFF_LOOPBACK as u32, 0);
                assert_eq!(interface.ifa_flags & libc::IFF_UP as u32, libc::IFF_UP as u32);
                loopback = Some(IpAddr::from(address.sin_addr.s_addr.to_ne_bytes()));
            }
        }
        libc::freeifaddrs(list);
    }
    assert_eq!(loopback, Some("127.0.0.1".parse().unwrap()));
}
