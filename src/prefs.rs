//! What the user prefers, kept as TOML with its comments.
