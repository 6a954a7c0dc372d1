//! The quota server of a command: from its flags to the connection that all limiters share.

use std::path::Path;
use std::sync::Arc;

use tracing::{info, warn};

use super::target::Target;
use crate::cli::ConnectionArgs;
use crate::engine::event::{Event, Listener, Listeners};
use crate::engine::pace::quota::QuotaError;
use crate::engine::pace::quota_client::{QuotaClient, QuotaNews};
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::quota_server::{PASSWORD, QuotaServer, ServerAddress, Trust};

/// The quota server that the flags name.
#[derive(Debug, Clone)]
pub(super) struct QuotaServerConfig {
    address: ServerAddress,
    password: Option<Password>,
    trust: Trust,
}

/// Not shown anywhere.
#[derive(Clone)]
struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Asks the quota server for the first time, where one is used.
pub(super) async fn join(
    config: Option<&QuotaServerConfig>,
    target: &Target,
    listeners: &Listeners,
    stop: &StopSignal,
) -> Result<Option<Arc<QuotaClient>>, Error> {
    let Some(config) = config else {
        return Ok(None);
    };
    // Emulators on this computer have the same account numbers.
    let port = target.connection().endpoint().loopback_port();
    let place = port.map_or_else(String::new, |port| format!("localhost:{port}/"));
    let client = tokio::select! {
        biased;
        () = stop.given() => {
            let cause = stop.cause().unwrap_or(Stop::Interrupted);
            return Err(cause.into());
        }
        client = config.join(listeners.clone()) => client?,
    };
    Ok(Some(Arc::new(client.at(&place))))
}

impl QuotaServerConfig {
    /// What the flags and the password's variable say. Sends nothing.
    pub(super) fn of(args: &ConnectionArgs) -> Result<Option<Self>, Error> {
        let authority = args.quota_server_ca.as_deref();
        let Some(url) = &args.quota_server else {
            return match authority {
                Some(_) => Err(refused("--quota-server-ca needs --quota-server")),
                None => Ok(None),
            };
        };
        let address = ServerAddress::parse(url)
            .map_err(|reason| refused(&format!("--quota-server: {reason}")))?;
        let password = password()?;
        if address.has_user() && password.is_none() {
            return Err(refused(&format!(
                "--quota-server: the URL names a user, but {PASSWORD} is not set"
            )));
        }
        if password.is_some() && !address.uses_tls() && !address.is_loopback() {
            return Err(refused(&format!(
                "--quota-server {address}: the password would cross the network in the clear; write rediss:// for TLS, \
                 or leave {PASSWORD} out"
            )));
        }
        if authority.is_some() && !address.uses_tls() {
            return Err(refused(&format!(
                "--quota-server-ca is for TLS, and {address} is without; write rediss://"
            )));
        }
        let trust = authority.map_or(Ok(Trust::System), trust_in)?;
        Ok(Some(Self {
            address,
            password: password.map(Password),
            trust,
        }))
    }

    /// The server's address, without user and password.
    pub(super) fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Asks the server for the first time, and gives it to the limiters. A server that refuses this host, or cannot be
    /// trusted, is a reason not to begin; one that does not answer is not.
    async fn join(&self, listeners: Listeners) -> Result<QuotaClient, Error> {
        let address = &self.address;
        let password = self.password.as_ref().map(|password| password.0.clone());
        let server = QuotaServer::new(address.clone(), password, self.trust.clone())
            .map_err(|error| unusable(address, &error))?;
        let host = format!("{:016x}", fastrand::u64(..));
        let is_lost = match server.check(&host).await {
            Ok(()) => {
                info!("the quota server {address} shares the quota with other hosts");
                false
            }
            Err(error @ QuotaError::Refused(_)) => return Err(unusable(address, &error)),
            Err(QuotaError::Unavailable(reason)) => {
                warn!("{}", alone(address, &reason));
                listeners.tell(&Event::QuotaServerLost);
                true
            }
        };
        let tell = {
            let address = address.clone();
            move |news: &QuotaNews| match news {
                QuotaNews::Alone(reason) => {
                    warn!("{}", alone(&address, reason));
                    listeners.tell(&Event::QuotaServerLost);
                }
                QuotaNews::Joined => {
                    info!("the quota server {address} answers; from here on hosts share the quota");
                }
            }
        };
        Ok(QuotaClient::new(
            Arc::new(server),
            &host,
            is_lost,
            Box::new(tell),
        ))
    }
}

fn unusable(address: &ServerAddress, error: &QuotaError) -> Error {
    let message = format!("the quota server {address} cannot be used: {error}");
    Error::refused("quota-server", message)
}

fn alone(address: &ServerAddress, reason: &str) -> String {
    format!(
        "the quota server {address} cannot be used at present: {reason}. This host goes on alone, by what the service \
         throttles, and asks it again every second"
    )
}

fn refused(message: &str) -> Error {
    Error::refused("usage", message)
}

fn password() -> Result<Option<String>, Error> {
    match std::env::var(PASSWORD) {
        Ok(password) if !password.is_empty() => Ok(Some(password)),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(refused(&format!("{PASSWORD} is not UTF-8 text")))
        }
        _ => Ok(None),
    }
}

fn trust_in(file: &Path) -> Result<Trust, Error> {
    let of_file =
        |reason: String| refused(&format!("--quota-server-ca {}: {reason}", file.display()));
    let pem = std::fs::read(file).map_err(|error| of_file(error.to_string()))?;
    Trust::of_pem(&pem).map_err(of_file)
}
