//! The connection to the quota server: TCP, TLS where the URL says so, and the login.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error as TlsError, RootCertStore, crypto};

use super::address::ServerAddress;
use super::failure;
use crate::domain::certificates::certificates;
use crate::engine::pace::quota::QuotaError;

/// Finding out whether a server expects TLS takes no longer.
const LONGEST_TLS_PROBE: Duration = Duration::from_secs(1);

/// The certificate authorities of servers that are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those of the operating system.
    System,
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
}

impl Trust {
    /// The authorities in this PEM file alone.
    pub(crate) fn of_pem(pem: &[u8]) -> Result<Self, String> {
        let found = certificates(pem)?;
        let read = |pem: &String| CertificateDer::from_pem_slice(pem.as_bytes());
        let read: Result<_, _> = found.iter().map(read).collect();
        read.map(Self::Only).map_err(|error| error.to_string())
    }
}

/// Connects and logs in.
pub(super) async fn connect(
    address: &ServerAddress,
    password: Option<&str>,
    trust: &Trust,
) -> Result<MultiplexedConnection, QuotaError> {
    let tcp = tcp(address).await?;
    if address.uses_tls() {
        log_in(address, password, tls(address, tcp, trust).await?).await
    } else {
        log_in(address, password, tcp).await
    }
}

async fn tcp(address: &ServerAddress) -> Result<TcpStream, QuotaError> {
    let tcp = TcpStream::connect(address.place()).await;
    let tcp = tcp.map_err(|error| {
        QuotaError::Unavailable(format!("it cannot be reached ({})", error.kind()))
    })?;
    // A call is small and waited for.
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

async fn tls(
    address: &ServerAddress,
    tcp: TcpStream,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, QuotaError> {
    let (host, _) = address.place();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        QuotaError::Refused(format!("{host} is no name that a certificate can have"))
    })?;
    let connector = connector(trust)?;
    let connected = connector.connect(name, tcp).await;
    connected.map_err(|error| tls_failure(&error))
}

fn connector(trust: &Trust) -> Result<TlsConnector, QuotaError> {
    let refused = |error: TlsError| QuotaError::Refused(format!("TLS is not possible ({error})"));
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
        Trust::Only(certificates) => {
            for certificate in certificates {
                roots.add(certificate.clone()).map_err(refused)?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What a failed handshake means.
fn tls_failure(error: &io::Error) -> QuotaError {
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(reason)) => QuotaError::Refused(format!(
            "its certificate is not trusted ({reason}); --quota-server-ca names the authority that issued it"
        )),
        Some(TlsError::InvalidMessage(_)) => QuotaError::Refused(
            "it does not speak TLS; write redis:// instead of rediss://".to_owned(),
        ),
        Some(other) => QuotaError::Refused(format!("the TLS handshake failed ({other})")),
        None => QuotaError::Unavailable(format!("the TLS handshake failed ({})", error.kind())),
    }
}

async fn log_in<C>(
    address: &ServerAddress,
    password: Option<&str>,
    stream: C,
) -> Result<MultiplexedConnection, QuotaError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Each call is under the caller's own timeout.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let login = address.login(password);
    let connected = MultiplexedConnection::new_with_config(&login, stream, config).await;
    let (connection, driver) = connected.map_err(|error| failure::of(&error))?;
    tokio::spawn(driver);
    Ok(connection)
}

/// Whether a server that was asked without TLS expects it.
pub(super) async fn expects_tls(address: &ServerAddress, trust: &Trust) -> bool {
    if address.uses_tls() {
        return false;
    }
    let handshake = async {
        let tcp = tcp(address).await?;
        tls(address, tcp, trust).await
    };
    match tokio::time::timeout(LONGEST_TLS_PROBE, handshake).await {
        Ok(Ok(_)) => true,
        Ok(Err(QuotaError::Refused(reason))) => reason.contains("certificate"),
        _ => false,
    }
}
