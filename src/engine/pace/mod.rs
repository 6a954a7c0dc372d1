//! How fast requests may leave: one [`Limiter`](limiter::Limiter) for each operation in each Region, and the
//! [`Controller`](controller::Controller) that finds the rate which the service grants: for this host, or, with a quota
//! server, for all hosts together.

mod congestion;
pub mod controller;
mod gate;
mod grants;
mod held;
pub mod learner;
pub mod limiter;
mod measured;
pub mod quota;
pub mod quota_client;
pub mod quota_share;
mod share_state;
pub mod sharing;
mod spacing;
