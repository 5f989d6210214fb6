//! How a panic finds its way through a Mac program's frames.
//!
//! macOS's linker keeps most frames in a compact form of 32 bits each (`__TEXT,__unwind_info`), and DWARF's call frame
//! information (`__TEXT,__eh_frame`) only for the rest. The unwinder of this process, libgcc's, reads DWARF alone, and
//! wants a list that is closed by an empty entry. So both are told again as one such list, with absolute addresses,
//! and registered with it: an exception then crosses the program's frames and the C library's alike.

mod compact;
mod dwarf;

use std::ffi::c_void;

use crate::image::Image;
use crate::macho::Program;
use dwarf::Table;

/// Tells this process's unwinder about every frame of the image.
pub fn register(image: &Image, program: &Program) {
    unsafe extern "C" {
        fn __register_frame(start: *const c_void);
    }
    let text = |name: &str| {
        program.section("__TEXT", name).map_or(&[][..], |section| image.bytes(section.address, section.size))
    };
    let mut table = Table::default();
    let code = |offset: u32| u32::from_le_bytes(image.at(offset as usize));
    for frame in compact::frames(text("__unwind_info"), &code) {
        table.add_compact(&frame, image.base, &|offset| usize::from_le_bytes(image.at(offset as usize)));
    }
    let kept = text("__eh_frame");
    // SAFETY: an indirect pointer of the section points to a pointer in the image's data, which is mapped.
    table.add_dwarf(kept, kept.as_ptr() as usize, &|place| unsafe { *(place as *const usize) });
    // SAFETY: a closed list of well-formed entries that is never freed.
    unsafe { __register_frame(table.close().leak().as_ptr().cast()) };
}
