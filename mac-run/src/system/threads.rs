//! Threads (libpthread, `pthread/pthread_types.h`). A thread, a key and a once are the C library's own. Objects that a
//! program keeps in its own memory begin with a signature of 8 bytes on macOS; behind it is room for this C library's
//! object, or for a pointer to it.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{shims, unknown};
use crate::abi::errno;
use crate::trace::Inherited;

shims! {
    "pthread_self" => libc::pthread_self,
    "pthread_create" => pthread_create,
    "pthread_join" => pthread_join,
    "pthread_detach" => pthread_detach,
    "pthread_equal" => pthread_equal,
    "pthread_main_np" => pthread_main_np,
    "pthread_setname_np" => pthread_setname_np,
    "pthread_getname_np" => pthread_getname_np,
    "pthread_threadid_np" => pthread_threadid_np,
    "pthread_get_stackaddr_np" => pthread_get_stackaddr_np,
    "pthread_get_stacksize_np" => pthread_get_stacksize_np,
    "pthread_attr_init" => pthread_attr_init,
    "pthread_attr_destroy" => pthread_attr_destroy,
    "pthread_attr_setstacksize" => pthread_attr_setstacksize,
    "pthread_key_create" => pthread_key_create,
    "pthread_key_delete" => pthread_key_delete,
    "pthread_getspecific" => pthread_getspecific,
    "pthread_setspecific" => pthread_setspecific,
    "pthread_mutexattr_init" => pthread_mutexattr_init,
    "pthread_mutexattr_destroy" => pthread_mutexattr_destroy,
    "pthread_mutexattr_settype" => pthread_mutexattr_settype,
    "pthread_mutex_init" => pthread_mutex_init,
    "pthread_mutex_destroy" => pthread_mutex_destroy,
    "pthread_mutex_lock" => pthread_mutex_lock,
    "pthread_mutex_trylock" => pthread_mutex_trylock,
    "pthread_mutex_unlock" => pthread_mutex_unlock,
}

/// `pthread_attr_t`.
#[repr(C)]
struct Attributes {
    signature: c_long,
    inner: libc::pthread_attr_t,
}

/// `pthread_mutexattr_t`.
#[repr(C)]
struct MutexAttributes {
    signature: c_long,
    inner: libc::pthread_mutexattr_t,
}

/// `pthread_mutex_t`, whose object is allocated: a program may move one that it does not hold yet.
#[repr(C)]
pub struct Mutex {
    signature: AtomicU64,
    inner: AtomicUsize,
    room: [u8; 48],
}

const _: () =
    assert!(size_of::<Attributes>() <= 64 && size_of::<MutexAttributes>() <= 16 && size_of::<Mutex>() == 64);

const ATTRIBUTES: c_long = 0x5448_5244;
const MUTEX_ATTRIBUTES: c_long = 0x4d54_5841;
/// `_PTHREAD_MUTEX_SIG_init`: what PTHREAD_MUTEX_INITIALIZER leaves.
const MUTEX_STATIC: u64 = 0x32aa_aba7;
/// `_PTHREAD_MUTEX_SIG`.
const MUTEX_READY: u64 = 0x4d55_5458;

unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const Attributes,
    start: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: a program gives room for the thread, null or attributes that it initialised, and a function.
    unsafe {
        let attributes =
            attributes.as_ref().map_or(std::ptr::null(), |attributes| &raw const attributes.inner);
        let inherited = Inherited::new(start, argument);
        let error = libc::pthread_create(thread, attributes, Inherited::run, inherited.cast());
        if error != 0 {
            drop(Box::from_raw(inherited));
        }
        errno::to_mac(error)
    }
}

unsafe extern "C" fn pthread_join(thread: libc::pthread_t, result: *mut *mut c_void) -> c_int {
    // SAFETY: a program gives a thread of its own.
    unsafe { errno::to_mac(libc::pthread_join(thread, result)) }
}

unsafe extern "C" fn pthread_detach(thread: libc::pthread_t) -> c_int {
    // SAFETY: a program gives a thread of its own.
    unsafe { errno::to_mac(libc::pthread_detach(thread)) }
}

extern "C" fn pthread_equal(one: libc::pthread_t, other: libc::pthread_t) -> c_int {
    (one == other).into()
}

