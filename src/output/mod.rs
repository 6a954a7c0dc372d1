//! The output for the operator and for scripts: messages, progress, the summary, reports.
//!
//! | module | owns |
//! | --- | --- |
//! | `file` | a file that the operator named for this tool to write |
//! | [`stats`] | the counts and rates of a run |
//! | `summary` | the output at the end of a run |
//! | `html` | what this tool's pages have in common: looks, parts, charts |
//! | `report` | a report of results file and runs log, as text and as a page |
//! | `logging` | messages on standard error |
//! | `progress` | the progress: a bar, plain lines, or JSON |

pub(crate) mod file;
pub(crate) mod html;
pub(crate) mod logging;
pub(crate) mod progress;
pub(crate) mod report;
pub mod stats;
pub(crate) mod summary;
