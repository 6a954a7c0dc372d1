//! The results file: one row, the journal, the atomic finish, and the runs log beside it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`record`] | one row as text |
//! | `split`, `scan`, [`view`] | bytes → fields → records of a file → checked rows |
//! | [`disk`] | what is asked of a disk |
//! | `header`, [`read`] | a whole file: header, rows, torn tail |
//! | [`journal`] | repair, append, sync |
//! | [`writer`] | group commit for many tasks |
//! | `copy`, [`finish`] | one row a device, in order, atomically |
//! | [`merge`], `merge_rows`, [`merge_runs`] | one results file from several, one runs log likewise |
//! | [`replace`] | the atomic replacement of a file by lines in memory |
//! | [`runs_log`], [`runs_line`] | the runs log: the lock, the audit trail |
//!
//! In the order of a run: lock the runs log, remove a leftover, open the journal (which reads it), prepare it, run the
//! writer, finish, write the runs log's last line.
//!
//! # What each fault leaves here
//!
//! The exit code is that of a run with this fault alone. `tests/it` checks each line: `matrix` and `ambiguity` the first
//! five, `stops` and `credentials` those that end a run.
//!
//! | fault | what the run does | row | exit | next run |
//! | --- | --- | --- | --- | --- |
//! | throttled | slows down, sends again, counts no attempt | `created` | 0 | skips |
//! | no success for `--max-throttled` | stops | none | 1 | goes on |
//! | 5xx, unreadable, reset, timeout | tries again, `--max-attempts` | `created`, else `failed` with the cause | 0, 3 | skips, tries again |
//! | carried out, answer lost | asks Describe, the list where that is denied and before giving up | `created` if not older than the first attempt, else `exists` | 0 | skips |
//! | the same, outcome not known | asks `--max-attempts` times | `failed`, `OutcomeUnknown` | 3 | asks: `exists`, or creates |
//! | no answers at all | pauses and probes, counts no attempt | as without it | 0 | skips |
//! | the same for `--max-offline` | stops | `OutcomeUnknown` for what was in flight | 1 | goes on |
//! | never reached: DNS, connection, certificate | stops after seconds | none, no file | 1 | begins |
//! | credentials missing or refused at the start | sends nothing to KVS | none, no file | 2 | begins |
//! | credentials refused later, clock off | reloads once for each expiry, else stops | none | 0, 1 | goes on |
//! | denied for some names | goes on | `failed`, `AccessDeniedException` | 3 | tries again |
//! | denied, 20 in a row | stops | `failed` for those | 1 | goes on, tries again |
//! | account full in a Region | stops there, others finish | `failed` for the refused | 1 | goes on, tries again |
//! | request refused as wrong | does not repeat it | `failed` with the service's code | 3 | tries again |
//! | channel there already | adopts, or not (`--on-exists`) | `exists`, or `failed` with `ChannelExists` | 0, 3 | skips, tries again |
//! | channel in DELETING | waits, creates | `created`, else `failed` with `ChannelDeleting` | 0, 3 | skips, tries again |
//! | disk full | stops, prints the ARNs | none | 1 | adopts: `exists` |
//! | results moved away | goes on, saves the finished file beside it | as without it | 1 | goes on from what is there |
//! | interrupted | finishes what is in flight | as without it | 130, 143 | goes on |
//! | killed, power lost | | the tail may be torn, or rows lost | – | repairs, adopts: `exists` |

mod copy;
pub mod disk;
pub mod finish;
mod finish_error;
mod header;
pub mod journal;
pub mod merge;
mod merge_rows;
pub mod merge_runs;
pub mod read;
pub mod record;
pub mod replace;
pub mod runs_line;
pub mod runs_log;
mod scan;
mod split;
#[cfg(test)]
#[path = "../../tests/sim/disk.rs"]
mod test_disk;
#[cfg(test)]
mod tests;
pub mod view;
pub mod writer;
