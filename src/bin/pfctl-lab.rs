//! pf in a lab: see [`portcullis::lab`].

fn main() {}
