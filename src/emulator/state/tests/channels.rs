//! Tests of channels: their life, tags, versions, listing and endpoints.

use super::*;

#[test]
fn a_new_channel_has_the_requested_properties() {
    let mut server = TestServer::free();
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
    assert_eq!(
        server.ask(describe_arn(&arn)),
        Ok(ApiResponse::Describe(info))
    );
    assert_eq!(server.stored(AccountId::EMULATOR), ["DEVICE_1"]);
}

#[test]
fn the_arn_has_the_partition_of_its_region() {
    let mut server = TestServer::free();
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
    let mut server = TestServer::free();
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
    let mut server = TestServer::free();
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
fn a_channel_is_creating_before_it_is_active() {
    let mut server = TestServer::new(EmulatorSettings {
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
    let endpoint = ApiRequest::Endpoint(GetEndpoint {
        channel_arn: Some(arn.to_string()),
        configuration: None,
    });
    assert_eq!(server.refused(endpoint), (404, "ResourceNotFoundException"));
    server.wait(1);
    assert_eq!(server.describe("a").status, ChannelStatus::Active);
}

#[test]
fn a_deleted_channel_is_deleting_before_it_is_gone() {
    let mut server = TestServer::new(EmulatorSettings {
        deleting_for: Duration::from_secs(2),
        ..EmulatorSettings::default()
    });
    let arn = server.create("a");
    server.ask(delete(&arn, None)).unwrap();
    server.wait(1999);
    assert_eq!(server.describe("a").status, ChannelStatus::Deleting);
    assert_eq!(server.refused(create("a")), (400, "ResourceInUseException"));
    assert_eq!(
        server.refused(delete(&arn, None)),
        (400, "ResourceInUseException")
    );
    assert_eq!(server.stored(AccountId::EMULATOR), ["a"]);
    server.wait(1);
    assert_eq!(server.stored(AccountId::EMULATOR), [] as [&str; 0]);
    assert_eq!(
        server.refused(describe("a")),
        (404, "ResourceNotFoundException")
    );
    assert_ne!(server.create("a"), arn);
}

#[test]
fn every_update_changes_the_version_and_requires_the_current_one() {
    let mut server = TestServer::free();
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
    let mut server = TestServer::free();
    let request = CreateChannel {
        channel_name: Some("a".to_owned()),
        tags: Some(vec![WireTag {
            key: Some("line".to_owned()),
            value: Some(String::new()),
        }]),
        ..CreateChannel::default()
    };
    let ApiResponse::Create(arn) = server.ask(ApiRequest::Create(request)).unwrap() else {
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
    let untag = ApiRequest::Untag(UntagResource {
        resource_arn: Some(arn.to_string()),
        tag_key_list: Some(keys.collect()),
    });
    server.ask(untag).unwrap();
    assert_eq!(server.tags(&arn).into_keys().collect::<Vec<_>>(), ["line"]);
}

#[test]
fn a_listing_continues_while_channels_are_created_and_deleted() {
    let mut server = TestServer::free();
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
    let mut server = TestServer::free();
    for i in 0..4 {
        server.create(&format!("cam-{i}"));
    }
    assert_eq!(server.page("", 4, None).1, None);
    assert_eq!(server.page("cam-", 10_000, Some(String::new())).0.len(), 4);
    assert_eq!(server.page("x", 1, None), (vec![], None));
    for token in ["zz", "abc", "ff"] {
        let request = ApiRequest::List(ListChannels {
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
    let mut server = TestServer::free();
    for i in 0..501 {
        server.create(&format!("cam-{i}"));
    }
    let ApiResponse::List(page) = server.ask(list()).unwrap() else {
        panic!("another answer");
    };
    assert_eq!(page.channels.len(), 500);
    assert!(page.next_token.is_some());
}

#[test]
fn endpoints_point_to_the_emulator_and_ice_servers_do_not_exist() {
    let mut server = TestServer::free();
    let arn = server.create("a");
    let endpoint = |protocols: Option<Vec<&str>>| {
        ApiRequest::Endpoint(GetEndpoint {
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
        Ok(ApiResponse::Endpoint(vec![https.clone()]))
    );
    assert_eq!(
        server.ask(endpoint(None)),
        Ok(ApiResponse::Endpoint(vec![wss, https]))
    );
    assert_eq!(
        server.refused(endpoint(Some(vec!["WEBRTC"]))),
        (400, "InvalidArgumentException")
    );
    let ice = ApiRequest::Ice(GetIceServers {
        channel_arn: Some(arn.to_string()),
        username: Some("viewer-1".to_owned()),
        ..GetIceServers::default()
    });
    let ApiResponse::Ice(servers) = server.ask(ice).unwrap() else {
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
