use super::*;
use crate::emulator::shapes::{
    DeleteChannel, DescribeChannel, GetEndpoint, ListTags, NameCondition, TagResource,
    UntagResource, UpdateChannel,
};

const ARN: &str = "arn:aws:kinesisvideo:eu-central-1:000000000000:channel/DEVICE_1/1700000000000";

fn create(name: &str) -> CreateChannel {
    CreateChannel {
        channel_name: Some(name.to_owned()),
        ..CreateChannel::default()
    }
}

fn tag(key: &str, value: &str) -> WireTag {
    WireTag {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    }
}

fn tagged(tags: Vec<WireTag>) -> ApiRequest {
    ApiRequest::Create(CreateChannel {
        tags: Some(tags),
        ..create("a")
    })
}

fn refusal(request: &ApiRequest) -> String {
    let error = check(request).expect_err("the request is refused");
    assert_eq!(
        (error.http_status, error.code),
        (400, "InvalidArgumentException")
    );
    error.message
}

#[test]
fn every_pattern_compiles() {
    for rule in [
        &CHANNEL_NAME,
        &RESOURCE_ARN,
        &VERSION,
        &NEXT_TOKEN,
        &TAG_KEY,
        &TAG_VALUE,
        &CLIENT_ID,
    ] {
        Regex::new(&format!("^(?:{})$", rule.pattern)).unwrap();
    }
    assert!(RESOURCE_ARN.matches(ARN));
}

