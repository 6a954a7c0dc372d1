//! What the operator and scripts see: messages, progress, the summary, reports.
//!
//! | module | owns |
//! | --- | --- |
//! | [`mod@file`] | a file that the operator named for this tool to write |
//! | [`stats`] | what has happened so far, in numbers |
//! | [`summary`] | what is shown and written when a run ends |
//! | [`report`] | what results and runs log tell of a batch, as text and as a page |
//! | [`logging`] | messages on standard error |
//! | [`progress`] | the progress bar and its plain lines |

pub mod file;
pub mod logging;
pub mod progress;
pub mod report;
pub mod stats;
pub mod summary;
