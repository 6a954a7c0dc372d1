//! A state that is kept: what is in the file when an answer leaves, when a save fails, and when the emulator ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::emulator::snapshot::Snapshot;
use crate::emulator::state_file::StatePath;

/// A folder with a state, which is deleted with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("d.emulator.state.json")
    }

    /// An emulator that keeps its channels here.
    async fn start(&self, settings: EmulatorSettings) -> Emulator {
        let (file, saved) = StatePath::new(&self.state(), "--state").lock().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let saved = saved.unwrap_or_default();
        Emulator::resume(listen, settings, saved, Some(file))
            .await
            .unwrap()
    }

    fn has(&self, channel: &str) -> bool {
        has(&self.state(), channel)
    }
}

fn has(state: &Path, channel: &str) -> bool {
    let text = std::fs::read_to_string(state).unwrap_or_default();
    text.contains(&format!("\"name\":\"{channel}\""))
}

#[tokio::test]
async fn a_channel_is_in_the_file_when_its_creation_is_answered() {
    let folder = Folder::new();
    let emulator = folder.start(quick()).await;
    for number in 0..20 {
        let name = format!("CAM-{number}");
        assert_eq!(ask(&emulator, &create(&name)).await.status, 200);
        assert!(folder.has(&name), "{name}");
    }
    emulator.stop().await;
    let emulator = folder.start(quick()).await;
    assert_eq!(ask(&emulator, &describe("CAM-7")).await.status, 200);
    assert_eq!(ask(&emulator, &create("CAM-7")).await.status, 400);
}

#[tokio::test]
async fn many_answers_at_once_share_the_saves() {
    let folder = Folder::new();
    let emulator = std::sync::Arc::new(folder.start(quick()).await);
    let asked = (0..40).map(|number| {
        let emulator = std::sync::Arc::clone(&emulator);
        tokio::spawn(async move {
            let answer = ask(&emulator, &create(&format!("CAM-{number}"))).await;
            assert_eq!(answer.status, 200);
        })
    });
    for answered in asked.collect::<Vec<_>>() {
        answered.await.unwrap();
    }
    assert!((0..40).all(|number| folder.has(&format!("CAM-{number}"))));
}

#[tokio::test]
async fn what_could_not_be_saved_is_shown_to_nobody() {
    let folder = Folder::new();
    let emulator = folder.start(quick()).await;
    assert_eq!(ask(&emulator, &create("before")).await.status, 200);
    let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
    emulator.on_failure(move |cause| told.send(cause).unwrap());
    let mut temporary = folder.state().into_os_string();
    temporary.push(".kvs-fleet-tmp");
    std::fs::create_dir(&temporary).unwrap();
    for request in [create("a"), describe("a"), describe("before")] {
        assert!(exchange(&emulator, &request).await.is_err());
    }
    let cause = hear.recv().await.unwrap();
    assert!(cause.contains("cannot be written"), "{cause}");
    assert!(!folder.has("a"));
    std::fs::remove_dir(&temporary).unwrap();
    // The next request saves it.
    assert_eq!(ask(&emulator, &describe("a")).await.status, 200);
    assert!(folder.has("a"));
}

#[tokio::test]
async fn an_emulator_that_ends_saves_what_has_no_answer_yet() {
    let folder = Folder::new();
    let emulator = folder
        .start(EmulatorSettings {
            latency: crate::emulator::Latency::steady(Duration::from_mins(10)),
            ..EmulatorSettings::default()
        })
        .await;
    let mut stream = TcpStream::connect(emulator.address()).await.unwrap();
    stream.write_all(create("a").as_bytes()).await.unwrap();
    while emulator.request_counts().of(ApiOperation::Create).answered == 0 {
        tokio::task::yield_now().await;
    }
    drop(emulator);
    assert!(folder.has("a"));
    let left = std::fs::read_dir(folder.0.path()).unwrap().count();
    assert_eq!(left, 1, "only the state");
}

#[tokio::test]
async fn an_emulator_that_only_reads_a_state_writes_none() {
    let folder = Folder::new();
    let saved = Snapshot::default();
    let listen = "127.0.0.1:0".parse().unwrap();
    let emulator = Emulator::resume(listen, quick(), saved, None)
        .await
        .unwrap();
    assert_eq!(ask(&emulator, &create("a")).await.status, 200);
    emulator.stop().await;
    assert!(!folder.state().exists());
}

#[tokio::test]
async fn time_goes_on_from_a_state_whose_clock_was_ahead() {
    let folder = Folder::new();
    let emulator = folder.start(quick()).await;
    ask(&emulator, &create("a")).await;
    emulator.stop().await;
    let text = std::fs::read_to_string(folder.state()).unwrap();
    let (start, rest) = text.split_once("\"time_ms\":").unwrap();
    let (_, rest) = rest.split_once(',').unwrap();
    // In July of the year 2096.
    let ahead = 3_992_000_000_000_u64;
    std::fs::write(folder.state(), format!("{start}\"time_ms\":{ahead},{rest}")).unwrap();
    for name in ["b", "c"] {
        let emulator = folder.start(quick()).await;
        let answer = ask(&emulator, &create(name)).await;
        assert!(answer.header("date").contains("2096"), "{answer:?}");
        let described = ask(&emulator, &describe(name)).await.json();
        let created = described["ChannelInfo"]["CreationTime"].as_f64().unwrap();
        assert!(created >= 3_992_000_000.0, "{described}");
        assert_eq!(described["ChannelInfo"]["ChannelStatus"], "ACTIVE");
    }
}
