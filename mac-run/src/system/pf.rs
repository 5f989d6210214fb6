//! `/dev/pf` over the kernel that the library's lab keeps below the root: the same file and the same lock as `pfctl-lab`, so
//! that what one does the other sees. The calls do what XNU's do (`bsd/net/pf_ioctl.c`, `pfioctl`).

use std::ffi::{CStr, c_int};

use portcullis::lab::kernel::{Denied, Kernel};
use portcullis::lab::states::StateEntry;
use portcullis::lab::store::Store;

use super::{fail, unknown};
use crate::abi::fcntl::ACCESS;
use crate::abi::pf::{self, Compared, Kill, List, RemoveToken, State, StateHost, Token};
use crate::{identity, root};

const DEVICE: &CStr = c"/dev/pf";
/// What the kernel calls an open device here; a copy of the file descriptor keeps it, in a child too.
const READABLE: &CStr = c"mac-run:/dev/pf:r";
const WRITABLE: &CStr = c"mac-run:/dev/pf:rw";

/// Whether a program opens pf's device, which no directory can hold.
pub fn is_device(path: &CStr) -> bool {
    path == DEVICE && root::get().is_some()
}

/// Root's alone, as the device's mode says. Gives a file descriptor, or -1.
pub fn open(flags: c_int) -> c_int {
    if identity::user() != 0 {
        return fail(libc::EACCES);
    }
    let name = if flags & ACCESS == libc::O_RDONLY { READABLE } else { WRITABLE };
    // SAFETY: a C string.
    unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }
}

/// How the device is open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    Write,
}

/// Whether a file descriptor is pf's device.
pub fn opened(file: c_int) -> Option<Mode> {
    root::get()?;
    let target = std::fs::read_link(format!("/proc/self/fd/{file}")).ok()?;
    let name = target.to_str()?.strip_prefix("/memfd:mac-run:/dev/pf:")?;
    Some(if name.starts_with("rw") { Mode::Write } else { Mode::Read })
}

/// Carries out a request.
///
/// # Safety
/// `argument` points to what the request says.
pub unsafe fn ioctl(mode: Mode, request: u64, argument: *mut u8) -> c_int {
    if identity::user() != 0 {
        return fail(libc::EPERM);
    }
    if request == pf::KILL_STATES && mode == Mode::Read {
        return fail(libc::EACCES);
    }
    let store = match root::get().map(Store::open) {
        Some(Ok(store)) => store,
        Some(Err(error)) => unknown(format_args!("the state of pf ({error})")),
        None => return fail(libc::ENXIO),
    };
    // SAFETY: as the caller says, each request its own.
    let result = unsafe {
        match request {
            pf::START => change(&store, |kernel| kernel.start(portcullis::os::now())),
            pf::STOP => change(&store, Kernel::stop),
            pf::START_REFERENCE => start_reference(&store, &mut *argument.cast()),
            pf::STOP_REFERENCE => stop_reference(&store, &mut *argument.cast()),
            pf::GET_STARTERS => starters(&store, &mut *argument.cast()),
            pf::GET_STATES => states(&store, &mut *argument.cast()),
            pf::KILL_STATES => kill_states(&store, &mut *argument.cast()),
            other => unknown(format_args!("ioctl {other:#x} of /dev/pf")),
        }
    };
    match result {
        Ok(()) => 0,
        Err(error) => fail(error),
    }
}

fn kernel(store: &Store) -> Kernel {
    store.kernel().unwrap_or_else(|error| unknown(format_args!("the state of pf ({error})")))
}

fn keep(store: &Store, kernel: &Kernel) {
    if let Err(error) = store.keep(kernel) {
        unknown(format_args!("the state of pf ({error})"));
    }
}

/// Changes what the kernel holds; it is kept even where the call is refused, since `-e` on a running pf holds it.
fn change<T>(store: &Store, change: impl FnOnce(&mut Kernel) -> Result<T, Denied>) -> Result<T, c_int> {
    let mut kernel = kernel(store);
    let result = change(&mut kernel);
    keep(store, &kernel);
    result.map_err(|denied| match denied {
        Denied::AlreadyEnabled => libc::EEXIST,
        Denied::NotEnabled => libc::ENOENT,
        Denied::TokenInvalid => libc::EINVAL,
    })
}

fn start_reference(store: &Store, token: &mut u64) -> Result<(), c_int> {
    let mut bytes = [0; 8];
    // SAFETY: there is room for the bytes.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // A token is the address of the kernel's record of it: never 0.
    let given = u64::from_le_bytes(bytes) | 1;
    change(store, |kernel| {
        kernel.hold(given, std::process::id(), portcullis::os::now());
        Ok(())
    })?;
    *token = given;
    Ok(())
}

