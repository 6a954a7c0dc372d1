//! The binary ended at random instants, again and again, until every device has its channel: nothing that was told is
//! lost, and what stands in the results is what the service has.
//!
//! `KILLS=2000 cargo test --test it kills` ends it two thousand times; `KILLS_SEED=…` draws the instants of another run
//! again. How far a run has come by then is the machine's business, so a seed repeats the draw and not the run.
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

/// A batch that is worked on by one process after the other.
struct Batch {
    bench: Bench,
    cloud: Cloud,
    /// What was said to be on disk: device and ARN.
    told: BTreeMap<String, String>,
}

impl Batch {
    /// Against a service that loses one answer in fifty, so that some ends meet a device whose channel nobody knows of.
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
            told: BTreeMap::new(),
        }
    }

    fn provision(&self) -> Call {
        self.bench
            .call(&["provision", "d.csv", "--endpoint-url", self.cloud.url()])
            .args(&["--region", REGION, "--rate", "2000", "--json"])
    }

    /// Notes what a process told, and checks that all that was ever told is in the file.
    fn check(&mut self, done: &Done) {
        // The last line may be cut off.
        let whole = done
            .stdout
            .rfind('\n')
            .map_or("", |end| &done.stdout[..end]);
        for line in whole.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            if let (Some(device), Some(arn)) =
                (row["device_id"].as_str(), row["channel_arn"].as_str())
            {
                self.told.insert(device.to_owned(), arn.to_owned());
            }
        }
        if self.told.is_empty() {
            return;
        }
        let results = self.bench.read("d.results.csv");
        for (device, arn) in &self.told {
            let is_there =
                |line: &str| line.starts_with(device.as_str()) && line.contains(arn.as_str());
            assert!(
                results.lines().any(is_there),
                "{device} was told, and is lost\n{done}"
            );
        }
    }

    /// Runs it to its end and compares the results with the service.
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
        // In the manifest's order, which is that of the names.
        assert_eq!(recorded, there, "{done}");
        assert_eq!(rows.len(), DEVICES);
        let requests = self.cloud.all_requests();
        self.provision().run().exits(0);
        assert_eq!(self.cloud.all_requests(), requests);
        let left: Vec<String> = self.bench.files().into_keys().collect();
        assert_eq!(left, ["d.csv", "d.results.csv", "d.results.runs.jsonl"]);
    }
}

/// How long a run takes that nobody ends.
fn undisturbed() -> Duration {
    let batch = Batch::new(0);
    let began = Instant::now();
    batch.provision().run().exits(0);
    began.elapsed()
}

#[test]
fn ended_at_random_instants_it_loses_nothing() {
    let wanted = number("KILLS").unwrap_or(12);
    let seed = number("KILLS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("to draw these instants again: KILLS={wanted} KILLS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = undisturbed();
    let (mut kills, mut interrupts, mut early) = (0, 0, 0);
    while kills < wanted {
        let mut batch = Batch::new(random.u64(..));
        // Most of a run is done again and again before one comes to its end.
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
                // Before it listens, a signal is the system's.
                (_, None) => early += 1,
                // It was done before.
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
fn of_two_at_once_one_works() {
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
