//! The results file: one row, the journal, the atomic finish, and the runs log beside it.

pub mod record;
