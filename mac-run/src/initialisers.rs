//! What runs before `main`: functions that the image lists, by address or by offset.

use std::ffi::{c_char, c_int};

use crate::image::Image;
use crate::macho::{Program, SectionKind};

/// What `main` and every initialiser of a Mac program get: arguments, environment, and `apple`, which holds
/// `executable_path=…` first. All three end in a null pointer.
#[derive(Clone, Copy)]
pub struct Start {
    pub count: c_int,
    pub arguments: *const *const c_char,
    pub environment: *const *const c_char,
    pub apple: *const *const c_char,
}

type Initialiser =
    unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char, *const *const c_char);

/// Runs them in their order.
///
/// # Safety
/// The image is complete: fixed, its thread-locals prepared.
pub unsafe fn run(image: &Image, program: &Program, start: Start) {
    for section in &program.sections {
        let places: Vec<usize> = match section.kind {
            SectionKind::Initialisers => {
                let words =
                    (0..section.size / 8).map(|index| image.word(section.address + 8 * index) as usize);
                words.collect()
            }
            SectionKind::InitialiserOffsets => {
                let bytes = image.bytes(section.address, section.size);
                let offsets =
                    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
                offsets.map(|offset| image.base + offset).collect()
            }
            _ => continue,
        };
        for place in places {
            // SAFETY: the image names it as a function of this form, which runs once, here.
            unsafe {
                let function: Initialiser = std::mem::transmute(place);
                function(start.count, start.arguments, start.environment, start.apple);
            }
        }
    }
}
