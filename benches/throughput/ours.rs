//! The engine as `provision` uses it: its limiter, the SDK's client, the journal on a real disk. Only the manifest is
//! missing: devices are generated.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kvs_fleet::aws::{Connection, ConnectionSettings};
use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::DeviceIndex;
use kvs_fleet::domain::device::{ChannelName, Device, Region};
use kvs_fleet::engine::event::{Listener, Listeners};
use kvs_fleet::engine::pace::controller::RateRange;
use kvs_fleet::engine::{Engine, EngineParts, EngineSettings, OnExists, RowSink, StopSignal, Work};
use kvs_fleet::fleet::known_devices::KnownDevices;
use kvs_fleet::output::stats::Stats;
use kvs_fleet::results::disk::RealDisk;
use kvs_fleet::results::journal::Journal;
use kvs_fleet::results::read::ReadError;
use kvs_fleet::results::record::Row;
use kvs_fleet::results::writer::{self, Recorder};

use super::{IN_FLIGHT, Outcome, name, region};

/// Creates the channels of this many devices at the endpoint, with this ceiling a second.
pub(crate) async fn run(url: &str, devices: usize, ceiling: f64) -> Outcome<()> {
    let region = region()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("devices.results.csv");
    let journal = Journal::open(&RealDisk, &path, |_| Ok::<_, ReadError>(()))?;
    let (recorder, mut writer) = writer::recorder(&RealDisk, journal);
    writer.prepare()?;
    let writer = tokio::spawn(writer.run());
    let known_devices = Arc::new(Mutex::new(KnownDevices::new()));
    let connection = Connection::load(ConnectionSettings {
        region: Some(region.clone()),
        endpoint_url: Some(url.to_owned()),
        ..ConnectionSettings::default()
    });
    let service = connection.await?.region(&region);

    let mut listeners = Listeners::default();
    let stats = Arc::new(Stats::new());
    listeners.add(Arc::clone(&stats) as Arc<dyn Listener>);
    let mut engine = Engine::new(EngineParts {
        settings: settings(ceiling),
        sink: Arc::new(JournalSink {
            recorder,
            known_devices: Arc::clone(&known_devices),
        }),
        listeners,
        stop: StopSignal::new(),
        clock: WallClock::system(),
        quota_client: None,
    });
    let batch = Batch {
        left: 0..devices,
        region: region.clone(),
        known_devices,
    };
    engine.add_region(region.into(), RateRange::upto(ceiling), service, batch);
    let stop = engine.run(None, false).await;
    let closed = writer.await?;
    let created = stats.counts().created;
    match (stop, closed.failure) {
        (None, None) if created == devices as u64 => Ok(()),
        (stop, failure) => Err(format!(
            "{created} of {devices} devices have their channel; stopped: {stop:?}, journal: {failure:?}"
        )
        .into()),
    }
}

/// The defaults of `provision`.
fn settings(ceiling: f64) -> EngineSettings {
    EngineSettings {
        workers: IN_FLIGHT,
        rate: RateRange::upto(ceiling),
        max_attempts: 8,
        max_throttled: Duration::from_mins(5),
        max_offline: Duration::from_mins(15),
        timeout: Duration::from_secs(10),
        max_failures: None,
        on_exists: OnExists::Adopt,
        tag_keys: Vec::new(),
        account: None,
        has_common_credentials: false,
        seed: 1,
    }
}

/// Generated devices.
struct Batch {
    left: std::ops::Range<usize>,
    region: Region,
    known_devices: Arc<Mutex<KnownDevices>>,
}

impl Work for Batch {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        let name = name(self.left.next()?);
        let index = locked(&self.known_devices).insert(&name, &name, &self.region.clone().into());
        let device = Device {
            channel_name: ChannelName::parse(&name).ok()?,
            id: name.into(),
            account: None,
            region: self.region.clone(),
            message_ttl: None,
            tags: Vec::new(),
        };
        Some((index, device))
    }

    fn take_if(&mut self, _: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        Vec::new()
    }

    fn may_want(&self, _: &str) -> bool {
        true
    }
}

/// The sink that writes to the journal, as in `provision`.
struct JournalSink {
    recorder: Recorder,
    known_devices: Arc<Mutex<KnownDevices>>,
}

impl RowSink for JournalSink {
    async fn record(&self, device: DeviceIndex, row: Row) -> Result<Row, String> {
        let recorded = self.recorder.record(row).await;
        let (row, place) = recorded.map_err(|error| error.to_string())?;
        locked(&self.known_devices).record(device, row.status, place);
        Ok(row)
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        let mut recorded = Vec::with_capacity(rows.len());
        for (device, row) in rows {
            recorded.push(self.record(device, row).await?);
        }
        Ok(recorded)
    }
}

fn locked(known_devices: &Mutex<KnownDevices>) -> std::sync::MutexGuard<'_, KnownDevices> {
    known_devices.lock().unwrap_or_else(PoisonError::into_inner)
}
