//! What a results file and its runs log tell of a batch, for somebody who was not there: as text, and as a page that needs
//! nothing beside itself.
//!
//! | module | owns |
//! | --- | --- |
//! | [`facts`] | the rows and the runs, as they are shown |
//! | [`timeline`] | when devices were done, pauses cut out |
//! | [`spread`] | how long devices took, and how often they were tried |
//! | `charts` | the drawings |
//! | `table` | all rows as data for the page's table |
//! | [`page`] | the page |
//! | [`text`] | the summary on a terminal |
//! | [`failed`] | a manifest of what has no channel |
//!
//! Nothing here reads or writes a file but [`facts`], which reads the results.

mod charts;
pub mod facts;
pub mod failed;
pub mod page;
pub mod spread;
mod table;
pub mod text;
pub mod timeline;
