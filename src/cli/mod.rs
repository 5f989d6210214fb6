//! The command line: the same actions as the menu, as text and JSON.
