//! The channels that exist before a run creates any: listed once, believed for a minute. And the tags of a channel.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::ask::Unanswered;
use super::event::Event;
use super::first_contact::FIRST_CONTACT;
use super::scope::{List, ListTags, QuotaScope};
use super::service::Service;
use crate::domain::device::ChannelArn;
use crate::domain::service::{Channel, ChannelStatus, Failure, ListRequest};

/// A listing older than this is confirmed by Describe before it is believed.
const FRESH: Duration = Duration::from_mins(1);
/// Channels a page: the most that the service allows.
const PAGE: u16 = 10_000;

/// The channels of a Region.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// All channels in the Region.
    pub total: usize,
    /// Those whose name a device of the work may have, and when they were seen. Channels in DELETING are left out.
    channels: HashMap<Box<str>, (Channel, Instant)>,
}

impl Listing {
    /// Whether a channel of this name was listed, if a device of the work may have the name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.channels.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Channel> {
        self.channels.get(name).map(|(channel, _)| channel)
    }

    /// Whether a channel of this name was seen less than a minute ago.
    pub(super) fn is_fresh(&self, name: &str) -> bool {
        let channel = self.channels.get(name);
        channel.is_some_and(|(_, seen)| seen.elapsed() < FRESH)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
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

impl<S: Service> QuotaScope<S> {
    /// Lists the Region's channels and keeps those that are wanted. None when the run stops, or when listing is not
    /// possible, which is reported as a warning.
    pub(super) async fn list_all(&self, wanted: impl Fn(&str) -> bool) -> Option<Listing> {
        let mut listing = Listing::default();
        let listed = self.list_pages(|page| {
            listing.add(page, Instant::now(), &wanted);
            self.shared.tell(&Event::Listed {
                account_region: &self.account_region,
                channels: listing.total,
            });
        });
        match listed.await {
            Ok(()) => Some(listing),
            Err(Unanswered::Stopped) => None,
            Err(Unanswered::Refused(Failure { code, message, .. })) => {
                let text = format!(
                    "the channels in {} cannot be listed ({code}: {message}); continuing without, so devices whose channel \
                     exists cost a create each",
                    self.account_region
                );
                self.shared.tell(&Event::Warning { text: &text });
                None
            }
        }
    }

    /// Lists the Region's channels, page by page, however many attempts that takes.
    pub(super) async fn list_pages(
        &self,
        mut each: impl FnMut(Vec<Channel>),
    ) -> Result<(), Unanswered> {
        let mut request = ListRequest {
            max_results: PAGE,
            ..ListRequest::default()
        };
        loop {
            let page = self.ask(List(&request)).await?;
            each(page.channels);
            let goes_on = request.follow(page.next_token);
            if !goes_on.map_err(Unanswered::Refused)? {
                return Ok(());
            }
        }
    }

    /// Waits until this Region has given no answer for a while, although others have: they do not wait for its listing.
    pub(super) async fn silent_while_others_answer(&self) {
        let begun = Instant::now();
        let patience = self.shared.settings.timeout + FIRST_CONTACT;
        loop {
            let since = Instant::now();
            tokio::time::sleep(patience).await;
            let is_silent = !self.link.has_answered_since(since);
            if is_silent && self.shared.others_answer(&self.account_region, begun) {
                let text = format!(
                    "the channels in {} are not listed, since it gives no answer; the other Regions continue",
                    self.account_region
                );
                self.shared.tell(&Event::Warning { text: &text });
                return;
            }
        }
    }

    /// All tags of a channel.
    pub(super) async fn all_tags(
        &self,
        arn: &ChannelArn,
    ) -> Result<Vec<(Box<str>, Box<str>)>, Unanswered> {
        let mut tags = Vec::new();
        let mut request = ListRequest::default();
        loop {
            let page = self
                .ask(ListTags(arn, request.next_token.as_deref()))
                .await?;
            tags.extend(page.tags);
            let goes_on = request.follow(page.next_token);
            if !goes_on.map_err(Unanswered::Refused)? {
                return Ok(tags);
            }
        }
    }
}
