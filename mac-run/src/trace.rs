//! Which functions of the system each test called (`MAC_RUN_TRACE=DIR`), and functions that fail (`MAC_RUN_FAULT`).
//!
//! Every function of ours is then bound through a few instructions that note it and go on to it. What is noted is a line
//! `TEST<tab>FUNCTION` in a file of the process's own in that directory, once for each pair and at once, so that nothing is
//! lost when the process is killed. A test is known by its thread, which the test harness names after it; threads and
//! programs that a test starts belong to it too.
//!
//! `MAC_RUN_FAULT=PROGRAM:FUNCTION,…:N:ERROR` makes the Nth call of these functions fail with an error number of macOS in that
//! program alone; with `kill` in its place the process is killed before the call.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString, c_int, c_void};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::abi;

/// Where the lines go, and whose they are where no test is known.
struct Trace {
    file: Mutex<File>,
    scopes: Mutex<BTreeMap<String, &'static Scope>>,
    first: &'static Scope,
}

/// A call that fails.
struct Fault {
    functions: Vec<String>,
    /// How many calls are left until then.
    left: AtomicI64,
    /// `None`: the process is killed.
    error: Option<c_int>,
}

/// A test, and what it has called already.
struct Scope {
    name: String,
    called: Vec<AtomicBool>,
}

/// A function that is noted: what the instructions of its own point to.
#[repr(C)]
pub struct Noted {
    place: usize,
    number: usize,
    name: &'static str,
}

/// More functions than there are.
const MOST: usize = 1024;

static TRACE: OnceLock<Trace> = OnceLock::new();
static FAULT: OnceLock<Fault> = OnceLock::new();

thread_local! {
    /// This thread's test; none on the harness's own.
    static SCOPE: Cell<Option<&'static Scope>> = const { Cell::new(None) };
}

/// Begins to note into `directory`. `test` is the one that started this program; else the program speaks for itself.
pub fn begin(directory: &OsStr, test: Option<OsString>, program: &Path) {
    let name = test.unwrap_or_else(|| program.file_name().unwrap_or_default().to_owned());
    let path = PathBuf::from(directory).join(std::process::id().to_string());
    let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) else { return };
    let _ = writeln!(file, "\t{}", program.display());
    let first = Scope::new(&name.to_string_lossy());
    let _ = TRACE.set(Trace { file: Mutex::new(file), scopes: Mutex::default(), first });
}

/// Arms the fault that is meant for this program.
pub fn arm(fault: &OsStr, program: &Path) -> Result<(), String> {
    let text = fault.to_str().unwrap_or_default();
    let [name, functions, number, error] = text.split(':').collect::<Vec<_>>()[..] else {
        return Err(format!("{text:?} is no fault: expected PROGRAM:FUNCTION,…:N:ERROR"));
    };
    if program.file_name() != Some(OsStr::new(name)) {
        return Ok(());
    }
    let left = number.parse().map_err(|_| format!("{number:?} is no number of a call"))?;
    let error = match error {
        "kill" => None,
        number => Some(number.parse().ok().and_then(abi::errno::to_linux).ok_or("no error of macOS")?),
    };
    let functions = functions.split(',').map(str::to_owned).collect();
    let _ = FAULT.set(Fault { functions, left: AtomicI64::new(left), error });
    Ok(())
}

