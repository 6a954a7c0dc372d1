//! A batch of devices between its manifest and its results file.
//!
//! | module | owns |
//! | --- | --- |
//! | [`known_devices`] | the devices that the results file knows, by ID and by channel name |
//! | [`plan`] | the manifest minus what is done → the work |
//! | [`claim`] | a results row compared with the channel that the service has |
//! | [`batch`] | the engine between the plan and the results file: open, plan, run, finish |

pub mod batch;
pub mod claim;
pub mod known_devices;
pub mod plan;
