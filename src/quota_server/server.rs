//! A Valkey or Redis server that keeps quotas: the two scripts, and the connection on which they are called.

use std::fmt;
use std::time::Duration;

use redis::{RedisError, Script, ScriptInvocation, Value};

use super::address::ServerAddress;
use super::connect::{Connector, Trust, not_tls};
use super::link::Link;
use super::{failure, wire};
use crate::engine::pace::quota::{
    Quota, QuotaError, QuotaKey, QuotaReply, Settlement, TakeRequest, Taken,
};

/// The rate of the quota of checks, in requests a second: hosts that begin together do not wait for each other.
const CHECK_RATE: f64 = 1_000.0;

/// How long the first answer is waited for.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// A Valkey or Redis server that keeps quotas. Connects when it is first asked, and again after a connection is lost.
pub struct QuotaServer {
    address: ServerAddress,
    link: Link,
    take: Script,
    settle: Script,
}

impl QuotaServer {
    /// The server at this address. Reads the certificates that are trusted, and sends nothing.
    pub fn new(
        address: ServerAddress,
        password: Option<String>,
        trust: Trust,
    ) -> Result<Self, QuotaError> {
        let connector = Connector::new(address.clone(), password, trust)?;
        Ok(Self {
            address,
            link: Link::new(connector),
            take: Script::new(include_str!("take.lua")),
            settle: Script::new(include_str!("settle.lua")),
        })
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
        let taken = tokio::time::timeout(FIRST_ANSWER, self.take(&request)).await;
        let silent = || QuotaError::Unavailable("it does not answer".to_owned());
        let taken = match taken.unwrap_or_else(|_| Err(silent())) {
            Err(QuotaError::Unavailable(reason)) => return Err(self.why_not(reason).await),
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

    /// Why there was no answer: perhaps since TLS is expected, or is not.
    async fn why_not(&self, reason: String) -> QuotaError {
        let connector = self.link.connector();
        if connector.expects_tls().await {
            let message = "it expects TLS; write rediss:// instead of redis://";
            return QuotaError::Refused(message.to_owned());
        }
        if connector.speaks_plainly().await {
            return not_tls();
        }
        QuotaError::Unavailable(reason)
    }

    /// Runs a script.
    async fn call(&self, script: &ScriptInvocation<'_>) -> Result<Value, QuotaError> {
        let mut call = self.link.call().await?;
        let reply: Result<Value, RedisError> = script.invoke_async(&mut call.connection).await;
        if reply.as_ref().err().is_none_or(failure::is_answer) {
            call.answered();
        }
        reply.map_err(|error| failure::of(&error))
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
            let reply = self.call(&call).await?;
            wire::taken(&reply).ok_or_else(QuotaError::absurd)
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
            match self.call(&call).await? {
                Value::Int(stored) => Ok(stored == 1),
                _ => Err(QuotaError::absurd()),
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

#[cfg(test)]
mod tests {
    use crate::engine::pace::learner::{SEARCHING_HORIZON, SEARCHING_PERIOD};
    use crate::engine::pace::quota::{LONGEST_HORIZON, LONGEST_WAIT};

    #[test]
    fn the_script_has_the_same_figures() {
        let script = include_str!("take.lua");
        for line in [
            format!(
                "horizon, after, settled, version = {SEARCHING_HORIZON}, {SEARCHING_PERIOD}, 0, 0"
            ),
            format!("local LONGEST_QUEUE = {LONGEST_WAIT} "),
            format!("tonumber(ARGV[4])), {LONGEST_HORIZON})"),
        ] {
            assert!(script.contains(&line), "{line}");
        }
    }
}
