//! How fast requests may leave: one [`Limiter`](limiter::Limiter) for each operation in each Region, and the
//! [`Controller`](controller::Controller) that finds the rate which the service grants.

mod congestion;
pub mod controller;
mod gate;
mod grants;
pub mod limiter;
mod spacing;
