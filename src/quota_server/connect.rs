//! A connection to the quota server: TCP, TLS where the URL says so, and the login.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, Error as TlsError, RootCertStore, crypto,
};

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
#[derive(Clone)]
pub(super) struct Connector {
    address: ServerAddress,
    password: Option<String>,
    tls: TlsConnector,
}

/// Why there is no TLS connection.
enum TlsFailure {
    /// The certificate is not trusted.
    Untrusted(String),
    /// It is the certificate of another host.
    OtherHost(String),
    /// The server speaks something else.
    NotTls,
    Other(QuotaError),
}

impl Connector {
    /// Reads the certificates of the operating system, if these are trusted. Sends nothing.
    pub(super) fn new(
        address: ServerAddress,
        password: Option<String>,
        trust: Trust,
    ) -> Result<Self, QuotaError> {
        Ok(Self {
            address,
            password,
            tls: tls_connector(trust)?,
        })
    }

    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, QuotaError> {
        let tcp = self.tcp().await?;
        if self.address.uses_tls() {
            let tls = self.tls(tcp).await.map_err(QuotaError::from)?;
            self.log_in(tls).await
        } else {
            self.log_in(tcp).await
        }
    }

    /// Whether a server that was asked without TLS expects it.
    pub(super) async fn expects_tls(&self) -> bool {
        if self.address.uses_tls() {
            return false;
        }
        let handshake = async {
            let tcp = self.tcp().await.map_err(TlsFailure::Other)?;
            self.tls(tcp).await
        };
        let handshake = tokio::time::timeout(LONGEST_TLS_PROBE, handshake).await;
        matches!(
            handshake,
            Ok(Ok(_) | Err(TlsFailure::Untrusted(_) | TlsFailure::OtherHost(_)))
        )
    }

    /// Whether a server that was asked by TLS speaks without it. Such a one may wait for the end of a line for ever.
    pub(super) async fn speaks_plainly(&self) -> bool {
        if !self.address.uses_tls() {
            return false;
        }
        let ping = async {
            let mut tcp = self.tcp().await.ok()?;
            tcp.write_all(b"PING\r\n").await.ok()?;
            tcp.read_u8().await.ok()
        };
        let first = tokio::time::timeout(LONGEST_TLS_PROBE, ping).await;
        matches!(first, Ok(Some(b'+' | b'-')))
    }

    async fn tcp(&self) -> Result<TcpStream, QuotaError> {
        let found = tokio::net::lookup_host(self.address.place()).await;
        let found: Vec<_> = found
            .map_err(|_| QuotaError::Unavailable("its name cannot be resolved".to_owned()))?
            .collect();
        let tcp = TcpStream::connect(found.as_slice()).await;
        let tcp = tcp.map_err(|error| {
            QuotaError::Unavailable(format!("it cannot be reached ({})", error.kind()))
        })?;
        // A call is small and waited for.
        let _ = tcp.set_nodelay(true);
        Ok(tcp)
    }

    async fn tls(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TlsFailure> {
        let (host, _) = self.address.place();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            let message = format!("{host} is no name that a certificate can have");
            TlsFailure::Other(QuotaError::Refused(message))
        })?;
        let connected = self.tls.connect(name, tcp).await;
        connected.map_err(|error| TlsFailure::of(&error))
    }

    async fn log_in<C>(&self, stream: C) -> Result<MultiplexedConnection, QuotaError>
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Each call is under the caller's own timeout.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let login = self.address.login(self.password.as_deref());
        let connected = MultiplexedConnection::new_with_config(&login, stream, config).await;
        let (connection, driver) = connected.map_err(|error| failure::of(&error))?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

/// The refusal of a server that does not speak TLS.
pub(super) fn not_tls() -> QuotaError {
    QuotaError::Refused("it does not speak TLS; write redis:// instead of rediss://".to_owned())
}

fn tls_connector(trust: Trust) -> Result<TlsConnector, QuotaError> {
    let refused = |error: TlsError| QuotaError::Refused(format!("TLS is not possible ({error})"));
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
        Trust::Only(certificates) => {
            for certificate in certificates {
                roots.add(certificate).map_err(refused)?;
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

impl TlsFailure {
    fn of(error: &io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|error| error.downcast_ref::<TlsError>());
        match tls {
            Some(TlsError::InvalidCertificate(
                reason @ (CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. }),
            )) => Self::OtherHost(reason.to_string()),
            Some(TlsError::InvalidCertificate(reason)) => Self::Untrusted(reason.to_string()),
            Some(TlsError::InvalidMessage(_)) => Self::NotTls,
            Some(other) => Self::Other(QuotaError::Refused(format!(
                "the TLS handshake failed ({other})"
            ))),
            None => Self::Other(QuotaError::Unavailable(format!(
                "the TLS handshake failed ({})",
                error.kind()
            ))),
        }
    }
}

impl From<TlsFailure> for QuotaError {
    fn from(failure: TlsFailure) -> Self {
        match failure {
            TlsFailure::Untrusted(reason) => Self::Refused(format!(
                "its certificate is not trusted ({reason}); --quota-server-ca names the authority that issued it"
            )),
            TlsFailure::OtherHost(reason) => Self::Refused(format!(
                "its certificate is of another host ({reason}); write the name that the certificate has"
            )),
            TlsFailure::NotTls => not_tls(),
            TlsFailure::Other(error) => error,
        }
    }
}
