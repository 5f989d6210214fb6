//! The one door to the system: atomic files, processes, locks. All `unsafe` lives here.
