//! The channels that exist before a run creates any: listed once, believed for a minute.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::ask::Unanswered;
use super::job::Job;
use super::link::FIRST_CONTACT;
use super::region_run::RegionRun;
use super::{RowSink, Work};
use crate::domain::device::Device;
use crate::domain::device::DeviceIndex;
use crate::domain::service::{Channel, ChannelStatus, Failure, ListRequest, Operation, Service};
use crate::engine::event::Event;

/// A listing older than this is confirmed by Describe before it is believed.
const FRESH: Duration = Duration::from_mins(1);
/// Channels a page: the most that the service allows.
const PAGE: u16 = 10_000;
/// Rows handed to the journal at once.
const BATCH: usize = 1_000;

/// What a listing of a Region brought.
#[derive(Debug, Default)]
pub struct Listing {
    /// Channels in the Region, of whatever name.
    pub total: usize,
    /// Those whose name the work may ask for, and when they were seen. Channels in DELETING are not among them.
    channels: HashMap<Box<str>, (Channel, Instant)>,
}

impl Listing {
    /// Whether a channel of this name, which the work may ask for, was listed.
    pub fn has(&self, name: &str) -> bool {
        self.channels.contains_key(name)
    }

    fn add(&mut self, page: Vec<Channel>, seen: Instant, wanted: impl Fn(&str) -> bool) {
        self.total += page.len();
        let living = page.into_iter().filter(|channel| {
            channel.status != ChannelStatus::Deleting && wanted(channel.name.as_str())
        });
        self.channels
            .extend(living.map(|channel| (channel.name.as_str().into(), (channel, seen))));
    }
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Lists the Region's channels and keeps those that are wanted. None when the run stops, or when listing is not
    /// possible (which is told as a warning).
    pub(super) async fn list_all(&self, wanted: impl Fn(&str) -> bool) -> Option<Listing> {
        let mut listing = Listing::default();
        let listed = self.pages(|page| {
            listing.add(page, Instant::now(), &wanted);
            self.shared.tell(&Event::Listed {
                region: &self.region,
                channels: listing.total,
            });
        });
        match listed.await {
            Ok(()) => Some(listing),
            Err(unanswered) => self.without_listing(&unanswered),
        }
    }

    /// Waits until this Region has given no answer for a while, although others do: they do not wait for its listing.
    pub(super) async fn left_behind(&self) {
        let begun = Instant::now();
        let patience = self.shared.settings.timeout + FIRST_CONTACT;
        loop {
            let since = Instant::now();
            tokio::time::sleep(patience).await;
            let is_silent = !self.link.has_answered_since(since);
            if is_silent && self.shared.others_answer(&self.region, begun) {
                let text = format!(
                    "the channels in {} are not listed, since it gives no answer; the other Regions go on",
                    self.region
                );
                self.shared.tell(&Event::Warning { text: &text });
                return;
            }
        }
    }

    fn without_listing(&self, why: &Unanswered) -> Option<Listing> {
        if let Unanswered::Refused(Failure { code, message, .. }) = why {
            let text = format!(
                "the channels in {} cannot be listed ({code}: {message}); going on without, so devices whose channel \
                 exists cost a create each",
                self.region
            );
            self.shared.tell(&Event::Warning { text: &text });
        }
        None
    }

    /// Lists the Region's channels, page by page, however many attempts that takes. An ARN of another account than the one
    /// expected stops everything.
    pub(super) async fn pages(&self, mut each: impl FnMut(Vec<Channel>)) -> Result<(), Unanswered> {
        let mut request = ListRequest {
            max_results: PAGE,
            ..ListRequest::default()
        };
        loop {
            let page = self
                .ask_until_answered(Operation::List, || self.service.list(&request))
                .await?;
            if let Some(channel) = page.channels.first()
                && !self.shared.check_account(channel.arn.parts().account)
            {
                return Err(Unanswered::Stopped);
            }
            each(page.channels);
            if !request
                .follow(page.next_token)
                .map_err(Unanswered::Refused)?
            {
                return Ok(());
            }
        }
    }

    /// Adopts all devices whose channel was listed, as far as the work is known in advance: no create is spent. Gives
    /// back those of which more must be known than a listing shows.
    pub(super) async fn adopt_listed<W: Work>(
        &self,
        work: &mut W,
        listing: &Listing,
    ) -> Vec<(DeviceIndex, Device)> {
        if listing.channels.is_empty() {
            return Vec::new();
        }
        let listed = work.take_if(&|name| {
            listing
                .channels
                .get(name)
                .is_some_and(|(_, seen)| seen.elapsed() < FRESH)
        });
        let (open, listed): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(_, device)| {
            let channel = listing.channels.get(device.channel_name.as_str());
            self.compares()
                && channel.is_some_and(|(channel, _)| !self.is_as_listed(device, channel))
        });
        for batch in listed.chunks(BATCH) {
            if self.shared.stop.is_given() {
                return Vec::new();
            }
            let rows = batch.iter().filter_map(|(index, device)| {
                let (channel, _) = listing.channels.get(device.channel_name.as_str())?;
                let job = Job::new(*index, device.clone());
                Some((*index, self.adopted(&job, channel)))
            });
            self.shared.record_all(rows.collect()).await;
        }
        open
    }
}
