//! The sentences of each kind of batch.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::results::disk::RealDisk;
use crate::results::record::timestamp;
use crate::results::runs_line::{End, ROLLBACK, RegionLine, RunsLine, Settings, Start};
use std::time::SystemTime;

const HEADER: &str = "device_id,channel_name,account,region,status,channel_arn,attempts,started_at,finished_at,error_code,error_message,request_id";
const ACCOUNT: &str = "123456789012";
const HERE: &str = "eu-central-1";

/// A time of the batch, in milliseconds after its start.
fn at(millis: u64) -> String {
    timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_000 + millis))
}

/// A batch under construction.
#[derive(Default)]
struct Batch {
    rows: String,
    runs: String,
    devices: u64,
}

impl Batch {
    /// Devices of this status, one each 20 ms from this time on.
    fn rows(mut self, many: u64, status: &str, region: &str, from: u64) -> Self {
        for place in 0..many {
            let id = format!("CAM-{}", self.devices);
            self.devices += 1;
            let times = format!("{},{}", at(from + place * 20), at(from + place * 20 + 19));
            let arn = format!("arn:aws:kinesisvideo:{region}:{ACCOUNT}:channel/{id}/1790000000000");
            let row = match status {
                "created" | "deleted" => format!("{ACCOUNT},{region},{status},{arn},1,{times},,,"),
                "exists" => format!("{ACCOUNT},{region},exists,{arn},0,{times},,,"),
                "failed" => format!(",{region},failed,,8,{times},Timeout,no answer,"),
                _ => format!(",,invalid,,0,,,InvalidRow,line {place},"),
            };
            writeln!(self.rows, "{id},{id},{row}").unwrap();
        }
        self
    }

    fn start(self, run: &str, from: u64, rate: Option<f64>) -> Self {
        self.line(&RunsLine::Start(Box::new(Start {
            at: at(from),
            run: Some(run.to_owned()),
            command: "provision".to_owned(),
            account: Some(ACCOUNT.to_owned()),
            settings: Some(Settings {
                rate,
                ..Settings::default()
            }),
            ..Start::default()
        })))
    }

    /// The end of a run: its Regions with creates, throttles, the achieved and the granted rate.
    fn end(
        self,
        run: &str,
        to: u64,
        reason: &str,
        remaining: u64,
        regions: &[(&str, u64, u64, f64, Option<f64>)],
    ) -> Self {
        let lines =
            regions.iter().map(
                |(region, creates, throttles, achieved, granted)| RegionLine {
                    region: (*region).to_owned(),
                    creates: *creates,
                    throttles: *throttles,
                    achieved_per_second: Some(*achieved),
                    granted_per_second: *granted,
                    ..RegionLine::default()
                },
            );
        self.line(&RunsLine::End(Box::new(End {
            at: at(to),
            run: Some(run.to_owned()),
            counts: BTreeMap::new(),
            regions: lines.collect(),
            remaining,
            reason: reason.to_owned(),
            ..End::default()
        })))
    }

    fn rollback(self, reason: &str) -> Self {
        let start = Start {
            run: Some("back".to_owned()),
            command: ROLLBACK.to_owned(),
            ..Start::default()
        };
        self.line(&RunsLine::Start(Box::new(start)))
            .end("back", 0, reason, 0, &[])
    }

    fn line(mut self, line: &RunsLine) -> Self {
        writeln!(self.runs, "{}", serde_json::to_string(line).unwrap()).unwrap();
        self
    }

    fn told(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("d.results.csv");
        std::fs::write(&results, format!("{HEADER}\n{}", self.rows)).unwrap();
        if !self.runs.is_empty() {
            std::fs::write(folder.path().join("d.results.runs.jsonl"), &self.runs).unwrap();
        }
        story(&Facts::read(&RealDisk, &results).unwrap())
    }
}

/// A run of 1,000 devices at this ceiling.
fn calm(rate: Option<f64>, granted: Option<f64>, throttles: u64) -> Batch {
    let region = (HERE, 1_000 + throttles, throttles, 49.8, granted);
    Batch::default()
        .rows(1_000, "created", HERE, 0)
        .start("a", 0, rate)
        .end("a", 20_100, "complete", 0, &[region])
}

#[test]
fn a_calm_batch_is_one_sentence() {
    assert_eq!(
        calm(Some(50.0), None, 0).told(),
        [
            "1,000 of 1,000 devices have their channel, in 20.0 s of working time, at 99.6 % of the quota."
        ]
    );
    assert_eq!(
        calm(Some(60.0), None, 0).told(),
        [
            "1,000 of 1,000 devices have their channel, in 20.0 s of working time, at 83.0 % of the 60 a second that --rate allowed."
        ]
    );
    assert_eq!(
        calm(None, None, 0).told(),
        [
            "1,000 of 1,000 devices have their channel, in 20.0 s of working time, at 49.8 channels a second."
        ]
    );
}

