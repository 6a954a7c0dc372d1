//! The results file: one row, the journal, the atomic finish, and the runs log beside it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`record`] | one row as text |
//! | `scan`, [`view`] | text → records → checked rows |
//! | [`disk`] | what is asked of a disk |
//! | [`read`] | a whole file: header, rows, torn tail |
//! | [`journal`] | repair, append, sync |
//! | [`writer`] | group commit for many tasks |
//! | [`runs_log`] | the lock, and who ran what |
//! | [`finish`] | one row a device, in order, atomically |
//!
//! In the order of a run: lock the runs log, remove a leftover, open the journal (which reads it), prepare it, run the
//! writer, finish, write the runs log's last line.

pub mod disk;
pub mod finish;
pub mod journal;
pub mod read;
pub mod record;
pub mod runs_log;
mod scan;
#[cfg(test)]
mod test_disk;
#[cfg(test)]
mod tests;
pub mod view;
pub mod writer;
