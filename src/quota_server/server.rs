//! A Valkey or Redis server that keeps quotas: the two scripts, and the connection on which they are called.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script, Value};
use tokio::sync::Mutex;

use super::address::ServerAddress;
use super::connect::{self, Trust};
use super::{failure, wire};
use crate::engine::pace::quota::{
    Quota, QuotaError, QuotaKey, QuotaReply, Settlement, TakeRequest, Taken,
};

/// The rate of the quota of checks, in requests a second: hosts that begin together do not wait for each other.
const CHECK_RATE: f64 = 1_000.0;

/// A Valkey or Redis server that keeps quotas. Connects when it is first asked, and again after a connection is lost.
pub struct QuotaServer {
    address: ServerAddress,
    password: Option<String>,
    trust: Trust,
    connection: Mutex<Option<MultiplexedConnection>>,
    take: Script,
    settle: Script,
}

impl QuotaServer {
    /// The server at this address. Sends nothing.
    pub fn new(address: ServerAddress, password: Option<String>, trust: Trust) -> Self {
        Self {
            address,
            password,
            trust,
            connection: Mutex::new(None),
            take: Script::new(include_str!("take.lua")),
            settle: Script::new(include_str!("settle.lua")),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Takes a slot of a quota that nobody uses and settles it: whether all that a run needs is allowed.
    pub async fn check(&self, host: &str) -> Result<(), QuotaError> {
        let request = TakeRequest {
            key: QuotaKey::check(),
            host: host.into(),
            ceiling: None,
            wanted: 1,
            horizon: 0.0,
            start: CHECK_RATE,
            answers: Vec::new(),
            history: None,
            is_urgent: true,
        };
        let taken = self.take(&request).await;
        let taken = match taken {
            Err(QuotaError::Unavailable(_))
                if connect::expects_tls(&self.address, &self.trust).await =>
            {
                return Err(QuotaError::Refused(
                    "it expects TLS; write rediss:// instead of redis://".to_owned(),
                ));
            }
            taken => taken?,
        };
        let settlement = Settlement {
            history: taken.history,
            version: 0,
            learner: String::new(),
            rate: CHECK_RATE,
            horizon: 0.0,
            after: 1.0,
            cut: None,
            length: 0,
        };
        self.settle(&request.key, &settlement).await.map(|_| ())
    }

    async fn connection(&self) -> Result<MultiplexedConnection, QuotaError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let new = connect::connect(&self.address, self.password.as_deref(), &self.trust).await?;
        Ok(connection.insert(new).clone())
    }

    /// Ends a call that failed. Only what the server itself said leaves the connection usable.
    async fn failed(&self, error: &RedisError) -> QuotaError {
        if !failure::is_answer(error) {
            *self.connection.lock().await = None;
        }
        failure::of(error)
    }
}

impl Quota for QuotaServer {
    fn take<'a>(&'a self, request: &'a TakeRequest) -> QuotaReply<'a, Taken> {
        Box::pin(async move {
            let ceiling = request
                .ceiling
                .map_or_else(String::new, |rate| rate.to_string());
            let history = request.history.map_or_else(String::new, wire::history_text);
            let mut call = self.take.prepare_invoke();
            call.key(key(&request.key, "quota"))
                .key(key(&request.key, "hosts"))
                .arg(&*request.host)
                .arg(ceiling)
                .arg(request.wanted)
                .arg(request.horizon)
                .arg(request.start)
                .arg(wire::answers_text(&request.answers))
                .arg(history)
                .arg(u8::from(request.is_urgent));
            let mut connection = self.connection().await?;
            let reply: Result<Value, _> = call.invoke_async(&mut connection).await;
            match reply {
                Ok(reply) => wire::taken(&reply)
                    .ok_or_else(|| QuotaError::Unavailable("its answer makes no sense".to_owned())),
                Err(error) => Err(self.failed(&error).await),
            }
        })
    }

    fn settle<'a>(
        &'a self,
        quota: &'a QuotaKey,
        settlement: &'a Settlement,
    ) -> QuotaReply<'a, bool> {
        Box::pin(async move {
            let cut = settlement
                .cut
                .map_or_else(String::new, |cut| cut.to_string());
            let mut call = self.settle.prepare_invoke();
            call.key(key(quota, "quota"))
                .arg(wire::history_text(settlement.history))
                .arg(settlement.version)
                .arg(&settlement.learner)
                .arg(settlement.rate)
                .arg(settlement.horizon)
                .arg(settlement.after)
                .arg(cut)
                .arg(settlement.length);
            let mut connection = self.connection().await?;
            let reply: Result<bool, _> = call.invoke_async(&mut connection).await;
            match reply {
                Ok(is_stored) => Ok(is_stored),
                Err(error) => Err(self.failed(&error).await),
            }
        })
    }
}

/// The braces keep both keys of a quota on one node.
fn key(quota: &QuotaKey, what: &str) -> String {
    format!("kvs-fleet:1:{{{}}}:{what}", quota.as_str())
}

/// Without the password.
impl fmt::Debug for QuotaServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
