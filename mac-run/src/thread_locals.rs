//! A Mac program's thread-local variables.
//!
//! Each variable has a descriptor of three words (`struct TLVDescriptor` of dyld's DyldRuntimeState): a function, a key
//! and an offset. Code calls the function with the descriptor in rdi and finds the variable's address in rax; every
//! other register must be as before. The linker leaves `__tlv_bootstrap` in the first word, which the loader replaces.
//! What the variables begin with lies in the image, from the first section of the kind to the last.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::OnceLock;

use crate::image::Image;
use crate::macho::{Program, SectionKind};

/// The size of a descriptor.
const DESCRIPTOR: u64 = 24;

/// What each thread's variables begin with.
struct Template {
    /// Bytes of the image; behind them, up to `size`, all is zero.
    start: &'static [u8],
    size: usize,
}

static TEMPLATE: OnceLock<Template> = OnceLock::new();
static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

thread_local! {
    /// This thread's variables. The cell itself needs no destructor, so that it can be asked until the thread is gone.
    static BLOCK: Cell<*mut u8> = const { Cell::new(std::ptr::null_mut()) };
    /// How often this thread's end was postponed.
    static POSTPONED: Cell<u32> = const { Cell::new(0) };
}

/// Makes every descriptor of the image point to our function.
pub fn prepare(image: &Image, program: &Program) {
    for section in program.sections.iter().filter(|section| section.kind == SectionKind::ThreadLocalVariables)
    {
        for descriptor in (0..section.size).step_by(DESCRIPTOR as usize) {
            image.set_word(section.address + descriptor, variable as *const () as u64);
        }
    }
    let sections = |kind| program.sections.iter().filter(move |section| section.kind == kind);
    let both = || sections(SectionKind::ThreadLocalRegular).chain(sections(SectionKind::ThreadLocalZeroFill));
    let Some(start) = both().map(|section| section.address).min() else { return };
    let end = |section: &crate::macho::Section| section.address + section.size;
    let filled = sections(SectionKind::ThreadLocalRegular).map(end).max().unwrap_or(start);
    let size = both().map(end).max().unwrap_or(start) - start;
    let _ = TEMPLATE.set(Template { start: image.bytes(start, filled - start), size: size as usize });
}

/// The address of the variable that `descriptor` describes, for this thread.
///
/// # Safety
/// `descriptor` points to a descriptor of the image.
unsafe extern "C" fn address_of(descriptor: *const u64) -> u64 {
    let block = BLOCK.get();
    let block = if block.is_null() { begin() } else { block };
    // SAFETY: the caller gives a descriptor, whose third word is the offset.
    let offset = unsafe { *descriptor.add(2) };
    block as u64 + offset
}

/// Gives this thread its variables. Where there is no memory for them the process ends, as it does in dyld.
fn begin() -> *mut u8 {
    let Some(template) = TEMPLATE.get() else { std::process::abort() };
    let length = template.size.next_multiple_of(64).max(64);
    // SAFETY: the alignment is a power of two and the size one of its multiples; the result is checked.
    let block = unsafe { libc::aligned_alloc(64, length) }.cast::<u8>();
    if block.is_null() {
        std::process::abort();
    }
    // SAFETY: the block is fresh and has room for the start and the zeroes behind it.
    unsafe {
        std::ptr::write_bytes(block, 0, length);
        std::ptr::copy_nonoverlapping(template.start.as_ptr(), block, template.start.len());
    }
    BLOCK.set(block);
    end_with_the_thread(block);
    block
}

/// Has the block freed when the thread ends, after every other destructor that may still look at a variable.
fn end_with_the_thread(block: *mut u8) {
    let key = KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is ours to write; `end` takes what the key holds.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(end)) } != 0 {
            std::process::abort();
        }
        key
    });
    // SAFETY: the key was made above.
    unsafe { libc::pthread_setspecific(*key, block.cast()) };
}

/// Destructors of keys run in rounds, four at most: ours waits for the last one.
unsafe extern "C" fn end(block: *mut c_void) {
    const LAST_ROUND: u32 = 3;
    let round = POSTPONED.get();
    POSTPONED.set(round + 1);
    if round < LAST_ROUND {
        end_with_the_thread(block.cast());
    } else {
        BLOCK.set(std::ptr::null_mut());
        // SAFETY: `begin` allocated the block, and this thread runs nothing more that could use it.
        unsafe { libc::free(block) };
    }
}

/// What descriptors point to: [`address_of`], with every register but rax as it was.
#[unsafe(naked)]
unsafe extern "C" fn variable() {
    std::arch::naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rcx", "push rdx", "push rsi", "push rdi", "push r8", "push r9", "push r10", "push r11",
        "sub rsp, 256",
        "and rsp, -16",
        "movaps [rsp], xmm0", "movaps [rsp + 16], xmm1", "movaps [rsp + 32], xmm2", "movaps [rsp + 48], xmm3",
        "movaps [rsp + 64], xmm4", "movaps [rsp + 80], xmm5", "movaps [rsp + 96], xmm6", "movaps [rsp + 112], xmm7",
        "movaps [rsp + 128], xmm8", "movaps [rsp + 144], xmm9", "movaps [rsp + 160], xmm10", "movaps [rsp + 176], xmm11",
        "movaps [rsp + 192], xmm12", "movaps [rsp + 208], xmm13", "movaps [rsp + 224], xmm14", "movaps [rsp + 240], xmm15",
        "call {address_of}",
        "movaps xmm0, [rsp]", "movaps xmm1, [rsp + 16]", "movaps xmm2, [rsp + 32]", "movaps xmm3, [rsp + 48]",
        "movaps xmm4, [rsp + 64]", "movaps xmm5, [rsp + 80]", "movaps xmm6, [rsp + 96]", "movaps xmm7, [rsp + 112]",
        "movaps xmm8, [rsp + 128]", "movaps xmm9, [rsp + 144]", "movaps xmm10, [rsp + 160]", "movaps xmm11, [rsp + 176]",
        "movaps xmm12, [rsp + 192]", "movaps xmm13, [rsp + 208]", "movaps xmm14, [rsp + 224]", "movaps xmm15, [rsp + 240]",
        "lea rsp, [rbp - 64]",
        "pop r11", "pop r10", "pop r9", "pop r8", "pop rdi", "pop rsi", "pop rdx", "pop rcx",
        "pop rbp",
        "ret",
        address_of = sym address_of,
    )
}

/// `_tlv_atexit`: what Rust and C++ register for the end of the thread.
///
/// # Safety
/// `function` may be called with `argument` on this thread when it ends.
pub unsafe extern "C" fn at_thread_exit(function: unsafe extern "C" fn(*mut c_void), argument: *mut c_void) {
    unsafe extern "C" {
        fn __cxa_thread_atexit_impl(
            function: unsafe extern "C" fn(*mut c_void),
            argument: *mut c_void,
            library: *mut c_void,
        ) -> i32;
        /// This program's own mark, by which the C library finds it.
        static mut __dso_handle: u8;
    }
    // SAFETY: the C library calls `function` once, on this thread, before the keys' destructors.
    unsafe { __cxa_thread_atexit_impl(function, argument, (&raw mut __dso_handle).cast()) };
}
