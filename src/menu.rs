//! What the menu shows, computed from the status: rows, and the action behind each.
