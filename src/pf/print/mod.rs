//! Writes rules in pfctl's normal form: as `pfctl -s rules`, `-s nat` and `pfctl -nvf` print them on macOS, defaults
//! made explicit.
//!
//! ```
//! use portcullis::pf::parse::parse_text;
//! let parsed = parse_text("pf.conf", "pass in proto tcp to port { ssh 2345 }\n");
//! assert_eq!(
//!     parsed.ruleset.to_string(),
//!     "pass in proto tcp from any to any port = 22 flags S/SA keep state\n\
//!      pass in proto tcp from any to any port = 2345 flags S/SA keep state\n"
//! );
//! ```
//!
//! Ports are numbers: pfctl elsewhere prints `port = ssh`, macOS's prints `port = 22` (seen in public listings from
//! 10.10 to 26). Both forms are read.

mod criteria;
mod effects;
mod preamble;
mod rule;

pub(crate) use criteria::percent;
