//! Turns the engine's events into messages.

use tracing::{debug, info, trace, warn};

use crate::domain::device::{AccountId, shown};
use crate::domain::format;
use crate::engine::event::{Event, Listener};
use crate::results::record::Row;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogListener;

impl Listener for LogListener {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Offline {
                account_region,
                cause,
            } => {
                warn!(
                    "no answer from the service in {account_region} ({cause}); waiting until one comes"
                );
            }
            Event::Online {
                account_region,
                after,
            } => info!(
                "the service in {account_region} answers again after {:.1} s",
                after.as_secs_f64()
            ),
            Event::Warning { text } => warn!("{text}"),
            Event::Listed {
                account_region,
                channels,
            } => {
                let channels = format::count(*channels as u64, "channel");
                debug!("{channels} listed in {account_region}");
            }
            Event::Retried {
                device_id,
                code,
                message,
                wait,
            } => debug!(
                "{} will be tried again in {:.1} s after {code}: {message}",
                shown(device_id),
                wait.as_secs_f64()
            ),
            Event::Repeated {
                account_region,
                operation,
                failure,
            } => debug!(
                "{} in {account_region} will be tried again after {}: {}",
                operation.name(),
                failure.code,
                failure.message
            ),
            Event::Differs {
                device_id,
                difference,
            } => debug!(
                "the channel of {} was adopted with {difference}",
                shown(device_id)
            ),
            Event::Updated {
                device_id,
                difference,
            } => debug!(
                "the channel of {} was updated: {difference}",
                shown(device_id)
            ),
            Event::Recorded { row } => trace!(
                "{} {} {}",
                shown(&row.device_id),
                row.status.as_str(),
                outcome(row)
            ),
            Event::CredentialsRefused { account } => debug!(
                "the credentials{} were refused; fetching new ones",
                of_account(*account)
            ),
            Event::CredentialsRenewed { account } => {
                debug!("new credentials{} are in use", of_account(*account));
            }
            Event::QuotaServerLost
            | Event::RegionStarted { .. }
            | Event::RegionEnded { .. }
            | Event::PartStopped { .. }
            | Event::Sent { .. }
            | Event::Answered { .. } => {}
        }
    }
}

fn of_account(account: Option<&AccountId>) -> String {
    account.map_or_else(String::new, |account| format!(" of account {account}"))
}

/// The ARN, or the error.
fn outcome(row: &Row) -> String {
    row.channel_arn.as_ref().map_or_else(
        || format!("{}: {}", row.error_code, row.error_message),
        ToString::to_string,
    )
}
