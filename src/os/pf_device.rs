//! `/dev/pf`, asked and told by ioctl(2) where pfctl(8) cannot: its tokens may be printed or not, and it drops the states
//! of a host, never those of a port.
//!
//! The requests are those of XNU's `bsd/net/pf_ioctl.c`; see [`super::pf_layout`] for their form.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use crate::os::connection::TrackedConnection;
use crate::os::pf_layout::{
    DIOCGETSTATES, DIOCKILLSTATES, DIOCSTARTREF, DIOCSTOPREF, RemoveToken, STATE_SIZE, StatesRequest,
    StatesToKill, tcp_connections,
};

/// pf's device, open. Root alone may open it.
#[derive(Debug)]
pub struct PfDevice(File);

/// Why pf did not do what it was told. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("cannot open /dev/pf: {0}")]
    Open(#[source] io::Error),
    #[error("pf does not {verb}: {source}")]
    Refused {
        /// What it was told, such as "enable itself".
        verb: &'static str,
        source: io::Error,
    },
}

impl PfDevice {
    /// Opens the device for reading and writing.
    pub fn open() -> Result<Self, DeviceError> {
        let file = File::options().read(true).write(true).open("/dev/pf").map_err(DeviceError::Open)?;
        Ok(PfDevice(file))
    }

    /// Holds pf enabled until the token that it gives is released. The kernel notes this process as its holder.
    pub fn hold(&self) -> Result<u64, DeviceError> {
        let mut token = 0u64;
        self.request(DIOCSTARTREF, &mut token, "enable itself")?;
        Ok(token)
    }

    /// Gives a token back: how many still hold pf enabled, 0 where it stopped. `None` where the kernel does not know
    /// the token (EINVAL) or pf does not run (ENOENT): nothing is held by it.
    pub fn release(&self, token: u64) -> Result<Option<u64>, DeviceError> {
        let mut remove = RemoveToken { token, references: 0 };
        match self.request(DIOCSTOPREF, &mut remove, "release our hold on it") {
            Ok(()) => Ok(Some(remove.references)),
            Err(DeviceError::Refused { source, .. })
                if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The TCP connections that it keeps states of.
    pub fn connections(&self) -> Result<Vec<TrackedConnection>, DeviceError> {
        let mut size = StatesRequest { length: 0, padding: 0, buffer: 0 };
        self.request(DIOCGETSTATES, &mut size, "say how many connections it knows")?;
        let mut room = usize::try_from(size.length).unwrap_or(0);
        loop {
            // More may come before they are asked for.
            room += room / 8 + 16 * STATE_SIZE;
            let mut states = vec![0u8; room];
            let length = i32::try_from(room).unwrap_or(i32::MAX);
            let mut wanted = StatesRequest { length, padding: 0, buffer: states.as_mut_ptr() as u64 };
            self.request(DIOCGETSTATES, &mut wanted, "list the connections it knows")?;
            let filled = usize::try_from(wanted.length).unwrap_or(0);
            if filled + STATE_SIZE <= room || length == i32::MAX {
                states.truncate(filled);
                return Ok(tcp_connections(&states));
            }
        }
    }

    /// Drops the states of `connection` and of no other. How many there were: 0 where it has ended meanwhile, two for
    /// one over lo0.
    pub fn drop_states(&self, connection: &TrackedConnection) -> Result<usize, DeviceError> {
        let mut kill = StatesToKill::of(connection);
        self.request(DIOCKILLSTATES, &mut kill, "drop a connection")?;
        Ok(usize::from(kill.family_then_count))
    }

    #[expect(unsafe_code, reason = "ioctl is a C function")]
    fn request<T>(&self, request: u64, argument: &mut T, verb: &'static str) -> Result<(), DeviceError> {
        let pointer = std::ptr::from_mut(argument);
        // SAFETY: the numbers in `pf_layout` hold the size of `T`, which is asserted there, and the kernel reads and
        // writes that many bytes. The one request with a pointer in it, DIOCGETSTATES, names a buffer that lives
        // until after the call, with its length.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, pointer) };
        if result == 0 {
            return Ok(());
        }
        Err(DeviceError::Refused { verb, source: io::Error::last_os_error() })
    }
}
