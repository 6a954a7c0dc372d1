//! The speed of the engine without a quota, the use that others make of a quota, and the engine's memory.
//!
//! `cargo bench --bench throughput` takes about two minutes; `-- short` under twenty seconds, with fewer devices. It
//! measures three tables:
//!
//! 1. *No quota*: the engine (with its limiter, journal and SDK client) and a bare loop over the SDK's client, both
//!    with 64 requests in flight, against an emulator in this process that grants a million a second and answers at once.
//!    They take turns, since the machine may be shared; a turn's ratio is of two consecutive runs.
//! 2. *A quota*: the engine and the SDK's own retry modes, each against an emulator of its own that grants 50 a second
//!    and answers after 80 ms. They run at the same time: at 50 a second neither is short of processor time.
//! 3. *Memory*: the real binary, and the emulator in another process, for a batch and one ten times as large.
//!
//! `-- only engine 20000` (or `bare`) runs that many devices through one of the two of the first table, on one thread,
//! or with a following `threads` on several, and prints nothing: for a profiler, whose instruction counts can be
//! repeated when times cannot.
//!
//! `-- client URL PREFIX 500` creates 500 channels at that URL, whose names begin with the prefix, with the SDK's
//! adaptive mode, configured to treat the error as a throttle, and prints one JSON object. `benches/confirm.py` runs it
//! in separate processes, next to the binary.

mod format;
mod memory;
mod ours;
mod sdk;

use std::error::Error;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kvs_fleet::domain::device::Region;
use kvs_fleet::emulator::latency::Latency;
use kvs_fleet::emulator::operation::ApiOperation;
use kvs_fleet::emulator::{Emulator, EmulatorSettings};

use format::{Cost, Meter, best, median};
use sdk::Mode;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Requests in flight: the default of `--workers`.
const IN_FLIGHT: usize = 64;
/// Creates a second that AWS grants an account in a Region (WebRTC developer guide, quotas).
const QUOTA: f64 = 50.0;
/// More than any machine sends.
const NO_QUOTA: f64 = 1e6;
/// The most attempts of the SDK's retry modes for a device.
const SDK_ATTEMPTS: u32 = 10;

/// The size of the measurements.
struct Extent {
    /// How often the engine and the bare loop take turns.
    turns: usize,
    /// Devices in each turn.
    devices: usize,
    /// Devices at the quota.
    at_quota: usize,
    /// The smaller of the batches whose memory is measured.
    batch: usize,
}

const FULL: Extent = Extent {
    turns: 9,
    devices: 20_000,
    at_quota: 1_000,
    batch: 10_000,
};

const SHORT: Extent = Extent {
    turns: 3,
    devices: 4_000,
    at_quota: 200,
    batch: 1_000,
};

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["only", who, devices, rest @ ..] = words.as_slice() {
        return only(who, devices.parse()?, rest.contains(&"threads"));
    }
    if let ["client", url, prefix, devices, ..] = words.as_slice() {
        let runtime = tokio::runtime::Runtime::new()?;
        return runtime.block_on(sdk::client(url, prefix, devices.parse()?));
    }
    let extent = if words.contains(&"short") {
        SHORT
    } else {
        FULL
    };
    // As many threads as the binary has; the emulator's tasks run on them too, for both rows.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(without_quota(&extent))?;
    runtime.block_on(at_the_quota(&extent))?;
    memory::table(extent.batch)
}

