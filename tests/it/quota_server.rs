//! A quota server that refuses, is silent or talks nonsense, and flags that cannot be meant. What it is good for is tested
//! on real servers by `.ci/quota_server.py`, and in simulation.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::{Bench, Call, Cloud};

const PASSWORD: &str = "KVS_FLEET_QUOTA_SERVER_PASSWORD";
const SECRET: &str = "hunter2";

/// A server that answers each command by this function of its words; none leaves it unanswered.
fn server(answer: impl Fn(&[String]) -> Option<Vec<u8>> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, answer));
        }
    });
    format!("redis://{address}")
}

fn serve(stream: TcpStream, answer: impl Fn(&[String]) -> Option<Vec<u8>>) {
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Some(words) = command(&mut reader) {
        match answer(&words) {
            Some(bytes) if writer.write_all(&bytes).is_err() => return,
            Some(_) => {}
            None => thread::sleep(Duration::from_mins(1)),
        }
    }
}

/// A command of the protocol: an array of strings.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let count = number(reader, '*')?;
    (0..count)
        .map(|_| {
            let length = number(reader, '$')?;
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes).ok()?;
            bytes.truncate(length);
            Some(String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

fn number(reader: &mut impl BufRead, lead: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(lead)?.parse().ok()
}

fn says(answer: &'static str) -> impl Fn(&[String]) -> Option<Vec<u8>> + Clone + Send + 'static {
    move |words| {
        let is_script = words[0].eq_ignore_ascii_case("EVALSHA");
        let answer = if is_script { answer } else { "+OK\r\n" };
        Some(answer.into())
    }
}

fn with_server(bench: &Bench, cloud: &Cloud, url: &str) -> Call {
    bench
        .provision(cloud.url())
        .args(&["-vv", "--summary-json", "s.json", "--quota-server", url])
}

#[test]
fn flags_that_cannot_be_meant_are_refused_before_anything_is_sent() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    bench.write("ca.pem", "no certificate");
    for (arguments, password, expected) in [
        (
            vec!["--quota-server", "quota.example"],
            None,
            "--quota-server: expected redis://HOST:PORT",
        ),
        (
            vec!["--quota-server", "redis://:hunter2@127.0.0.1"],
            None,
            "set KVS_FLEET_QUOTA_SERVER_PASSWORD instead",
        ),
        (
            vec!["--quota-server", "redis://hunter2@127.0.0.1"],
            None,
            "KVS_FLEET_QUOTA_SERVER_PASSWORD is not set",
        ),
        (
            vec!["--quota-server", "redis://10.0.0.1:6379"],
            Some(SECRET),
            "the password would cross the network in the clear",
        ),
        (
            vec!["--quota-server-ca", "ca.pem"],
            None,
            "--quota-server-ca needs --quota-server",
        ),
        (
            vec![
                "--quota-server",
                "redis://127.0.0.1",
                "--quota-server-ca",
                "ca.pem",
            ],
            None,
            "write rediss://",
        ),
        (
            vec![
                "--quota-server",
                "rediss://127.0.0.1",
                "--quota-server-ca",
                "ca.pem",
            ],
            None,
            "ca.pem: it holds no certificate",
        ),
        (
            vec![
                "--quota-server",
                "rediss://127.0.0.1",
                "--quota-server-ca",
                "none.pem",
            ],
            None,
            "none.pem: No such file",
        ),
    ] {
        let mut call = bench.provision(cloud.url()).args(&arguments);
        if let Some(password) = password {
            call = call.env(PASSWORD, password);
        }
        let done = call.run().exits(2).says(expected);
        assert!(!done.stderr.contains(SECRET), "{}", done.stderr);
    }
    assert_eq!(cloud.all_requests(), 0);
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn a_server_that_refuses_ends_the_run_before_the_first_create() {
    for (answer, expected) in [
        (
            "-NOAUTH Authentication required.\r\n",
            "it wants a password; set KVS_FLEET_QUOTA_SERVER_PASSWORD",
        ),
        (
            "-NOPERM this user has no permissions to run the 'evalsha' command\r\n",
            "it refuses what a run needs (NOPERM",
        ),
        (
            "-ERR The user executing the script can't run this command or subcommand script: f00\r\n",
            "it refuses what a run needs (ERR",
        ),
        (
            "-MOVED 1234 10.0.0.1:6379\r\n",
            "use a server with cluster mode disabled",
        ),
        (
            "-DENIED Redis is running in protected mode\r\n",
            "it refuses what a run needs (DENIED",
        ),
    ] {
        let (bench, cloud) = (Bench::of(3), Cloud::new());
        let url = server(says(answer));
        let done = with_server(&bench, &cloud, &url)
            .run()
            .exits(2)
            .says(expected)
            .says(&url);
        assert_eq!(cloud.creates(), 0, "{}", done.stderr);
        assert_eq!(bench.json("s.json")["reason"], "quota-server");
    }
}

#[test]
fn a_wrong_password_is_refused_and_shown_nowhere() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let url = server(|words| {
        let is_login = words[0].eq_ignore_ascii_case("AUTH");
        let refused = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
        Some(if is_login { refused } else { "+OK\r\n" }.into())
    });
    let done = with_server(&bench, &cloud, &url)
        .env(PASSWORD, SECRET)
        .run()
        .exits(2)
        .says("it refuses the user or the password of KVS_FLEET_QUOTA_SERVER_PASSWORD");
    assert!(!(done.stderr + &done.stdout).contains(SECRET));
    assert!(!bench.read("s.json").contains(SECRET));
    assert_eq!(cloud.creates(), 0);
}

#[test]
fn a_server_that_cannot_be_used_now_leaves_the_run_alone() {
    let silent = server(|_| None);
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("redis://{}", listener.local_addr().unwrap())
    };
    for (url, expected) in [
        (nobody, "it cannot be reached"),
        (silent, "it does not answer"),
        (
            server(says("-LOADING Redis is loading the dataset in memory\r\n")),
            "it answers with an error (LOADING",
        ),
        (
            server(says(
                "-READONLY You can't write against a read only replica.\r\n",
            )),
            "it answers with an error (READONLY",
        ),
        (
            server(says("*2\r\n:1\r\n:2\r\n")),
            "its answer makes no sense",
        ),
        (server(says(":-5\r\n")), "its answer makes no sense"),
        (server(says("$9999999999\r\n")), "cannot be used at present"),
        (
            server(says("\u{1}\u{2}garbage\r\n")),
            "cannot be used at present",
        ),
        (
            server(says(
                "*7\r\n$5\r\n1.000\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n1\r\n$3\r\nnan\r\n$1\r\n1\r\n$0\r\n\r\n",
            )),
            "its answer makes no sense",
        ),
    ] {
        let (bench, cloud) = (Bench::of(30), Cloud::new());
        let done = with_server(&bench, &cloud, &url).run().exits(0);
        assert!(
            done.stderr.contains(expected),
            "{expected}: {}",
            done.stderr
        );
        assert!(
            done.stderr.contains("This host goes on alone"),
            "{}",
            done.stderr
        );
        assert_eq!(cloud.creates(), 30);
        let summary = bench.json("s.json");
        assert_eq!(summary["quota_server"]["address"], url.as_str());
        assert_eq!(summary["quota_server"]["joined"], false);
    }
}

#[test]
fn the_plan_names_the_server_and_asks_it_only_online() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let refusing = server(says("-NOAUTH Authentication required.\r\n"));
    let plan = || {
        bench.call(&[
            "plan",
            "d.csv",
            "--region",
            "eu-central-1",
            "--quota-server",
            &refusing,
            "--endpoint-url",
            cloud.url(),
        ])
    };
    let done = plan().run().exits(0);
    assert!(done.stdout.contains(&refusing), "{}", done.stdout);
    plan()
        .args(&["--online"])
        .run()
        .exits(2)
        .says("it wants a password");
}

