//! What this machine says of its own processes and sockets: what libproc and sysctl are answered from.

pub mod processes;
pub mod sockets;
