//! The socket table of macOS: libproc for our own processes, the kernel's list for everybody's.
//!
//! libproc tells exactly which process holds which socket, but only for processes of the same user (all, for root).
//! The kernel's list `net.inet.tcp.pcblist_n`, which netstat(1) reads, has every socket, its accept queue and the
//! process that used it last; its form is private, so where it cannot be understood the table says that it may lack
//! sockets of other users.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use libproc::bsd_info::BSDInfo;
use libproc::proc_pid;
use libproc::processes::{ProcFilter, pids_by_type};

use super::pcblist::{self, KernelSocket};
use super::redact::redact;
use super::table::{
    Process, Socket, SocketOwner, SocketTable, SocketsError, TcpState, is_watched, options_in,
    split_arguments,
};
use crate::os::held::{HeldSocket, tcp_sockets_of};
use crate::os::{sysctl, user_of};
use crate::port::PortRange;

pub(super) fn read(watched: &[PortRange]) -> Result<SocketTable, SocketsError> {
    let mut table = SocketTable::default();
    let listed = kernel_list().unwrap_or_else(|error| {
        table.blind_spot = Some(format!("sockets of other users may be missing: {error}"));
        Vec::new()
    });
    let mut owners: HashMap<u32, Arc<Process>> = HashMap::new();
    for row in merge(listed, held_sockets()?) {
        let listens = row.state == TcpState::Listen;
        let dead = matches!(row.state, TcpState::Closed | TcpState::TimeWait);
        if dead || (!listens && !is_watched(watched, row.local, row.remote)) {
            continue;
        }
        let owner = match row.pid {
            pid if row.accepted && pid != 0 => SocketOwner::Process(Arc::clone(
                owners.entry(pid).or_insert_with(|| Arc::new(process(pid, Some(row.uid)))),
            )),
            _ => SocketOwner::Unknown { user: Some(user_of(row.uid)) },
        };
        let rows = if listens { &mut table.listeners } else { &mut table.connections };
        rows.push(Socket {
            local: row.local,
            remote: (!listens).then_some(row.remote),
            state: row.state,
            v6_only: row.v6_only,
            accept_queue: listens.then_some(row.accept_queue),
            accepted: (!listens).then_some(row.accepted),
            owner,
        });
    }
    Ok(table)
}

pub(super) fn processes(wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Process>, SocketsError> {
    let fits = |pid: &u32| {
        let file = path(*pid).and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        file.is_some_and(|file| wanted(&file)) || short_name(*pid).is_some_and(|name| wanted(&name))
    };
    Ok(pids()?.into_iter().filter(fits).map(|pid| process(pid, None)).collect())
}

/// The kernel's list with the exact owners of libproc, and whatever only libproc saw.
///
/// A socket that several processes share is listed once and belongs to the first; listeners that share an address
/// (SO_REUSEPORT) are listed once each and belong to one process each.
fn merge(listed: Vec<KernelSocket>, held: Vec<KernelSocket>) -> Vec<KernelSocket> {
    let mut holders: HashMap<(SocketAddr, SocketAddr), VecDeque<KernelSocket>> = HashMap::new();
    for row in held {
        holders.entry((row.local, row.remote)).or_default().push_back(row);
    }
    let mut seen = Vec::new();
    let mut rows: Vec<KernelSocket> = Vec::with_capacity(listed.len());
    for mut row in listed {
        let key = (row.local, row.remote);
        if let Some(holders) = holders.get_mut(&key) {
            let holder = if holders.len() > 1 { holders.pop_front() } else { holders.front().cloned() };
            row.pid = holder.map_or(row.pid, |holder| holder.pid);
            seen.push(key);
        }
        rows.push(row);
    }
    for key in seen {
        holders.remove(&key);
    }
    rows.extend(holders.into_values().filter_map(|mut holders| holders.pop_front()));
    rows
}

fn kernel_list() -> Result<Vec<KernelSocket>, SocketsError> {
    const LIST: &str = "net.inet.tcp.pcblist_n";
    let bytes = sysctl::by_name(c"net.inet.tcp.pcblist_n")
        .map_err(|source| SocketsError::Read { from: LIST, source })?;
    pcblist::parse(&bytes).map_err(|source| SocketsError::Form { from: LIST, source })
}

/// The sockets of every process that we may look into, in the order of the processes' ids.
fn held_sockets() -> Result<Vec<KernelSocket>, SocketsError> {
    let of_process =
        |pid: u32| tcp_sockets_of(pid).unwrap_or_default().into_iter().map(move |held| row(pid, held));
    Ok(pids()?.into_iter().flat_map(of_process).collect())
}

fn row(pid: u32, held: HeldSocket) -> KernelSocket {
    KernelSocket {
        local: pcblist::without_interface(held.local),
        remote: pcblist::without_interface(held.remote),
        state: pcblist::state(u32::try_from(held.state).unwrap_or(u32::MAX)),
        v6_only: held.local.is_ipv6().then_some(!held.takes_v4),
        accept_queue: held.accept_queue,
        accepted: true,
        uid: held.uid,
        pid,
    }
}

fn pids() -> Result<Vec<u32>, SocketsError> {
    let mut pids = pids_by_type(ProcFilter::All)
        .map_err(|source| SocketsError::Read { from: "libproc's list of processes", source })?;
    pids.retain(|pid| *pid != 0);
    pids.sort_unstable();
    Ok(pids)
}

/// The path can be read for every process, arguments and environment only for our own.
fn process(pid: u32, uid: Option<u32>) -> Process {
    let number = i32::try_from(pid).unwrap_or(i32::MAX);
    let path = path(pid);
    let file_name = || Some(path.as_ref()?.file_name()?.to_string_lossy().into_owned());
    let block = sysctl::process_arguments(number).unwrap_or_default();
    let info = proc_pid::pidinfo::<BSDInfo>(number, 0).ok();
    let uid = uid.or(info.map(|info| info.pbi_uid));
    Process {
        pid,
        parent: info.map(|info| info.pbi_ppid),
        name: file_name().or_else(|| short_name(pid)),
        path,
        user: uid.map(user_of),
        arguments: redact(split_arguments(pcblist::argument_block(&block))),
        environment: options_in(pcblist::environment_block(&block)),
    }
}

fn path(pid: u32) -> Option<PathBuf> {
    let path = proc_pid::pidpath(i32::try_from(pid).ok()?).ok()?;
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn short_name(pid: u32) -> Option<String> {
    proc_pid::name(i32::try_from(pid).ok()?).ok().filter(|name| !name.is_empty())
}