fn stop_reference(store: &Store, argument: &mut RemoveToken) -> Result<(), c_int> {
    let token = argument.token;
    argument.left = change(store, |kernel| kernel.release(token))? as u64;
    Ok(())
}

fn starters(store: &Store, list: &mut List) -> Result<(), c_int> {
    let holders = kernel(store).holders;
    if holders.is_empty() {
        return Err(libc::ENOENT);
    }
    let tokens: Vec<Token> = holders
        .iter()
        .map(|holder| {
            let mut name = [0; 64];
            let process = crate::host::processes::process(holder.pid).map(|process| process.name);
            let process = process.unwrap_or_default();
            name[..process.len().min(63)].copy_from_slice(&process.as_bytes()[..process.len().min(63)]);
            Token { token: holder.token, since: holder.since as u64, pid: holder.pid as i32, name }
        })
        .collect();
    give(&tokens, list);
    Ok(())
}

/// Without room the length of all is given; with some, as many whole ones as fit.
fn give<T: Copy>(values: &[T], list: &mut List) {
    let fitting = usize::try_from(list.length).unwrap_or(0) / size_of::<T>();
    if list.length == 0 {
        list.length = size_of_val(values) as i32;
        return;
    }
    let count = values.len().min(fitting);
    // SAFETY: the program gives room for `length` bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), list.buffer, count * size_of::<T>())
    };
    list.length = (count * size_of::<T>()) as i32;
}

fn entries(store: &Store) -> Vec<StateEntry> {
    store.states().unwrap_or_else(|error| unknown(format_args!("the state of pf ({error})")))
}

fn states(store: &Store, list: &mut List) -> Result<(), c_int> {
    let states: Vec<State> = entries(store).iter().map(|entry| Line::of(entry).state()).collect();
    give(&states, list);
    Ok(())
}

fn kill_states(store: &Store, kill: &mut Kill) -> Result<(), c_int> {
    let (gone, left): (Vec<StateEntry>, Vec<StateEntry>) = entries(store).into_iter().partition(|entry| {
        let line = Line::of(entry);
        kill.fits(&line.compared(), &line.interface)
    });
    if let Err(error) = store.keep_states(&left) {
        unknown(format_args!("the state of pf ({error})"));
    }
    // In eight bits, whatever the number was.
    kill.family = gone.len() as u8;
    Ok(())
}

/// A line of the lab's states: `INTERFACE PROTOCOL A <- B LEVELS`.
struct Line<'a> {
    entry: &'a StateEntry,
    interface: String,
    protocol: u8,
    inward: bool,
}

impl<'a> Line<'a> {
    fn of(entry: &'a StateEntry) -> Self {
        let text = entry.to_string();
        let mut words = text.split_whitespace();
        let interface = words.next().unwrap_or_default().to_lowercase();
        let protocol = match words.next().unwrap_or_default() {
            "icmp" => 1,
            "tcp" => 6,
            "udp" => 17,
            "gre" => 47,
            "esp" => 50,
            "ipv6-icmp" | "icmp6" => 58,
            other => other.parse().unwrap_or(0),
        };
        Line { entry, interface, protocol, inward: words.any(|word| word == "<-") }
    }

    fn compared(&self) -> Compared {
        let (source, destination) = (&self.entry.source, &self.entry.destination);
        Compared {
            family: if source.address.is_ipv4() { 2 } else { 30 },
            protocol: self.protocol,
            source: (source.address, source.port.unwrap_or(0)),
            destination: (destination.address, destination.port.unwrap_or(0)),
        }
    }

    fn state(&self) -> State {
        let compared = self.compared();
        let host = |(address, port): (std::net::IpAddr, u16)| StateHost {
            address: pf::address(address),
            port: port.to_be_bytes(),
            padding: [0; 6],
        };
        // Of a connection from outside, this machine's end is the destination.
        let (own, other) = match self.inward {
            true => (compared.destination, compared.source),
            false => (compared.source, compared.destination),
        };
        let mut interface = [0; 16];
        let kept = self.interface.len().min(15);
        interface[..kept].copy_from_slice(&self.interface.as_bytes()[..kept]);
        // SAFETY: numbers alone, of which zero is one.
        let blank: State = unsafe { std::mem::zeroed() };
        State {
            interface,
            lan: host(own),
            gateway: host(own),
            other_lan: host(other),
            other_gateway: host(other),
            family: compared.family,
            gateway_family: compared.family,
            protocol: compared.protocol,
            direction: if self.inward { pf::IN } else { pf::OUTWARD },
            ..blank
        }
    }
}