#[test]
fn verify_and_rollback_refuse_and_go_on_alone_as_provision_does() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    bench.provision(cloud.url()).run().exits(0);
    let refusing = server(says("-NOAUTH Authentication required.\r\n"));
    let nonsense = server(says(":1\r\n"));
    for arguments in [
        &["verify", "d.results.csv"][..],
        &["rollback", "d.results.csv", "--yes"],
    ] {
        let with = |url: &str| {
            bench
                .call(arguments)
                .args(&["--endpoint-url", cloud.url(), "--quota-server", url])
                .run()
        };
        with(&refusing).exits(2).says("it wants a password");
        with(&nonsense).exits(0).says("This host goes on alone");
    }
    assert!(cloud.channels().is_empty());
}

#[test]
fn a_connection_that_is_silent_is_replaced() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&connections);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let is_first = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            thread::spawn(move || {
                serve(stream, |words| {
                    let is_script = words[0].eq_ignore_ascii_case("EVALSHA");
                    let loading = "-LOADING Redis is loading the dataset in memory\r\n";
                    match (is_script, is_first) {
                        (true, true) => None,
                        (true, false) => Some(loading.into()),
                        (false, _) => Some("+OK\r\n".into()),
                    }
                });
            });
        }
    });
    let arguments = [
        "provision",
        "d.csv",
        "--region",
        "eu-central-1",
        "--rate",
        "10",
    ];
    bench
        .call(&arguments)
        .args(&["--endpoint-url", cloud.url(), "--quota-server", &url])
        .run()
        .exits(0);
    // The silent one, one to find out whether TLS is expected, and the one in place of the first.
    let connections = connections.load(std::sync::atomic::Ordering::Relaxed);
    assert!(connections > 2, "{connections}");
}

#[test]
fn an_interruption_does_not_wait_for_a_silent_server() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let url = server(|_| None);
    let running = with_server(&bench, &cloud, &url).start();
    while cloud.all_requests() == 0 && cloud.creates() == 0 && !bench.has("d.results.runs.jsonl") {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(200));
    running.signal("INT");
    running
        .wait()
        .exits(130)
        .does_not_say("This host goes on alone");
    assert_eq!(cloud.creates(), 0);
}
