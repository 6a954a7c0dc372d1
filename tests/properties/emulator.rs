//! Random requests to the emulator over HTTP.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::draw::{check, text};
use crate::laws::emulator;

const PATHS: [&str; 11] = [
    "/createSignalingChannel",
    "/createSignalingChannel",
    "/describeSignalingChannel",
    "/listSignalingChannels",
    "/deleteSignalingChannel",
    "/updateSignalingChannel",
    "/TagResource",
    "/ListTagsForResource",
    "/getSignalingChannelEndpoint",
    "/",
    "/nothing",
];

const AUTHORIZATIONS: [&str; 5] = ["eu-central-1", "eu-central-1", "eu-west-1", "Mars", ""];

const MEMBERS: [&str; 16] = [
    r#""ChannelName":"a""#,
    r#""ChannelName":"b-2""#,
    r#""ChannelName":"a b""#,
    r#""ChannelName":7"#,
    r#""ChannelType":"SINGLE_MASTER""#,
    r#""ChannelType":"FULL_MESH""#,
    r#""SingleMasterConfiguration":{"MessageTtlSeconds":5}"#,
    r#""SingleMasterConfiguration":{"MessageTtlSeconds":-99999999999}"#,
    r#""Tags":[{"Key":"k","Value":"v"}]"#,
    r#""Tags":{"k":"v"}"#,
    r#""ChannelARN":"arn:aws:kinesisvideo:eu-central-1:000000000000:channel/a/1""#,
    r#""ResourceARN":"arn:aws:kinesisvideo:eu-central-1:000000000000:channel/a/1""#,
    r#""MaxResults":0"#,
    r#""MaxResults":1"#,
    r#""NextToken":"x""#,
    r#""ChannelNameCondition":{"ComparisonOperator":"BEGINS_WITH","ComparisonValue":"a"}"#,
];

#[test]
fn every_request_gets_an_answer_in_the_format_of_the_service() {
    let objects =
        vec(select(&MEMBERS[..]), 0..5).prop_map(|members| format!("{{{}}}", members.join(",")));
    let bodies =
        prop_oneof![8 => objects, 1 => text(10), 1 => Just("Action=GetCallerIdentity".into())];
    let requests = (select(&PATHS[..]), select(&AUTHORIZATIONS[..]), bodies)
        .prop_map(|(path, authorization, body)| format!("POST {path} {authorization}\n{body}"));
    check(300, vec(requests, 1..6), |requests| {
        emulator::holds(requests.join("\n---\n").as_bytes());
    });
}
