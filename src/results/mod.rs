//! The results file: one row, the journal, the atomic finish, and the runs log beside it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`record`], `shape` | one row as text; the columns of a file |
//! | `split`, `scan`, [`view`] | bytes → fields → records of a file → checked rows |
//! | [`disk`] | what is asked of a disk |
//! | `header`, [`read`] | a whole file: header, rows, torn tail |
//! | [`journal`], `upgrade` | repair, append, sync; the rewrite of an earlier version's file before that |
//! | [`writer`] | group commit for many tasks |
//! | `copy`, [`finish`], `temporary` | one row a device, in order, atomically |
//! | [`merge`], `merge_rows`, [`merge_runs`] | one results file from several, one runs log likewise |
//! | [`replace`] | the atomic replacement of a file by lines in memory |
//! | [`runs_log`], [`runs_line`], `lock_file` | the runs log: the lock, the audit trail |
//!
//! In the order of a run: lock the runs log, remove a leftover, open the journal (which reads it), prepare it, run the
//! writer, finish, write the runs log's last line.
//!
//! What each fault leaves in the file is in `docs/errors.md`.

mod copy;
pub mod disk;
pub mod finish;
mod finish_error;
mod header;
pub mod journal;
pub(crate) mod lock_file;
pub mod merge;
mod merge_rows;
pub mod merge_runs;
pub mod read;
pub mod record;
pub mod replace;
pub mod runs_line;
pub mod runs_log;
mod scan;
mod shape;
mod split;
pub(crate) mod temporary;
mod upgrade;
pub mod view;
pub mod writer;