impl Fault {
    /// Whether this call is the one.
    fn is_due(&self, function: &str) -> bool {
        let name = function.split('$').next().unwrap_or_default();
        self.functions.iter().any(|one| one == name) && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Scope {
    fn new(name: &str) -> &'static Self {
        let called = (0..MOST).map(|_| AtomicBool::new(false)).collect();
        Box::leak(Box::new(Scope { name: name.to_owned(), called }))
    }
}

/// A place that notes `name` and goes on to `place`; `place` itself where nothing is noted.
pub fn noting(name: &'static str, place: usize) -> usize {
    static NUMBERS: Mutex<usize> = Mutex::new(0);
    if TRACE.get().is_none() && FAULT.get().is_none() {
        return place;
    }
    let mut number = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    *number += 1;
    let noted = Box::leak(Box::new(Noted { place, number: *number % MOST, name }));
    // mov r11, NOTED; jmp [rip]; the place of `note_and_go_on`. r11 is nobody's when a function is called.
    let mut code = vec![0x49, 0xbb];
    code.extend((std::ptr::from_ref(noted) as usize).to_le_bytes());
    code.extend([0xff, 0x25, 0, 0, 0, 0]);
    code.extend((note_and_go_on as *const () as usize).to_le_bytes());
    crate::symbols::executable(&code)
}

/// Called for a function that is noted. Gives whether it fails.
extern "C" fn note(noted: &Noted) -> bool {
    // SAFETY: the place is this thread's own.
    let error = unsafe { *libc::__errno_location() };
    if let Some(trace) = TRACE.get() {
        let scope = SCOPE.get().unwrap_or(trace.first);
        if !scope.called[noted.number].swap(true, Ordering::Relaxed) {
            let line = format!("{}\t{}\n", scope.name, noted.name);
            let _ = trace.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        }
    }
    let fault = FAULT.get().filter(|fault| fault.is_due(noted.name));
    let number = match fault.map(|fault| fault.error) {
        None => error,
        Some(Some(number)) => number,
        // SAFETY: ends this process.
        Some(None) => unsafe { libc::kill(libc::getpid(), libc::SIGKILL) },
    };
    // SAFETY: as above. Noting must not change what the program reads.
    unsafe { *libc::__errno_location() = number };
    fault.is_some()
}

/// Keeps the arguments, notes, and goes on or fails.
#[unsafe(naked)]
unsafe extern "C" fn note_and_go_on() {
    std::arch::naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "push r9",
        "push rax",
        "push r10",
        "push r11",
        "sub rsp, 136",
        "movups [rsp], xmm0",
        "movups [rsp + 16], xmm1",
        "movups [rsp + 32], xmm2",
        "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4",
        "movups [rsp + 80], xmm5",
        "movups [rsp + 96], xmm6",
        "movups [rsp + 112], xmm7",
        "mov rdi, r11",
        "call {note}",
        "test al, al",
        "jnz 2f",
        "movups xmm0, [rsp]",
        "movups xmm1, [rsp + 16]",
        "movups xmm2, [rsp + 32]",
        "movups xmm3, [rsp + 48]",
        "movups xmm4, [rsp + 64]",
        "movups xmm5, [rsp + 80]",
        "movups xmm6, [rsp + 96]",
        "movups xmm7, [rsp + 112]",
        "add rsp, 136",
        "pop r11",
        "pop r10",
        "pop rax",
        "pop r9",
        "pop r8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "pop rbp",
        "jmp [r11]",
        // It fails: -1, and nothing is called. What was kept needs no restoring, but rbp.
        "2:",
        "mov rsp, rbp",
        "pop rbp",
        "mov rax, -1",
        "ret",
        note = sym note,
    )
}

/// The test of this thread, for a program that it starts.
pub fn test() -> Option<OsString> {
    let trace = TRACE.get()?;
    Some(OsStr::from_bytes(SCOPE.get().unwrap_or(trace.first).name.as_bytes()).to_owned())
}

/// A thread that belongs to no test yet is named: it is the test's own. The harness's is called `main`.
pub fn thread_is_named(name: &[u8]) {
    let Some(trace) = TRACE.get() else { return };
    if SCOPE.get().is_none() && name != b"main" {
        let name = String::from_utf8_lossy(name).into_owned();
        let mut scopes = trace.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        SCOPE.set(Some(*scopes.entry(name.clone()).or_insert_with(|| Scope::new(&name))));
    }
}

/// What a new thread is started with, so that it belongs to the test that starts it.
pub struct Inherited {
    scope: Option<&'static Scope>,
    start: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
}

impl Inherited {
    pub fn new(start: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> *mut Self {
        Box::into_raw(Box::new(Inherited { scope: SCOPE.get(), start, argument }))
    }

    /// The thread's first function: `inherited` is what [`Inherited::new`] gave.
    pub extern "C" fn run(inherited: *mut c_void) -> *mut c_void {
        // SAFETY: the thread is started once, with what was made for it.
        let inherited = unsafe { Box::from_raw(inherited.cast::<Inherited>()) };
        SCOPE.set(inherited.scope);
        (inherited.start)(inherited.argument)
    }
}
