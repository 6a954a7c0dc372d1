//! Missing, wrong or expiring credentials and a wrong clock: the run stops, and no device fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Act, Bench, Call, Cloud, Wire, answer, forward};

const CREATE: &str = "/createSignalingChannel";

/// A run against AWS whose requests end on this computer.
fn at_aws(bench: &Bench) -> Call {
    bench
        .call(&["provision", "d.csv", "--region", "eu-central-1"])
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
}

fn with_key(call: Call) -> Call {
    call.env("AWS_ACCESS_KEY_ID", "AKIASOMEBODY")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
}

#[test]
fn wrong_credentials_are_refused_before_the_first_attempt() {
    for (code, what_to_do) in [
        ("InvalidClientTokenId", "Check the access key ID"),
        ("SignatureDoesNotMatch", "secret access key"),
        ("ExpiredToken", "fetch new ones"),
    ] {
        let sts = Wire::new(move |_, _| {
            let body = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
            answer(403, None, &body)
        });
        let bench = Bench::of(3);
        let call = with_key(at_aws(&bench)).env("AWS_ENDPOINT_URL_STS", sts.url());
        call.run().exits(2).says(code).says(what_to_do);
        assert_eq!(bench.files().len(), 1, "only the manifest");
    }
}

/// Writes the key with this number into the credentials file.
fn write_key(bench: &std::path::Path, number: usize) {
    let folder = bench.join(".aws");
    std::fs::create_dir_all(&folder).unwrap();
    let text =
        format!("[default]\naws_access_key_id = AKIA{number}\naws_secret_access_key = secret\n");
    std::fs::write(folder.join("credentials"), text).unwrap();
}

#[test]
fn each_expiry_during_a_run_causes_one_reload() {
    let bench = Bench::of(100);
    let cloud = Cloud::with(|settings| settings.expire_after = Some(40));
    let folder = bench.folder().to_owned();
    write_key(&folder, 0);
    // The server that refuses a key writes the next one into the file.
    let (url, newest) = (cloud.url().to_owned(), Mutex::new(0));
    let wire = Wire::new(move |request, _| {
        let answer = forward(&url, request);
        if let Act::Send(text) = &answer
            && text.contains("ExpiredToken")
        {
            let mut newest = newest.lock().unwrap();
            let signed = request.header("authorization").unwrap_or_default();
            if signed.contains(&format!("=AKIA{newest}/")) {
                *newest += 1;
                write_key(&folder, *newest);
            }
        }
        answer
    });
    let flags = ["--workers", "4"];
    bench.provision(wire.url()).args(&flags).run().exits(0);
    let statuses = bench.statuses();
    assert_eq!(statuses.len(), 100);
    assert!(
        statuses.iter().all(|row| row.ends_with(" created")),
        "{statuses:?}"
    );
    let keys = wire.requests().into_iter().filter_map(|request| {
        let signed = request.header("authorization")?.to_owned();
        Some(signed.split('/').next()?.rsplit('=').next()?.to_owned())
    });
    let keys: std::collections::BTreeSet<String> = keys.collect();
    assert_eq!(Vec::from_iter(keys), ["AKIA0", "AKIA1", "AKIA2"]);
}

#[test]
fn a_wrong_clock_during_a_run_is_reported() {
    for (code, message) in [
        ("RequestTimeTooSkewed", "The difference is too large."),
        (
            "InvalidSignatureException",
            "Signature expired: 20250101T000000Z is now earlier than 20250102T000000Z",
        ),
    ] {
        let bench = Bench::of(20);
        let cloud = Cloud::new();
        let (url, creates) = (cloud.url().to_owned(), AtomicUsize::new(0));
        let wire = Wire::new(move |request, _| {
            if request.path == CREATE && creates.fetch_add(1, Ordering::SeqCst) >= 7 {
                return answer(403, Some(code), &format!(r#"{{"Message":"{message}"}}"#));
            }
            forward(&url, request)
        });
        bench
            .provision(wire.url())
            .args(&["--workers", "2", "--summary-json", "s.json"])
            .run()
            .exits(1)
            .says("Check this computer's clock")
            .says("to continue: ");
        assert_eq!(bench.json("s.json")["reason"], "credentials");
        let rows = bench.statuses();
        assert_eq!(rows.len(), 7, "{rows:?}");
        assert!(rows.iter().all(|row| row.ends_with(" created")), "{rows:?}");
        bench.provision(cloud.url()).run().exits(0);
        assert_eq!(cloud.channels().len(), 20);
    }
}
