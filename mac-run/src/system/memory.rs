//! What means the same to both C libraries, and goes straight to the one of this machine.

/// Memory, strings, arithmetic, unwinding, the end.
pub const STRAIGHT: &[&str] = &[
    // Memory and strings.
    "bzero", "calloc", "free", "malloc", "memchr", "memcmp", "memcpy", "memmem", "memmove", "memrchr", "memset",
    "posix_memalign", "realloc", "strcmp", "strlen", "strncmp",
    // Arithmetic.
    "acos", "asin", "atan", "atan2", "cbrt", "ceil", "cos", "exp", "exp2", "floor", "fmod", "fmodf", "hypot", "log", "log10",
    "log2", "pow", "powf", "round", "sin", "sqrt", "tan", "tanh", "trunc",
    // libgcc's unwinder, which knows the program's frames.
    "_Unwind_Backtrace", "_Unwind_DeleteException", "_Unwind_FindEnclosingFunction", "_Unwind_GetCFA",
    "_Unwind_GetDataRelBase", "_Unwind_GetIP", "_Unwind_GetIPInfo", "_Unwind_GetLanguageSpecificData",
    "_Unwind_GetRegionStart", "_Unwind_GetTextRelBase", "_Unwind_RaiseException", "_Unwind_Resume", "_Unwind_SetGR",
    "_Unwind_SetIP",
    // The end.
    "_exit", "abort", "exit",
];

/// Calls of the system whose numbers and forms are the same; they are noted like those that have a shim.
pub const CALLS: &[&str] = &[
    // Files that are open already.
    "close", "dup", "dup2", "flock", "fsync", "ftruncate", "isatty", "lseek", "pipe", "pread", "pwrite", "read", "readv",
    "write", "writev",
    // Processes, groups, sessions.
    "fork", "getegid", "getgid", "getpgid", "getpgrp", "getpid", "getppid", "getsid", "nanosleep", "pause", "sched_yield",
    "setgid", "setpgid", "setsid", "setuid",
];

/// The same function under another name.
pub const RENAMED: &[(&str, &str)] = &[
    ("__bzero", "bzero"),
    ("close$NOCANCEL", "close"),
    ("read$NOCANCEL", "read"),
    ("write$NOCANCEL", "write"),
];
