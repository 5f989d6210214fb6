//! The language of pf, and its verdicts. Pure: text in, values out.
//!
//! | module | what |
//! |---|---|
//! | [`parse`] | reads pf.conf and what pfctl prints, with every problem and its place |
//! | [`rule`], [`ruleset`] | what was read: rules expanded as pf holds them, tables, options |
//! | [`print`] | writes it in pfctl's normal form |
//! | [`rulesets`] | what pf holds: main ruleset, anchors, tables |
//! | [`packet`], [`verdict`] | what pf does with a packet, and which rule decides |
//! | [`explain`] | can a host reach a port of this Mac, and why |
//! | [`logged`] | which rule logged a packet |
//! | [`origin`] | one value for each place a client comes from, and for each family |

pub mod explain;
pub mod logged;
mod matching;
mod names;
pub mod origin;
pub mod packet;
pub mod parse;
pub mod print;
pub mod rule;
pub mod ruleset;
pub mod rulesets;
mod token;
pub mod verdict;
