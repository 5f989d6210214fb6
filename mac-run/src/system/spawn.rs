//! Programs that are started. What lies below the root may be a program of Linux, which is started as it is, or one of
//! macOS, which is started through this program again (see [`crate::start`]).

use std::ffi::{CStr, CString, c_char, c_int, c_short};

use super::{fail, last_error, shims, unknown};
use crate::abi::errno;
use crate::abi::fcntl::OPEN_FLAGS;
use crate::abi::processes::{SPAWN_CLOEXEC_DEFAULT, SPAWN_FLAGS, SPAWN_SETEXEC};
use crate::abi::{flags_to_linux, signals};
use crate::start::{self, Program};

shims! {
    "posix_spawn" => posix_spawn,
    "posix_spawnp" => posix_spawnp,
    "posix_spawnattr_init" => attributes_init,
    "posix_spawnattr_destroy" => attributes_destroy,
    "posix_spawnattr_setflags" => set_flags,
    "posix_spawnattr_setpgroup" => set_group,
    "posix_spawnattr_setsigdefault" => set_default_signals,
    "posix_spawnattr_setsigmask" => set_mask,
    "posix_spawn_file_actions_init" => actions_init,
    "posix_spawn_file_actions_destroy" => actions_destroy,
    "posix_spawn_file_actions_adddup2" => add_dup2,
    "posix_spawn_file_actions_addclose" => add_close,
    "posix_spawn_file_actions_addopen" => add_open,
    "posix_spawn_file_actions_addchdir_np" => add_chdir,
    "posix_spawn_file_actions_addchdir" => add_chdir,
    "execve" => execve,
    "execv" => execv,
    "execvp" => execvp,
}

/// What `posix_spawnattr_t`, a pointer on macOS, points to.
#[derive(Default)]
struct Attributes {
    flags: c_short,
    group: c_int,
    /// Signals whose default is put back, as macOS's set.
    default_signals: u32,
    mask: u32,
}

/// What `posix_spawn_file_actions_t`, a pointer on macOS, points to.
#[derive(Default)]
struct Actions(Vec<Action>);

enum Action {
    Duplicate { file: c_int, to: c_int },
    Close(c_int),
    Open { to: c_int, path: CString, flags: c_int, mode: u16 },
    Directory(CString),
}

// SAFETY of all below: a program gives what it initialised by the functions of this file, once each.

unsafe extern "C" fn attributes_init(attributes: *mut *mut Attributes) -> c_int {
    // SAFETY: there is room for a pointer.
    unsafe { attributes.write(Box::into_raw(Box::default())) };
    0
}

unsafe extern "C" fn attributes_destroy(attributes: *mut *mut Attributes) -> c_int {
    // SAFETY: see above.
    drop(unsafe { Box::from_raw(*attributes) });
    0
}

unsafe extern "C" fn set_flags(attributes: *mut *mut Attributes, flags: c_short) -> c_int {
    // SAFETY: see above.
    unsafe { (**attributes).flags = flags };
    0
}

unsafe extern "C" fn set_group(attributes: *mut *mut Attributes, group: c_int) -> c_int {
    // SAFETY: see above.
    unsafe { (**attributes).group = group };
    0
}

unsafe extern "C" fn set_default_signals(attributes: *mut *mut Attributes, set: *const u32) -> c_int {
    // SAFETY: see above; a set is given.
    unsafe { (**attributes).default_signals = *set };
    0
}

unsafe extern "C" fn set_mask(attributes: *mut *mut Attributes, set: *const u32) -> c_int {
    // SAFETY: see above; a set is given.
    unsafe { (**attributes).mask = *set };
    0
}

unsafe extern "C" fn actions_init(actions: *mut *mut Actions) -> c_int {
    // SAFETY: there is room for a pointer.
    unsafe { actions.write(Box::into_raw(Box::default())) };
    0
}

unsafe extern "C" fn actions_destroy(actions: *mut *mut Actions) -> c_int {
    // SAFETY: see above.
    drop(unsafe { Box::from_raw(*actions) });
    0
}