extern "C" fn pthread_main_np() -> c_int {
    // SAFETY: takes nothing.
    unsafe { (libc::getpid() == libc::gettid()).into() }
}

/// Names this thread. macOS keeps 63 bytes, Linux 15: the rest is only missing from what `ps` shows.
unsafe extern "C" fn pthread_setname_np(name: *const c_char) -> c_int {
    // SAFETY: a program gives a C string.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    crate::trace::thread_is_named(name);
    let mut short = [0u8; 16];
    let kept = name.len().min(15);
    short[..kept].copy_from_slice(&name[..kept]);
    // SAFETY: the name ends in NUL.
    unsafe { errno::to_mac(libc::pthread_setname_np(libc::pthread_self(), short.as_ptr().cast())) }
}

unsafe extern "C" fn pthread_getname_np(thread: libc::pthread_t, name: *mut c_char, length: usize) -> c_int {
    // SAFETY: a program gives a thread and room for `length` bytes.
    unsafe { errno::to_mac(libc::pthread_getname_np(thread, name, length)) }
}

unsafe extern "C" fn pthread_threadid_np(_thread: libc::pthread_t, id: *mut u64) -> c_int {
    // SAFETY: Rust asks for its own thread's alone; there is room for the number.
    unsafe { id.write(libc::gettid() as u64) };
    0
}

/// Start and size of a thread's stack.
fn stack(thread: libc::pthread_t) -> (usize, usize) {
    let (mut start, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are filled by the first call and freed by the last.
    unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_getattr_np(thread, &raw mut attributes) == 0 {
            libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut size);
            libc::pthread_attr_destroy(&raw mut attributes);
        }
    }
    (start as usize, size)
}

/// macOS gives the highest address: where the stack begins to grow down.
extern "C" fn pthread_get_stackaddr_np(thread: libc::pthread_t) -> usize {
    let (start, size) = stack(thread);
    start + size
}

extern "C" fn pthread_get_stacksize_np(thread: libc::pthread_t) -> usize {
    stack(thread).1
}

unsafe extern "C" fn pthread_attr_init(attributes: *mut Attributes) -> c_int {
    // SAFETY: a program gives room for 64 bytes.
    unsafe {
        (*attributes).signature = ATTRIBUTES;
        errno::to_mac(libc::pthread_attr_init(&raw mut (*attributes).inner))
    }
}

unsafe extern "C" fn pthread_attr_destroy(attributes: *mut Attributes) -> c_int {
    // SAFETY: a program gives attributes that it initialised.
    unsafe { errno::to_mac(libc::pthread_attr_destroy(&raw mut (*attributes).inner)) }
}

unsafe extern "C" fn pthread_attr_setstacksize(attributes: *mut Attributes, size: usize) -> c_int {
    // SAFETY: as above.
    unsafe { errno::to_mac(libc::pthread_attr_setstacksize(&raw mut (*attributes).inner, size)) }
}

unsafe extern "C" fn pthread_key_create(
    key: *mut u64,
    end: Option<unsafe extern "C" fn(*mut c_void)>,
) -> c_int {
    let mut made = 0;
    // SAFETY: there is room for the key, which is wider on macOS.
    unsafe {
        let result = libc::pthread_key_create(&raw mut made, end);
        // Rust takes key 0 for none, and macOS never gives it.
        key.write(u64::from(made) + 1);
        errno::to_mac(result)
    }
}

/// This C library's key of a program's.
fn inner_key(key: u64) -> libc::pthread_key_t {
    libc::pthread_key_t::try_from(key.wrapping_sub(1)).unwrap_or(libc::pthread_key_t::MAX)
}

extern "C" fn pthread_key_delete(key: u64) -> c_int {
    // SAFETY: a key that is none is refused.
    unsafe { errno::to_mac(libc::pthread_key_delete(inner_key(key))) }
}

extern "C" fn pthread_getspecific(key: u64) -> *mut c_void {
    // SAFETY: of a key that is none, null is given.
    unsafe { libc::pthread_getspecific(inner_key(key)) }
}

unsafe extern "C" fn pthread_setspecific(key: u64, value: *const c_void) -> c_int {
    // SAFETY: the value is handed to the key's own destructor alone.
    unsafe { errno::to_mac(libc::pthread_setspecific(inner_key(key), value)) }
}

