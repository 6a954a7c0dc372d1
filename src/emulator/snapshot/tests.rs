use super::*;
use crate::domain::device::AccountId;
use crate::emulator::EmulatorSettings;
use crate::emulator::caller::ApiCaller;
use crate::emulator::error::ApiError;
use crate::emulator::shapes::{
    ApiRequest, ApiResponse, CreateChannel, DeleteChannel, DescribeChannel, ListChannels, ListTags,
    SingleMaster, TagResource, UntagResource, UpdateChannel, WireTag,
};
use crate::emulator::state::ServiceState;

mod damaged;

const START: Duration = Duration::from_millis(1_700_000_000_123);

fn settings() -> EmulatorSettings {
    EmulatorSettings {
        rate: 1e6,
        burst: 1_000_000,
        active_after: Duration::from_millis(40),
        deleting_for: Duration::from_millis(70),
        ..EmulatorSettings::default()
    }
}

fn state() -> ServiceState {
    ServiceState::new(&settings(), "127.0.0.1:4567")
}

fn restored(text: &[u8]) -> ServiceState {
    let mut state = state();
    state.restore(Snapshot::decode(text).unwrap());
    state
}

fn create(name: &str) -> ApiRequest {
    ApiRequest::Create(CreateChannel {
        channel_name: Some(name.to_owned()),
        ..CreateChannel::default()
    })
}

/// Requests of a random client in a few accounts and Regions, about few names.
struct Client {
    random: fastrand::Rng,
    /// The ARNs that were given, some of which are gone.
    arns: Vec<String>,
}

impl Client {
    fn caller(&mut self) -> ApiCaller {
        let region = self.random.choice(["eu-central-1", "us-east-1"]).unwrap();
        let key = self.random.choice(["AKID", "111122223333"]).unwrap();
        ApiCaller::new(Region::parse(region).unwrap(), key)
    }

    fn arn(&mut self) -> Option<String> {
        self.random.choice(&self.arns).cloned()
    }

    fn request(&mut self) -> ApiRequest {
        let name = format!("CAM-{}", self.random.u8(..6));
        let (key, value) = (
            format!("k\"{}", self.random.u8(..3)),
            "ä\\ \u{1f980}".to_owned(),
        );
        let tag = WireTag {
            key: Some(key.clone()),
            value: Some(value),
        };
        let master = Some(SingleMaster {
            message_ttl_seconds: Some(self.random.i32(5..=120)),
        });
        match self.random.u8(..10) {
            0..=3 => ApiRequest::Create(CreateChannel {
                channel_name: Some(name),
                single_master_configuration: master,
                tags: self.random.bool().then(|| vec![tag]),
                ..CreateChannel::default()
            }),
            4 => ApiRequest::Delete(DeleteChannel {
                channel_arn: self.arn(),
                ..DeleteChannel::default()
            }),
            5 => ApiRequest::Update(UpdateChannel {
                channel_arn: self.arn(),
                single_master_configuration: master,
                ..UpdateChannel::default()
            }),
            6 => ApiRequest::Tag(TagResource {
                resource_arn: self.arn(),
                tags: Some(vec![tag]),
            }),
            7 => ApiRequest::Untag(UntagResource {
                resource_arn: self.arn(),
                tag_key_list: Some(vec![key]),
            }),
            8 => ApiRequest::ListTags(ListTags {
                resource_arn: self.arn(),
                ..ListTags::default()
            }),
            _ => ApiRequest::Describe(DescribeChannel {
                channel_name: Some(name),
                ..DescribeChannel::default()
            }),
        }
    }

    fn ask(&mut self, state: &mut ServiceState, now: Duration) -> String {
        let (caller, request) = (self.caller(), self.request());
        let answer = state.answer(now, &caller, &request);
        if let Ok(ApiResponse::Create(arn)) = &answer {
            self.arns.push(arn.to_string());
        }
        format!("{caller:?} {request:?}: {answer:?}")
    }
}

