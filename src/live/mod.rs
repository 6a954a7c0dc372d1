//! The live page of a run (`--serve`): what the run is doing now, as a page, as JSON, and as metrics for Prometheus.
//!
//! It listens to the run's events and reads its counts. Nothing here can stop or slow the run: events are only noted, a page is
//! rendered once a second however many watch, and a viewer that does not read loses frames, not memory.
//!
//! | module | owns |
//! | --- | --- |
//! | `requests`, `failures`, `events`, `region_states`, `history` | parts of what is known |
//! | `recorder` | the listener that notes it |
//! | `run` | the run at one instant |
//! | `status`, `metrics`, `page` | that instant as JSON, as metrics, as a page |
//! | `frames` | what viewers get |
//! | `address`, `answers`, `server` | where it is served, the answers, the HTTP server |

pub(crate) mod address;
mod answers;
mod events;
mod failures;
mod frames;
mod history;
mod metrics;
mod page;
mod recorder;
mod region_states;
mod requests;
pub(crate) mod run;
pub(crate) mod server;
mod status;
