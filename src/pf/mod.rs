//! The language of pf, and its verdicts. Pure: text in, values out.
//!
//! | module | what |
//! |---|---|
//! | [`parse`] | reads pf.conf and what pfctl prints, with every problem and its place |
//! | [`rule`], [`criteria`], [`effects`] | rules as pf holds them, expanded, and the rulesets they stand in |
//! | [`preamble`] | macros, options, tables, files to load |
//! | [`print`] | writes it in pfctl's normal form |
//! | [`rulesets`] | what pf holds: main ruleset, anchors, tables |
//! | [`interfaces`] | what is known of this machine's interfaces |
//! | [`packet`], [`verdict`] | what pf does with a packet, and which rule decides |
//! | [`explain`] | can a host reach a port of this Mac, and why |
//! | [`grounds`] | why pf decides as it does |
//! | [`logged`] | which rule logged a packet |
//! | [`origin`] | one value for each place a client comes from, and for each family |

pub mod criteria;
pub mod effects;
pub mod explain;
pub mod grounds;
pub mod interfaces;
pub mod logged;
mod matching;
mod names;
pub mod origin;
pub mod packet;
pub mod parse;
pub mod preamble;
pub mod print;
pub mod rule;
pub mod rulesets;
pub mod verdict;
mod words;
