//! What the live page shows of a provisioning run besides its events.

use super::Run;
use crate::commands::serve::LivePage;
use crate::domain::format;
use crate::error::Error;
use crate::live::run::Setting;
use crate::output::progress::Subject;

impl Run {
    /// Serves the live page, if one was asked for.
    pub(super) fn serve(&mut self) -> Result<(), Error> {
        let Some(config) = &self.config.serve else {
            return Ok(());
        };
        let head = (&self.summary, self.shown_settings());
        let signals = (&self.stop, &self.signalled);
        let page = LivePage::start(config, Subject::Devices, &self.stats, head, signals)?;
        page.listen(&mut self.listeners);
        self.page = Some(page);
        Ok(())
    }

    /// Shows what is known of the run by now.
    pub(super) fn show(&self) {
        if let Some(page) = &self.page {
            page.run().note(&self.summary);
        }
    }

    fn shown_settings(&self) -> Vec<Setting> {
        let settings = self.config.settings();
        let rate = settings.rate.map_or_else(
            || "auto: what the service grants".to_owned(),
            |rate| format!("at most {rate} creates a second in each account and Region"),
        );
        let tags = settings.tags.iter();
        let tags: Vec<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
        let mut shown = vec![
            ("rate", rate),
            ("channel name", settings.channel_name),
            ("existing channels", settings.on_exists),
            (
                "attempts",
                format!("at most {} for a device", settings.max_attempts),
            ),
        ];
        if let Some(ttl) = settings.message_ttl_seconds {
            shown.push(("message TTL", format!("{ttl} s")));
        }
        if !tags.is_empty() {
            shown.push(("tags", tags.join(", ")));
        }
        if let Some(limit) = self.config.rules.limit {
            shown.push(("limit", format::count(limit, "device")));
        }
        shown
    }
}
