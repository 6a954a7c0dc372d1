//! Tests of requests from pages in a browser.

use super::*;

/// A preflight request.
fn preflight(headers: &str) -> String {
    format!(
        "OPTIONS /createSignalingChannel HTTP/1.1\r\nHost: localhost\r\nOrigin: https://cameras.example\r\n\
         Access-Control-Request-Method: POST\r\n{headers}Connection: close\r\n\r\n"
    )
}

/// A request from a page of another origin.
fn of_a_page(request: &str) -> String {
    request.replacen("\r\n", "\r\nOrigin: https://cameras.example\r\n", 1)
}

#[tokio::test]
async fn a_browser_may_send_what_the_sdks_send() {
    // No quota, fault or count applies.
    let emulator = with_faults(&["reset-before=1", "throttle=1"]).await;
    for sent in [
        "authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-user-agent",
        "amz-sdk-invocation-id,amz-sdk-request,authorization,content-type,x-amz-date,x-amz-security-token",
        "something-new",
    ] {
        let asked = format!("Access-Control-Request-Headers: {sent}\r\n");
        let allowed = ask(&emulator, &preflight(&asked)).await;
        assert_eq!(allowed.status, 204);
        assert_eq!(allowed.header("access-control-allow-origin"), "*");
        assert_eq!(allowed.header("access-control-allow-headers"), sent);
        assert_eq!(allowed.header("access-control-allow-methods"), "POST");
        assert_eq!(allowed.header("access-control-allow-private-network"), "");
        assert_eq!(allowed.body, "");
    }
    let allowed = ask(&emulator, &preflight("")).await;
    let headers = allowed.header("access-control-allow-headers");
    assert!(headers.contains("authorization") && headers.contains("amz-sdk-request"));
    let private = preflight("Access-Control-Request-Private-Network: true\r\n");
    let allowed = ask(&emulator, &private).await;
    assert_eq!(
        allowed.header("access-control-allow-private-network"),
        "true"
    );
    let create = emulator.request_counts().of(ApiOperation::Create);
    assert_eq!(
        (
            create.answered,
            create.refused,
            create.throttled,
            create.faults
        ),
        (0, 0, 0, 0)
    );
}

#[tokio::test]
async fn a_page_may_read_every_answer_and_its_headers() {
    let readable = |answer: &Raw| {
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{answer:?}"
        );
        let exposed = answer.header("access-control-expose-headers");
        for name in ["x-amzn-RequestId", "x-amzn-ErrorType", "Date"] {
            assert!(exposed.split(',').any(|exposed| exposed == name), "{name}");
        }
    };
    let emulator = start(quick()).await;
    for (request, status) in [
        (create("DEVICE_1"), 200),
        (create("DEVICE_1"), 400),
        (request("/createSignalingChannel", "", "{}"), 403),
        (signed("/nowhere", ""), 404),
    ] {
        let answer = ask(&emulator, &of_a_page(&request)).await;
        readable(&answer);
        assert_eq!(answer.status, status, "{answer:?}");
    }
    for (fault, status) in [
        ("throttle=1", 400),
        ("500=1", 500),
        ("html-503=1", 503),
        ("malformed-error=1", 500),
        ("empty=1", 200),
        ("truncated=1", 200),
    ] {
        let emulator = with_faults(&[fault]).await;
        let answer = ask(&emulator, &of_a_page(&create("DEVICE_1"))).await;
        readable(&answer);
        assert_eq!(answer.status, status, "{fault}");
    }
    // Other programs do not get these headers.
    let plain = ask(&emulator, &create("DEVICE_2")).await;
    assert_eq!(plain.header("access-control-allow-origin"), "");
    let options = preflight("").replace("Origin", "X-Origin");
    assert_eq!(ask(&emulator, &options).await.status, 404);
}