#[test]
fn a_grant_below_the_ceiling_is_told_with_the_throttles() {
    assert_eq!(
        calm(Some(200.0), Some(49.6), 21).told(),
        [
            "1,000 of 1,000 devices have their channel, in 20.0 s of working time, at 49.8 channels a second, where the service granted about 50 of at most 200 at the end.",
            "The service throttled 21 of 1,021 create requests (2.06 %), which costs only another request each."
        ]
    );
    // The quota itself was granted.
    let told = calm(Some(50.0), Some(49.6), 21).told();
    assert!(told[0].ends_with("at 99.6 % of the quota."), "{told:?}");
}

#[test]
fn without_a_runs_log_only_the_rows_are_told() {
    let batch = Batch::default().rows(100, "created", HERE, 0);
    let batch = batch
        .rows(2, "failed", HERE, 2_000)
        .rows(1, "invalid", HERE, 0);
    assert_eq!(
        batch.told(),
        [
            "100 of 103 devices have their channel, in 2.0 s of working time, 50.0 devices a second.",
            "2 devices failed, 1 row is invalid. The same command tries the failed ones again."
        ]
    );
}

#[test]
fn interruptions_pauses_and_what_is_left_are_told() {
    let one = (HERE, 100, 0, 49.0, None);
    let begun = Batch::default()
        .rows(100, "created", HERE, 0)
        .start("a", 0, Some(50.0))
        .end("a", 2_100, "interrupted", 50, &[one]);
    assert_eq!(
        begun.told(),
        [
            "100 of 150 devices have their channel, in 2.0 s of working time, at 98.0 % of the quota.",
            "50 devices were not attempted yet. The same command goes on with the rest.",
            "The run was interrupted."
        ]
    );
    let continued = begun
        .rows(49, "created", HERE, 182_000)
        .rows(1, "failed", HERE, 183_000)
        .start("b", 181_900, Some(50.0))
        .end("b", 184_000, "complete", 1, &[(HERE, 50, 0, 49.0, None)]);
    assert_eq!(
        continued.told(),
        [
            "149 of 150 devices have their channel, in 3.0 s of working time, at 98.0 % of the quota.",
            "1 device failed. The same command tries the failed ones again.",
            "It took 2 runs, with a pause of 3m; 1 was interrupted."
        ]
    );
    // A run that was killed says nothing of the rest.
    let killed = Batch::default()
        .rows(5, "created", HERE, 0)
        .start("a", 0, Some(50.0));
    assert_eq!(
        killed.told(),
        [
            "5 of 5 devices have their channel, in 99 ms of working time.",
            "The run was killed or is still at work."
        ]
    );
}

#[test]
fn several_regions_have_each_a_quota() {
    let batch = Batch::default()
        .rows(100, "created", HERE, 0)
        .rows(50, "created", "us-west-2", 0)
        .start("a", 0, Some(50.0))
        .end(
            "a",
            2_000,
            "complete",
            0,
            &[(HERE, 100, 0, 49.6, None), ("us-west-2", 50, 0, 49.1, None)],
        );
    assert_eq!(
        batch.told(),
        [
            "150 of 150 devices have their channel, in 2.0 s of working time, at 98.2 to 99.2 % of the quota in each Region."
        ]
    );
}

#[test]
fn runs_at_the_same_time_have_no_share_of_the_quota() {
    let one = (HERE, 100, 0, 25.0, None);
    let batch = Batch::default()
        .rows(200, "created", HERE, 0)
        .start("a", 0, Some(50.0))
        .start("b", 10, Some(50.0))
        .end("a", 4_000, "complete", 0, &[one])
        .end("b", 4_100, "complete", 0, &[one]);
    assert_eq!(
        batch.told(),
        [
            "200 of 200 devices have their channel, in 4.0 s of working time, 50.0 devices a second.",
            "It took 2 runs, some at the same time."
        ]
    );
}

#[test]
fn batches_without_channels_are_told_in_plain_words() {
    let empty = Batch::default();
    assert_eq!(empty.told(), ["No device was attempted."]);
    let failed = Batch::default().rows(3, "failed", HERE, 0);
    assert_eq!(
        failed.told(),
        [
            "None of 3 devices has a channel.",
            "3 devices failed. The same command tries the failed ones again."
        ]
    );
    let deleted = Batch::default().rows(3, "deleted", HERE, 0);
    assert_eq!(
        deleted.told(),
        ["All 3 channels of this batch were deleted by a rollback."]
    );
    let adopted = Batch::default().rows(3, "exists", HERE, 0);
    assert_eq!(
        adopted.told(),
        [
            "3 of 3 devices have their channel.",
            "All of these channels existed before."
        ]
    );
    let one = Batch::default().rows(1, "created", HERE, 0);
    assert_eq!(
        one.told(),
        ["1 of 1 device has its channel, in 19 ms of working time."]
    );
}

#[test]
fn a_rollback_that_was_interrupted_is_told() {
    let batch = calm(Some(50.0), None, 0).rows(10, "deleted", HERE, 0);
    let told = batch.rollback("interrupted").told();
    assert_eq!(
        told[1..],
        [
            "10 channels were deleted by a rollback.",
            "The rollback was interrupted."
        ]
    );
}
