//! The language of pf, and its verdicts. Pure: text in, values out.
pub mod anchor;
pub mod conf;
