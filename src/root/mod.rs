//! What runs as root: the request, the plan, and its execution.
pub mod answer;
pub mod plan;
pub mod request;
