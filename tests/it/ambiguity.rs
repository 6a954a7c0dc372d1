//! Attempts that may have been carried out: in the end the row says whose the channel is, or that nobody could say.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Act, Bench, Cloud, Request, Wire, answer, forward};

const CREATE: &str = "/createSignalingChannel";
const DESCRIBE: &str = "/describeSignalingChannel";
const LIST: &str = "/listSignalingChannels";

/// Longer ago than the service's date can tell, which is cut to seconds.
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

/// The only device has this status and the ARN that the service has.
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

/// The first create is kept back: it reaches the service only when the question whether the channel is there has been
/// answered with no. (Where nobody asks, it never does.)
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
fn a_create_that_is_carried_out_after_it_was_looked_for_is_ours() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let wire = late(&cloud);
    bench
        .provision(wire.url())
        .args(&["--timeout", "300ms"])
        .run()
        .exits(0);
    // Looked for, not there, made again: refused, since by now it is there.
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
fn a_create_that_is_carried_out_after_the_run_is_found_by_the_next() {
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
fn a_channel_older_than_the_first_attempt_is_never_ours() {
    for (on_exists, code) in [("adopt", ""), ("fail", "ChannelExists")] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        cloud.make_all(["CAM-0001"]);
        let_it_age();
        let url = cloud.url().to_owned();
        let creates = AtomicUsize::new(0);
        let wire = Wire::new(move |request, _| {
            // Nobody can know that this one never arrived.
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

/// The service carries out the first create, and its answer is lost; what is asked then is answered so.
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
fn where_describe_is_denied_the_list_is_asked_for_that_name() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    // A longer name comes behind it in the same listing.
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
fn where_describe_and_list_are_denied_the_outcome_is_unknown_until_the_next_run() {
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
fn a_channel_that_does_not_show_at_once_is_waited_for() {
    let bench = Bench::of(1);
    let cloud = Cloud::with(|settings| settings.active_after = Duration::from_hours(1));
    let describes = AtomicUsize::new(0);
    // One probe of the connection and two questions are told that there is nothing.
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
fn a_channel_that_only_the_list_shows_is_no_failure() {
    // Describe knows no channel that is not ACTIVE yet.
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