/// One of the two, for a profiler.
fn only(who: &str, devices: usize, on_threads: bool) -> Outcome<()> {
    let mut runtime = if on_threads {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let work = async {
        let emulator = emulator(NO_QUOTA).await?;
        match who {
            "engine" => ours::run(&emulator.url(), devices, NO_QUOTA).await,
            "bare" => sdk::bare_loop(&emulator.url(), devices).await,
            _ => Err(format!("'{who}' is neither 'engine' nor 'bare'").into()),
        }
    };
    runtime.enable_all().build()?.block_on(work)
}

async fn without_quota(extent: &Extent) -> Outcome<()> {
    let devices = extent.devices;
    let (mut engine, mut bare) = (Vec::new(), Vec::new());
    // The first requests of a process pay for one-time initialization.
    turn(ours_alone, devices / 10).await?;
    turn(bare_alone, devices / 10).await?;
    for number in 0..extent.turns {
        // Each is first every other time, so that the warmer machine favours neither.
        if number % 2 == 0 {
            engine.push(turn(ours_alone, devices).await?);
            bare.push(turn(bare_alone, devices).await?);
        } else {
            bare.push(turn(bare_alone, devices).await?);
            engine.push(turn(ours_alone, devices).await?);
        }
    }
    println!(
        "No quota: {devices} devices, {IN_FLIGHT} in flight, {} turns each, the emulator in the same process\n",
        extent.turns
    );
    println!("| what | best devices/s | median devices/s | CPU µs a device, median |");
    println!("| --- | --- | --- | --- |");
    for (name, costs) in [("kvs-fleet's engine", &engine), ("bare SDK loop", &bare)] {
        let speeds = || costs.iter().map(|cost| cost.speed(devices));
        println!(
            "| {name} | {:.0} | {:.0} | {} |",
            best(speeds()),
            median(speeds()),
            format::or_dash(median_cpu(costs, devices), 0)
        );
    }
    let ratios = || {
        let pairs = engine.iter().zip(&bare);
        pairs.map(|(engine, bare)| engine.speed(devices) / bare.speed(devices))
    };
    let of_bests = best(engine.iter().map(|cost| cost.speed(devices)))
        / best(bare.iter().map(|cost| cost.speed(devices)));
    println!(
        "\nengine ÷ bare loop: {of_bests:.3} of the bests, {:.3} the median of the turns (to be 0.95 or more)\n",
        median(ratios())
    );
    Ok(())
}

fn median_cpu(costs: &[Cost], devices: usize) -> Option<f64> {
    let micros: Option<Vec<f64>> = costs.iter().map(|cost| cost.cpu_micros(devices)).collect();
    micros.map(|micros| median(micros.into_iter()))
}

async fn ours_alone(url: String, devices: usize) -> Outcome<()> {
    ours::run(&url, devices, NO_QUOTA).await
}

async fn bare_alone(url: String, devices: usize) -> Outcome<()> {
    sdk::bare_loop(&url, devices).await
}

/// Runs one of the two against an emulator of its own and returns its cost.
async fn turn<F: Future<Output = Outcome<()>>>(
    what: impl FnOnce(String, usize) -> F,
    devices: usize,
) -> Outcome<Cost> {
    let emulator = emulator(NO_QUOTA).await?;
    let meter = Meter::start();
    what(emulator.url(), devices).await?;
    let cost = meter.read();
    let made = emulator.request_counts().of(ApiOperation::Create).answered;
    emulator.stop().await;
    if made == devices as u64 {
        Ok(cost)
    } else {
        Err(format!("{made} of {devices} channels were made").into())
    }
}

async fn at_the_quota(extent: &Extent) -> Outcome<()> {
    let devices = extent.at_quota;
    let (engine, with_error, adaptive, standard) = tokio::try_join!(
        Attempted::by(ours_at_quota, devices),
        Attempted::by(|url, n| sdk::retries(url, n, Mode::AdaptiveTold), devices),
        Attempted::by(|url, n| sdk::retries(url, n, Mode::Adaptive), devices),
        Attempted::by(|url, n| sdk::retries(url, n, Mode::Standard), devices),
    )?;
    println!(
        "A quota: {QUOTA:.0}/s with a burst of 50, answers after 80 ms; {devices} devices, {IN_FLIGHT} in flight, \
         {SDK_ATTEMPTS} attempts for the SDK's modes\n"
    );
    println!("| what | seconds | channels | devices lost | of the quota | requests throttled |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, attempted) in [
        ("kvs-fleet's engine, `--rate 50`", engine),
        ("SDK adaptive, with the throttling error", with_error),
        ("SDK adaptive", adaptive),
        ("SDK standard", standard),
    ] {
        println!(
            "| {name} | {:.1} | {} | {} | {:.1} % | {:.1} % |",
            attempted.took.as_secs_f64(),
            attempted.made,
            devices as u64 - attempted.made,
            100.0 * attempted.use_of_quota(),
            100.0 * attempted.throttled_share()
        );
    }
    println!(
        "\nof the quota: channels a second as a share of {QUOTA:.0}; a few dozen channels come from the bucket that is \
         full at the start, and devices that are lost shorten the time\n"
    );
    Ok(())
}

async fn ours_at_quota(url: String, devices: usize) -> Outcome<()> {
    ours::run(&url, devices, QUOTA).await
}

/// The result of a client at a quota.
struct Attempted {
    took: Duration,
    made: u64,
    throttled: u64,
}

impl Attempted {
    async fn by<F: Future<Output = Outcome<()>>>(
        what: impl FnOnce(String, usize) -> F,
        devices: usize,
    ) -> Outcome<Self> {
        let emulator = emulator(QUOTA).await?;
        let meter = Meter::start();
        what(emulator.url(), devices).await?;
        let took = meter.read().wall;
        let creates = emulator.request_counts().of(ApiOperation::Create);
        emulator.stop().await;
        Ok(Self {
            took,
            made: creates.answered,
            throttled: creates.throttled,
        })
    }

    fn use_of_quota(&self) -> f64 {
        format::count(self.made) / self.took.as_secs_f64() / QUOTA
    }

    fn throttled_share(&self) -> f64 {
        format::count(self.throttled) / format::count(self.made + self.throttled).max(1.0)
    }
}

/// An emulator with this quota: like AWS, or without any limit that matters.
async fn emulator(rate: f64) -> Outcome<Emulator> {
    let defaults = EmulatorSettings::default();
    let settings = if rate < NO_QUOTA {
        defaults
    } else {
        EmulatorSettings {
            rate,
            burst: 1_000_000,
            channel_limit: usize::MAX,
            latency: Latency::steady(Duration::ZERO),
            ..defaults
        }
    };
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Ok(Emulator::start(any_port, settings).await?)
}

/// The Region of all channels.
fn region() -> Outcome<Region> {
    Ok(Region::parse("eu-central-1")?)
}

fn name(number: usize) -> String {
    format!("CAM-{number:08}")
}