unsafe fn add(actions: *mut *mut Actions, action: Action) -> c_int {
    // SAFETY: see above.
    unsafe { (**actions).0.push(action) };
    0
}

unsafe extern "C" fn add_dup2(actions: *mut *mut Actions, file: c_int, to: c_int) -> c_int {
    // SAFETY: see above.
    unsafe { add(actions, Action::Duplicate { file, to }) }
}

unsafe extern "C" fn add_close(actions: *mut *mut Actions, file: c_int) -> c_int {
    // SAFETY: see above.
    unsafe { add(actions, Action::Close(file)) }
}

unsafe extern "C" fn add_open(
    actions: *mut *mut Actions,
    to: c_int,
    path: *const c_char,
    flags: c_int,
    mode: u16,
) -> c_int {
    // SAFETY: see above; the path is a C string.
    unsafe { add(actions, Action::Open { to, path: super::place(path), flags, mode }) }
}

unsafe extern "C" fn add_chdir(actions: *mut *mut Actions, path: *const c_char) -> c_int {
    // SAFETY: see above; the path is a C string.
    unsafe { add(actions, Action::Directory(super::place(path))) }
}

unsafe extern "C" fn posix_spawn(
    pid: *mut c_int,
    path: *const c_char,
    actions: *const *const Actions,
    attributes: *const *const Attributes,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    // SAFETY: a program gives a path, actions and attributes or null, and arrays that end in null.
    unsafe {
        let program = CStr::from_ptr(path);
        let actions = actions.as_ref().map_or(&[][..], |actions| &(**actions).0);
        let standard = Attributes::default();
        let attributes = attributes.as_ref().map_or(&standard, |attributes| &**attributes);
        let result = spawn(program, actions, attributes, arguments, environment);
        match result {
            Ok(made) => {
                if let Some(pid) = pid.as_mut() {
                    *pid = made;
                }
                0
            }
            Err(error) => errno::to_mac(error),
        }
    }
}

unsafe extern "C" fn posix_spawnp(
    pid: *mut c_int,
    file: *const c_char,
    actions: *const *const Actions,
    attributes: *const *const Attributes,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    // SAFETY: the file is a C string; the rest is as above.
    unsafe {
        match start::search(CStr::from_ptr(file)) {
            Some(path) => posix_spawn(pid, path.as_ptr(), actions, attributes, arguments, environment),
            None => errno::to_mac(libc::ENOENT),
        }
    }
}

/// Arguments or environment, which end in null; none where there is no array.
///
/// # Safety
/// `list` is null or an array of C strings that ends in null.
unsafe fn list(list: *const *const c_char) -> Vec<CString> {
    let mut texts = Vec::new();
    // SAFETY: as the caller says.
    unsafe {
        let mut next = list;
        while !next.is_null() && !(*next).is_null() {
            texts.push(CStr::from_ptr(*next).to_owned());
            next = next.add(1);
        }
    }
    texts
}

fn pointers(texts: &[CString]) -> Vec<*mut c_char> {
    let pointers = texts.iter().map(|text| text.as_ptr().cast_mut());
    pointers.chain([std::ptr::null_mut()]).collect()
}

/// Starts a program; gives its number, or Linux's error.
///
/// # Safety
/// Arguments and environment are arrays that end in null.
unsafe fn spawn(
    program: &CStr,
    actions: &[Action],
    attributes: &Attributes,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Result<c_int, c_int> {
    // SAFETY: as the caller says.
    let (arguments, environment) = unsafe { (list(arguments), list(environment)) };
    let start = Program::of(program, environment);
    let linux_actions = LinuxActions::of(actions)?;
    let linux_attributes = LinuxAttributes::of(attributes)?;
    let mut pid = 0;
    // SAFETY: all of them are whole and live until the call returns.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            start.file.as_ptr(),
            &raw const linux_actions.0,
            &raw const linux_attributes.0,
            pointers(&arguments).as_ptr(),
            pointers(&start.environment).as_ptr(),
        )
    };
    if error == 0 { Ok(pid) } else { Err(error) }
}

struct LinuxActions(libc::posix_spawn_file_actions_t);

