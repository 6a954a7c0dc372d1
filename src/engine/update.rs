//! What `--on-exists verify` and `update` make of a channel that is there: it is compared with what is asked for, tags
//! included, and for `update` brought to it.

use std::collections::HashMap;

use super::OnExists;
use super::RowSink;
use super::ask::Unanswered;
use super::job::Job;
use super::region_run::{Next, RegionRun};
use super::resolve::{difference, is_of_another_type};
use crate::domain::device::{ChannelArn, Device, MessageTtl, Tag, shown};
use crate::domain::error_codes::CHANNEL_DIFFERS;
use crate::domain::service::{Channel, FailureKind, ListRequest, Operation, Service};
use crate::engine::event::Event;
use crate::results::record::Status;

/// What the service says to an update of a channel that has changed since it was seen.
const VERSION_MISMATCH: &str = "VersionMismatchException";

/// What a channel's tags lack.
#[derive(Debug, Default)]
struct TagDifferences {
    /// Asked for, and missing or of another value.
    set: Vec<Tag>,
    /// There, although this device's row leaves the key's column empty.
    unset: Vec<Box<str>>,
}

impl TagDifferences {
    fn new(device: &Device, keys: &[Box<str>], there: &[(Box<str>, Box<str>)]) -> Self {
        let there: HashMap<&str, &str> = there
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .collect();
        let is_asked = |key: &str| device.tags.iter().any(|tag| tag.key() == key);
        Self {
            set: device
                .tags
                .iter()
                .filter(|tag| there.get(tag.key()) != Some(&tag.value()))
                .cloned()
                .collect(),
            unset: keys
                .iter()
                .filter(|key| there.contains_key(&***key) && !is_asked(key))
                .cloned()
                .collect(),
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

/// How a channel stands beside what is asked for.
enum Alignment {
    /// It is as asked.
    Same,
    /// It is now; it was not, in these words.
    Updated(String),
    /// It is not, in these words.
    Differs(String),
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Whether the device's tags, type or TTL decide what becomes of a channel that is there.
    pub(super) fn compares(&self) -> bool {
        matches!(
            self.shared.settings.on_exists,
            OnExists::Verify | OnExists::Update
        )
    }

    /// Whether what was listed of a channel is enough to know that it is as asked: a listing shows no tags.
    pub(super) fn is_as_listed(&self, device: &Device, channel: &Channel) -> bool {
        let has_tags = !device.tags.is_empty() || !self.shared.settings.tag_keys.is_empty();
        !has_tags && difference(device.message_ttl, channel).is_none()
    }

    /// Compares a channel with what the device asks for, and records what follows.
    pub(super) async fn update(&self, job: Box<Job>, channel: Channel) -> Next {
        // The questions are many kilobytes, and few devices meet with them.
        let aligned = Box::pin(self.alignment(&job, &channel)).await;
        let now = self.shared.clock.now();
        let row = match aligned {
            Err(Unanswered::Stopped) => return Next::Ready(job),
            Err(Unanswered::Refused(failure)) => {
                if failure.kind == FailureKind::Denied {
                    self.shared.denied(&failure);
                }
                job.failed(&failure.code, failure.message.to_string(), now)
            }
            Ok(Alignment::Differs(words)) => {
                let message = format!("the channel is there, but {words}: {}", channel.arn);
                job.failed(CHANNEL_DIFFERS, message, now)
            }
            Ok(aligned) => {
                self.shared.allowed();
                if let Alignment::Updated(words) = &aligned {
                    self.shared.tell(&Event::Updated {
                        device_id: &job.device.id,
                        difference: words,
                    });
                }
                let request_id = job.last_request_id();
                job.succeeded(Status::Exists, channel.arn, Some(request_id), now)
            }
        };
        self.finish(job.index, row).await
    }

    async fn alignment(&self, job: &Job, channel: &Channel) -> Result<Alignment, Unanswered> {
        let _worker = self.shared.workers.acquire().await;
        let device = &job.device;
        let is_to_update = self.shared.settings.on_exists == OnExists::Update;
        // A tag more than asked for is no reason to refuse a channel.
        let keys: &[_] = if is_to_update {
            &self.shared.settings.tag_keys
        } else {
            &[]
        };
        let tags = if device.tags.is_empty() && keys.is_empty() {
            TagDifferences::default()
        } else {
            TagDifferences::new(device, keys, &self.all_tags(&channel.arn).await?)
        };
        let mut words: Vec<String> = difference(device.message_ttl, channel)
            .into_iter()
            .collect();
        words.extend(tags.words());
        let words = words.join(", ");
        if words.is_empty() {
            return Ok(Alignment::Same);
        }
        if !is_to_update || is_of_another_type(channel) {
            return Ok(Alignment::Differs(words));
        }
        if let Some(ttl) = device
            .message_ttl
            .filter(|ttl| channel.message_ttl != Some(*ttl))
        {
            self.set_ttl(channel.clone(), ttl).await?;
        }
        if !tags.set.is_empty() {
            let send = || self.service.tag(&channel.arn, &tags.set);
            self.ask_until_answered(Operation::Tag, send).await?;
        }
        if !tags.unset.is_empty() {
            let keys: Vec<&str> = tags.unset.iter().map(|key| &**key).collect();
            let send = || self.service.untag(&channel.arn, &keys);
            self.ask_until_answered(Operation::Untag, send).await?;
        }
        Ok(Alignment::Updated(words))
    }

    /// Gives a channel another TTL. One that has changed since it was seen, or is in the middle of a change, is looked at
    /// again; so is one whose update was carried out though its answer was lost.
    async fn set_ttl(&self, mut channel: Channel, ttl: MessageTtl) -> Result<(), Unanswered> {
        let mut tries = 0;
        loop {
            tries += 1;
            let send = || self.service.update(&channel, ttl);
            let failure = match self.ask_until_answered(Operation::Update, send).await {
                Err(Unanswered::Refused(failure)) => failure,
                done => return done,
            };
            let may_pass = failure.kind == FailureKind::InUse || &*failure.code == VERSION_MISMATCH;
            if !may_pass || tries >= self.shared.settings.max_attempts {
                return Err(Unanswered::Refused(failure));
            }
            tokio::select! {
                biased;
                () = self.shared.stop.given() => return Err(Unanswered::Stopped),
                () = tokio::time::sleep(self.wait_after(tries)) => {}
            }
            let name = channel.name.clone();
            channel = self
                .ask_until_answered(Operation::Describe, || self.service.describe(&name))
                .await?;
            if channel.message_ttl == Some(ttl) {
                return Ok(());
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
                .ask_until_answered(Operation::ListTags, || {
                    self.service.list_tags(arn, request.next_token.as_deref())
                })
                .await?;
            tags.extend(page.tags);
            if !request
                .follow(page.next_token)
                .map_err(Unanswered::Refused)?
            {
                return Ok(tags);
            }
        }
    }
}
