//! The channels that exist before a run creates any: listed once, believed for a minute.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::flight::pace;
use super::job::Job;
use super::lane::{Drought, Lane};
use super::outage::{LONGEST_PROBE_WAIT, Silence};
use super::{Ledger, Work};
use crate::event::Event;
use crate::service::{
    Channel, ChannelPage, ChannelStatus, Failure, FailureKind, ListRequest, Service,
};

/// A listing older than this is confirmed by Describe before it is believed.
const FRESH: Duration = Duration::from_mins(1);
/// Channels a page: the most that the service allows.
const PAGE: u16 = 10_000;
/// Rows handed to the journal at once.
const BATCH: usize = 1_000;

/// What a listing of a Region brought.
#[derive(Debug, Default)]
pub struct Census {
    /// Channels in the Region, of whatever name.
    pub total: usize,
    /// Those whose name the work may ask for, and when they were seen. Channels in DELETING are not among them.
    channels: HashMap<Box<str>, (Channel, Instant)>,
}

impl Census {
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

/// Why there is no next page.
enum NoPage {
    /// The run stops.
    Stopped,
    /// The lane goes on without a census.
    Without(String),
}

impl<S: Service, L: Ledger> Lane<S, L> {
    /// Lists the Region's channels and keeps those that are wanted. None when the run stops, or when listing is not
    /// possible (which is told as a warning).
    pub(super) async fn list_all(&self, wanted: impl Fn(&str) -> bool) -> Option<Census> {
        let mut census = Census::default();
        let mut request = ListRequest {
            max_results: PAGE,
            ..ListRequest::default()
        };
        loop {
            let page = match self.page(&request).await {
                Ok(page) => page,
                Err(NoPage::Stopped) => return None,
                Err(NoPage::Without(why)) => {
                    let text = format!(
                        "the channels in {} cannot be listed ({why}); going on without, so devices whose channel \
                         exists cost a create each",
                        self.region
                    );
                    self.shared.tell(&Event::Warning { text: &text });
                    return None;
                }
            };
            if let Some(channel) = page.channels.first()
                && !self.shared.check_account(channel.arn.parts().account)
            {
                return None;
            }
            census.add(page.channels, Instant::now(), &wanted);
            self.shared.tell(&Event::Listed {
                region: &self.region,
                channels: census.total,
            });
            match page.next_token {
                Some(token) => request.next_token = Some(token),
                None => return Some(census),
            }
        }
    }

    /// One page, however many attempts it takes.
    async fn page(&self, request: &ListRequest) -> Result<ChannelPage, NoPage> {
        let mut asked = Drought::new();
        let mut errors = 0_u32;
        let mut silence = Silence::new();
        loop {
            let generation = self.service.credentials_generation();
            let permit = tokio::select! {
                biased;
                permit = self.lists.acquire() => permit,
                () = self.shared.stop.given() => return Err(NoPage::Stopped),
            };
            let answer = self
                .ask(
                    crate::service::Operation::List,
                    pin!(self.service.list(request)),
                )
                .await;
            pace(&self.lists, permit, &answer);
            let failure = match answer.result {
                Ok(page) => {
                    self.heard(&mut silence);
                    return Ok(page);
                }
                Err(failure) => failure,
            };
            asked.requests += u64::from(failure.kind == FailureKind::Throttled);
            if failure.is_answered() {
                self.heard(&mut silence);
            } else if self.unheard(&mut silence, &failure) {
                return Err(NoPage::Stopped);
            }
            let wait = match failure.kind {
                _ if !failure.is_answered() => {
                    self.wait_after(silence.questions()).min(LONGEST_PROBE_WAIT)
                }
                FailureKind::Throttled => Duration::ZERO,
                FailureKind::Credentials => {
                    self.reload_credentials(generation, &failure, None).await;
                    Duration::ZERO
                }
                FailureKind::ServerError => {
                    errors += 1;
                    self.wait_after(errors)
                }
                _ => return Err(NoPage::Without(in_words(&failure))),
            };
            if self.shared.stop.is_given() || self.is_hopeless(asked, &failure, errors)? {
                return Err(NoPage::Stopped);
            }
            tokio::select! {
                biased;
                () = self.shared.stop.given() => return Err(NoPage::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Whether to stop asking for a page: the run is stopped, or the lane goes on without.
    fn is_hopeless(&self, asked: Drought, failure: &Failure, errors: u32) -> Result<bool, NoPage> {
        match failure.kind {
            FailureKind::Throttled
                if asked.since.elapsed() >= self.shared.settings.max_throttled =>
            {
                self.dried_up(asked, &self.lists);
                Ok(true)
            }
            FailureKind::ServerError if errors >= self.shared.settings.max_attempts => {
                Err(NoPage::Without(in_words(failure)))
            }
            _ => Ok(false),
        }
    }

    /// Adopts all devices whose channel was listed, as far as the work is known in advance: no create is spent.
    pub(super) async fn adopt_listed<W: Work>(&self, work: &mut W, census: &Census) {
        if census.channels.is_empty() {
            return;
        }
        let listed = work.take_if(&|name| {
            census
                .channels
                .get(name)
                .is_some_and(|(_, seen)| seen.elapsed() < FRESH)
        });
        for batch in listed.chunks(BATCH) {
            if self.shared.stop.is_given() {
                return;
            }
            let rows = batch.iter().filter_map(|(index, device)| {
                let (channel, _) = census.channels.get(device.channel_name.as_str())?;
                let job = Job::new(*index, device.clone());
                Some((*index, self.adopted(&job, channel)))
            });
            self.shared.record_all(rows.collect()).await;
        }
    }
}

fn in_words(failure: &Failure) -> String {
    format!("{}: {}", failure.code, failure.message)
}
