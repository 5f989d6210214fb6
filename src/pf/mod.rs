//! The language of pf, and its verdicts. Pure: text in, values out.
//!
//! | module | what |
//! |---|---|
//! | [`parse`] | reads pf.conf and what pfctl prints, with every problem and its place |
//! | [`rule`], [`ruleset`] | what was read: rules expanded as pf holds them, tables, options |
//! | [`print`] | writes it in pfctl's normal form |

mod names;
pub mod parse;
pub mod print;
pub mod rule;
pub mod ruleset;
mod token;