impl LinuxActions {
    fn of(actions: &[Action]) -> Result<Self, c_int> {
        // SAFETY: zeroes are overwritten by the first call; paths are C strings, which are copied.
        unsafe {
            let mut linux = LinuxActions(std::mem::zeroed());
            let all = &raw mut linux.0;
            check(libc::posix_spawn_file_actions_init(all))?;
            for action in actions {
                check(match action {
                    Action::Duplicate { file, to } => libc::posix_spawn_file_actions_adddup2(all, *file, *to),
                    Action::Close(file) => libc::posix_spawn_file_actions_addclose(all, *file),
                    Action::Open { to, path, flags, mode } => {
                        let access = flags & crate::abi::fcntl::ACCESS;
                        let flags = flags_to_linux(OPEN_FLAGS, flags & !crate::abi::fcntl::ACCESS);
                        let flags = flags.map_err(|_| libc::EINVAL)? | access;
                        libc::posix_spawn_file_actions_addopen(all, *to, path.as_ptr(), flags, (*mode).into())
                    }
                    Action::Directory(path) => libc::posix_spawn_file_actions_addchdir_np(all, path.as_ptr()),
                })?;
            }
            Ok(linux)
        }
    }
}

impl Drop for LinuxActions {
    fn drop(&mut self) {
        // SAFETY: they were initialised.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct LinuxAttributes(libc::posix_spawnattr_t);

impl LinuxAttributes {
    fn of(attributes: &Attributes) -> Result<Self, c_int> {
        if attributes.flags & (SPAWN_SETEXEC | SPAWN_CLOEXEC_DEFAULT) != 0 {
            unknown(format_args!("posix_spawn: flags {:#x}", attributes.flags));
        }
        let flags = flags_to_linux(SPAWN_FLAGS, attributes.flags.into());
        let flags = flags.unwrap_or_else(|left| unknown(format_args!("posix_spawn: flag {left:#x}")));
        // SAFETY: zeroes are overwritten by the first call; sets are whole.
        unsafe {
            let mut linux = LinuxAttributes(std::mem::zeroed());
            let all = &raw mut linux.0;
            check(libc::posix_spawnattr_init(all))?;
            check(libc::posix_spawnattr_setflags(all, flags as c_short))?;
            check(libc::posix_spawnattr_setpgroup(all, attributes.group))?;
            check(libc::posix_spawnattr_setsigdefault(
                all,
                &raw const *linux_set(attributes.default_signals),
            ))?;
            check(libc::posix_spawnattr_setsigmask(all, &raw const *linux_set(attributes.mask)))?;
            Ok(linux)
        }
    }
}

impl Drop for LinuxAttributes {
    fn drop(&mut self) {
        // SAFETY: they were initialised.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

fn linux_set(mac: u32) -> Box<libc::sigset_t> {
    // SAFETY: zeroes are a value of the set.
    let mut set: Box<libc::sigset_t> = Box::new(unsafe { std::mem::zeroed() });
    for signal in signals::in_set(mac) {
        // SAFETY: the set is whole.
        unsafe { libc::sigaddset(&raw mut *set, signal) };
    }
    set
}

fn check(error: c_int) -> Result<(), c_int> {
    if error == 0 { Ok(()) } else { Err(error) }
}

unsafe extern "C" fn execve(
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    // SAFETY: a program gives a path and arrays that end in null.
    unsafe {
        let start = Program::of(CStr::from_ptr(path), list(environment));
        let arguments = list(arguments);
        libc::execve(
            start.file.as_ptr(),
            pointers(&arguments).as_ptr().cast(),
            pointers(&start.environment).as_ptr().cast(),
        );
    }
    fail(last_error())
}

unsafe extern "C" fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: as above; the environment is this process's.
    unsafe { execve(path, arguments, environ) }
}

unsafe extern "C" fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: a program gives a C string; the rest is as above.
    match start::search(unsafe { CStr::from_ptr(file) }) {
        // SAFETY: as above.
        Some(path) => unsafe { execv(path.as_ptr(), arguments) },
        None => fail(libc::ENOENT),
    }
}
