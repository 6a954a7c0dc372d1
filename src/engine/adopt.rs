//! What becomes of a device whose channel exists.

use super::event::Event;
use super::job::DeviceJob;
use super::listing::Listing;
use super::region_run::RegionRun;
use super::service::Service;
use super::settings::OnExists;
use super::work::{RowSink, Work};
use crate::domain::device::{Device, DeviceIndex, MessageTtl};
use crate::domain::error_codes::CHANNEL_DIFFERS;
use crate::domain::service::Channel;
use crate::results::record::{Row, Status};

/// Rows given to the journal at once.
const BATCH: usize = 1_000;

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Adopts all devices whose channel was listed, as far as the work is known in advance: no create is spent. Returns
    /// those of which more must be known than a listing shows.
    pub(super) async fn adopt_listed<W: Work>(
        &self,
        work: &mut W,
        listing: &Listing,
    ) -> Vec<(DeviceIndex, Device)> {
        if listing.is_empty() {
            return Vec::new();
        }
        let listed = work.take_if(&|name| listing.is_fresh(name));
        let (open, listed): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(_, device)| {
            let channel = listing.get(device.channel_name.as_str());
            self.compares() && channel.is_some_and(|channel| !self.is_as_listed(device, channel))
        });
        for batch in listed.chunks(BATCH) {
            if self.shared.stop.is_given() {
                return Vec::new();
            }
            let rows = batch.iter().filter_map(|(index, device)| {
                let channel = listing.get(device.channel_name.as_str())?;
                let job = DeviceJob::new(*index, device.clone());
                Some((*index, self.adopted(&job, channel)))
            });
            self.record_all(rows.collect()).await;
        }
        open
    }

    /// Whether the device's tags, type or TTL decide what becomes of an existing channel.
    pub(super) fn compares(&self) -> bool {
        matches!(
            self.shared.settings.on_exists,
            OnExists::Verify | OnExists::Update
        )
    }

    /// Whether the listing shows that a channel is as requested: it does not show tags.
    fn is_as_listed(&self, device: &Device, channel: &Channel) -> bool {
        let has_tags = !device.tags.is_empty() || !self.shared.settings.tag_keys.is_empty();
        !has_tags && difference(device.message_ttl, channel).is_none()
    }

    /// The row of a device whose channel exists.
    pub(super) fn adopted(&self, job: &DeviceJob, channel: &Channel) -> Row {
        let now = self.shared.clock.now();
        self.scope.account.allowed();
        if self.made_it(job, channel) {
            return job.succeeded(Status::Created, channel.arn.clone(), now);
        }
        if self.shared.settings.on_exists == OnExists::Fail {
            return job.failed(
                "ChannelExists",
                format!(
                    "the channel exists already: {}; if a run of these results that was killed made it, --on-exists \
                     adopt takes it",
                    channel.arn
                ),
                now,
            );
        }
        if self.compares() && !self.is_as_listed(&job.device, channel) {
            return job.failed(
                CHANNEL_DIFFERS,
                format!(
                    "the run ended before the channel that is there could be compared: {}",
                    channel.arn
                ),
                now,
            );
        }
        if let Some(difference) = difference(job.device.message_ttl, channel) {
            self.shared.tell(&Event::Differs {
                device_id: &job.device.id,
                difference: &difference,
            });
        }
        job.succeeded(Status::Exists, channel.arn.clone(), now)
    }

    /// Whether a channel that appeared after an attempt of unknown outcome is that attempt's: created not before the
    /// device's first attempt, by the service's own clock.
    pub(super) fn made_it(&self, job: &DeviceJob, channel: &Channel) -> bool {
        let Some(started) = job.started.filter(|_| job.history.ambiguous) else {
            return false;
        };
        let first_attempt = self.scope.service_millis(started);
        i64::try_from(channel.creation_millis).is_ok_and(|made| made >= first_attempt)
    }
}

/// Whether a channel is of a type that this tool never creates, and that cannot be changed.
pub(super) fn is_of_another_type(channel: &Channel) -> bool {
    &*channel.channel_type != "SINGLE_MASTER"
}

/// How an existing channel differs from what is requested, in words.
pub(super) fn difference(asked_ttl: Option<MessageTtl>, channel: &Channel) -> Option<String> {
    let mut differences = Vec::new();
    if is_of_another_type(channel) {
        differences.push(format!(
            "type {} instead of SINGLE_MASTER",
            channel.channel_type
        ));
    }
    if let (Some(asked), Some(has)) = (asked_ttl, channel.message_ttl)
        && asked != has
    {
        differences.push(format!(
            "message TTL {} s instead of {} s",
            has.as_secs(),
            asked.as_secs()
        ));
    }
    (!differences.is_empty()).then(|| differences.join(", "))
}
