//! `--on-exists verify` and `update`: an existing channel is compared with what is requested, tags included, and for
//! `update` changed to it.

use std::collections::HashMap;

use super::adopt::{difference, is_of_another_type};
use super::ask::Unanswered;
use super::event::Event;
use super::job::DeviceJob;
use super::region_run::{Next, RegionRun};
use super::scope::{Describe, QuotaScope, Tag as SetTags, Untag, Update};
use super::service::Service;
use super::settings::OnExists;
use super::work::RowSink;
use crate::domain::device::{Device, MessageTtl, Tag, shown};
use crate::domain::error_codes::CHANNEL_DIFFERS;
use crate::domain::service::{Channel, FailureKind};
use crate::results::record::Status;

/// The code of an update of a channel that has changed since it was seen.
const VERSION_MISMATCH: &str = "VersionMismatchException";

/// How a channel's tags differ from what is requested.
#[derive(Debug, Default)]
struct TagDifferences {
    /// Requested, and missing or of another value.
    set: Vec<Tag>,
    /// Not requested by this device, although other devices request the key.
    unset: Vec<Box<str>>,
}

impl TagDifferences {
    fn new(device: &Device, keys: &[Box<str>], existing: &[(Box<str>, Box<str>)]) -> Self {
        let existing = existing.iter().map(|(key, value)| (&**key, &**value));
        let existing: HashMap<&str, &str> = existing.collect();
        let is_asked = |key: &str| device.tags.iter().any(|tag| tag.key() == key);
        let differs = |tag: &&Tag| existing.get(tag.key()) != Some(&tag.value());
        let unset = keys
            .iter()
            .filter(|key| existing.contains_key(&***key) && !is_asked(key));
        Self {
            set: device.tags.iter().filter(differs).cloned().collect(),
            unset: unset.cloned().collect(),
        }
    }

    fn words(&self) -> impl Iterator<Item = String> {
        let set = self
            .set
            .iter()
            .map(|tag| format!("the tag {} is not {}", shown(tag.key()), shown(tag.value())));
        let unset = self.unset.iter();
        set.chain(unset.map(|key| format!("the tag {} is there", shown(key))))
    }
}

/// How an existing channel compares with what is requested.
enum Comparison {
    Same,
    /// It is the same now; how it differed before.
    Updated(String),
    Differs(String),
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Compares a channel with what the device requests, changes it where `update` asks for that, and records the result.
    pub(super) async fn record_compared(&self, job: Box<DeviceJob>, channel: Channel) -> Next {
        // The requests are many kilobytes, and few devices need them.
        let compared = Box::pin(self.compare(&job, &channel)).await;
        let now = self.shared.clock.now();
        let row = match compared {
            Err(Unanswered::Stopped) => return Next::Retry(job),
            Err(Unanswered::Refused(failure)) => {
                if failure.kind == FailureKind::Denied {
                    self.scope.denied(&failure);
                }
                job.failed(&failure.code, failure.message.to_string(), now)
            }
            Ok(Comparison::Differs(words)) => {
                let message = format!("the channel is there, but {words}: {}", channel.arn);
                job.failed(CHANNEL_DIFFERS, message, now)
            }
            Ok(compared) => {
                self.scope.account.allowed();
                if let Comparison::Updated(words) = &compared {
                    self.shared.tell(&Event::Updated {
                        device_id: &job.device.id,
                        difference: words,
                    });
                }
                job.succeeded(Status::Exists, channel.arn, now)
            }
        };
        self.finish(job.index, row).await
    }

    async fn compare(&self, job: &DeviceJob, channel: &Channel) -> Result<Comparison, Unanswered> {
        let _worker = self.shared.workers.acquire().await;
        let device = &job.device;
        let is_to_update = self.shared.settings.on_exists == OnExists::Update;
        // A tag more than requested is no reason to refuse a channel.
        let keys: &[_] = if is_to_update {
            &self.shared.settings.tag_keys
        } else {
            &[]
        };
        let tags = if device.tags.is_empty() && keys.is_empty() {
            TagDifferences::default()
        } else {
            TagDifferences::new(device, keys, &self.scope.all_tags(&channel.arn).await?)
        };
        let mut words: Vec<String> = difference(device.message_ttl, channel)
            .into_iter()
            .collect();
        words.extend(tags.words());
        let words = words.join(", ");
        if words.is_empty() {
            return Ok(Comparison::Same);
        }
        if !is_to_update || is_of_another_type(channel) {
            return Ok(Comparison::Differs(words));
        }
        if let Some(ttl) = device
            .message_ttl
            .filter(|ttl| channel.message_ttl != Some(*ttl))
        {
            self.scope.set_ttl(channel.clone(), ttl).await?;
        }
        if !tags.set.is_empty() {
            self.scope.ask(SetTags(&channel.arn, &tags.set)).await?;
        }
        if !tags.unset.is_empty() {
            let keys: Vec<&str> = tags.unset.iter().map(|key| &**key).collect();
            self.scope.ask(Untag(&channel.arn, &keys)).await?;
        }
        Ok(Comparison::Updated(words))
    }
}

impl<S: Service> QuotaScope<S> {
    /// Changes a channel's TTL. One that has changed since it was seen, or is in the middle of a change, is described again;
    /// so the update may have been carried out although its answer was lost.
    async fn set_ttl(&self, mut channel: Channel, ttl: MessageTtl) -> Result<(), Unanswered> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.ask(Update(&channel, ttl)).await {
                Err(Unanswered::Refused(failure)) => failure,
                done => return done,
            };
            let may_pass = failure.kind == FailureKind::InUse || &*failure.code == VERSION_MISMATCH;
            if !may_pass || tries >= self.shared.settings.max_attempts {
                return Err(Unanswered::Refused(failure));
            }
            self.pause(tries).await?;
            channel = self.ask(Describe(&channel.name)).await?;
            if channel.message_ttl == Some(ttl) {
                return Ok(());
            }
        }
    }
}
