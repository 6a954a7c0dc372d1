//! A report of a results file and its runs log, as text and as a self-contained page.
//!
//! | module | owns |
//! | --- | --- |
//! | [`facts`] | the rows and runs as the report shows them |
//! | [`timeline`] | when devices were finished, without the pauses |
//! | [`limits`] | quotas, grants and throttles over that time |
//! | [`rates`] | the rate of each account and Region over all runs |
//! | [`story`] | what happened, in a few sentences |
//! | [`spread`] | the time and the number of attempts of devices |
//! | [`outcomes`] | the devices of each account and Region by outcome |
//! | `charts` | the charts |
//! | `table` | all rows as data of the page's table |
//! | [`page`] | the page |
//! | [`text`] | the summary on a terminal |
//! | [`failed`] | a manifest of the rows without a channel |
//!
//! Only [`facts`] reads files.

mod charts;
pub(crate) mod facts;
pub(crate) mod failed;
pub(crate) mod limits;
pub(crate) mod outcomes;
pub(crate) mod page;
pub(crate) mod rates;
pub(crate) mod spread;
pub(crate) mod story;
mod table;
pub(crate) mod text;
pub(crate) mod timeline;
