//! Our own rules: the ledger of open and closed ports, the anchor that it renders to, and our block in pf.conf. Pure.

pub mod anchor;
pub mod conf;
pub mod drops;
pub mod due;
pub mod end_choice;
pub mod ends;
pub mod evening;
pub mod half;
pub mod home;
pub mod ledger;
pub mod ledger_change;
pub mod named_port;
pub mod network_words;
pub mod opening;
pub mod openness;
pub mod order;
#[cfg(test)]
pub mod sample;
pub mod seal;
pub mod source;
