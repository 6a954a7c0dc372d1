//! Requests about one channel: its TTL is changed, its tags are listed.

use super::ask::Unanswered;
use super::scope::{Describe, ListTags, QuotaScope, Update};
use super::service::Service;
use crate::domain::device::{ChannelArn, MessageTtl};
use crate::domain::service::{Channel, FailureKind, ListRequest};

/// The code of an update of a channel that has changed since it was seen.
const VERSION_MISMATCH: &str = "VersionMismatchException";

impl<S: Service> QuotaScope<S> {
    /// Changes a channel's TTL. One that has changed since it was seen, or is in the middle of a change, is described again;
    /// so the update may have been carried out although its answer was lost.
    pub(super) async fn set_ttl(
        &self,
        mut channel: Channel,
        ttl: MessageTtl,
    ) -> Result<(), Unanswered> {
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
