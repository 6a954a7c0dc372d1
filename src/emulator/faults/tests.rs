//! Tests of faults.

use super::*;
use crate::emulator::shapes::CreateChannel;

fn fault(text: &str) -> Fault {
    text.parse().unwrap()
}

fn about(name: &str) -> ApiRequest {
    ApiRequest::Create(CreateChannel {
        channel_name: Some(name.to_owned()),
        ..CreateChannel::default()
    })
}

#[test]
fn shares_percentages_counts_and_operations_are_parsed() {
    let read = fault("reset-after=0.25@create");
    assert_eq!(read.kind, FaultKind::ResetAfter);
    assert_eq!(read.frequency, Frequency::Share(0.25));
    assert_eq!(read.operation, Some(ApiOperation::Create));
    assert_eq!(fault("500=50%").frequency, Frequency::Share(0.5));
    assert_eq!(fault("500=1").frequency, Frequency::Share(1.0));
    assert_eq!(fault("500=100%").operation, None);
    let read = fault("HTML-503=first:3@describesignalingchannel");
    assert_eq!(read.kind, FaultKind::Html503);
    assert_eq!(read.frequency, Frequency::First(3));
    assert_eq!(read.operation, Some(ApiOperation::Describe));
}

#[test]
fn every_kind_is_parsed_from_its_display() {
    for kind in FaultKind::ALL {
        for frequency in ["first:2", "each:2", "0.5"] {
            let shown = format!("{}={frequency}@ListSignalingChannels", kind.as_str());
            assert_eq!(fault(&shown).to_string(), shown);
        }
    }
}

#[test]
fn an_invalid_fault_is_refused_with_the_reason() {
    for (text, reason) in [
        ("reset-after", "expected KIND=SHARE"),
        ("explode=1", "unknown kind 'explode'"),
        ("500=1.01", "share '1.01'"),
        ("500=101%", "share '101%'"),
        ("500=-0.1", "share '-0.1'"),
        ("500=NaN", "share 'NaN'"),
        ("500=first:x", "'x' in 'first:x'"),
        ("500=each:-1", "'-1' in 'each:-1'"),
        ("500=1@sing", "unknown operation 'sing'"),
        ("500=1@GetCallerIdentity", "unknown operation"),
    ] {
        let error = text.parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let draw = |seed| {
        let mut plan = FaultPlan::new(vec![fault("500=0.3"), fault("empty=0.3@create")], seed);
        (0..200)
            .map(|_| plan.draw(ApiOperation::Create, None))
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let injected = draw(7).iter().flatten().count();
    // Expected: 200 × (0.3 + 0.7 × 0.3) = 102.
    assert!((80..125).contains(&injected), "{injected}");
}

#[test]
fn only_requests_of_the_named_operation_count_for_first() {
    let mut plan = FaultPlan::new(vec![fault("500=first:2@create")], 1);
    assert_eq!(plan.draw(ApiOperation::List, None), None);
    assert_eq!(
        plan.draw(ApiOperation::Create, None),
        Some(FaultKind::Error500)
    );
    assert_eq!(
        plan.draw(ApiOperation::Create, None),
        Some(FaultKind::Error500)
    );
    assert_eq!(plan.draw(ApiOperation::Create, None), None);
}

#[test]
fn each_counts_requests_by_channel_name() {
    let mut plan = FaultPlan::new(vec![fault("500=each:2")], 1);
    let mut injected = |request: Option<&ApiRequest>| {
        let mut drawn = Vec::new();
        for _ in 0..4 {
            drawn.extend(plan.draw(ApiOperation::Create, request));
        }
        drawn.len()
    };
    assert_eq!(injected(Some(&about("a"))), 2);
    assert_eq!(injected(Some(&about("b"))), 2);
    assert_eq!(injected(Some(&about("a"))), 0);
    assert_eq!(injected(None), 2);
    assert_eq!(injected(None), 0);
    // The name is too long for a channel, so it is not counted.
    assert_eq!(injected(Some(&about(&"a".repeat(257)))), 0);
}

#[test]
fn names_are_counted_up_to_a_limit() {
    let mut plan = FaultPlan::new(vec![fault("500=each:1")], 1);
    for number in 0..MOST_NAMES + 10 {
        let drawn = plan.draw(ApiOperation::Create, Some(&about(&format!("n{number}"))));
        assert_eq!(drawn.is_some(), number < MOST_NAMES, "{number}");
    }
    assert_eq!(plan.faults[0].injected_by_name.len(), MOST_NAMES);
}

#[test]
fn faults_are_tried_in_their_order() {
    let mut plan = FaultPlan::new(vec![fault("500=first:1"), fault("empty=first:2")], 1);
    let drawn: Vec<_> = (0..4)
        .map(|_| plan.draw(ApiOperation::Create, None))
        .collect();
    assert_eq!(
        drawn,
        [
            Some(FaultKind::Error500),
            Some(FaultKind::Empty),
            Some(FaultKind::Empty),
            None
        ]
    );
}

#[test]
fn get_caller_identity_gets_no_fault() {
    let mut plan = FaultPlan::new(vec![fault("500=1")], 1);
    assert_eq!(plan.draw(ApiOperation::CallerIdentity, None), None);
}
