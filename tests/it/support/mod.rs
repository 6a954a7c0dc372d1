//! Test support: a folder ([`Bench`]), the service in this process ([`Cloud`]) or a server with scripted answers
//! ([`Wire`]), and the binary without any configuration of this machine.

mod cloud;
mod run;
#[cfg(unix)]
pub(crate) mod terminal;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use cloud::Cloud;
pub(crate) use run::{Call, Done, Running, Unread};
pub(crate) use wire::{Act, Request, Wire, answer, bare, count_channels, forward};

/// The Region of tests that are not about Regions.
pub(crate) const REGION: &str = "eu-central-1";

/// The header of results files.
pub(crate) const HEADER: &str = "device_id,channel_name,account,region,status,channel_arn,attempts,started_at,finished_at,\
                                 error_code,error_message,request_id";

/// A row of a results file, by column.
pub(crate) type Row = BTreeMap<String, String>;

/// All files of a folder with their bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A folder that is deleted with the test.
pub(crate) struct Bench(tempfile::TempDir);

impl Bench {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a manifest `d.csv` of these lines.
    pub(crate) fn with(manifest: &str) -> Self {
        let bench = Self::new();
        bench.write("d.csv", manifest);
        bench
    }

    /// A folder with a manifest `d.csv` of `count` devices, `CAM-0001` first.
    pub(crate) fn of(count: usize) -> Self {
        Self::with(&devices(1..=count))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        bytes.extend_from_slice(content.as_ref());
        self.write(name, bytes);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The lines of a JSON Lines file.
    pub(crate) fn json_lines(&self, name: &str) -> Vec<serde_json::Value> {
        self.read(name)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The rows of a results file. Asserts its header.
    pub(crate) fn rows(&self, name: &str) -> Vec<Row> {
        let text = self.read(name);
        assert_eq!(text.lines().next(), Some(HEADER));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.deserialize().map(Result::unwrap).collect()
    }

    /// `device status` of each row of `d.results.csv`, in order.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.rows("d.results.csv")
            .iter()
            .map(|row| format!("{} {}", row["device_id"], row["status"]))
            .collect()
    }

    /// The row of a device in `d.results.csv`. Asserts that there is one.
    pub(crate) fn row(&self, device: &str) -> Row {
        let mut rows = self.rows("d.results.csv");
        rows.retain(|row| row["device_id"] == device);
        assert_eq!(rows.len(), 1, "rows of {device}: {rows:?}");
        rows.remove(0)
    }

    /// All files.
    pub(crate) fn files(&self) -> Files {
        fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read(path).unwrap())
            })
            .collect()
    }

    /// `kvs-fleet` with these arguments, in this folder.
    pub(crate) fn call(&self, arguments: &[&str]) -> Call {
        Call::new(self.folder()).args(arguments)
    }

    /// `provision d.csv` against an endpoint, without waits.
    pub(crate) fn provision(&self, url: &str) -> Call {
        self.provision_file("d.csv", url)
    }

    /// Asserts that a rerun sends no request.
    #[track_caller]
    pub(crate) fn has_nothing_to_do(&self, cloud: &Cloud) {
        let requests = cloud.all_requests();
        let done = self.provision(cloud.url()).run();
        done.exits(0).says("nothing to do");
        assert_eq!(cloud.all_requests(), requests);
    }

    /// `provision` of another manifest against an endpoint, without waits.
    pub(crate) fn provision_file(&self, manifest: &str, url: &str) -> Call {
        self.call(&[
            "provision",
            manifest,
            "--endpoint-url",
            url,
            "--region",
            REGION,
            "--rate",
            "20000",
        ])
    }
}

/// A manifest of devices with these numbers.
pub(crate) fn devices(numbers: impl Iterator<Item = usize>) -> String {
    let ids = numbers.map(|number| format!("CAM-{number:04}\n"));
    std::iter::once("device_id\n".to_owned())
        .chain(ids)
        .collect()
}

/// A results file of these rows after the header.
pub(crate) fn results(rows: &[String]) -> String {
    let lines = rows.iter().map(|row| format!("{row}\n"));
    std::iter::once(format!("{HEADER}\n"))
        .chain(lines)
        .collect()
}

/// Results as an earlier version wrote them: without the column `account`.
pub(crate) fn earlier(results: &str) -> String {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).from_reader(results.as_bytes());
    let column = HEADER.split(',').position(|name| name == "account");
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in reader.records().map(Result::unwrap) {
        let kept = record.iter().enumerate();
        let kept = kept.filter_map(|(index, field)| (Some(index) != column).then_some(field));
        writer.write_record(kept).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// A row of a results file for a device whose channel has its name.
pub(crate) fn finished(device: &str, status: &str, account: &str) -> String {
    format!(
        "{device},{device},{account},{REGION},{status},{},1,2025-01-02T03:04:05.000Z,2025-01-02T03:04:05.678Z,,,req-1",
        arn(device, account)
    )
}

/// The ARN of a channel in [`REGION`].
pub(crate) fn arn(name: &str, account: &str) -> String {
    format!("arn:aws:kinesisvideo:{REGION}:{account}:channel/{name}/1735787045000")
}
