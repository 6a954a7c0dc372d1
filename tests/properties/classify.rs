//! Random answers and causes.

use proptest::prelude::*;
use proptest::sample::select;

use crate::draw::{check, text};
use crate::laws::classify;

const HEADS: [&str; 10] = [
    "500 id ResourceInUseException",
    "502 id InvalidArgumentException",
    "400 id ClientLimitExceededException",
    "400 id ResourceInUseException:http://internal/",
    "403 id AccessDeniedException",
    "503 ",
    "200 id",
    "429  ",
    "408 id odd code",
    "65535",
];

const BODIES: [&str; 8] = [
    "",
    "{\"Message\":\"",
    "{\"__type\":\"com.amazonaws#ThrottlingException\",\"message\":\"",
    "{\"code\":\"LimitExceededException\",\"errorMessage\":\"",
    "<!DOCTYPE HTML><html>",
    "client error (Connect)\ndns error\n",
    "invalid peer certificate: UnknownIssuer\n",
    "tunnel error: ",
];

#[test]
fn every_answer_has_a_meaning() {
    let heads = prop_oneof![select(&HEADS[..]).prop_map(str::to_owned), text(6)];
    let ends = select(&["", "\"}", "</html>"][..]);
    let inputs = (heads, select(&BODIES[..]), text(20), ends);
    check(2_000, inputs, |(head, start, middle, end)| {
        classify::holds(format!("{head}\n{start}{middle}{end}").as_bytes());
    });
}

#[test]
fn every_answer_of_random_bytes_has_a_meaning() {
    check(2_000, any::<Vec<u8>>(), |input| classify::holds(&input));
}
