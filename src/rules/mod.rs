//! Our own rules: what is open, for whom, until when; the anchor that says so to pf, and our block in pf.conf. Pure.

pub mod anchor;
pub mod conf;
pub mod ledger;
pub mod named_port;
pub mod source;
