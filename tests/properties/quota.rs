//! The scripts of the quota server on a real one, against the model that the simulation uses: the same calls, the same
//! answers.
//!
//! It takes `redis-server` and `valkey-server` from the path, and those that `QUOTA_SERVERS` names, separated by colons. With
//! `QUOTA_SERVERS` set, one that is missing fails the test; else it is skipped with a message.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kvs_fleet::engine::pace::quota::{
    AnswerGroup, Quota, QuotaHistory, QuotaKey, Settlement, TakeRequest, Taken,
};
use kvs_fleet::quota_server::{QuotaServer, ServerAddress, Trust};

use crate::quota_model::QuotaModel;

const STEPS: usize = 3_000;
const KEYS: usize = 3;

/// A server on a port of its own.
struct Running {
    process: Child,
    address: String,
}

impl Running {
    fn start(program: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let port_text = port.to_string();
        let process = Command::new(program)
            .args([
                "--port",
                &port_text,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let running = Self {
            process,
            address: format!("redis://127.0.0.1:{port}"),
        };
        for _ in 0..200 {
            let client = redis::Client::open(running.address.as_str()).unwrap();
            if client.get_connection().is_ok() {
                return running;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{program} does not answer");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| folder.join(program).is_file())
}

fn programs() -> Vec<String> {
    match std::env::var("QUOTA_SERVERS") {
        Ok(programs) => programs.split(':').map(str::to_owned).collect(),
        Err(_) => ["redis-server", "valkey-server"]
            .into_iter()
            .filter(|program| in_path(program))
            .map(str::to_owned)
            .collect(),
    }
}

#[test]
fn the_scripts_answer_as_the_model() {
    let programs = programs();
    if programs.is_empty() {
        eprintln!("skipped: neither redis-server nor valkey-server is in the path");
    }
    for program in programs {
        let seed = crate::draw::seed();
        println!("{program}, seed {seed}");
        let running = Running::start(&program);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(compare(&running.address, seed));
    }
}

/// Both, and what the calls have in common.
struct Pair {
    server: QuotaServer,
    raw: redis::Connection,
    model: QuotaModel,
    random: fastrand::Rng,
    /// What the last call of each key returned, from both.
    last: Vec<Option<(Taken, Taken)>>,
}

async fn compare(address: &str, seed: u64) {
    let mut pair = Pair {
        server: QuotaServer::new(ServerAddress::parse(address).unwrap(), None, Trust::System)
            .unwrap(),
        raw: redis::Client::open(address)
            .unwrap()
            .get_connection()
            .unwrap(),
        model: QuotaModel::default(),
        random: fastrand::Rng::with_seed(seed),
        last: vec![None; KEYS],
    };
    for step in 0..STEPS {
        let key = pair.random.usize(..KEYS);
        match pair.random.u8(..100) {
            0..70 => pair.take(key, step).await,
            70..90 => pair.settle(key, step).await,
            90..93 => pair.lose(key),
            93..95 => {
                pair.damage(key);
                pair.take(key, step).await;
            }
            95..97 => pair.set_the_clock_back(key),
            97 => {
                let _: () = redis::cmd("SCRIPT")
                    .arg("FLUSH")
                    .query(&mut pair.raw)
                    .unwrap();
            }
            _ => tokio::time::sleep(Duration::from_millis(pair.random.u64(..20))).await,
        }
    }
}

fn name(key: usize) -> QuotaKey {
    QuotaKey::new("000000000000", "eu-central-1", &format!("Operation{key}"))
}

fn stored(key: usize, what: &str) -> String {
    format!("kvs-fleet:1:{{{}}}:{what}", name(key).as_str())
}

impl Pair {
    async fn take(&mut self, key: usize, step: usize) {
        let request = self.request(key);
        let real = self.server.take(&request).await.unwrap();
        // The model's clock shows what the server's showed.
        let shift: f64 = redis::cmd("HGET")
            .arg(stored(key, "quota"))
            .arg("shift")
            .query(&mut self.raw)
            .unwrap();
        let QuotaHistory { seconds, micros } = real.history;
        let since = Duration::from_secs_f64((real.now - shift).max(0.0));
        let began = seconds * 1_000_000 + u64::from(micros);
        let since = since.as_nanos() + 500;
        self.model.clock = began + u64::try_from(since / 1_000).unwrap();
        let modelled = self.model.take(&request);
        same(step, &real, &modelled);
        self.last[key] = Some((real, modelled));
    }

    fn request(&mut self, key: usize) -> TakeRequest {
        let random = &mut self.random;
        let host = random.u8(..6);
        let answers = (0..random.usize(..3)).map(|_| AnswerGroup {
            taken: random.f64() * 10.0,
            rate: 1.0 + 100.0 * random.f64(),
            waited: random.u32(..5),
            granted: random.u32(..5),
            throttled: random.u32(..5),
        });
        let answers = answers.collect();
        let known = self.last[key].as_ref().map(|(real, _)| real.history);
        TakeRequest {
            key: name(key),
            host: Arc::from(format!("host{host}")),
            ceiling: (!host.is_multiple_of(3)).then(|| f64::from(host) * 12.5),
            wanted: random.u32(..40),
            horizon: random.f64(),
            start: 1.0 + 200.0 * random.f64(),
            answers,
            history: known.filter(|_| random.u8(..10) > 0),
            is_urgent: random.u8(..5) == 0,
        }
    }

    async fn settle(&mut self, key: usize, step: usize) {
        let Some((real, modelled)) = self.last[key].clone() else {
            return;
        };
        let random = &mut self.random;
        let version = real
            .evidence
            .as_ref()
            .map_or(random.u64(..5), |evidence| evidence.version);
        let settlement = |taken: &Taken, random: &mut fastrand::Rng| Settlement {
            history: taken.history,
            version,
            learner: format!("{{\"number\":{}}}", random.u32(..)),
            rate: 1.0 + 500.0 * random.f64(),
            horizon: random.f64(),
            after: random.f64() * 2.0,
            cut: random.bool().then(|| random.f64() * 5.0),
            length: taken
                .evidence
                .as_ref()
                .map_or(0, |evidence| evidence.length),
        };
        let drawn = random.fork();
        let of_real = settlement(&real, &mut drawn.clone());
        let of_model = settlement(&modelled, &mut drawn.clone());
        let stored = self.server.settle(&name(key), &of_real).await.unwrap();
        assert_eq!(
            stored,
            self.model.settle(&name(key), &of_model),
            "step {step}"
        );
    }

    /// The server loses the key.
    fn lose(&mut self, key: usize) {
        let _: u32 = redis::cmd("DEL")
            .arg(stored(key, "quota"))
            .query(&mut self.raw)
            .unwrap();
        self.model.quotas.remove(name(key).as_str());
    }

    /// Somebody writes nonsense into the key: the quota starts again.
    fn damage(&mut self, key: usize) {
        let fields = [
            "history", "shift", "seen", "next", "rate", "horizon", "after", "settled", "version",
        ];
        let field = fields[self.random.usize(..fields.len())];
        let values = ["", "nonsense", "-1", "nan", "1e300", "inf"];
        let value = values[self.random.usize(..values.len())];
        // A shift of -1 may be, and no cut at all.
        if matches!((field, value), ("shift", "-1") | ("cut", "")) {
            return;
        }
        let is_there: bool = redis::cmd("EXISTS")
            .arg(stored(key, "quota"))
            .query(&mut self.raw)
            .unwrap();
        if is_there {
            let _: u32 = redis::cmd("HSET")
                .arg(stored(key, "quota"))
                .arg(field)
                .arg(value)
                .query(&mut self.raw)
                .unwrap();
            self.model.quotas.remove(name(key).as_str());
        }
    }

    /// The same as if the last call had been in the future.
    fn set_the_clock_back(&mut self, key: usize) {
        let by = self.random.f64() * 100.0;
        if let Some(quota) = self.model.quotas.get_mut(name(key).as_str()) {
            quota.seen += by;
            let seen: f64 = redis::cmd("HGET")
                .arg(stored(key, "quota"))
                .arg("seen")
                .query(&mut self.raw)
                .unwrap();
            let _: u32 = redis::cmd("HSET")
                .arg(stored(key, "quota"))
                .arg("seen")
                .arg(format!("{}", seen + by))
                .query(&mut self.raw)
                .unwrap();
        }
    }
}

/// Equal but for the last digits of numbers, and for how the record's length is counted.
fn same(step: usize, real: &Taken, model: &Taken) {
    let near = |one: f64, other: f64| (one - other).abs() < 1e-5;
    let what = format!("step {step}\nserver {real:?}\nmodel  {model:?}");
    assert_eq!(real.history, model.history, "{what}");
    assert_eq!(
        (real.count, real.hosts),
        (model.count, model.hosts),
        "{what}"
    );
    assert!(
        near(real.now, model.now) && near(real.wait, model.wait),
        "{what}"
    );
    assert!(near(real.rate, model.rate), "{what}");
    assert_eq!(real.cut.is_some(), model.cut.is_some(), "{what}");
    assert_eq!(real.evidence.is_some(), model.evidence.is_some(), "{what}");
    let (Some(real), Some(model)) = (&real.evidence, &model.evidence) else {
        return;
    };
    assert_eq!(real.version, model.version, "{what}");
    assert_eq!(real.learner, model.learner, "{what}");
    assert_eq!(real.ceiling, model.ceiling, "{what}");
    assert_eq!(real.answers.len(), model.answers.len(), "{what}");
    for ((at, group), (other_at, other)) in real.answers.iter().zip(&model.answers) {
        assert!(near(*at, *other_at), "{what}");
        assert_eq!(group, other, "{what}");
    }
}

#[test]
fn a_long_queue_is_no_damage_and_a_full_record_is_bounded() {
    for program in programs() {
        let running = Running::start(&program);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let address = ServerAddress::parse(&running.address).unwrap();
            let server = QuotaServer::new(address, None, Trust::System).unwrap();
            queue(&server).await;
            fill(&server).await;
            learner_that_is_no_text(&server, &running.address).await;
            keys_of_another_type(&server, &running.address).await;
        });
    }
}

fn one(key: &str, host: u32) -> TakeRequest {
    TakeRequest {
        key: QuotaKey::new("000000000000", "eu-central-1", key),
        host: Arc::from(format!("host{host}")),
        ceiling: Some(1.0),
        wanted: 1,
        horizon: 0.0,
        start: 1.0,
        answers: Vec::new(),
        history: None,
        is_urgent: false,
    }
}

/// Seven hundred hosts wait at one request a second: each gets a slot of its own.
async fn queue(server: &QuotaServer) {
    let mut last = None::<Taken>;
    for host in 0..700 {
        let taken = server.take(&one("Queue", host)).await.unwrap();
        if let Some(last) = last {
            assert_eq!(taken.history, last.history, "host {host}");
            assert!(
                taken.now + taken.wait > last.now + last.wait + 0.9,
                "host {host}"
            );
        }
        last = Some(taken);
    }
}

/// Answers that nobody decides on are not kept without bound, and once somebody does there is room again.
async fn fill(server: &QuotaServer) {
    let first = server.take(&one("Record", 0)).await.unwrap();
    let group = AnswerGroup {
        taken: 0.123_456_789,
        rate: 1.0,
        waited: 1,
        granted: 1,
        throttled: 0,
    };
    let report = TakeRequest {
        wanted: 0,
        answers: vec![group; 64],
        history: Some(first.history),
        ..one("Record", 0)
    };
    for _ in 0..100 {
        server.take(&report).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let evidence = server.take(&report).await.unwrap().evidence.unwrap();
    assert!(
        (60_000..80_000).contains(&evidence.length),
        "{}",
        evidence.length
    );
    let settlement = Settlement {
        history: first.history,
        version: evidence.version,
        learner: String::new(),
        rate: 1.0,
        horizon: 0.0,
        after: 0.0,
        cut: None,
        length: evidence.length,
    };
    assert!(server.settle(&report.key, &settlement).await.unwrap());
    let after = server.take(&report).await.unwrap().evidence.unwrap();
    assert_eq!(after.answers.len(), 64);
}

async fn learner_that_is_no_text(server: &QuotaServer, address: &str) {
    let request = one("Damage", 0);
    server.take(&request).await.unwrap();
    let mut raw = redis::Client::open(address)
        .unwrap()
        .get_connection()
        .unwrap();
    for field in ["learner", "answers"] {
        let key = format!("kvs-fleet:1:{{{}}}:quota", request.key.as_str());
        let _: u32 = redis::cmd("HSET")
            .arg(key)
            .arg(field)
            .arg(&[0xff_u8, 0xfe][..])
            .query(&mut raw)
            .unwrap();
    }
    let evidence = server
        .take(&one("Damage", 1))
        .await
        .unwrap()
        .evidence
        .unwrap();
    assert_eq!(
        (
            evidence.learner.as_str(),
            evidence.answers.len(),
            evidence.length
        ),
        ("", 0, 2)
    );
}

/// A quota starts again where somebody has set one of its keys to something else.
async fn keys_of_another_type(server: &QuotaServer, address: &str) {
    let request = one("Type", 0);
    let mut raw = redis::Client::open(address)
        .unwrap()
        .get_connection()
        .unwrap();
    for what in ["quota", "hosts"] {
        server.take(&request).await.unwrap();
        let key = format!("kvs-fleet:1:{{{}}}:{what}", request.key.as_str());
        let _: () = redis::cmd("SET")
            .arg(&key)
            .arg("x")
            .query(&mut raw)
            .unwrap();
        let taken = server.take(&request).await.unwrap();
        assert!(taken.wait.abs() < f64::EPSILON, "{what}: {taken:?}");
    }
}
