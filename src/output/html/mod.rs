//! What this tool's pages have in common: their looks, their parts, and the base of their charts. Knows no page's content.
//!
//! | module | owns |
//! | --- | --- |
//! | [`document`] | the skeleton of a page, its style sheet and its content security policy |
//! | [`parts`] | tiles, figures, notes, and how numbers are written |
//! | [`chart`] | the base of charts: sizes, colours, axes |

pub(crate) mod chart;
pub(crate) mod document;
pub(crate) mod parts;
