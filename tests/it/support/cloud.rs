//! The service: the emulator in this process, whose requests and channels a test can inspect.

use std::collections::BTreeMap;
use std::time::Duration;

use kvs_fleet::emulator::faults::Fault;
use kvs_fleet::emulator::operation::ApiOperation;
use kvs_fleet::emulator::{Emulator, EmulatorSettings};
use tokio::runtime::Runtime;

use super::REGION;
use super::wire::post;

/// A running emulator without latency.
pub(crate) struct Cloud {
    emulator: Option<Emulator>,
    url: String,
    runtime: Runtime,
}

/// A fault in the syntax of the command line.
pub(crate) fn fault(text: &str) -> Fault {
    text.parse().unwrap()
}

impl Cloud {
    /// Without latency, with a quota that no test reaches.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With these faults.
    pub(crate) fn faulty(faults: &[&str]) -> Self {
        Self::with(|settings| {
            settings.faults = faults.iter().map(|text| fault(text)).collect();
        })
    }

    /// With other settings.
    pub(crate) fn with(change: impl FnOnce(&mut EmulatorSettings)) -> Self {
        let mut settings = EmulatorSettings {
            rate: 1_000_000.0,
            burst: 1_000_000,
            latency: kvs_fleet::emulator::latency::Latency::steady(Duration::ZERO),
            ..EmulatorSettings::default()
        };
        change(&mut settings);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let emulator = runtime
            .block_on(Emulator::start("127.0.0.1:0".parse().unwrap(), settings))
            .unwrap();
        Self {
            url: emulator.url(),
            emulator: Some(emulator),
            runtime,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All requests for an operation.
    pub(crate) fn requests(&self, operation: ApiOperation) -> u64 {
        let counts = self
            .emulator
            .as_ref()
            .unwrap()
            .request_counts()
            .of(operation);
        counts.answered + counts.refused + counts.throttled + counts.faults
    }

    /// All create requests.
    pub(crate) fn creates(&self) -> u64 {
        self.requests(ApiOperation::Create)
    }

    /// All requests.
    pub(crate) fn all_requests(&self) -> u64 {
        ApiOperation::ALL
            .into_iter()
            .map(|operation| self.requests(operation))
            .sum()
    }

    /// Requests for an operation with an injected fault.
    pub(crate) fn faults(&self, operation: ApiOperation) -> u64 {
        self.emulator
            .as_ref()
            .unwrap()
            .request_counts()
            .of(operation)
            .faults
    }

    /// Throttled create requests.
    pub(crate) fn throttled(&self) -> u64 {
        let counts = self.emulator.as_ref().unwrap().request_counts();
        counts.of(ApiOperation::Create).throttled
    }

    /// The channels of [`REGION`]: name and ARN.
    pub(crate) fn channels(&self) -> BTreeMap<String, String> {
        self.channels_in(REGION)
    }

    /// The channels of a Region: name and ARN.
    pub(crate) fn channels_in(&self, region: &str) -> BTreeMap<String, String> {
        let answer = self.ask("/listSignalingChannels", region, r#"{"MaxResults":10000}"#);
        answer["ChannelInfoList"]
            .as_array()
            .unwrap()
            .iter()
            .map(|channel| (text(&channel["ChannelName"]), text(&channel["ChannelARN"])))
            .collect()
    }

    /// The answer of Describe for a channel.
    pub(crate) fn describe(&self, name: &str) -> serde_json::Value {
        let body = format!(r#"{{"ChannelName":"{name}"}}"#);
        self.ask("/describeSignalingChannel", REGION, &body)["ChannelInfo"].clone()
    }

    /// The tags of a channel.
    pub(crate) fn tags(&self, name: &str) -> BTreeMap<String, String> {
        let arn = &self.channels()[name];
        let body = format!(r#"{{"ResourceARN":"{arn}"}}"#);
        let answer = self.ask("/ListTagsForResource", REGION, &body);
        serde_json::from_value(answer["Tags"].clone()).unwrap()
    }

    /// Creates a channel as another client; returns its ARN.
    pub(crate) fn make(&self, body: &str) -> String {
        let answer = self.ask("/createSignalingChannel", REGION, body);
        text(&answer["ChannelARN"])
    }

    /// Creates channels with these names.
    pub(crate) fn make_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.make(&format!(
                r#"{{"ChannelName":"{name}","ChannelType":"SINGLE_MASTER"}}"#
            ));
        }
    }

    /// Deletes a channel as another client.
    pub(crate) fn delete(&self, name: &str) {
        let arn = &self.channels()[name];
        let body = format!(r#"{{"ChannelARN":"{arn}"}}"#);
        self.ask("/deleteSignalingChannel", REGION, &body);
    }

    /// Sends a request, and repeats it after faults and throttles, which also affect the test's own requests.
    fn ask(&self, path: &str, region: &str, body: &str) -> serde_json::Value {
        for attempt in 0..100 {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            let answer = post(&self.url, path, region, body);
            let Some((200, answer)) = answer else {
                continue;
            };
            let answer = if answer.is_empty() { "{}" } else { &answer };
            match serde_json::from_str::<serde_json::Value>(answer) {
                // Only the answer to a deletion is empty.
                Ok(answer) if answer == serde_json::json!({}) && !path.starts_with("/delete") => {}
                Ok(answer) => return answer,
                Err(_) => {}
            }
        }
        panic!("{path} {body} is not answered");
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }
}
