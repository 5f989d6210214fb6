//! The language of pf, and its verdicts. Pure: text in, values out.
//!
//! | module | what |
//! |---|---|
//! | [`parse`] | reads pf.conf and what pfctl prints, with every problem and its place |
//! | [`rule`], [`ruleset`] | what was read: rules expanded as pf holds them, tables, options |
//! | [`print`] | writes it in pfctl's normal form |
//! | [`loaded`] | what pf holds: main ruleset, anchors, tables |
//! | [`packet`], [`verdict`] | what pf does with a packet, and which rule decides |
//! | [`question`] | can a host reach a port of this Mac, and why |
//! | [`logged`] | which rule logged a packet |
//! | [`anchor`], [`conf`] | our own rules, and our block in pf.conf |

pub mod anchor;
pub mod conf;
pub mod loaded;
pub mod logged;
mod matching;
mod names;
pub mod packet;
pub mod parse;
pub mod print;
pub mod question;
pub mod rule;
pub mod ruleset;
mod token;
pub mod verdict;
