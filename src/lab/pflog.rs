//! The stand-ins for `/sbin/ifconfig` and `/usr/sbin/tcpdump`: the interface pflog0 of the pretended Mac, and nothing
//! else.
//!
//! The interface is a file, [`PFLOG0`]: it is there while the file is, and whatever frame is appended to it was logged by
//! pf at that moment. No pf is behind it, since no packet ever passes a lab: a test, or a person, appends what it wants.

use std::ffi::OsString;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::directory::take_directory;
use super::error::LabError;
use super::store::init;
use crate::os::{FileError, Files};

/// The interface: a capture of pf's log, header and all.
pub const PFLOG0: &str = "/private/var/run/pflog0.pcap";
/// The header of a capture with link type 117, little-endian.
const HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 117, 0, 0, 0];
/// How soon a frame is passed on.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The program `pflog-lab`: the name that it was called by and its arguments in, its exit code out.
pub fn main(name: &str, arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match run(name, arguments.into_iter().collect()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}

/// Why ifconfig or tcpdump fails, in their words.
#[derive(Debug, thiserror::Error)]
enum InterfaceError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Stream(#[from] io::Error),
    #[error("a lab has no `{0}`")]
    Unknown(String),
    #[error("interface pflog0 does not exist")]
    Missing,
    #[error("SIOCIFCREATE2: File exists")]
    Exists,
    #[error("pflog0: No such device exists (BIOCSETIF failed: Device not configured)")]
    NoDevice(#[source] io::Error),
    #[error("pcap_loop: The interface disappeared")]
    Disappeared,
}

fn run(name: &str, mut arguments: Vec<OsString>) -> Result<(), InterfaceError> {
    let directory = take_directory(&mut arguments)?;
    init(&directory)?;
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match (name, words.as_slice()) {
        ("ifconfig", ["pflog0"]) => show(&directory),
        ("ifconfig", ["pflog0", "create"]) => create(&directory),
        ("ifconfig", ["pflog0", "destroy"]) => destroy(&directory),
        ("tcpdump", ["-i", "pflog0", "-n", "-p", "-s", "128", "-U", "-w", "-"]) => dump(&directory),
        _ => Err(InterfaceError::Unknown(format!("{name} {}", words.join(" ")))),
    }
}

fn place(directory: &Path) -> PathBuf {
    Files::lab(directory).place(PFLOG0)
}

fn show(directory: &Path) -> Result<(), InterfaceError> {
    if !place(directory).exists() {
        return Err(InterfaceError::Missing);
    }
    println!("pflog0: flags=41<UP,RUNNING> mtu 33080");
    Ok(())
}

fn create(directory: &Path) -> Result<(), InterfaceError> {
    if place(directory).exists() {
        return Err(InterfaceError::Exists);
    }
    Ok(Files::lab(directory).replace(PFLOG0, &HEADER, 0o644)?)
}

fn destroy(directory: &Path) -> Result<(), InterfaceError> {
    show(directory)?;
    Ok(Files::lab(directory).remove(PFLOG0)?)
}

/// Passes on what is logged from now on, until it is ended or the interface is gone.
fn dump(directory: &Path) -> Result<(), InterfaceError> {
    let path = place(directory);
    let mut interface = std::fs::File::open(&path).map_err(InterfaceError::NoDevice)?;
    interface.seek(SeekFrom::End(0)).map_err(InterfaceError::NoDevice)?;
    let mut stdout = std::io::stdout();
    let mut pass_on = |bytes: &[u8]| stdout.write_all(bytes).and_then(|()| stdout.flush());
    eprintln!("tcpdump: listening on pflog0, link-type PFLOG (OpenBSD pflog file), capture size 128 bytes");
    pass_on(&HEADER)?;
    loop {
        let mut bytes = Vec::new();
        interface.read_to_end(&mut bytes)?;
        if !bytes.is_empty() {
            pass_on(&bytes)?;
        } else if path.exists() {
            std::thread::sleep(LOOK_EVERY);
        } else {
            return Err(InterfaceError::Disappeared);
        }
    }
}
