//! Where requests are sent: AWS's endpoints, or one URL for all Regions. This module only parses text; it uses neither
//! DNS nor the SDK.

use std::fmt;
use std::net::IpAddr;

use super::error::ConfigError;
use crate::domain::device::shown;

/// The domains of AWS endpoints in all partitions, VPC endpoints included (from the SDK's partition table and Amazon's
/// documentation of interface endpoints).
const AWS_DOMAINS: [&str; 13] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "api.aws.hci.ic.gov",
    "api.aws.ic.gov",
    "api.aws.scloud",
    "c2s.ic.gov",
    "csp.hci.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `None`: the AWS endpoint of each Region.
    url: Option<Box<str>>,
    is_https: bool,
    is_loopback: bool,
    is_aws: bool,
}

impl Endpoint {
    /// The AWS endpoint of each Region.
    pub fn aws() -> Self {
        Self {
            url: None,
            is_https: true,
            is_loopback: false,
            is_aws: true,
        }
    }

    /// One URL for all Regions. `source` is the setting that the error message names.
    ///
    /// A URL is refused if requests would cross the network in plain text, or if it contains a password.
    pub fn parse(url: &str, source: &str) -> Result<Self, ConfigError> {
        Self::custom(url).map_err(|reason| {
            ConfigError::Configuration(format!("the endpoint URL of {source} {reason}"))
        })
    }

    /// The configured URL; `None` if the SDK chooses the AWS endpoint of each Region.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Whether requests stay on this computer.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The port, if requests stay on this computer.
    pub(crate) fn loopback_port(&self) -> Option<u16> {
        let url = self.url().filter(|_| self.is_loopback)?;
        let authority = url.split("://").nth(1)?.split('/').next()?;
        let port = authority.rsplit_once(':').map(|(_, port)| port.parse());
        let by_scheme = if self.is_https { 443 } else { 80 };
        Some(port.and_then(Result::ok).unwrap_or(by_scheme))
    }

    /// Whether the endpoint belongs to AWS, judged by its host name.
    pub fn is_aws(&self) -> bool {
        self.is_aws
    }

    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// An error continues the sentence "the endpoint URL of X …".
    fn custom(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            format!(
                "is {}; it must start with https:// (or http:// for this computer itself)",
                shown(text)
            )
        })?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(format!(
                "has the scheme {}; only https:// (and http:// for this computer itself) is possible",
                shown(scheme)
            ));
        }
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(
                "holds a user name or password; give the host alone, credentials come from the AWS chain"
                    .to_owned(),
            );
        }
        if rest.contains(['?', '#', '\\']) || text.contains(|c: char| c.is_whitespace()) {
            return Err(format!(
                "is {}; a query, fragment, backslash or space has no place in it",
                shown(text)
            ));
        }
        let host = host_of(authority).ok_or_else(|| {
            format!(
                "is {}; it must name a host, and a port from 1 to 65535 if one is given",
                shown(text)
            )
        })?;
        let is_loopback = is_loopback(&host);
        if !is_https && !is_loopback {
            return Err(format!(
                "is {}; plain http:// is refused unless the host is this computer itself (127.0.0.1, [::1] or \
                 localhost), since requests would cross the network unprotected. Use https://",
                shown(text)
            ));
        }
        Ok(Self {
            url: Some(text.trim_end_matches('/').into()),
            is_https,
            is_loopback,
            is_aws: AWS_DOMAINS.iter().any(|domain| is_within(&host, domain)),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url().unwrap_or("AWS"))
    }
}

/// The host of `host[:port]` in lower case, IPv6 addresses without brackets; `None` if host or port is malformed.
fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (address, port)
        }
        None => match authority.split_once(':') {
            None => (authority, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port_is_sound =
        port.is_none_or(|port| digits(port) && port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_name_or_address = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
    (port_is_sound && is_name_or_address).then(|| host.to_ascii_lowercase())
}

/// `127.0.0.0/8`, `::1`, `localhost` and names below it (which never leave the computer, RFC 6761).
fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => is_within(host, "localhost"),
    }
}

/// Whether a name means Kinesis Video, however it separates the two words.
pub(super) fn is_our_service(name: &str) -> bool {
    name.replace(['-', '_', ' '], "")
        .eq_ignore_ascii_case("kinesisvideo")
}

