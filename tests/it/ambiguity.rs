//! Attempts that may have been executed: the row reports whether the run created the channel, or that the outcome is
//! unknown.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Act, Bench, Cloud, Request, Wire, answer, forward};

const CREATE: &str = "/createSignalingChannel";
const DESCRIBE: &str = "/describeSignalingChannel";
const LIST: &str = "/listSignalingChannels";

/// A time that is clearly earlier, although the service's date is in whole seconds.
fn let_it_age() {
    std::thread::sleep(Duration::from_millis(1_200));
}

fn denied() -> Act {
    answer(
        401,
        Some("AccessDeniedException"),
        r#"{"Message":"not authorized"}"#,
    )
}

/// Asserts that the only device has this status and the ARN of the service.
#[track_caller]
fn ends(bench: &Bench, cloud: &Cloud, status: &str, attempts: &str) {
    let row = bench.row("CAM-0001");
    assert_eq!(
        (&*row["status"], &*row["attempts"]),
        (status, attempts),
        "{row:?}"
    );
    assert_eq!(row["channel_arn"], cloud.channels()["CAM-0001"]);
}

/// Delays the first create: it reaches the service after the run has asked for the channel and got the answer that it
/// does not exist. Without that question it never arrives.
fn late(cloud: &Cloud) -> Wire {
    let url = cloud.url().to_owned();
    let kept: Mutex<Option<Request>> = Mutex::default();
    let first = AtomicBool::new(true);
    Wire::new(move |request, _| {
        if request.path == CREATE && first.swap(false, Ordering::SeqCst) {
            *kept.lock().unwrap() = Some(request.clone());
            std::thread::sleep(Duration::from_secs(1));
            return Act::Close;
        }
        let answer = forward(&url, request);
        if request.path == DESCRIBE
            && let Some(late) = kept.lock().unwrap().take()
        {
            forward(&url, &late);
        }
        answer
    })
}

#[test]
fn a_create_executed_after_the_lookup_is_created() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let wire = late(&cloud);
    bench
        .provision(wire.url())
        .args(&["--timeout", "300ms"])
        .run()
        .exits(0);
    // Asked for, not found, created again; this create is refused because the channel exists by now.
    let asked: Vec<String> = wire
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(
        asked[asked.len() - 4..],
        [CREATE, DESCRIBE, CREATE, DESCRIBE]
    );
    ends(&bench, &cloud, "created", "2");
    assert_eq!(cloud.creates(), 2);
}

#[test]
fn a_create_executed_after_the_run_is_found_by_the_next_run() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == CREATE {
            std::thread::sleep(Duration::from_secs(1));
            return Act::Close;
        }
        forward(&url, request)
    });
    bench
        .provision(wire.url())
        .args(&["--timeout", "300ms", "--max-attempts", "1"])
        .run()
        .exits(3);
    let row = bench.row("CAM-0001");
    assert_eq!((&*row["error_code"], &*row["channel_arn"]), ("Timeout", ""));
    forward(cloud.url(), &wire.creates()[0]);
    bench.provision(cloud.url()).run().exits(0);
    ends(&bench, &cloud, "exists", "0");
    assert_eq!(cloud.creates(), 1);
}

#[test]
fn a_channel_older_than_the_first_attempt_exists() {
    for (on_exists, code) in [("adopt", ""), ("fail", "ChannelExists")] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        cloud.make_all(["CAM-0001"]);
        let_it_age();
        let url = cloud.url().to_owned();
        let creates = AtomicUsize::new(0);
        let wire = Wire::new(move |request, _| {
            // The run cannot know that this request never arrived.
            if request.path == CREATE && creates.fetch_add(1, Ordering::SeqCst) == 0 {
                return Act::Close;
            }
            forward(&url, request)
        });
        let flags = ["--no-reconcile", "--on-exists", on_exists];
        let done = bench.provision(wire.url()).args(&flags).run();
        assert_eq!(wire.creates().len(), 2, "{done}");
        assert_eq!(bench.row("CAM-0001")["error_code"], code);
        if code.is_empty() {
            ends(&bench, &cloud, "exists", "2");
        }
    }
}

/// The service executes the first create, and its answer is lost; this is the answer to the following questions.
fn lost(cloud: &Cloud, then: impl Fn(&Request) -> Option<Act> + Send + Sync + 'static) -> Wire {
    let url = cloud.url().to_owned();
    let creates = AtomicUsize::new(0);
    Wire::new(move |request, _| {
        if request.path == CREATE && creates.fetch_add(1, Ordering::SeqCst) == 0 {
            forward(&url, request);
            return Act::Close;
        }
        then(request).unwrap_or_else(|| forward(&url, request))
    })
}

#[test]
fn the_listing_is_used_if_describe_is_denied() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    // A longer name follows in the same listing.
    cloud.make_all(["CAM-00010", "CAM-0"]);
    let wire = lost(&cloud, |request| (request.path == DESCRIBE).then(denied));
    bench.provision(wire.url()).run().exits(0);
    ends(&bench, &cloud, "created", "2");
    let asked = wire
        .requests()
        .into_iter()
        .rfind(|request| request.path == LIST);
    let condition = &asked.unwrap().json()["ChannelNameCondition"];
    assert_eq!(condition["ComparisonOperator"], "BEGINS_WITH");
    assert_eq!(condition["ComparisonValue"], "CAM-0001");
}

#[test]
fn the_outcome_is_unknown_if_describe_and_list_are_denied() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let wire = lost(&cloud, |request| {
        [DESCRIBE, LIST].contains(&&*request.path).then(denied)
    });
    bench
        .provision(wire.url())
        .run()
        .exits(3)
        .says("OutcomeUnknown");
    let row = bench.row("CAM-0001");
    assert_eq!((&*row["status"], &*row["channel_arn"]), ("failed", ""));
    assert_eq!(row["error_code"], "OutcomeUnknown");
    bench.provision(cloud.url()).run().exits(0);
    ends(&bench, &cloud, "exists", "0");
}

#[test]
fn the_run_waits_for_a_channel_that_is_not_visible_at_once() {
    let bench = Bench::of(1);
    let cloud = Cloud::with(|settings| settings.active_after = Duration::from_hours(1));
    let describes = AtomicUsize::new(0);
    // The connection probe and two questions are answered with not found.
    let wire = lost(&cloud, move |request| {
        let hides = request.path == DESCRIBE && describes.fetch_add(1, Ordering::SeqCst) < 3;
        hides.then(|| answer(404, Some("ResourceNotFoundException"), "{}"))
    });
    bench.provision(wire.url()).run().exits(0);
    // Still CREATING, but accepted.
    assert_eq!(cloud.describe("CAM-0001")["ChannelStatus"], "CREATING");
    ends(&bench, &cloud, "created", "4");
}

#[test]
fn a_channel_that_only_the_listing_shows_is_created() {
    // Describe does not return a channel that is not ACTIVE yet.
    let bench = Bench::of(3);
    let cloud = Cloud::faulty(&["reset-after=each:1@create"]);
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/describeSignalingChannel" {
            return answer(
                404,
                Some("ResourceNotFoundException"),
                r#"{"Message":"none"}"#,
            );
        }
        forward(&url, request)
    });
    bench
        .provision(wire.url())
        .args(&["--max-attempts", "1"])
        .run()
        .exits(0);
    for row in bench.rows("d.results.csv") {
        assert_eq!(row["status"], "created");
        assert_eq!(row["channel_arn"], cloud.channels()[&row["device_id"]]);
    }
    assert_eq!(cloud.creates(), 3);
}
