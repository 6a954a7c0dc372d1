//! Tests of the counts and rates.

use super::*;
use crate::domain::device::Region;
use crate::engine::pace::controller::{Controller, RateRange};
use crate::engine::pace::limiter::Limiter;

fn region(name: &str) -> AccountRegion {
    Region::parse(name).unwrap().into()
}

fn limiter(range: RateRange) -> Arc<Limiter> {
    let controller = Controller::new(range, std::time::UNIX_EPOCH, 1);
    Arc::new(Limiter::new(controller))
}

fn begin(stats: &Stats, name: &str, limiter: Arc<Limiter>) {
    let account_region = &region(name);
    stats.tell(&Event::RegionStarted {
        account_region,
        limiter,
    });
}

fn sent(stats: &Stats, name: &str) {
    stats.tell(&Event::Sent {
        account_region: &region(name),
        operation: Operation::Create,
    });
}

fn recorded(run: &Stats, region_name: &str, status: Status) {
    let row = Row {
        device_id: "CAM-1".into(),
        channel_name: "CAM-1".into(),
        account: None,
        region: region_name.into(),
        status,
        channel_arn: None,
        attempts: 1,
        started_at: None,
        finished_at: None,
        error_code: Box::default(),
        error_message: Box::default(),
        request_id: Box::default(),
    };
    run.tell(&Event::Recorded { row: &row });
}

#[tokio::test(start_paused = true)]
async fn rates_are_summed_and_the_slowest_region_sets_the_time_left() {
    let stats = Stats::new();
    stats.plan(&region("eu-central-1"), 900);
    stats.plan(&region("us-east-1"), 100);
    assert_eq!(stats.pace(), Pace::default());
    begin(&stats, "eu-central-1", limiter(RateRange::upto(50.0)));
    begin(&stats, "us-east-1", limiter(RateRange::upto(50.0)));
    let pace = stats.pace();
    assert_eq!(pace.ceiling, Some(100.0));
    assert_eq!(pace.ahead, Some(Duration::from_secs(18)));
    let account_region = &region("eu-central-1");
    stats.tell(&Event::RegionEnded { account_region });
    let pace = stats.pace();
    assert_eq!(pace.ceiling, Some(50.0));
    assert_eq!(pace.ahead, Some(Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn there_is_no_common_ceiling_if_one_region_has_none() {
    let stats = Stats::new();
    begin(&stats, "eu-central-1", limiter(RateRange::upto(50.0)));
    begin(&stats, "us-east-1", limiter(RateRange::unknown()));
    assert_eq!(stats.pace().ceiling, None);
}

#[tokio::test(start_paused = true)]
async fn the_achieved_rate_counts_only_creates() {
    let stats = Stats::new();
    begin(&stats, "eu-central-1", limiter(RateRange::upto(50.0)));
    // Listing and adopting are not creates.
    recorded(&stats, "eu-central-1", Status::Exists);
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..100 {
        sent(&stats, "eu-central-1");
        tokio::time::sleep(Duration::from_millis(20)).await;
        recorded(&stats, "eu-central-1", Status::Created);
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    recorded(&stats, "eu-central-1", Status::Failed);
    let totals = stats.totals();
    assert_eq!(totals.creating, Duration::from_secs(2));
    assert_eq!(totals.achieved, Some(50.0));
    assert_eq!(totals.regions[0].achieved, Some(50.0));
    assert_eq!(stats.counts().finished(), 102);
}

#[tokio::test(start_paused = true)]
async fn time_with_throttled_creates_only_counts_as_creating() {
    let stats = Stats::new();
    begin(&stats, "eu-central-1", limiter(RateRange::upto(50.0)));
    for _ in 0..20 {
        sent(&stats, "eu-central-1");
        recorded(&stats, "eu-central-1", Status::Created);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    stats.tell(&Event::Answered {
        account_region: &region("eu-central-1"),
        operation: Operation::Create,
        outcome: Outcome::Throttled,
        latency: Duration::from_millis(80),
    });
    assert_eq!(stats.totals().achieved, Some(2.0));
}
