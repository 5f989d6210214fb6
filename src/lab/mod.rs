//! A pf that lives in a directory: the surface of pfctl over [`crate::pf`].
