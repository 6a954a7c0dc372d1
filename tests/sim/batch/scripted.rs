//! Cases that random scenarios seldom contain.

use std::task::{Context, Poll, Waker};

use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::ChannelArn;
use kvs_fleet::engine::event::Listeners;
use kvs_fleet::engine::{RowSink, StopSignal};
use kvs_fleet::fleet::batch::{self, Batch, Parts, RowStream};
use kvs_fleet::fleet::plan::InvalidLine;
use kvs_fleet::results::disk::{Access, Disk as _, DiskFile as _};
use kvs_fleet::results::record::{HEADER, Row, Status, encode};

use super::audit::{Found, rows_of};
use super::{on_paused_clock, results};
use crate::disk::TestDisk;
use crate::engine::rig::{Rig, here};
use crate::service::Sim;

struct NoReader;

impl RowStream for NoReader {
    async fn put(&self, _: &[Row]) {}
}

fn created(id: &str) -> (Row, Found) {
    let arn = format!("arn:aws:kinesisvideo:eu-central-1:000000000000:channel/{id}/1800000000000");
    let row = Row {
        device_id: id.into(),
        channel_name: id.into(),
        account: None,
        region: here().into(),
        status: Status::Created,
        channel_arn: ChannelArn::parse(&arn).ok(),
        attempts: 1,
        started_at: None,
        finished_at: None,
        error_code: "".into(),
        error_message: "".into(),
        request_id: "".into(),
    };
    let found = Found {
        id: id.to_owned(),
        status: Status::Created,
        arn,
    };
    (row, found)
}

#[test]
fn a_row_without_a_waiting_task_is_in_the_results() {
    on_paused_clock(async {
        let disk = TestDisk::default();
        let (_log, history) = batch::open(&disk, &results()).unwrap();
        let mut known_devices = history.known_devices;
        let device = known_devices.insert("CAM-1", "CAM-1", &here().into());
        known_devices.list(device, 0, 0);
        let parts = Parts::<NoReader> {
            settings: Rig::new(0).settings,
            listeners: Listeners::default(),
            stop: StopSignal::new(),
            clock: WallClock::system(),
            quota_client: None,
            row_stream: None,
        };
        let mut batch: Batch<_, Sim, _> =
            Batch::new(&disk, &results(), history.journal, known_devices, parts);
        batch.prepare().unwrap();
        let (engine, running) = batch.start();
        let (row, found) = created("CAM-1");
        {
            let mut recording = Box::pin(running.sink.record(device, row));
            let mut context = Context::from_waker(Waker::noop());
            assert!(matches!(
                recording.as_mut().poll(&mut context),
                Poll::Pending
            ));
            // Nor for the row of an invalid line, which is not a row of its device.
            let line = InvalidLine::new(1, "CAM-1", "InvalidRow", "not again");
            let lines = [line];
            let mut recording = Box::pin(running.record_invalid(&lines));
            assert!(matches!(
                recording.as_mut().poll(&mut context),
                Poll::Pending
            ));
        }
        drop(engine);
        let closed = running.close().await.unwrap();
        assert!(closed.has_row());
        closed.finish().unwrap();
        assert_eq!(rows_of(&disk, &results()), [found]);
    });
}

#[test]
fn a_run_with_nothing_to_do_syncs_what_a_killed_run_left() {
    let mut written = HEADER.as_bytes().to_vec();
    let (row, found) = created("CAM-1");
    encode(&row, &mut written);
    for seed in 0..200 {
        let disk = TestDisk::default();
        disk.write_file(&results(), HEADER.as_bytes());
        let mut theirs = disk.open(&results(), Access::Write).unwrap().unwrap();
        theirs.write_at(0, &written).unwrap();
        let (_log, mut history) = batch::open(&disk, &results()).unwrap();
        let device = history
            .known_devices
            .insert("CAM-1", "CAM-1", &here().into());
        history.known_devices.list(device, 2, 0);
        batch::tidy(history.journal, &history.known_devices, &[]).unwrap();
        let disk = disk.after_crash(&mut fastrand::Rng::with_seed(seed));
        let rows = rows_of(&disk, &results());
        assert_eq!(rows, std::slice::from_ref(&found), "seed {seed}");
    }
}
