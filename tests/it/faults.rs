//! Faults of single requests: the device still gets its channel, or its row reports the failure.

use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Act, Bench, Cloud, Wire, answer, bare, forward};

/// Asserts that every channel of the service is in the results with its ARN, and no other one.
#[track_caller]
fn agree(bench: &Bench, cloud: &Cloud) {
    let rows = bench.rows("d.results.csv");
    let recorded: std::collections::BTreeMap<String, String> = rows
        .iter()
        .filter(|row| !row["channel_arn"].is_empty())
        .map(|row| (row["channel_name"].clone(), row["channel_arn"].clone()))
        .collect();
    assert_eq!(recorded, cloud.channels());
}

/// Asserts that all devices are `created` in spite of these faults.
#[track_caller]
fn all_created(count: usize, faults: &[&str], flags: &[&str]) -> Cloud {
    let bench = Bench::of(count);
    let cloud = Cloud::faulty(faults);
    let done = bench.provision(cloud.url()).args(flags).run().exits(0);
    let statuses = bench.statuses();
    assert_eq!(statuses.len(), count);
    assert!(
        statuses.iter().all(|row| row.ends_with(" created")),
        "{statuses:?}\n{done}"
    );
    agree(&bench, &cloud);
    cloud
}

#[test]
fn a_channel_whose_answer_was_lost_is_created() {
    for kind in ["reset-after", "truncated", "malformed", "empty"] {
        all_created(
            6,
            &[&format!("{kind}=first:3@create")],
            &["--timeout", "2s"],
        );
    }
}

#[test]
fn a_channel_whose_create_timed_out_is_created() {
    all_created(6, &["hang-after=first:3@create"], &["--timeout", "300ms"]);
}

#[test]
fn server_errors_are_retried() {
    for kind in ["500", "503", "html-503", "malformed-error", "reset-before"] {
        all_created(6, &[&format!("{kind}=first:3@create")], &[]);
    }
    all_created(6, &["hang-before=first:3@create"], &["--timeout", "300ms"]);
}

#[test]
fn faults_in_every_operation_lose_no_device() {
    let cloud = all_created(
        150,
        &[
            "reset-after=8%",
            "500=8%",
            "throttle=8%",
            "empty=5%@create",
            "truncated=5%",
        ],
        &["--timeout", "2s"],
    );
    assert!(cloud.creates() > 150);
}

#[test]
fn throttles_are_not_failures_and_do_not_count_as_attempts() {
    // More throttles than `--max-attempts` allows.
    let bench = Bench::of(1);
    let cloud = Cloud::faulty(&["throttle=first:4@create"]);
    bench
        .provision(cloud.url())
        .args(&["--max-attempts", "2"])
        .run()
        .exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
    assert_eq!(cloud.creates(), 5);
}

#[test]
fn every_throttling_code_is_treated_as_a_throttle() {
    for (status, code) in [
        (400, "ClientLimitExceededException"),
        (400, "ThrottlingException"),
        (400, "LimitExceededException"),
        (400, "RequestLimitExceeded"),
        (503, "SlowDown"),
        (429, "WhoKnows"),
    ] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        let url = cloud.url().to_owned();
        let wire = Wire::new(move |request, before| {
            // Only the first create is refused; the listing and the identity request come before it.
            if request.path == "/createSignalingChannel" && before <= 2 {
                return answer(status, Some(code), r#"{"Message":"Rate exceeded"}"#);
            }
            forward(&url, request)
        });
        bench
            .provision(wire.url())
            .args(&["--max-attempts", "1"])
            .run()
            .exits(0);
        assert_eq!(bench.row("CAM-0001")["attempts"], "2", "{code}");
    }
}

#[test]
fn a_quota_far_below_the_ceiling_is_found() {
    let bench = Bench::of(120);
    let cloud = Cloud::with(|settings| {
        settings.rate = 100.0;
        settings.burst = 10;
    });
    bench
        .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
        .args(&["--region", "eu-central-1", "--rate", "500"])
        .run()
        .exits(0)
        .says("120 created");
    assert_eq!(cloud.channels().len(), 120);
    assert!(cloud.throttled() > 0);
    // Throttles cost requests, not devices: far fewer than one for each device.
    assert!(cloud.throttled() < 120, "{}", cloud.throttled());
    agree(&bench, &cloud);
}

#[test]
fn a_device_fails_after_max_attempts_with_the_reason() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/createSignalingChannel" && request.channel() == "CAM-0001" {
            return answer(500, Some("InternalFailure"), r#"{"Message":"sorry"}"#);
        }
        forward(&url, request)
    });
    bench
        .provision(wire.url())
        .args(&["--max-attempts", "3"])
        .run()
        .exits(3);
    let row = bench.row("CAM-0001");
    assert_eq!(row["status"], "failed");
    assert_eq!(row["attempts"], "3");
    assert_eq!(row["error_code"], "InternalFailure");
    assert!(row["error_message"].contains("sorry"));
    assert_eq!(bench.row("CAM-0002")["status"], "created");
}

#[test]
fn an_unknown_outcome_is_reported_and_resolved_by_the_next_run() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| match request.path.as_str() {
        // The channel is created but the answer is lost, and no Describe is answered well.
        "/createSignalingChannel" => {
            forward(&url, request);
            bare(200, "x-amzn-RequestId: 1\r\n", "{")
        }
        "/describeSignalingChannel" => answer(500, Some("InternalFailure"), "{}"),
        _ => forward(&url, request),
    });
    let flags = ["--max-attempts", "2", "--no-reconcile"];
    bench.provision(wire.url()).args(&flags).run().exits(3);
    let row = bench.row("CAM-0001");
    assert_eq!(row["status"], "failed");
    assert_eq!(row["error_code"], "OutcomeUnknown");
    assert_eq!(row["channel_arn"], "");
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 exists"]);
    agree(&bench, &cloud);
}

