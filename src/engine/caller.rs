//! Requests outside of a provisioning run, in one Region or in several at once: paced, tried again, and stopped by the
//! same rules as those for devices. Whoever asks decides how many questions are under way at once.

use std::future::Future;
use std::sync::Arc;

use super::ask::Unanswered;
use super::region_run::RegionRun;
use super::shared::Shared;
use super::stop::Stop;
use super::{Parts, RowSink};
use crate::domain::device::DeviceIndex;
use crate::domain::device::{AccountId, ChannelArn, Region};
use crate::domain::service::{Answer, Channel, FailureKind, Operation, Service};
use crate::results::record::Row;

/// Questions that end in no row.
impl RowSink for () {
    async fn record(&self, _: DeviceIndex, row: Row) -> Result<Row, String> {
        Ok(row)
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

/// Who asks: what its Regions share.
#[derive(Debug)]
pub struct Caller {
    shared: Arc<Shared<()>>,
    regions: u64,
}

impl Caller {
    /// Asks as these settings say. Of them it heeds how often and how long to try, the account and the seed.
    #[must_use]
    pub fn new(parts: Parts<()>) -> Self {
        Self {
            shared: Arc::new(Shared::new(parts)),
            regions: 0,
        }
    }

    /// A Region to ask in.
    pub fn region<S: Service>(&mut self, region: Region, service: S) -> RegionCaller<S> {
        let number = self.regions;
        self.regions += 1;
        RegionCaller {
            region_run: Arc::new(RegionRun::new(
                region,
                service,
                Arc::clone(&self.shared),
                number,
            )),
        }
    }

    /// The account that answers have come from so far, or the one that is expected.
    pub fn account(&self) -> Option<AccountId> {
        self.shared.account()
    }

    /// Why asking was stopped in all Regions, if it was.
    pub fn stopped(&self) -> Option<Stop> {
        self.shared.stop.cause()
    }

    /// Why it was stopped, be it in one Region alone, if it was.
    pub fn end(&self) -> Option<Stop> {
        self.shared.end()
    }
}

/// One Region to ask in. Cheap to clone; clones share everything.
#[derive(Debug)]
pub struct RegionCaller<S> {
    region_run: Arc<RegionRun<S, ()>>,
}

impl<S> Clone for RegionCaller<S> {
    fn clone(&self) -> Self {
        Self {
            region_run: Arc::clone(&self.region_run),
        }
    }
}

impl<S: Service> RegionCaller<S> {
    /// The Region.
    pub fn region(&self) -> &Region {
        &self.region_run.region
    }

    /// The control plane there: what `ask` sends is asked of it.
    pub fn service(&self) -> &S {
        &self.region_run.service
    }

    /// Asks until the service has answered or refused, however many attempts that takes. The request must be one that
    /// may be carried out twice. Twenty refusals in a row by an authorization code stop everything.
    pub async fn ask<T, F>(
        &self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = Answer<T>>,
    {
        let answer = self.region_run.ask_until_answered(operation, send).await;
        self.judge(&answer);
        answer
    }

    /// All tags of a channel.
    pub async fn tags(&self, arn: &ChannelArn) -> Result<Vec<(Box<str>, Box<str>)>, Unanswered> {
        let tags = self.region_run.all_tags(arn).await;
        self.judge(&tags);
        tags
    }

    /// Twenty refusals in a row by an authorization code are not the channels' fault.
    fn judge<T>(&self, answer: &Result<T, Unanswered>) {
        match answer {
            Err(Unanswered::Refused(failure)) if failure.kind == FailureKind::Denied => {
                self.region_run.shared.denied(failure);
            }
            Ok(_) => self.region_run.shared.allowed(),
            Err(_) => {}
        }
    }

    /// Lists the Region's channels, page by page. An ARN of another account than the one expected stops everything.
    pub async fn list(&self, each_page: impl FnMut(Vec<Channel>)) -> Result<(), Unanswered> {
        let listed = self.region_run.pages(each_page).await;
        self.judge(&listed);
        listed
    }
}
