//! What runs as root: the request, the plan, and its execution.
pub mod answer;
pub mod apply;
pub mod audit;
mod foreign;
pub mod helper;
mod live;
pub mod plan;
pub mod record;
pub mod report;
pub mod request;
pub mod snapshot;
