//! The stand-ins for `/sbin/ifconfig` and `/usr/sbin/tcpdump`: the interface pflog0 of the pretended Mac, and nothing
//! else.
//!
//! The interface is a file, [`PFLOG0`]: it is there while the file is, and whatever frame is appended to it was logged by
//! pf at that moment. No pf is behind it, since no packet ever passes a lab: a test, or a person, appends what it wants.

use std::ffi::OsString;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::os::Files;

/// The interface: a capture of pf's log, header and all.
pub const PFLOG0: &str = "/private/var/run/pflog0.pcap";
/// The header of a capture with link type 117, little-endian.
const HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 117, 0, 0, 0];
/// How soon a frame is passed on.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The program `pflog-lab`: the name that it was called by and its arguments in, its exit code out.
pub fn main(name: &str, arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let done = super::directory::take_directory(&mut arguments).and_then(|directory| {
        super::store::init(&directory).map_err(|error| error.to_string())?;
        let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
        match (name, words.as_slice()) {
            ("ifconfig", ["pflog0"]) => show(&directory),
            ("ifconfig", ["pflog0", "create"]) => create(&directory),
            ("ifconfig", ["pflog0", "destroy"]) => destroy(&directory),
            ("tcpdump", ["-i", "pflog0", "-n", "-p", "-s", "128", "-U", "-w", "-"]) => dump(&directory),
            _ => Err(format!("a lab has no `{name} {}`", words.join(" "))),
        }
    });
    match done {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("{name}: {why}");
            1
        }
    }
}

fn place(directory: &Path) -> PathBuf {
    Files::lab(directory).place(PFLOG0)
}

fn show(directory: &Path) -> Result<(), String> {
    if !place(directory).exists() {
        return Err("interface pflog0 does not exist".to_owned());
    }
    println!("pflog0: flags=41<UP,RUNNING> mtu 33080");
    Ok(())
}

fn create(directory: &Path) -> Result<(), String> {
    if place(directory).exists() {
        return Err("SIOCIFCREATE2: File exists".to_owned());
    }
    Files::lab(directory).replace(PFLOG0, &HEADER, 0o644).map_err(|error| error.to_string())
}

fn destroy(directory: &Path) -> Result<(), String> {
    show(directory)?;
    Files::lab(directory).remove(PFLOG0).map_err(|error| error.to_string())
}

/// Passes on what is logged from now on, until it is ended or the interface is gone.
fn dump(directory: &Path) -> Result<(), String> {
    let path = place(directory);
    let no_device = |_| "pflog0: No such device exists (BIOCSETIF failed: Device not configured)".to_owned();
    let mut interface = std::fs::File::open(&path).map_err(no_device)?;
    interface.seek(SeekFrom::End(0)).map_err(no_device)?;
    let mut stdout = std::io::stdout();
    let mut pass_on = |bytes: &[u8]| {
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| error.to_string())
    };
    eprintln!("tcpdump: listening on pflog0, link-type PFLOG (OpenBSD pflog file), capture size 128 bytes");
    pass_on(&HEADER)?;
    loop {
        let mut bytes = Vec::new();
        interface.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if !bytes.is_empty() {
            pass_on(&bytes)?;
        } else if path.exists() {
            std::thread::sleep(LOOK_EVERY);
        } else {
            return Err("pcap_loop: The interface disappeared".to_owned());
        }
    }
}
