//! Who listens, how, and what a connection would do to them. Looks only, never touches.