#[test]
fn a_channel_created_by_another_client_exists() {
    // Created before the run, hidden from its listing, found by the create: not created by this run.
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    cloud.make_all(["CAM-0001"]);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    bench
        .provision(cloud.url())
        .args(&["--no-reconcile"])
        .run()
        .exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 exists"]);
    agree(&bench, &cloud);
}

#[test]
fn a_channel_being_deleted_is_created_after_the_deletion() {
    let bench = Bench::of(2);
    let cloud = Cloud::with(|settings| {
        settings.deleting_for = std::time::Duration::from_millis(700);
    });
    cloud.make_all(["CAM-0001"]);
    let old = cloud.channels()["CAM-0001"].clone();
    cloud.delete("CAM-0001");
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created", "CAM-0002 created"]);
    assert_ne!(bench.row("CAM-0001")["channel_arn"], old);
    agree(&bench, &cloud);
}

#[test]
fn a_channel_whose_deletion_does_not_end_fails_with_channel_deleting() {
    let bench = Bench::of(2);
    let cloud = Cloud::with(|settings| {
        settings.deleting_for = std::time::Duration::from_hours(1);
    });
    cloud.make_all(["CAM-0001"]);
    cloud.delete("CAM-0001");
    bench
        .provision(cloud.url())
        .args(&["--max-attempts", "2"])
        .run()
        .exits(3)
        .says("ChannelDeleting");
    let row = bench.row("CAM-0001");
    assert_eq!(row["status"], "failed");
    assert_eq!(row["error_code"], "ChannelDeleting");
    assert_eq!(row["channel_arn"], "");
    assert_eq!(bench.row("CAM-0002")["status"], "created");
}

#[test]
fn an_answer_without_an_arn_is_not_accepted() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, before| {
        if request.path == "/createSignalingChannel" && before <= 2 {
            // A proxy that answers every request with success.
            return bare(200, "Content-Type: text/html\r\n", "<html>Welcome</html>");
        }
        forward(&url, request)
    });
    bench.provision(wire.url()).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
    agree(&bench, &cloud);
}

#[test]
fn an_unreadable_error_is_retried() {
    for body in [
        "",
        r#"{"__type":"InvalidArgum"#,
        "upstream connect error",
        r#"{"Message":"no"}"#,
    ] {
        let bench = Bench::of(2);
        let cloud = Cloud::new();
        let url = cloud.url().to_owned();
        let refused = std::sync::Mutex::new(Vec::new());
        let wire = Wire::new(move |request, _| {
            let is_create = request.path == "/createSignalingChannel";
            let mut refused = refused.lock().unwrap();
            if is_create && !refused.contains(&request.body) {
                refused.push(request.body.clone());
                return answer(400, None, body);
            }
            drop(refused);
            forward(&url, request)
        });
        bench.provision(wire.url()).run().exits(0);
        assert_eq!(bench.statuses(), ["CAM-0001 created", "CAM-0002 created"]);
        assert_eq!(bench.row("CAM-0001")["attempts"], "2", "{body}");
        agree(&bench, &cloud);
    }
}

#[test]
fn an_error_with_a_truncated_body_is_retried() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, before| {
        if request.path == "/createSignalingChannel" && before <= 3 {
            return Act::Cut(
                "HTTP/1.1 400 Bad Request\r\nx-amzn-RequestId: 1\r\nContent-Length: 90\r\n\r\n{\"__type\":"
                    .to_owned(),
            );
        }
        forward(&url, request)
    });
    bench.provision(wire.url()).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
    agree(&bench, &cloud);
}

#[test]
fn a_rejected_request_is_not_retried() {
    let bench = Bench::of(2);
    let wire = Wire::new(|request, _| match request.path.as_str() {
        "/createSignalingChannel" => answer(
            400,
            Some("TagsPerResourceExceededLimitException"),
            r#"{"Message":"too many"}"#,
        ),
        _ => answer(200, None, r#"{"ChannelInfoList":[]}"#),
    });
    bench.provision(wire.url()).run().exits(3).says("2 failed");
    assert_eq!(wire.creates().len(), 2);
}

#[test]
fn names_outside_the_policys_prefix_fail_and_the_others_succeed() {
    let bench = Bench::with("device_id\nCAM-1\nOTHER-1\nCAM-2\nOTHER-2\nCAM-3\n");
    let cloud = Cloud::with(|settings| settings.deny_outside = Some("CAM-".into()));
    bench
        .provision(cloud.url())
        .run()
        .exits(3)
        .says("AccessDeniedException");
    assert_eq!(
        bench.statuses(),
        [
            "CAM-1 created",
            "OTHER-1 failed",
            "CAM-2 created",
            "OTHER-2 failed",
            "CAM-3 created"
        ]
    );
    assert_eq!(bench.row("OTHER-1")["error_code"], "AccessDeniedException");
    assert_eq!(bench.row("OTHER-1")["attempts"], "1");
    agree(&bench, &cloud);
}

#[test]
fn every_attempt_is_one_request() {
    let cloud = all_created(50, &[], &[]);
    assert_eq!(cloud.creates(), 50);
    assert_eq!(cloud.requests(ApiOperation::Describe), 0);
    assert_eq!(
        cloud.requests(ApiOperation::List),
        2,
        "one of them is this test's own"
    );
}

#[test]
fn closed_connections_are_retried() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, before| {
        if request.path == "/createSignalingChannel" && before <= 3 {
            return Act::Close;
        }
        forward(&url, request)
    });
    bench.provision(wire.url()).run().exits(0);
    agree(&bench, &cloud);
}