#[test]
fn names_are_checked_at_both_limits() {
    for name in ["a", &"x".repeat(256), "A_b.c-9"] {
        check(&ApiRequest::Create(create(name))).unwrap();
    }
    assert_eq!(
        refusal(&ApiRequest::Create(create("DEVICE 1"))),
        "1 validation error detected: Value 'DEVICE 1' at 'channelName' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    );
    let long = refusal(&ApiRequest::Create(create(&"x".repeat(257))));
    assert!(
        long.ends_with("Member must have length less than or equal to 256"),
        "{long}"
    );
    let empty = refusal(&ApiRequest::Create(create("")));
    assert!(empty.starts_with("2 validation errors detected"), "{empty}");
    assert!(empty.contains("greater than or equal to 1"), "{empty}");
    for name in ["a\n", "é", "a/b"] {
        refusal(&ApiRequest::Create(create(name)));
    }
}

#[test]
fn required_members_must_be_present() {
    let requests = [
        (ApiRequest::Create(CreateChannel::default()), "channelName"),
        (ApiRequest::Delete(DeleteChannel::default()), "channelARN"),
        (
            ApiRequest::Update(UpdateChannel::default()),
            "currentVersion",
        ),
        (ApiRequest::Tag(TagResource::default()), "tags"),
        (ApiRequest::Untag(UntagResource::default()), "tagKeyList"),
        (ApiRequest::ListTags(ListTags::default()), "resourceARN"),
        (ApiRequest::Endpoint(GetEndpoint::default()), "channelARN"),
        (ApiRequest::Ice(GetIceServers::default()), "channelARN"),
    ];
    for (request, member) in requests {
        let message = refusal(&request);
        let expected = format!(
            "Value null at '{member}' failed to satisfy constraint: Member must not be null"
        );
        assert!(message.contains(&expected), "{message}");
    }
    let message = refusal(&ApiRequest::Describe(DescribeChannel::default()));
    assert!(
        message.contains("Either ChannelName or ChannelARN"),
        "{message}"
    );
}

#[test]
fn the_ttl_is_5_to_120_seconds() {
    let with_ttl = |ttl| {
        ApiRequest::Create(CreateChannel {
            single_master_configuration: Some(SingleMaster {
                message_ttl_seconds: ttl,
            }),
            ..create("a")
        })
    };
    for ttl in [None, Some(5), Some(120)] {
        check(&with_ttl(ttl)).unwrap();
    }
    assert_eq!(
        refusal(&with_ttl(Some(4))),
        "1 validation error detected: Value '4' at 'singleMasterConfiguration.messageTtlSeconds' failed to satisfy \
         constraint: Member must have value greater than or equal to 5"
    );
    assert!(refusal(&with_ttl(Some(121))).ends_with("less than or equal to 120"));
}

#[test]
fn full_mesh_is_refused_although_the_model_has_it() {
    let of_type = |channel_type: &str| {
        ApiRequest::Create(CreateChannel {
            channel_type: Some(channel_type.to_owned()),
            ..create("a")
        })
    };
    check(&of_type("SINGLE_MASTER")).unwrap();
    assert!(refusal(&of_type("FULL_MESH")).contains("not supported"));
    assert!(
        refusal(&of_type("MESH"))
            .ends_with("Member must satisfy enum value set: [SINGLE_MASTER, FULL_MESH]")
    );
}

#[test]
fn tags_are_checked_at_both_limits() {
    let many = |count: usize| (0..count).map(|i| tag(&format!("k{i}"), "v")).collect();
    for tags in [
        vec![],
        many(50),
        vec![tag(&"k".repeat(128), &"v".repeat(256))],
        vec![tag("Größe /=+-@_.:", ""), tag("名前", "东京 １")],
    ] {
        check(&tagged(tags)).unwrap();
    }
    assert!(refusal(&tagged(many(51))).contains("less than or equal to 50"));
    for tags in [
        vec![tag("", "v")],
        vec![tag(&"k".repeat(129), "v")],
        vec![tag("k", &"v".repeat(257))],
        vec![tag("a#b", "v")],
        vec![tag("k", "a\tb")],
        vec![tag("k", "a,b")],
        vec![tag("aws:x", "v")],
        vec![tag("AWS:x", "v")],
        vec![tag("k", "v"), tag("k", "w")],
        vec![WireTag::default()],
    ] {
        refusal(&tagged(tags));
    }
    let message = refusal(&tagged(vec![tag("k", "v"), tag("a#b", "v")]));
    assert!(
        message.contains("Value 'a#b' at 'tags.2.member.key'"),
        "{message}"
    );
}

#[test]
fn tagging_needs_at_least_one_tag_or_key() {
    let arn = Some(ARN.to_owned());
    let request = ApiRequest::Tag(TagResource {
        resource_arn: arn.clone(),
        tags: Some(Vec::new()),
    });
    assert!(refusal(&request).contains("greater than or equal to 1"));
    let request = ApiRequest::Untag(UntagResource {
        resource_arn: arn,
        tag_key_list: Some(vec!["k".to_owned(); 51]),
    });
    assert!(refusal(&request).contains("less than or equal to 50"));
}

#[test]
fn max_results_is_1_to_10000() {
    let of = |most| {
        ApiRequest::List(ListChannels {
            max_results: Some(most),
            ..ListChannels::default()
        })
    };
    check(&of(1)).unwrap();
    check(&of(10_000)).unwrap();
    assert!(refusal(&of(0)).contains("'maxResults'"));
    assert!(refusal(&of(10_001)).contains("'maxResults'"));
    let request = ApiRequest::List(ListChannels {
        next_token: Some("a b".to_owned()),
        channel_name_condition: Some(NameCondition {
            comparison_operator: Some("ENDS_WITH".to_owned()),
            comparison_value: Some("a b".to_owned()),
        }),
        ..ListChannels::default()
    });
    assert!(refusal(&request).starts_with("3 validation errors detected"));
}

#[test]
fn arns_and_versions_must_match_their_patterns() {
    let delete = |arn: &str, version: &str| {
        ApiRequest::Delete(DeleteChannel {
            channel_arn: Some(arn.to_owned()),
            current_version: Some(version.to_owned()),
        })
    };
    check(&delete(ARN, &"v".repeat(64))).unwrap();
    assert!(refusal(&delete("DEVICE_1", "v")).contains("'channelARN'"));
    assert!(refusal(&delete(ARN, "")).contains("'currentVersion'"));
    assert!(refusal(&delete(ARN, &"v".repeat(65))).contains("'currentVersion'"));
    assert!(refusal(&delete(ARN, "a-b")).contains("'currentVersion'"));
}

#[test]
fn roles_protocols_and_services_must_be_enum_values() {
    let endpoint = |protocols: Vec<&str>, role: &str| {
        ApiRequest::Endpoint(GetEndpoint {
            channel_arn: Some(ARN.to_owned()),
            configuration: Some(EndpointConfiguration {
                protocols: Some(protocols.into_iter().map(str::to_owned).collect()),
                role: Some(role.to_owned()),
            }),
        })
    };
    check(&endpoint(vec!["WSS", "HTTPS"], "MASTER")).unwrap();
    refusal(&endpoint(vec!["FTP"], "MASTER"));
    refusal(&endpoint(vec![], "VIEWER"));
    refusal(&endpoint(vec!["WSS"], "SLAVE"));
    let ice = |service: &str, client: &str| {
        ApiRequest::Ice(GetIceServers {
            channel_arn: Some(ARN.to_owned()),
            client_id: Some(client.to_owned()),
            service: Some(service.to_owned()),
            username: None,
        })
    };
    check(&ice("TURN", "viewer-1")).unwrap();
    refusal(&ice("STUN", "viewer-1"));
    refusal(&ice("TURN", "viewer 1"));
}

#[test]
fn a_large_value_is_shortened_in_the_message() {
    assert!(refusal(&ApiRequest::Create(create(&"#".repeat(100_000)))).len() < 2_000);
}
