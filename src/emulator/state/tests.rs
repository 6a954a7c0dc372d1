#![expect(
    clippy::needless_pass_by_value,
    reason = "the tests read better without a borrow at each call"
)]

mod accounts;
mod channels;
mod quotas;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::domain::service::ChannelStatus;
use crate::emulator::accounts::MOST_REGIONS;
use crate::emulator::shapes::{
    ChannelInfo, CreateChannel, DeleteChannel, DescribeChannel, EndpointConfiguration, GetEndpoint,
    GetIceServers, ListChannels, ListTags, NameCondition, SingleMaster, TagResource, UntagResource,
    UpdateChannel, WireTag,
};
use crate::emulator::store::{name_of_token, token_of_name};

const START: Duration = Duration::from_millis(1_700_000_000_123);

/// A state with one caller; tests set its time.
struct TestServer {
    state: ServiceState,
    caller: ApiCaller,
    now: Duration,
}

impl TestServer {
    fn new(settings: EmulatorSettings) -> Self {
        Self {
            state: ServiceState::new(&settings, "127.0.0.1:4567"),
            caller: caller("eu-central-1", "AKID"),
            now: START,
        }
    }

    /// A server without a quota on creates.
    fn free() -> Self {
        Self::new(EmulatorSettings {
            rate: 1e6,
            burst: 1_000_000,
            ..EmulatorSettings::default()
        })
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn ask(&mut self, request: ApiRequest) -> Result<ApiResponse, ApiError> {
        self.state.answer(self.now, &self.caller, &request)
    }

    /// Asserts that the request is refused with this status and code.
    fn refused(&mut self, request: ApiRequest) -> (u16, &'static str) {
        let error = self.ask(request).expect_err("the request is refused");
        (error.http_status, error.code)
    }

    fn create(&mut self, name: &str) -> Arc<str> {
        match self.ask(create(name)).unwrap() {
            ApiResponse::Create(arn) => arn,
            other => panic!("{other:?}"),
        }
    }

    fn describe(&mut self, name: &str) -> ChannelInfo {
        match self.ask(describe(name)).unwrap() {
            ApiResponse::Describe(info) => info,
            other => panic!("{other:?}"),
        }
    }

    /// The account's channels in the caller's Region.
    fn stored(&self, account: &str) -> Vec<&str> {
        let account = AccountId::parse(account).unwrap();
        let channels = self.state.channels(&account, &self.caller.region, self.now);
        channels.map(|channel| &*channel.name).collect()
    }

    fn page(
        &mut self,
        prefix: &str,
        most: i32,
        token: Option<String>,
    ) -> (Vec<String>, Option<String>) {
        let condition = NameCondition {
            comparison_operator: Some("BEGINS_WITH".to_owned()),
            comparison_value: Some(prefix.to_owned()),
        };
        let request = ApiRequest::List(ListChannels {
            max_results: Some(most),
            next_token: token,
            channel_name_condition: Some(condition).filter(|_| !prefix.is_empty()),
        });
        match self.ask(request).unwrap() {
            ApiResponse::List(page) => {
                let names = page.channels.iter().map(|info| info.name.to_string());
                (names.collect(), page.next_token)
            }
            other => panic!("{other:?}"),
        }
    }

    fn tags(&mut self, arn: &str) -> BTreeMap<String, String> {
        let request = ApiRequest::ListTags(ListTags {
            resource_arn: Some(arn.to_owned()),
            next_token: None,
        });
        match self.ask(request).unwrap() {
            ApiResponse::ListTags(tags) => tags,
            other => panic!("{other:?}"),
        }
    }
}

fn caller(region: &str, access_key: &str) -> ApiCaller {
    ApiCaller::new(Region::parse(region).unwrap(), access_key)
}

fn create(name: &str) -> ApiRequest {
    ApiRequest::Create(CreateChannel {
        channel_name: Some(name.to_owned()),
        ..CreateChannel::default()
    })
}

fn describe(name: &str) -> ApiRequest {
    ApiRequest::Describe(DescribeChannel {
        channel_name: Some(name.to_owned()),
        channel_arn: None,
    })
}

fn describe_arn(arn: &str) -> ApiRequest {
    ApiRequest::Describe(DescribeChannel {
        channel_name: None,
        channel_arn: Some(arn.to_owned()),
    })
}

fn delete(arn: &str, version: Option<&str>) -> ApiRequest {
    ApiRequest::Delete(DeleteChannel {
        channel_arn: Some(arn.to_owned()),
        current_version: version.map(str::to_owned),
    })
}

fn update(arn: &str, version: &str, ttl: i32) -> ApiRequest {
    ApiRequest::Update(UpdateChannel {
        channel_arn: Some(arn.to_owned()),
        current_version: Some(version.to_owned()),
        single_master_configuration: Some(SingleMaster {
            message_ttl_seconds: Some(ttl),
        }),
    })
}

fn tag(arn: &str, keys: std::ops::Range<usize>, value: &str) -> ApiRequest {
    let tags = keys.map(|i| WireTag {
        key: Some(format!("k{i}")),
        value: Some(value.to_owned()),
    });
    ApiRequest::Tag(TagResource {
        resource_arn: Some(arn.to_owned()),
        tags: Some(tags.collect()),
    })
}

fn list() -> ApiRequest {
    ApiRequest::List(ListChannels::default())
}

#[test]
fn operations_on_names_outside_the_prefix_are_denied() {
    let mut server = TestServer::new(EmulatorSettings {
        deny_outside: Some("line-4-".to_owned()),
        ..EmulatorSettings::default()
    });
    server.create("line-4-a");
    let error = server.ask(create("line-5-a")).unwrap_err();
    assert_eq!(
        (error.http_status, error.code),
        (401, "AccessDeniedException")
    );
    assert_eq!(
        error.message,
        "User: arn:aws:sts::000000000000:assumed-role/emulator/kvs-fleet is not authorized to perform: \
         kinesisvideo:CreateSignalingChannel on resource: \
         arn:aws:kinesisvideo:eu-central-1:000000000000:channel/line-5-a/* because no identity-based policy allows the \
         kinesisvideo:CreateSignalingChannel action"
    );
    let arn = "arn:aws:kinesisvideo:eu-central-1:000000000000:channel/line-5-a/1";
    assert_eq!(
        server.refused(delete(arn, None)),
        (401, "AccessDeniedException")
    );
    assert_eq!(
        server.refused(tag(arn, 0..1, "v")),
        (401, "AccessDeniedException")
    );
    server.ask(list()).unwrap();
}

#[test]
fn an_access_key_expires_after_the_configured_number_of_requests() {
    let mut server = TestServer::new(EmulatorSettings {
        expire_after: Some(2),
        ..EmulatorSettings::default()
    });
    assert!(matches!(
        server.ask(ApiRequest::CallerIdentity),
        Ok(ApiResponse::CallerIdentity { .. })
    ));
    server.create("a");
    assert_eq!(server.refused(create("b")), (403, "ExpiredTokenException"));
    assert_eq!(
        server.refused(ApiRequest::CallerIdentity),
        (403, "ExpiredTokenException")
    );
    server.caller = caller("eu-central-1", "FRESH");
    server.create("b");
}

#[test]
fn the_checks_are_in_the_services_order() {
    let mut server = TestServer::new(EmulatorSettings {
        rate: 1.0,
        burst: 1,
        deny_outside: Some("ok".to_owned()),
        expire_after: Some(4),
        ..EmulatorSettings::default()
    });
    // The request is expired, denied, throttled and invalid; the first check reports its error.
    server.create("ok");
    assert_eq!(
        server.refused(create("not allowed!")),
        (401, "AccessDeniedException")
    );
    assert_eq!(
        server.refused(create("ok!")),
        (400, "ClientLimitExceededException")
    );
    server.wait(1000);
    assert_eq!(
        server.refused(create("ok!")),
        (400, "InvalidArgumentException")
    );
    server.wait(1000);
    assert_eq!(
        server.refused(create("not allowed!")),
        (403, "ExpiredTokenException")
    );
}

#[test]
fn the_number_of_regions_and_keys_is_limited() {
    let mut server = TestServer::new(EmulatorSettings {
        expire_after: Some(9),
        ..EmulatorSettings::default()
    });
    for i in 0..20_000 {
        server.caller = caller("eu-central-1", &format!("KEY{i}"));
        let _ = server.ask(ApiRequest::CallerIdentity);
    }
    assert_eq!(server.state.uses.len(), MOST_ACCESS_KEYS);
    assert_eq!(server.refused(list()), (403, "UnrecognizedClientException"));
    server.state.expire_after = None;
    let mut refused = 0;
    for i in 0..2 * MOST_REGIONS {
        let letters: String = format!("{i:04}")
            .bytes()
            .map(|digit| char::from(digit + 49))
            .collect();
        server.caller = caller(&format!("eu-{letters}-1"), "AKID");
        if let Err(error) = server.ask(list()) {
            assert_eq!(error.code, "InvalidSignatureException");
            refused += 1;
        }
    }
    // One Region is that of the request above.
    assert_eq!(refused, MOST_REGIONS);
}
