//! Where the live page is served, and by which host names it may be asked for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// The address of `--serve`: where it listens, and the name that was given for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServeAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    /// In lower case.
    Name(String),
}

/// Why a text is not such an address.
const EXPECTED: &str = "expected ADDRESS:PORT such as 127.0.0.1:8080, [::1]:8080 or localhost:8080, or a port alone; \
                        port 0 takes a free one";

impl FromStr for ServeAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(port) = text.parse() {
            let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
            return Ok(Self { host, port });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            let host = Host::Ip(address.ip());
            let port = address.port();
            return Ok(Self { host, port });
        }
        let (name, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let port = port.parse().map_err(|_| EXPECTED)?;
        let is_name = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        // A wrong IP address is a typing error, not a name.
        let is_number = name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_number || !name.split('.').all(is_name) {
            return Err(EXPECTED.to_owned());
        }
        let host = Host::Name(name.to_ascii_lowercase());
        Ok(Self { host, port })
    }
}

impl fmt::Display for ServeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl ServeAddress {
    /// Where to listen: the addresses of a name, looked up now.
    pub(super) fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        match &self.host {
            Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, self.port)]),
            Host::Name(name) if name == "localhost" => {
                // Not looked up: a strange hosts file must not lead elsewhere.
                Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)])
            }
            Host::Name(name) => Ok((name.as_str(), self.port).to_socket_addrs()?.collect()),
        }
    }

    /// Whether a request may ask for this host, by the `Host` header. A page of another site can make a browser send requests
    /// here under that site's own name (DNS rebinding); it cannot do so by an IP address.
    pub(super) fn is_asked_as(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_ip = |text: &str| {
            let bare = text
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            bare.unwrap_or(text).parse::<IpAddr>().is_ok()
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_own = matches!(&self.host, Host::Name(own) if *own == name);
        is_own || name == "localhost" || is_ip(&name) || is_name_of_this_computer(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of a bare IPv6 address are not a port's.
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// Whether this is the name of this computer, with or without a domain.
fn is_name_of_this_computer(name: &str) -> bool {
    let own = own_name();
    !own.is_empty() && (name == own || own.split('.').next() == Some(name))
}

/// In lower case; empty if it is not known.
#[cfg(unix)]
fn own_name() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().to_ascii_lowercase()
}

/// In lower case; empty if it is not known.
#[cfg(windows)]
fn own_name() -> String {
    let name = std::env::var("COMPUTERNAME");
    name.unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ServeAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_an_ip_address_or_a_name_with_a_port_or_a_port_alone() {
        for (text, shown) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("0.0.0.0:9000", "0.0.0.0:9000"),
            ("8080", "127.0.0.1:8080"),
            ("LocalHost:80", "localhost:80"),
            ("line-4.factory.example:80", "line-4.factory.example:80"),
        ] {
            assert_eq!(address(text).to_string(), shown);
        }
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            "127.0.0.256:80",
            "::1:80",
            "http://localhost:80",
            "host:port",
            "host:70000",
            ":80",
            "a b:80",
        ] {
            let refused = text.parse::<ServeAddress>().unwrap_err();
            assert_eq!(refused, EXPECTED, "{text}");
        }
    }

    #[test]
    fn only_names_of_this_computer_are_answered() {
        let local = address("127.0.0.1:8080");
        for host in [
            "127.0.0.1:8080",
            "localhost",
            "LOCALHOST:1",
            "[::1]:80",
            "::1",
            "192.0.2.7",
            "localhost.:80",
        ] {
            assert!(local.is_asked_as(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1@evil.example",
        ] {
            assert!(!local.is_asked_as(host), "{host}");
        }
        let named = address("line4.example:8080");
        assert!(named.is_asked_as("Line4.example:9"));
        assert!(!named.is_asked_as("line5.example"));
    }
}
