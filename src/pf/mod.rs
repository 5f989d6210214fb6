//! The language of pf, and its verdicts. Pure: text in, values out.
//!
//! | module | what |
//! |---|---|
//! | [`parse`] | reads pf.conf and what pfctl prints, with every problem and its place |
//! | [`rule`], [`criteria`], [`effects`] | rules as pf holds them, expanded, and the rulesets they stand in |
//! | [`preamble`] | macros, options, tables, files to load |
//! | [`print`] | writes it all in pfctl's normal form |
//! | [`rulesets`], [`load`] | what pf holds: main ruleset, anchors, tables; and how it is loaded |
//! | [`interfaces`] | what is known of this machine's interfaces |
//! | [`packet`], [`verdict`] | what pf does with a packet, and which rule decides |
//! | [`decision`], [`unknown`], [`trail`] | what decides, what is unknown, which rules have a role |
//! | [`explain`], [`grounds`] | can a host reach a port of this Mac, and why |
//! | [`rule_text`] | a rule as it is shown, with its place |
//! | [`slips`] | the usual slips, and the line that was meant |
//! | [`recipes`] | recipes for pf that go round, and what each really does |
//! | [`surprises`] | rules that do on macOS what their text does not say |
//! | [`logged`] | which rule logged a packet |
//! | [`on_disk`] | a pf.conf on disk against what pf holds |
//! | [`lookup`], [`uncalled`] | names that only the system knows; anchors that no rule calls |
//! | [`origin`] | one value for each place a client comes from, and for each family |

mod asked;
mod assumed;
mod contents;
pub mod criteria;
pub mod decision;
pub mod effects;
pub mod explain;
pub mod grounds;
pub mod interfaces;
pub mod load;
pub mod logged;
pub mod lookup;
mod matching;
mod names;
pub mod on_disk;
pub mod origin;
pub mod packet;
pub mod parse;
pub mod preamble;
pub mod print;
pub mod recipes;
pub mod rule;
pub mod rule_text;
pub mod rulesets;
mod search;
pub mod slips;
pub mod surprises;
pub mod trail;
mod translate;
pub mod uncalled;
pub mod unknown;
pub mod verdict;
mod words;
