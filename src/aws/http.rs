//! The SDK's HTTP client: connection pools, the proxy, and trusted certificates.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::error::ConfigError;
use crate::domain::certificates::certificates;
use crate::domain::device::shown;
use crate::domain::panics::{self, lock};

/// How long an idle connection is kept. Short, because a connection that the server closes while a request is sent
/// gives an ambiguous answer; long enough for the pauses of a run at 0.1 requests a second.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Hosts that never use a proxy, whatever the environment says.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// The environment's network settings, read once at the start.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The setting that names the file of trusted certificates, and the file.
    ca_bundle: Option<(&'static str, PathBuf)>,
    proxy: Option<(&'static str, String)>,
    no_proxy: String,
}

impl Network {
    /// Reads `AWS_CA_BUNDLE`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` (the last three also in lower case), with the
    /// meaning that curl gives them. `HTTP_PROXY` is not used: only connections to this computer are without TLS.
    pub(crate) fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| {
            let value = var(name)?.trim().to_owned();
            (!value.is_empty()).then_some((name, value))
        };
        let first = |names: [&'static str; 2]| names.into_iter().find_map(set);
        Self {
            ca_bundle: set("AWS_CA_BUNDLE").map(|(name, path)| (name, path.into())),
            proxy: first(["HTTPS_PROXY", "https_proxy"])
                .or_else(|| first(["ALL_PROXY", "all_proxy"])),
            no_proxy: first(["NO_PROXY", "no_proxy"])
                .map(|(_, rules)| rules)
                .unwrap_or_default(),
        }
    }

    /// Reads the settings from this process's environment. A value that is not UTF-8 is an unusable value.
    pub fn from_environment() -> Self {
        Self::from_vars(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Adds the profile's file of certificates if no variable names one.
    pub(super) fn or_ca_bundle(&self, of_profile: Option<PathBuf>) -> Self {
        let of_profile = of_profile.map(|path| ("ca_bundle of the AWS profile", path));
        Self {
            ca_bundle: self.ca_bundle.clone().or(of_profile),
            ..self.clone()
        }
    }

    /// Whether a proxy is configured, even if only for some hosts.
    pub(super) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    fn proxy(&self) -> Result<ProxyConfig, ConfigError> {
        let Some((variable, value)) = &self.proxy else {
            return Ok(ProxyConfig::disabled());
        };
        let url = if value.contains("://") {
            value.clone()
        } else {
            format!("http://{value}")
        };
        let config = ProxyConfig::https(url.as_str()).map_err(|_| {
            ConfigError::Configuration(format!(
                "the environment variable {variable} cannot be used: {} is not the http:// or https:// URL of a proxy. It \
                 must be like http://proxy.example.com:8080",
                shown(without_password(value))
            ))
        })?;
        Ok(config.no_proxy(format!("{},{NEVER_PROXIED}", self.no_proxy)))
    }

    fn trust(&self) -> Result<TrustStore, ConfigError> {
        let mut store = TrustStore::default();
        let Some((setting, path)) = &self.ca_bundle else {
            return Ok(store);
        };
        let unusable = |reason: String| {
            ConfigError::Configuration(format!(
                "{setting} names {}, which cannot be used: {reason}. It must be a PEM file with the certificates to trust \
                 beside the system's",
                path.display()
            ))
        };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        for certificate in certificates(&pem).map_err(unusable)? {
            store.add_pem_certificate(certificate);
        }
        Ok(store)
    }
}

/// A proxy URL may contain a password, so `Debug` is not derived.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("ca_bundle", &self.ca_bundle)
            .field("proxy", &self.proxy.as_ref().map(|(variable, _)| variable))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// The URL after its last `@`: a user name and a password may come before.
fn without_password(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or_default()
}

/// The HTTP client. With `with_tls` false, the trusted certificates are not loaded.
pub(super) fn client(network: &Network, with_tls: bool) -> Result<SharedHttpClient, ConfigError> {
    let (proxy, trust) = if with_tls {
        (network.proxy()?, network.trust()?)
    } else {
        (ProxyConfig::disabled(), TrustStore::empty())
    };
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| no_tls(&error.to_string()))?;
    let pools = Pools {
        proxy,
        tls,
        connectors: Mutex::default(),
    };
    // The client panics on certificates that it cannot use, and in debug builds if there are no trusted certificates.
    // Building a connector here reports that once, before the first request.
    panics::expecting(|| pools.connector(&HttpConnectorSettings::builder().build())).map_err(|_| {
        no_tls(
            "the trusted certificates cannot be loaded; is a package such as ca-certificates missing, or is a certificate of \
             AWS_CA_BUNDLE damaged?",
        )
    })?;
    Ok(SharedHttpClient::new(pools))
}

fn no_tls(why: &str) -> ConfigError {
    ConfigError::Configuration(format!(
        "secure connections cannot be set up on this computer: {why}"
    ))
}

/// One pool of connections for each pair of timeouts: the service's own, and those of the credential providers.
struct Pools {
    proxy: ProxyConfig,
    tls: TlsContext,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

type Timeouts = (Option<Duration>, Option<Duration>);

impl Pools {
    fn connector(&self, settings: &HttpConnectorSettings) -> SharedHttpConnector {
        let key = (settings.connect_timeout(), settings.read_timeout());
        lock(&self.connectors)
            .entry(key)
            .or_insert_with(|| SharedHttpConnector::new(self.build(settings)))
            .clone()
    }

    fn build(&self, settings: &HttpConnectorSettings) -> Connector {
        let builder: ConnectorBuilder = Connector::builder();
        builder
            .connector_settings(settings.clone())
            .enable_tcp_nodelay(true)
            .pool_idle_timeout(IDLE_CONNECTION)
            .proxy_config(self.proxy.clone())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(self.tls.clone())
            .build()
    }
}

impl HttpClient for Pools {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.connector(settings)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pools")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(vars: &[(&str, &str)]) -> Network {
        Network::from_vars(|name| {
            vars.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_first_proxy_variable_with_a_value_is_used() {
        for (vars, expected) in [
            (&[][..], None),
            (&[("HTTP_PROXY", "http://a:1")], None),
            (&[("HTTPS_PROXY", " ")], None),
            (&[("all_proxy", "http://a:1")], Some("all_proxy")),
            (
                &[("ALL_PROXY", "http://a:1"), ("https_proxy", "http://b:1")],
                Some("https_proxy"),
            ),
            (
                &[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "b:1")],
                Some("HTTPS_PROXY"),
            ),
        ] {
            let network = network(vars);
            assert_eq!(network.proxy.as_ref().map(|(name, _)| *name), expected);
            assert!(network.proxy().is_ok());
        }
        let rules = network(&[("no_proxy", "a"), ("NO_PROXY", "b, .c")]).no_proxy;
        assert_eq!(rules, "b, .c");
    }

    #[test]
    fn an_unusable_proxy_is_reported_without_its_password() {
        for value in [
            "socks5://me:hunter2@proxy:1080",
            "http://",
            "http://me:hunter2@",
        ] {
            let network = network(&[("ALL_PROXY", value)]);
            let error = network.proxy().expect_err(value).to_string();
            assert!(error.contains("ALL_PROXY"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            assert!(!format!("{network:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_missing_or_damaged_bundle_is_reported() {
        let missing = network(&[("AWS_CA_BUNDLE", "/no/such/file.pem")]);
        let error = client(&missing, true).expect_err("missing").to_string();
        assert!(error.contains("AWS_CA_BUNDLE names /no/such/file.pem"));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(
            &path,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let damaged = network(&[("AWS_CA_BUNDLE", path.to_str().unwrap())]);
        let error = client(&damaged, true).expect_err("damaged").to_string();
        assert!(error.contains("certificate 1"), "{error}");
        // Without TLS, the bundle is not read.
        assert!(client(&damaged, false).is_ok());
    }
}
