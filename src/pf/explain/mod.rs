//! Whether a host can reach a port of this Mac, and why: the [`verdict`](super::verdict) on every packet that the
//! connection needs.
//!
//! ```
//! use portcullis::pf::rulesets::Rulesets;
//! use portcullis::pf::explain::{ClientHost, Query, ask};
//! use portcullis::pf::criteria::Family;
//! let text = "pass in proto tcp to port 2345\nblock drop in all\n";
//! let (loaded, _) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".into()));
//! let loaded = loaded.with_assumed_interfaces(None);
//! let query = Query { port: 2345, from: ClientHost::Network, family: Family::Inet, interface: None };
//! assert_eq!(
//!     ask(&loaded, &query).sentence,
//!     "blocked by rule 1, pf.conf:2 `block drop in all`; nothing later passes port 2345"
//! );
//! ```
//!
//! From another host these are its SYN on the interface that it comes in by, and, where no state is opened, the packets
//! that follow in both directions. From this Mac they are the SYN out of lo0 and into it again, and the same.

mod answers;
mod endpoints;
mod explanation;
mod inquiry;
mod named;
mod near_miss;
mod query;

pub use answers::{CombinedVerdict, NearNetwork, VerdictChange, answers, changes, telling_ports};
pub use endpoints::unnamed_in;
pub use explanation::{Explanation, TrailLine};
pub use inquiry::{ask, ask_outgoing};
pub use named::{NamedClient, SomeClients, named_clients};
pub use query::{ClientHost, Query};
