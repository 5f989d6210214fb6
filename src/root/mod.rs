//! What runs as root: the request, the plan, and its execution.
pub mod answer;
pub mod plan;
pub mod request;
pub mod apply;
pub mod audit;
pub mod helper;
mod live;
pub mod report;
pub mod snapshot;
