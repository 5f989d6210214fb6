//! What runs as root: the request, the plan, and its execution.
pub mod answer;
pub mod apply;
pub mod audit;
pub mod caller;
mod foreign;
mod frames;
mod hash;
pub mod helper;
mod live;
pub mod permissions;
pub mod plan;
pub mod record;
pub mod report;
pub mod request;
pub mod snapshot;
mod undo;
pub mod words;
