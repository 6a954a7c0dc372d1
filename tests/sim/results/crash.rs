//! A crash at any disk operation: what was acknowledged is still there, and the next run carries on.

use std::collections::BTreeSet;

use kvs_fleet::results::finish::{finish, remove_leftover};
use kvs_fleet::results::writer::recorder;

use super::*;

const DEVICES: usize = 40;

/// Devices that an earlier run has recorded.
const RECORDED: usize = 15;

/// IDs of many lengths, so that rows of one run never end where those of another did.
fn id(index: usize) -> String {
    format!("CAM-{index}-{}", "x".repeat(index * 37 % 101))
}

/// One run: records each device that has no row yet, in groups, then finishes in the manifest's order. Adds to
/// `acknowledged` what the writer said is on disk. Whether it came to its end.
async fn run(
    disk: &TestDisk,
    acknowledged: &mut BTreeSet<String>,
    random: &mut fastrand::Rng,
) -> bool {
    if remove_leftover(disk, &path()).is_err() {
        return false;
    }
    let Ok((mut journal, mut rows)) = open(disk) else {
        return false;
    };
    if journal.prepare().is_err() {
        return false;
    }
    let known: BTreeSet<String> = rows.iter().map(|(id, ..)| id.clone()).collect();
    let mut fresh: Vec<String> = (0..DEVICES)
        .map(id)
        .filter(|id| !known.contains(id))
        .collect();
    random.shuffle(&mut fresh);
    let groups: Vec<Vec<String>> = fresh
        .chunks(random.usize(1..=8))
        .map(<[String]>::to_vec)
        .collect();
    let (recorder, writer) = recorder(disk, journal);
    let recording = async move {
        let mut placed = Vec::new();
        for group in groups {
            let outcomes = recorder
                .record_all(group.iter().map(|id| row(id, Status::Created)))
                .await;
            for (id, outcome) in group.into_iter().zip(outcomes) {
                if let Ok((_, place)) = outcome {
                    placed.push((id, Status::Created, place));
                }
            }
        }
        placed
    };
    let (placed, closed) = tokio::join!(recording, writer.run());
    acknowledged.extend(placed.iter().map(|(id, ..)| id.clone()));
    rows.extend(placed);
    if closed.failure.is_some() {
        return false;
    }
    rows.sort_by_key(|(id, ..)| id.clone());
    finish(
        closed.journal,
        rows.iter().map(|row| FinishRow::Kept(row.2)),
    )
    .is_ok()
}

/// Runs that crash at any operation, and one that does not, from this file on: how many crashed, and how many began with a
/// torn tail.
async fn crash_and_resume(seed: u64, begin: &str) -> (u32, u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut disk = TestDisk::default();
    if !begin.is_empty() {
        disk.write_file(&path(), begin.as_bytes());
    }
    let (_, rows) = open(&disk).unwrap();
    let mut acknowledged: BTreeSet<String> = rows.into_iter().map(|(id, ..)| id).collect();
    let (mut crashes, mut repairs) = (0, 0);
    for attempt in 0.. {
        if attempt < 6 {
            disk.crash_after(random.u64(1..60));
        }
        let is_done = run(&disk, &mut acknowledged, &mut random).await;
        if is_done && attempt >= 6 {
            break;
        }
        assert!(
            attempt < 6,
            "seed {seed}: a run without a crash did not come to its end"
        );
        disk = disk.after_crash(&mut random);
        crashes += u32::from(!is_done);
        let (journal, rows) = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        repairs += u32::from(journal.torn().is_some());
        let there: BTreeSet<String> = rows.into_iter().map(|(id, ..)| id).collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(
            lost.is_empty(),
            "seed {seed}, attempt {attempt}: lost {lost:?}"
        );
    }
    let mut all: Vec<String> = (0..DEVICES).map(id).collect();
    all.sort();
    let rows: Vec<Row> = all.iter().map(|id| row(id, Status::Created)).collect();
    assert_eq!(text(&disk), file(&rows), "seed {seed}");
    assert_eq!(disk.file_names(), ["batch.results.csv"], "seed {seed}");
    (crashes, repairs)
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_crash_at_any_operation() {
    let (mut crashes, mut repairs) = (0, 0);
    for seed in 0..1_500 {
        let found = crash_and_resume(seed, "").await;
        crashes += found.0;
        repairs += found.1;
    }
    assert!(
        crashes > 5_000 && repairs > 500,
        "{crashes} crashes, {repairs} repairs"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_of_an_earlier_version_survives_a_crash_at_any_operation() {
    let recorded: Vec<Row> = (0..RECORDED)
        .map(|index| row(&id(index), Status::Created))
        .collect();
    let whole = earlier(&recorded);
    let mut crashes = 0;
    for seed in 0..1_000 {
        // A third of the files has a torn tail as well.
        let torn = if seed % 3 == 0 { "CAM-9,CAM" } else { "" };
        crashes += crash_and_resume(seed, &format!("{whole}{torn}")).await.0;
    }
    assert!(crashes > 2_000, "{crashes} crashes");
}
