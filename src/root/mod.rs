//! What runs as root: the request, the plan, and its execution.
pub mod answer;
pub mod apply;
pub mod audit;
mod change;
mod foreign;
mod frames;
pub mod helper;
pub mod journal;
mod live;
mod machine;
pub mod plan;
pub mod record;
mod recovery;
pub mod report;
pub mod request;
pub mod snapshot;
mod sweep;
mod words;