unsafe extern "C" fn pthread_mutexattr_init(attributes: *mut MutexAttributes) -> c_int {
    // SAFETY: a program gives room for 16 bytes.
    unsafe {
        (*attributes).signature = MUTEX_ATTRIBUTES;
        errno::to_mac(libc::pthread_mutexattr_init(&raw mut (*attributes).inner))
    }
}

unsafe extern "C" fn pthread_mutexattr_destroy(attributes: *mut MutexAttributes) -> c_int {
    // SAFETY: a program gives attributes that it initialised.
    unsafe { errno::to_mac(libc::pthread_mutexattr_destroy(&raw mut (*attributes).inner)) }
}

unsafe extern "C" fn pthread_mutexattr_settype(attributes: *mut MutexAttributes, kind: c_int) -> c_int {
    let linux = match kind {
        0 => libc::PTHREAD_MUTEX_NORMAL,
        1 => libc::PTHREAD_MUTEX_ERRORCHECK,
        2 => libc::PTHREAD_MUTEX_RECURSIVE,
        other => unknown(format_args!("mutexes of type {other}")),
    };
    // SAFETY: a program gives attributes that it initialised.
    unsafe { errno::to_mac(libc::pthread_mutexattr_settype(&raw mut (*attributes).inner, linux)) }
}

unsafe extern "C" fn pthread_mutex_init(mutex: *mut Mutex, attributes: *const MutexAttributes) -> c_int {
    // SAFETY: a program gives room for 64 bytes, and null or attributes that it initialised.
    unsafe {
        let attributes =
            attributes.as_ref().map_or(std::ptr::null(), |attributes| &raw const attributes.inner);
        let inner = Box::into_raw(Box::new(libc::PTHREAD_MUTEX_INITIALIZER));
        let result = libc::pthread_mutex_init(inner, attributes);
        (*mutex).inner.store(inner as usize, Ordering::Relaxed);
        (*mutex).signature.store(MUTEX_READY, Ordering::Release);
        errno::to_mac(result)
    }
}

/// This C library's mutex of a program's; one that was initialised statically is made at its first use.
///
/// # Safety
/// `mutex` is one of the program's.
pub unsafe fn inner(mutex: *mut Mutex) -> *mut libc::pthread_mutex_t {
    // SAFETY: as the caller says.
    let mutex = unsafe { &*mutex };
    if mutex.signature.load(Ordering::Acquire) == MUTEX_STATIC {
        let made = Box::into_raw(Box::new(libc::PTHREAD_MUTEX_INITIALIZER));
        let other = mutex.inner.compare_exchange(0, made as usize, Ordering::AcqRel, Ordering::Acquire);
        if other.is_err() {
            // SAFETY: another thread was first, and nobody has seen ours.
            drop(unsafe { Box::from_raw(made) });
        }
        mutex.signature.store(MUTEX_READY, Ordering::Release);
    }
    mutex.inner.load(Ordering::Acquire) as *mut libc::pthread_mutex_t
}

unsafe extern "C" fn pthread_mutex_destroy(mutex: *mut Mutex) -> c_int {
    // SAFETY: a program destroys a mutex once, while nobody holds it.
    unsafe {
        let inner = inner(mutex);
        let result = libc::pthread_mutex_destroy(inner);
        if result == 0 {
            drop(Box::from_raw(inner));
            (*mutex).signature.store(0, Ordering::Release);
        }
        errno::to_mac(result)
    }
}

unsafe extern "C" fn pthread_mutex_lock(mutex: *mut Mutex) -> c_int {
    // SAFETY: a program gives a mutex of its own.
    unsafe { errno::to_mac(libc::pthread_mutex_lock(inner(mutex))) }
}

unsafe extern "C" fn pthread_mutex_trylock(mutex: *mut Mutex) -> c_int {
    // SAFETY: a program gives a mutex of its own.
    unsafe { errno::to_mac(libc::pthread_mutex_trylock(inner(mutex))) }
}

unsafe extern "C" fn pthread_mutex_unlock(mutex: *mut Mutex) -> c_int {
    // SAFETY: a program gives a mutex of its own.
    unsafe { errno::to_mac(libc::pthread_mutex_unlock(inner(mutex))) }
}
