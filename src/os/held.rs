//! The TCP sockets that a process of macOS holds, as libproc(3) tells.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libproc::bsd_info::BSDInfo;
use libproc::file_info::{ListFDs, ProcFDType, pidfdinfo};
use libproc::net_info::{InSIAddr, SocketFDInfo, SocketInfoKind};
use libproc::proc_pid::{listpidinfo, pidinfo};

/// A socket in a process's table of files.
#[derive(Clone, Debug)]
pub struct HeldSocket {
    /// The local end.
    pub local: SocketAddr,
    /// The other end; of no meaning for a listener.
    pub remote: SocketAddr,
    /// The state's number in netinet/tcp_fsm.h.
    pub state: i32,
    /// Whether it takes IPv4.
    pub takes_v4: bool,
    /// How many connections wait to be accepted.
    pub accept_queue: u32,
    /// The user of the process.
    pub uid: u32,
}

/// Every TCP socket of the process. Errors: another user's process, or none (any more).
pub fn tcp_sockets_of(pid: u32) -> io::Result<Vec<HeldSocket>> {
    let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    let info = pidinfo::<BSDInfo>(pid, 0).map_err(io::Error::other)?;
    // Files may be opened between the two calls: leave room.
    let files = listpidinfo::<ListFDs>(pid, info.pbi_nfiles as usize + 32).map_err(io::Error::other)?;
    let sockets =
        files.iter().filter(|file| matches!(ProcFDType::from(file.proc_fdtype), ProcFDType::Socket));
    Ok(sockets.filter_map(|file| tcp_socket(pid, file.proc_fd, info.pbi_uid)).collect())
}

/// `None`: not a TCP socket, or closed meanwhile.
#[expect(unsafe_code, reason = "libproc gives what depends on the kind of socket as a union")]
fn tcp_socket(pid: i32, file: i32, uid: u32) -> Option<HeldSocket> {
    const IPV4: u8 = 1;
    const IPV6: u8 = 2;
    let socket = pidfdinfo::<SocketFDInfo>(pid, file).ok()?.psi;
    if !matches!(SocketInfoKind::from(socket.soi_kind), SocketInfoKind::Tcp) {
        return None;
    }
    // SAFETY: the kernel filled the TCP member, as the kind says.
    let tcp = unsafe { socket.soi_proto.pri_tcp };
    let internet = tcp.tcpsi_ini;
    let address = |address: InSIAddr| -> IpAddr {
        // SAFETY: both members are plain bytes over the same 16 bytes, all of them filled by the kernel.
        let (v4, v6) = unsafe { (address.ina_46.i46a_addr4.s_addr, address.ina_6.s6_addr) };
        if internet.insi_vflag & IPV6 != 0 {
            Ipv6Addr::from(v6).into()
        } else {
            Ipv4Addr::from(v4.to_ne_bytes()).into()
        }
    };
    // The kernel keeps a port in network order in the low half of an int.
    let port = |port: i32| u16::from_be((port & 0xffff) as u16);
    Some(HeldSocket {
        local: SocketAddr::new(address(internet.insi_laddr), port(internet.insi_lport)),
        remote: SocketAddr::new(address(internet.insi_faddr), port(internet.insi_fport)),
        state: tcp.tcpsi_state,
        takes_v4: internet.insi_vflag & IPV4 != 0,
        accept_queue: u32::try_from(socket.soi_qlen).unwrap_or(0),
        uid,
    })
}