/// A root with this in its kernel, for tests.
#[cfg(test)]
fn store_with(states: &str) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.kernel().unwrap();
    write_states(directory.path(), states);
    (directory, store)
}

#[cfg(test)]
fn write_states(root: &std::path::Path, states: &str) {
    std::fs::write(root.join("private/var/pf/states"), states).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: &str = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n\
                          ALL tcp 192.168.1.2:22 <- 192.168.1.9:50001       ESTABLISHED:ESTABLISHED\n\
                          ALL tcp 192.168.1.2:51000 -> 140.82.112.3:443       ESTABLISHED:ESTABLISHED\n";

    #[test]
    fn holders_keep_pf_running() {
        let (_root, store) = store_with("");
        let mut first = 0;
        start_reference(&store, &mut first).unwrap();
        let mut second = 0;
        start_reference(&store, &mut second).unwrap();
        assert!(first != second && kernel(&store).runs());
        let mut argument = RemoveToken { token: first, left: 9 };
        assert_eq!((stop_reference(&store, &mut argument), argument.left), (Ok(()), 1));
        assert_eq!(stop_reference(&store, &mut argument), Err(libc::EINVAL));
        argument.token = second;
        assert_eq!((stop_reference(&store, &mut argument), argument.left), (Ok(()), 0));
        assert!(!kernel(&store).runs());
        assert_eq!(stop_reference(&store, &mut argument), Err(libc::ENOENT));
    }

    #[test]
    fn starting_twice_is_refused_and_stopping_voids_every_token() {
        let (_root, store) = store_with("");
        let start = || change(&store, |kernel| kernel.start(1));
        assert_eq!((start(), start()), (Ok(()), Err(libc::EEXIST)));
        let mut token = 0;
        start_reference(&store, &mut token).unwrap();
        change(&store, Kernel::stop).unwrap();
        assert_eq!(
            starters(&store, &mut List { length: 0, buffer: std::ptr::null_mut() }),
            Err(libc::ENOENT)
        );
        assert_eq!(change(&store, Kernel::stop), Err(libc::ENOENT));
    }

    #[test]
    fn states_are_told_in_whole_records() {
        let (_root, store) = store_with(STATES);
        let mut list = List { length: 0, buffer: std::ptr::null_mut() };
        states(&store, &mut list).unwrap();
        assert_eq!(list.length, 3 * 297);
        let mut buffer = vec![0u8; 700];
        list = List { length: 700, buffer: buffer.as_mut_ptr() };
        states(&store, &mut list).unwrap();
        assert_eq!(list.length, 2 * 297, "a third does not fit");
        assert_eq!(
            (buffer[285], &buffer[24..28], &buffer[40..42]),
            (1, &[192, 168, 1, 2][..], &2345u16.to_be_bytes()[..])
        );
        assert_eq!((&buffer[72..76], &buffer[88..90]), (&[192, 168, 1, 9][..], &50000u16.to_be_bytes()[..]));
    }

    #[test]
    fn one_state_is_dropped_or_all() {
        let (_root, store) = store_with(STATES);
        let entries = store.states().unwrap();
        let line = Line::of(&entries[0]);
        let end = |(address, port): (std::net::IpAddr, u16)| pf::KillEnd {
            address: pf::address(address),
            mask: [0xff; 16],
            wrap: [0; 2],
            reserved: [0; 3],
            negated: 0,
            ports: [port.to_be_bytes(), [0; 2]],
            operator: 2,
            padding: [0; 7],
        };
        let (source, destination) = (end(line.compared().source), end(line.compared().destination));
        let (interface, owner) = ([0; 16], [0; 64]);
        let mut kill =
            Kill { family: 2, protocol: 6, variant: 0, padding: 0, source, destination, interface, owner };
        kill_states(&store, &mut kill).unwrap();
        assert_eq!((kill.family, store.states().unwrap().len()), (1, 2));
        // What the crate `pfctl` 0.7.0 asks for: masks and ports of zero.
        kill.family = 2;
        for end in [&mut kill.source, &mut kill.destination] {
            (end.mask, end.operator) = ([0; 16], 0);
        }
        kill_states(&store, &mut kill).unwrap();
        assert_eq!((kill.family, store.states().unwrap().len()), (2, 0));
    }
}