#[test]
fn a_restored_state_answers_like_the_one_that_was_saved() {
    for seed in 0..60 {
        let mut client = Client {
            random: fastrand::Rng::with_seed(seed),
            arns: Vec::new(),
        };
        let (mut original, mut now) = (state(), START);
        for _ in 0..client.random.u32(..60) {
            now += Duration::from_millis(client.random.u64(..30));
            client.ask(&mut original, now);
        }
        // More than once: a state that was written before must show what has changed since.
        for round in 0..3 {
            let text = original.snapshot(now).encode();
            let mut restored = restored(&text);
            assert_eq!(
                restored.snapshot(now).encode(),
                text,
                "seed {seed}, {round}"
            );
            // The token buckets of a restored state are full: those of the other must be as well.
            now += Duration::from_secs(2);
            let mut twin = Client {
                random: client.random.clone(),
                arns: client.arns.clone(),
            };
            for _ in 0..40 {
                now += Duration::from_millis(250);
                let expected = client.ask(&mut original, now);
                assert_eq!(
                    twin.ask(&mut restored, now),
                    expected,
                    "seed {seed}, {round}"
                );
            }
            let (one, other) = (original.snapshot(now), restored.snapshot(now));
            assert_eq!(one.encode(), other.encode(), "seed {seed}, {round}");
        }
    }
}

#[test]
fn a_deletion_begun_with_a_longer_time_does_not_delay_others() {
    let caller = ApiCaller::new(Region::parse("eu-central-1").unwrap(), "AKID");
    let mut slow = ServiceState::new(
        &EmulatorSettings {
            deleting_for: Duration::from_hours(1),
            ..EmulatorSettings::default()
        },
        "",
    );
    let mut arns = Vec::new();
    for name in ["a", "b"] {
        match slow.answer(START, &caller, &create(name)).unwrap() {
            ApiResponse::Create(arn) => arns.push(arn.to_string()),
            other => panic!("{other:?}"),
        }
    }
    let delete = |arn: &str| {
        ApiRequest::Delete(DeleteChannel {
            channel_arn: Some(arn.to_owned()),
            ..DeleteChannel::default()
        })
    };
    slow.answer(START, &caller, &delete(&arns[0])).unwrap();
    let mut fast = ServiceState::new(&EmulatorSettings::default(), "");
    fast.restore(Snapshot::decode(&slow.snapshot(START).encode()).unwrap());
    fast.answer(START, &caller, &delete(&arns[1])).unwrap();
    let mut names = |now| {
        let list = ApiRequest::List(ListChannels::default());
        match fast.answer(now, &caller, &list).unwrap() {
            ApiResponse::List(page) => page.channels.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(names(START), 1);
    assert_eq!(names(START + Duration::from_mins(61)), 0);
}

#[test]
fn a_recreated_channel_has_another_arn_and_version_after_a_restart() {
    let caller = ApiCaller::new(Region::parse("eu-central-1").unwrap(), "AKID");
    let quick = EmulatorSettings::default();
    let mut state = ServiceState::new(&quick, "");
    let made = |answer: Result<ApiResponse, ApiError>| match answer.unwrap() {
        ApiResponse::Create(arn) => arn.to_string(),
        other => panic!("{other:?}"),
    };
    let first = made(state.answer(START, &caller, &create("a")));
    let delete = ApiRequest::Delete(DeleteChannel {
        channel_arn: Some(first.clone()),
        ..DeleteChannel::default()
    });
    state.answer(START, &caller, &delete).unwrap();
    let text = state.snapshot(START).encode();
    let mut state = ServiceState::new(&quick, "");
    state.restore(Snapshot::decode(&text).unwrap());
    // A clock that is behind the one before.
    let second = made(state.answer(START, &caller, &create("a")));
    assert_ne!(first, second);
    let account = AccountId::parse("000000000000").unwrap();
    let versions: Vec<u64> = state
        .channels(&account, &caller.region, START)
        .map(|channel| channel.version)
        .collect();
    let before = Snapshot::decode(&text).unwrap().changes;
    assert_ne!(versions, [before.wrapping_mul(0x9e37_79b9_7f4a_7c15)]);
}

/// A state with a channel in each of two accounts.
fn sample() -> String {
    let mut state = state();
    for key in ["AKID", "111122223333"] {
        let caller = ApiCaller::new(Region::parse("eu-central-1").unwrap(), key);
        state.answer(START, &caller, &create("CAM-1")).unwrap();
    }
    String::from_utf8(state.snapshot(START).encode()).unwrap()
}

#[test]
fn a_channel_is_one_line() {
    let text = sample();
    let channels = text.lines().filter(|line| line.contains("\"name\""));
    for line in channels {
        let line = line.trim_end_matches(',');
        let channel: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(channel["name"], "CAM-1");
    }
    assert!(text.starts_with("{\"format\":\"kvs-fleet emulator state\",\"version\":1,"));
}

#[test]
fn an_empty_state_is_a_state() {
    let text = Snapshot::default().encode();
    assert!(Snapshot::decode(&text).unwrap().accounts.is_empty());
}
