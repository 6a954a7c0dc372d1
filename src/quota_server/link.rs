//! The way to the quota server: one connection for all calls, made in a task of its own, so that a call which gives up does
//! not begin again from nothing, and replaced after a call without an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::connect::Connector;
use crate::engine::pace::quota::QuotaError;

/// Connecting takes no longer: name, TCP, TLS and login.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

type Connected = Result<MultiplexedConnection, QuotaError>;

/// The way to the server.
pub(super) struct Link {
    connector: Connector,
    state: Mutex<LinkState>,
    /// The number of the last connection on which a call had no answer.
    broken: AtomicU64,
}

enum LinkState {
    /// No connection; the number of those before.
    None(u64),
    Connecting(u64, JoinHandle<Connected>),
    Connected(u64, MultiplexedConnection),
}

impl Link {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            state: Mutex::new(LinkState::None(0)),
            broken: AtomicU64::new(0),
        }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// A call on the connection, after connecting where that is needed. Dropped before it returns, it leaves the attempt to the
    /// next call.
    pub(super) async fn call(&self) -> Result<Call<'_>, QuotaError> {
        let mut state = self.state.lock().await;
        loop {
            match &mut *state {
                LinkState::Connected(number, connection) => {
                    if self.broken.load(Ordering::Relaxed) < *number {
                        return Ok(Call {
                            link: self,
                            number: *number,
                            connection: connection.clone(),
                            is_answered: false,
                        });
                    }
                    *state = LinkState::None(*number);
                }
                LinkState::None(number) => {
                    let number = *number + 1;
                    *state = LinkState::Connecting(number, self.connect());
                }
                LinkState::Connecting(number, attempt) => {
                    let number = *number;
                    let ended = attempt.await;
                    *state = LinkState::None(number);
                    let lost = |_| QuotaError::Unavailable("connecting ended early".to_owned());
                    *state = LinkState::Connected(number, ended.map_err(lost)??);
                }
            }
        }
    }

    fn connect(&self) -> JoinHandle<Connected> {
        let connector = self.connector.clone();
        tokio::spawn(async move {
            let connected = tokio::time::timeout(LONGEST_CONNECT, connector.connect()).await;
            let silent = || QuotaError::Unavailable("it does not answer".to_owned());
            connected.unwrap_or_else(|_| Err(silent()))
        })
    }
}

/// A call that is under way. Dropped without an answer, it leaves a connection that is not used again: its host may be gone.
pub(super) struct Call<'a> {
    link: &'a Link,
    number: u64,
    pub(super) connection: MultiplexedConnection,
    is_answered: bool,
}

impl Call<'_> {
    /// The server has answered, and would answer again.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.link.broken.fetch_max(self.number, Ordering::Relaxed);
        }
    }
}