/// Refuses a URL that is not the URL of an instance metadata service, which uses plain HTTP.
pub(super) fn check_metadata_url(url: &str) -> Result<(), &'static str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split('/').next());
    match authority.and_then(host_of) {
        Some(_) if !url.contains(|c: char| c.is_whitespace() || c.is_control()) => Ok(()),
        _ => Err("it must be like http://169.254.169.254"),
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Endpoint, String> {
        Endpoint::parse(url, "--endpoint-url").map_err(|error| error.to_string())
    }

    #[test]
    fn the_port_on_this_computer_is_known() {
        for (url, port) in [
            ("http://127.0.0.1:4566", Some(4566)),
            ("http://LOCALHOST:4566/path", Some(4566)),
            ("http://kvs.localhost", Some(80)),
            ("https://[::1]", Some(443)),
            ("http://[::1]:9000/", Some(9000)),
            ("https://kvs.example:4566", None),
        ] {
            let endpoint = Endpoint::parse(url, "--endpoint-url").unwrap();
            assert_eq!(endpoint.loopback_port(), port, "{url}");
        }
        assert_eq!(Endpoint::aws().loopback_port(), None);
    }

    #[test]
    fn plain_http_is_allowed_to_loopback() {
        for url in [
            "http://127.0.0.1:4567",
            "http://127.9.9.9",
            "http://[::1]:4567",
            "http://localhost:4567/",
            "HTTP://LOCALHOST",
            "https://kvs.localhost:4567",
        ] {
            let endpoint = parse(url).unwrap();
            assert!(endpoint.is_loopback() && !endpoint.is_aws(), "{url}");
        }
        assert_eq!(
            parse("http://localhost:4567/").unwrap().to_string(),
            "http://localhost:4567"
        );
    }

    #[test]
    fn aws_hosts_are_recognized() {
        for url in [
            "https://vpce-0a1b-x.kinesisvideo.eu-central-1.vpce.amazonaws.com",
            "https://kinesisvideo.cn-north-1.amazonaws.com.cn",
            "https://kinesisvideo.eu-central-1.api.aws:443",
        ] {
            let endpoint = parse(url).unwrap();
            assert!(endpoint.is_aws() && !endpoint.is_loopback(), "{url}");
        }
        for url in [
            "https://kvs.example.com",
            "https://amazonaws.com.example.com",
            "https://notamazonaws.com",
            "https://10.0.0.1:8443/kvs",
            "https://localhost.example.com",
        ] {
            let endpoint = parse(url).unwrap();
            assert!(!endpoint.is_aws() && !endpoint.is_loopback(), "{url}");
        }
        assert!(Endpoint::aws().is_aws() && Endpoint::aws().is_https());
    }

    #[test]
    fn unsafe_and_malformed_urls_are_refused() {
        for (url, part) in [
            ("http://kvs.example.com", "plain http:// is refused"),
            (
                "http://kinesisvideo.us-east-1.amazonaws.com",
                "plain http:// is refused",
            ),
            ("http://127.0.0.1.example.com", "plain http:// is refused"),
            ("http://128.0.0.1", "plain http:// is refused"),
            ("http://[::ffff:10.0.0.1]:4567", "plain http:// is refused"),
            ("ftp://localhost", "scheme 'ftp'"),
            ("localhost:4567", "must start with https://"),
            ("", "must start with https://"),
            ("https://", "must name a host"),
            ("https://:443", "must name a host"),
            ("https://host:0", "port from 1"),
            ("https://host:65536", "port from 1"),
            ("https://host:+1", "port from 1"),
            ("https://[::1", "must name a host"),
            ("https://[::1]x", "must name a host"),
            ("https://ho%73t", "must name a host"),
            ("https://host/?a=b", "a query"),
            ("https://host#a", "a query"),
            ("https://ho st", "space"),
            ("http://localhost\\@evil.example", "backslash"),
        ] {
            let error = parse(url).expect_err(url);
            assert!(error.contains("--endpoint-url"), "{error}");
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_password() {
        for url in ["https://me:hunter2@host", "http://localhost:1@evil.example"] {
            let error = parse(url).expect_err(url);
            assert!(error.contains("user name or password"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
