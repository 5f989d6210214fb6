//! CoreFoundation, Security and the rest: no part of what is proved here. A program that links them starts; one that
//! calls them ends with the function's name, as with every other that has no shim.

/// Data that programs take the address of before they call anything.
pub fn is_datum(name: &str) -> bool {
    name.starts_with("kCF")
        || name.starts_with("kSec")
        || name.starts_with("__CFConstantString")
        || name.starts_with("_NSConcrete")
}
