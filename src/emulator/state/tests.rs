#![expect(
    clippy::needless_pass_by_value,
    reason = "the tests read better without a borrow at each call"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::domain::service::ChannelStatus;
use crate::emulator::shapes::{
    ChannelInfo, CreateChannel, DeleteChannel, DescribeChannel, EndpointConfiguration, GetEndpoint,
    GetIceServers, ListChannels, ListTags, NameCondition, SingleMaster, Tag, TagResource,
    UntagResource, UpdateChannel,
};
use crate::emulator::store::{name_of_token, token_of_name};

const START: Duration = Duration::from_millis(1_700_000_000_123);

/// A state with one caller; tests set its time.
struct Server {
    state: State,
    caller: Caller,
    now: Duration,
}

impl Server {
    fn new(settings: EmulatorSettings) -> Self {
        Self {
            state: State::new(&settings, "127.0.0.1:4567"),
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

    fn ask(&mut self, request: Request) -> Result<Response, ApiError> {
        self.state.answer(self.now, &self.caller, &request)
    }

    /// Asserts that the request is refused with this status and code.
    fn refused(&mut self, request: Request) -> (u16, &'static str) {
        let error = self.ask(request).expect_err("the request is refused");
        (error.http_status, error.code)
    }

    fn create(&mut self, name: &str) -> Arc<str> {
        match self.ask(create(name)).unwrap() {
            Response::Create(arn) => arn,
            other => panic!("{other:?}"),
        }
    }

    fn describe(&mut self, name: &str) -> ChannelInfo {
        match self.ask(describe(name)).unwrap() {
            Response::Describe(info) => info,
            other => panic!("{other:?}"),
        }
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
        let request = Request::List(ListChannels {
            max_results: Some(most),
            next_token: token,
            channel_name_condition: Some(condition).filter(|_| !prefix.is_empty()),
        });
        match self.ask(request).unwrap() {
            Response::List(page) => {
                let names = page.channels.iter().map(|info| info.name.to_string());
                (names.collect(), page.next_token)
            }
            other => panic!("{other:?}"),
        }
    }

    fn tags(&mut self, arn: &str) -> BTreeMap<String, String> {
        let request = Request::ListTags(ListTags {
            resource_arn: Some(arn.to_owned()),
            next_token: None,
        });
        match self.ask(request).unwrap() {
            Response::ListTags(tags) => tags,
            other => panic!("{other:?}"),
        }
    }
}

fn caller(region: &str, access_key: &str) -> Caller {
    Caller {
        region: Region::parse(region).unwrap(),
        access_key: access_key.into(),
    }
}

fn create(name: &str) -> Request {
    Request::Create(CreateChannel {
        channel_name: Some(name.to_owned()),
        ..CreateChannel::default()
    })
}

fn describe(name: &str) -> Request {
    Request::Describe(DescribeChannel {
        channel_name: Some(name.to_owned()),
        channel_arn: None,
    })
}

fn describe_arn(arn: &str) -> Request {
    Request::Describe(DescribeChannel {
        channel_name: None,
        channel_arn: Some(arn.to_owned()),
    })
}

fn delete(arn: &str, version: Option<&str>) -> Request {
    Request::Delete(DeleteChannel {
        channel_arn: Some(arn.to_owned()),
        current_version: version.map(str::to_owned),
    })
}

fn update(arn: &str, version: &str, ttl: i32) -> Request {
    Request::Update(UpdateChannel {
        channel_arn: Some(arn.to_owned()),
        current_version: Some(version.to_owned()),
        single_master_configuration: Some(SingleMaster {
            message_ttl_seconds: Some(ttl),
        }),
    })
}

fn tag(arn: &str, keys: std::ops::Range<usize>, value: &str) -> Request {
    let tags = keys.map(|i| Tag {
        key: Some(format!("k{i}")),
        value: Some(value.to_owned()),
    });
    Request::Tag(TagResource {
        resource_arn: Some(arn.to_owned()),
        tags: Some(tags.collect()),
    })
}

fn list() -> Request {
    Request::List(ListChannels::default())
}

#[test]
fn a_new_channel_has_the_requested_properties() {
    let mut server = Server::free();
    let arn = server.create("DEVICE_1");
    assert_eq!(
        &*arn,
        "arn:aws:kinesisvideo:eu-central-1:000000000000:channel/DEVICE_1/1700000000123"
    );
    let info = server.describe("DEVICE_1");
    assert_eq!(
        (&*info.name, &info.arn, info.message_ttl),
        ("DEVICE_1", &arn, 60)
    );
    assert_eq!(info.status, ChannelStatus::Active);
    assert_eq!(info.creation_millis, 1_700_000_000_123);
    assert_eq!(server.ask(describe_arn(&arn)), Ok(Response::Describe(info)));
    let region = server.caller.region.clone();
    let truth: Vec<_> = server
        .state
        .channels(&region, server.now)
        .map(Channel::arn)
        .collect();
    assert_eq!(truth, [&*arn]);
}

#[test]
fn the_arn_has_the_partition_of_its_region() {
    let mut server = Server::free();
    for (region, start) in [
        ("cn-north-1", "arn:aws-cn:kinesisvideo:cn-north-1:"),
        (
            "us-gov-west-1",
            "arn:aws-us-gov:kinesisvideo:us-gov-west-1:",
        ),
        ("us-west-2", "arn:aws:kinesisvideo:us-west-2:"),
    ] {
        server.caller = caller(region, "AKID");
        assert!(server.create("a").starts_with(start));
    }
}

#[test]
fn a_name_is_unique_in_each_region() {
    let mut server = Server::free();
    let arn = server.create("a");
    assert_eq!(server.refused(create("a")), (400, "ResourceInUseException"));
    server.caller = caller("us-west-2", "AKID");
    assert_eq!(
        server.refused(describe("a")),
        (404, "ResourceNotFoundException")
    );
    assert_eq!(
        server.refused(describe_arn(&arn)),
        (404, "ResourceNotFoundException")
    );
    server.create("a");
}

#[test]
fn a_channel_recreated_in_the_same_millisecond_has_another_arn() {
    let mut server = Server::free();
    let first = server.create("a");
    server.ask(delete(&first, None)).unwrap();
    let second = server.create("a");
    assert_ne!(first, second);
    assert_eq!(
        server.refused(describe_arn(&first)),
        (404, "ResourceNotFoundException")
    );
    assert_eq!(
        server.refused(delete(&first, None)),
        (404, "ResourceNotFoundException")
    );
    assert_eq!(server.describe("a").arn, second);
}

#[test]
fn the_quota_changes_at_the_configured_time_after_the_first_create() {
    let changes = [(2, 200.0), (1, 100.0)].map(|(after, rate)| RateChange {
        after: Duration::from_secs(after),
        rate,
    });
    let mut server = Server::new(EmulatorSettings {
        burst: 1,
        rate_changes: changes.to_vec(),
        ..EmulatorSettings::default()
    });
    // Time before the first create does not count.
    server.wait(10_000);
    let mut granted = [0; 3];
    for step in 0..3_000_usize {
        if server.ask(create(&format!("c{step}"))).is_ok() {
            granted[step / 1_000] += 1;
        }
        server.wait(1);
    }
    assert_eq!(granted, [50, 100, 200]);
}

#[test]
fn creates_are_counted_in_windows_if_configured() {
    let mut server = Server::new(EmulatorSettings {
        rate: 5.0,
        window: true,
        ..EmulatorSettings::default()
    });
    let granted = |server: &mut Server| {
        let names = (0..9).map(|number| format!("c{number}-{}", server.now.as_millis()));
        let names: Vec<_> = names.collect();
        let answers = names.iter().map(|name| server.ask(create(name)));
        answers.flatten().count()
    };
    assert_eq!(granted(&mut server), 5);
    assert_eq!(granted(&mut server), 0);
    server.wait(1_000);
    assert_eq!(granted(&mut server), 5);
    assert_eq!(granted(&mut server), 0);
}

#[test]
fn a_channel_is_creating_before_it_is_active() {
    let mut server = Server::new(EmulatorSettings {
        active_after: Duration::from_secs(2),
        ..EmulatorSettings::default()
    });
    let arn = server.create("a");
    server.wait(1999);
    let info = server.describe("a");
    assert_eq!(info.status, ChannelStatus::Creating);
    assert_eq!(
        server.refused(delete(&arn, None)),
        (400, "ResourceInUseException")
    );
    assert_eq!(
        server.refused(update(&arn, &info.version, 9)),
        (400, "ResourceInUseException")
    );
    let endpoint = Request::Endpoint(GetEndpoint {
        channel_arn: Some(arn.to_string()),
        configuration: None,
    });
    assert_eq!(server.refused(endpoint), (404, "ResourceNotFoundException"));
    server.wait(1);
    assert_eq!(server.describe("a").status, ChannelStatus::Active);
}

#[test]
fn a_deleted_channel_is_deleting_before_it_is_gone() {
    let mut server = Server::new(EmulatorSettings {
        deleting_for: Duration::from_secs(2),
        ..EmulatorSettings::default()
    });
    let region = server.caller.region.clone();
    let arn = server.create("a");
    server.ask(delete(&arn, None)).unwrap();
    server.wait(1999);
    assert_eq!(server.describe("a").status, ChannelStatus::Deleting);
    assert_eq!(server.refused(create("a")), (400, "ResourceInUseException"));
    assert_eq!(
        server.refused(delete(&arn, None)),
        (400, "ResourceInUseException")
    );
    assert_eq!(server.state.channels(&region, server.now).count(), 1);
    server.wait(1);
    assert_eq!(server.state.channels(&region, server.now).count(), 0);
    assert_eq!(
        server.refused(describe("a")),
        (404, "ResourceNotFoundException")
    );
    assert_ne!(server.create("a"), arn);
}

#[test]
fn every_update_changes_the_version_and_requires_the_current_one() {
    let mut server = Server::free();
    let arn = server.create("a");
    let first = server.describe("a").version;
    server.ask(update(&arn, &first, 90)).unwrap();
    let info = server.describe("a");
    assert_eq!(info.message_ttl, 90);
    assert_ne!(info.version, first);
    assert_eq!(
        server.refused(update(&arn, &first, 30)),
        (400, "VersionMismatchException")
    );
    assert_eq!(
        server.refused(delete(&arn, Some(&first))),
        (400, "VersionMismatchException")
    );
    assert_eq!(server.describe("a").message_ttl, 90);
    server.ask(delete(&arn, Some(&info.version))).unwrap();
    assert_eq!(
        server.refused(describe("a")),
        (404, "ResourceNotFoundException")
    );
}

#[test]
fn tags_are_added_changed_and_removed() {
    let mut server = Server::free();
    let request = CreateChannel {
        channel_name: Some("a".to_owned()),
        tags: Some(vec![Tag {
            key: Some("line".to_owned()),
            value: Some(String::new()),
        }]),
        ..CreateChannel::default()
    };
    let Response::Create(arn) = server.ask(Request::Create(request)).unwrap() else {
        panic!("another answer");
    };
    server.ask(tag(&arn, 0..49, "old")).unwrap();
    assert_eq!(
        server.refused(tag(&arn, 40..50, "new")),
        (400, "TagsPerResourceExceededLimitException")
    );
    // All tags or none: k40 is unchanged. An existing key does not count towards the limit.
    assert_eq!(server.tags(&arn)["k40"], "old");
    server.ask(tag(&arn, 0..1, "new")).unwrap();
    let tags = server.tags(&arn);
    assert_eq!((tags.len(), &*tags["k0"], &*tags["line"]), (50, "new", ""));
    let keys = (0..49)
        .map(|i| format!("k{i}"))
        .chain(["unknown".to_owned()]);
    let untag = Request::Untag(UntagResource {
        resource_arn: Some(arn.to_string()),
        tag_key_list: Some(keys.collect()),
    });
    server.ask(untag).unwrap();
    assert_eq!(server.tags(&arn).into_keys().collect::<Vec<_>>(), ["line"]);
}

#[test]
fn a_listing_continues_while_channels_are_created_and_deleted() {
    let mut server = Server::free();
    for name in ["cam-1", "cam-2", "cam-3", "cam-4", "door-1"] {
        server.create(name);
    }
    let (names, token) = server.page("cam-", 2, None);
    assert_eq!(names, ["cam-1", "cam-2"]);
    let token = token.expect("there are more");
    assert!(!token.contains("cam"), "the token is opaque: {token}");
    let gone = server.describe("cam-2").arn;
    server.ask(delete(&gone, None)).unwrap();
    server.create("cam-0");
    server.create("cam-33");
    let (names, token) = server.page("cam-", 2, Some(token));
    assert_eq!(names, ["cam-3", "cam-33"]);
    let (names, token) = server.page("cam-", 2, token);
    assert_eq!((names, token), (vec!["cam-4".to_owned()], None));
}

#[test]
fn a_page_that_ends_with_the_last_channel_has_no_token() {
    let mut server = Server::free();
    for i in 0..4 {
        server.create(&format!("cam-{i}"));
    }
    assert_eq!(server.page("", 4, None).1, None);
    assert_eq!(server.page("cam-", 10_000, Some(String::new())).0.len(), 4);
    assert_eq!(server.page("x", 1, None), (vec![], None));
    for token in ["zz", "abc", "ff"] {
        let request = Request::List(ListChannels {
            next_token: Some(token.to_owned()),
            ..ListChannels::default()
        });
        assert_eq!(
            server.refused(request),
            (400, "InvalidArgumentException"),
            "{token}"
        );
    }
    let longest = "x".repeat(256);
    assert_eq!(
        name_of_token(&token_of_name(&longest)).as_deref(),
        Some(&*longest)
    );
}

#[test]
fn a_page_has_500_channels_by_default() {
    let mut server = Server::free();
    for i in 0..501 {
        server.create(&format!("cam-{i}"));
    }
    let Response::List(page) = server.ask(list()).unwrap() else {
        panic!("another answer");
    };
    assert_eq!(page.channels.len(), 500);
    assert!(page.next_token.is_some());
}

#[test]
fn endpoints_point_to_the_emulator_and_ice_servers_do_not_exist() {
    let mut server = Server::free();
    let arn = server.create("a");
    let endpoint = |protocols: Option<Vec<&str>>| {
        Request::Endpoint(GetEndpoint {
            channel_arn: Some(arn.to_string()),
            configuration: Some(EndpointConfiguration {
                protocols: protocols.map(|names| names.into_iter().map(str::to_owned).collect()),
                role: Some("VIEWER".to_owned()),
            }),
        })
    };
    let https = ("HTTPS", "http://127.0.0.1:4567".to_owned());
    let wss = ("WSS", "ws://127.0.0.1:4567".to_owned());
    assert_eq!(
        server.ask(endpoint(Some(vec!["HTTPS"]))),
        Ok(Response::Endpoint(vec![https.clone()]))
    );
    assert_eq!(
        server.ask(endpoint(None)),
        Ok(Response::Endpoint(vec![wss, https]))
    );
    assert_eq!(
        server.refused(endpoint(Some(vec!["WEBRTC"]))),
        (400, "InvalidArgumentException")
    );
    let ice = Request::Ice(GetIceServers {
        channel_arn: Some(arn.to_string()),
        username: Some("viewer-1".to_owned()),
        ..GetIceServers::default()
    });
    let Response::Ice(servers) = server.ask(ice).unwrap() else {
        panic!("another answer");
    };
    assert!(
        servers
            .iter()
            .flat_map(|server| &server.uris)
            .all(|uri| uri.contains(".invalid:"))
    );
    assert_eq!(servers[1].credentials.as_ref().unwrap().0, "viewer-1");
}

#[test]
fn creates_have_the_configured_quota_in_each_region() {
    let mut server = Server::new(EmulatorSettings {
        rate: 10.0,
        burst: 3,
        ..EmulatorSettings::default()
    });
    for i in 0..3 {
        server.create(&format!("a{i}"));
    }
    assert_eq!(
        server.refused(create("b")),
        (400, "ClientLimitExceededException")
    );
    // Another key of the account shares the quota; another Region has its own.
    server.caller = caller("eu-central-1", "OTHER");
    assert_eq!(
        server.refused(create("b")),
        (400, "ClientLimitExceededException")
    );
    server.caller = caller("us-east-1", "AKID");
    server.create("b");
    server.caller = caller("eu-central-1", "AKID");
    server.wait(100);
    server.create("b");
    assert_eq!(
        server.refused(create("c")),
        (400, "ClientLimitExceededException")
    );
}

#[test]
fn other_operations_have_quotas_of_their_own() {
    let mut server = Server::new(EmulatorSettings {
        rate: 1.0,
        burst: 1,
        ..EmulatorSettings::default()
    });
    server.create("a");
    let granted = |server: &mut Server, request: fn() -> Request| {
        (0..1000)
            .filter(|_| {
                let answer = server.ask(request());
                !answer.is_err_and(|error| error.is_throttle())
            })
            .count()
    };
    assert_eq!(granted(&mut server, list), 50);
    assert_eq!(granted(&mut server, || describe("not-there")), 300);
    server.wait(100);
    assert_eq!(granted(&mut server, list), 5);
    assert_eq!(granted(&mut server, || describe("not-there")), 30);
}

#[test]
fn each_channel_has_a_quota_of_five_requests_a_second() {
    let mut server = Server::free();
    server.create("a");
    server.create("b");
    for _ in 0..5 {
        server.describe("a");
    }
    assert_eq!(
        server.refused(describe("a")),
        (400, "ClientLimitExceededException")
    );
    server.describe("b");
    server.wait(199);
    assert_eq!(
        server.refused(describe("a")),
        (400, "ClientLimitExceededException")
    );
    server.wait(1);
    server.describe("a");
}

#[test]
fn a_request_throttled_by_its_channel_takes_no_token_of_the_account() {
    let mut server = Server::free();
    let arn = server.create("a");
    for _ in 0..1000 {
        let _ = server.ask(tag(&arn, 0..1, "v"));
    }
    let other = server.create("b");
    server.ask(tag(&other, 0..1, "v")).unwrap();
}

#[test]
fn the_channel_limit_applies_to_each_region() {
    let mut server = Server::new(EmulatorSettings {
        channel_limit: 2,
        ..EmulatorSettings::default()
    });
    let first = server.create("a");
    server.create("b");
    assert_eq!(
        server.refused(create("c")),
        (400, "AccountChannelLimitExceededException")
    );
    assert_eq!(server.refused(create("a")), (400, "ResourceInUseException"));
    server.caller = caller("us-east-1", "AKID");
    server.create("c");
    server.caller = caller("eu-central-1", "AKID");
    server.ask(delete(&first, None)).unwrap();
    server.create("c");
}

#[test]
fn operations_on_names_outside_the_prefix_are_denied() {
    let mut server = Server::new(EmulatorSettings {
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
    let mut server = Server::new(EmulatorSettings {
        expire_after: Some(2),
        ..EmulatorSettings::default()
    });
    assert!(matches!(
        server.ask(Request::CallerIdentity),
        Ok(Response::CallerIdentity { .. })
    ));
    server.create("a");
    assert_eq!(server.refused(create("b")), (403, "ExpiredTokenException"));
    assert_eq!(
        server.refused(Request::CallerIdentity),
        (403, "ExpiredTokenException")
    );
    server.caller = caller("eu-central-1", "FRESH");
    server.create("b");
}

#[test]
fn the_checks_are_in_the_services_order() {
    let mut server = Server::new(EmulatorSettings {
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
    let mut server = Server::new(EmulatorSettings {
        expire_after: Some(9),
        ..EmulatorSettings::default()
    });
    for i in 0..20_000 {
        server.caller = caller("eu-central-1", &format!("KEY{i}"));
        let _ = server.ask(Request::CallerIdentity);
    }
    assert_eq!(server.state.uses.len(), MOST_ACCESS_KEYS);
    assert_eq!(server.refused(list()), (403, "UnrecognizedClientException"));
    for i in 0..2 * MOST_REGIONS {
        let letters: String = format!("{i:04}")
            .bytes()
            .map(|digit| char::from(digit + 49))
            .collect();
        let _ = server
            .state
            .store(&caller(&format!("eu-{letters}-1"), "AKID").region);
    }
    assert_eq!(server.state.regions.len(), MOST_REGIONS);
}
