//! A run whose devices are all done.

use tracing::info;

use super::Run;
use super::prepare::Ready;
use crate::commands::messages;
use crate::domain::format;
use crate::engine::event::{Event, Listener as _};
use crate::error::Error;
use crate::fleet::batch::{self, Planned, RowStream as _};
use crate::fleet::plan::InvalidLine;

impl Run {
    /// Everything is done: no request is sent; the file is put in the manifest's order if it is not.
    pub(super) async fn nothing_to_do(
        &mut self,
        ready: Ready,
        planned: &Planned,
    ) -> Result<(), Error> {
        self.say_shard(true);
        messages::say_planned(&planned.remarks, &planned.invalid, &ready.known_devices);
        messages::say_torn(&ready.journal);
        if ready.known_devices.is_empty() && planned.invalid.is_empty() {
            return Ok(());
        }
        ready.rechecked?;
        batch::tidy(ready.journal, &ready.known_devices, &planned.invalid)?;
        for row in planned.invalid.iter().map(InvalidLine::row) {
            if let Some(json) = &self.json {
                json.put(std::slice::from_ref(&row)).await;
            }
            self.listeners.tell(&Event::Recorded { row: &row });
        }
        if let Some(page) = &self.page {
            page.run().begin(&self.summary, Some(0));
        }
        let counts = &planned.counts;
        info!(
            "nothing to do: {}",
            match (counts.listed, counts.deleted, counts.invalid) {
                (0, ..) if counts.listed_elsewhere > 0 => "the shard has no device",
                (0, ..) => "the manifest has no valid row",
                (_, 1.., _) => "every valid row has its channel, or had one that was deleted",
                (_, _, 1..) => "every valid row has its channel",
                _ => "every device has its channel",
            }
        );
        Ok(())
    }

    /// Says which part of the devices is attempted.
    pub(super) fn say_shard(&self, is_planned: bool) {
        let plan = &self.summary.plan;
        match self.summary.shard {
            Some(shard) if is_planned => info!(
                "shard {shard}: {} of {}",
                plan.listed,
                format::count(plan.all_listed(), "device")
            ),
            Some(shard) => info!("shard {shard} of the devices"),
            None => {}
        }
    }
}
