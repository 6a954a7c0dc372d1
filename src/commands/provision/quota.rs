//! The quota server of a run.

use std::sync::Arc;

use super::Run;
use crate::commands::quota_server;
use crate::commands::target::Target;
use crate::engine::pace::quota_client::QuotaClient;
use crate::error::Error;

impl Run {
    /// The quota server, if one is used. The first time it is asked whether it can be.
    pub(super) async fn quota_client(
        &mut self,
        target: &Target,
    ) -> Result<Option<Arc<QuotaClient>>, Error> {
        if self.quota_client.is_none() {
            let config = self.config.quota_server.as_ref();
            self.quota_client =
                quota_server::join(config, target, &self.listeners, &self.stop).await?;
        }
        Ok(self.quota_client.clone())
    }
}
