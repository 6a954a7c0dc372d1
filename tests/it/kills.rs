//! The binary is killed at random instants until every device has its channel: no reported row is lost, and the results
//! match the service.
//!
//! `KILLS=2000 cargo test --test it kills` kills it two thousand times; `KILLS_SEED=…` draws the instants of an earlier
//! run. How far a run has come at an instant depends on the machine, so a seed repeats the instants, not the run.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::{Bench, Call, Cloud, Done, REGION};

const DEVICES: usize = 250;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text}: expected a whole number")))
}

/// A batch that several processes work on, one after the other.
struct Batch {
    bench: Bench,
    cloud: Cloud,
    /// The reported rows: device and ARN.
    reported: BTreeMap<String, String>,
}

impl Batch {
    /// A batch against a service that loses one answer in fifty, so that some kills happen while the outcome of a
    /// create is unknown.
    fn new(seed: u64) -> Self {
        let cloud = Cloud::with(|settings| {
            settings.rate = 2_000.0;
            settings.burst = 20;
            settings.latency.median = Duration::from_millis(3);
            settings.faults = ["reset-after=2%@create", "503=1%", "throttle=1%"]
                .map(|fault| fault.parse().unwrap())
                .to_vec();
            settings.seed = seed;
        });
        Self {
            bench: Bench::of(DEVICES),
            cloud,
            reported: BTreeMap::new(),
        }
    }

    fn provision(&self) -> Call {
        self.bench
            .call(&["provision", "d.csv", "--endpoint-url", self.cloud.url()])
            .args(&["--region", REGION, "--rate", "2000", "--json"])
    }

    /// Records what a process reported, and checks that everything reported so far is in the file.
    fn check(&mut self, done: &Done) {
        // The last line may be incomplete.
        let whole = done
            .stdout
            .rfind('\n')
            .map_or("", |end| &done.stdout[..end]);
        for line in whole.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            if let (Some(device), Some(arn)) =
                (row["device_id"].as_str(), row["channel_arn"].as_str())
            {
                self.reported.insert(device.to_owned(), arn.to_owned());
            }
        }
        if self.reported.is_empty() {
            return;
        }
        let results = self.bench.read("d.results.csv");
        for (device, arn) in &self.reported {
            let is_there =
                |line: &str| line.starts_with(device.as_str()) && line.contains(arn.as_str());
            assert!(
                results.lines().any(is_there),
                "{device} was reported, and is lost\n{done}"
            );
        }
    }

    /// Runs the batch to its end and compares the results with the service.
    fn complete(mut self) {
        let done = self.provision().run().exits(0);
        self.check(&done);
        let channels = self.cloud.channels();
        let rows = self.bench.rows("d.results.csv");
        let recorded: Vec<_> = rows
            .iter()
            .map(|row| (&row["device_id"], &row["channel_arn"]))
            .collect();
        let there: Vec<_> = channels.iter().collect();
        // In the order of the manifest, which is the order of the names.
        assert_eq!(recorded, there, "{done}");
        assert_eq!(rows.len(), DEVICES);
        let requests = self.cloud.all_requests();
        self.provision().run().exits(0);
        assert_eq!(self.cloud.all_requests(), requests);
        let left: Vec<String> = self.bench.files().into_keys().collect();
        assert_eq!(left, ["d.csv", "d.results.csv", "d.results.runs.jsonl"]);
    }
}

/// The duration of a run that is not killed.
fn undisturbed() -> Duration {
    let batch = Batch::new(0);
    let began = Instant::now();
    batch.provision().run().exits(0);
    began.elapsed()
}

#[test]
fn kills_at_random_instants_lose_nothing() {
    let wanted = number("KILLS").unwrap_or(12);
    let seed = number("KILLS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("to draw these instants again: KILLS={wanted} KILLS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = undisturbed();
    let (mut kills, mut interrupts, mut early) = (0, 0, 0);
    while kills < wanted {
        let mut batch = Batch::new(random.u64(..));
        // Most of a batch is repeated before it is complete.
        for _ in 0..random.u8(2..12) {
            let running = batch.provision().start();
            std::thread::sleep(whole.mul_f64(random.f64() * 0.6));
            let (signal, code) = random
                .choice([("KILL", 0), ("KILL", 0), ("INT", 130), ("TERM", 143)])
                .unwrap();
            running.signal(signal);
            let done = running.wait();
            match (signal, done.code) {
                ("KILL", None) => kills += 1,
                // Before the process listens for signals, the system's default action applies.
                (_, None) => early += 1,
                // The batch was complete before the kill.
                (_, Some(0)) => {}
                (_, Some(ended)) => {
                    assert_eq!(ended, code, "{done}");
                    interrupts += 1;
                }
            }
            batch.check(&done);
        }
        batch.complete();
    }
    println!("{kills} kills, {interrupts} interruptions, {early} before it listened");
}

#[test]
fn only_one_of_two_concurrent_runs_works() {
    for round in 0..6 {
        let mut batch = Batch::new(round);
        let both = [batch.provision().start(), batch.provision().start()];
        if round % 2 == 1 {
            std::thread::sleep(Duration::from_millis(30 * round));
            both[0].signal("KILL");
        }
        for done in both.map(crate::support::Running::wait) {
            match done.code {
                Some(0) | None => {}
                _ => drop(done.exits(2).says("another process")),
            }
        }
        let done = batch.provision().run().exits(0);
        batch.check(&done);
        batch.complete();
    }
}
