//! How long a service that was never reached is tried, and the request that shows it before any Region works: the identity.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::retry::Schedule;
use super::stop::Stop;
use super::stop_signal::StopSignal;

/// How long a service that was never reached is tried before the run stops.
pub(super) const FIRST_CONTACT: Duration = Duration::from_secs(5);

/// Repeats a request while its error may pass, for `FIRST_CONTACT`, or until the run stops. `seed` draws the waits.
pub(crate) async fn first_contact<T, E, F: Future<Output = Result<T, E>>>(
    stop: &StopSignal,
    seed: u64,
    may_pass: impl Fn(&E) -> bool,
    request: impl Fn() -> F,
) -> Result<Result<T, E>, Stop> {
    let (begun, schedule) = (Instant::now(), Schedule::default());
    let mut random = fastrand::Rng::with_seed(seed);
    let answer = async {
        let mut tries = 0;
        loop {
            tries += 1;
            match request().await {
                Err(error) if may_pass(&error) && begun.elapsed() < FIRST_CONTACT => {
                    tokio::time::sleep(schedule.wait(tries, &mut random)).await;
                }
                answer => return answer,
            }
        }
    };
    tokio::select! {
        biased;
        stopped = stop.ended() => Err(stopped),
        answer = answer => Ok(answer),
    }
}
