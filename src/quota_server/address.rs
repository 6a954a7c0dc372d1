//! Where a quota server is, from its URL.

use std::net::IpAddr;

use redis::{IntoConnectionInfo, RedisConnectionInfo};

/// Where a quota server is.
#[derive(Clone)]
pub struct ServerAddress {
    host: String,
    port: u16,
    uses_tls: bool,
    /// The user and the database.
    login: RedisConnectionInfo,
}

impl ServerAddress {
    /// Reads `redis://[USER@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. Messages do not repeat the text, which may
    /// contain a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected redis://HOST:PORT, or rediss://HOST:PORT for TLS";
        let mut url = redis::parse_redis_url(text.trim()).ok_or(expected)?;
        let uses_tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(expected.to_owned()),
        };
        if url.password().is_some() {
            return Err(format!(
                "a URL with a password could be read by others; set {PASSWORD} instead"
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{expected}, without '?' and '#'"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(expected)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let database = url.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(
                "after the port only the number of a database may follow, such as /1".to_owned(),
            );
        }
        let port = url.port().unwrap_or(DEFAULT_PORT);
        if port == 0 {
            return Err(format!("{expected}, with a port from 1 to 65535"));
        }
        // The client is built without TLS, which is done here, and takes no URL that wants it.
        url.set_scheme("redis").map_err(|()| expected)?;
        let info = url.into_connection_info().map_err(|_| expected)?;
        Ok(Self {
            host,
            port,
            uses_tls,
            login: info.redis_settings().clone(),
        })
    }

    /// The host and port.
    pub(super) fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Whether it is asked by TLS.
    pub fn uses_tls(&self) -> bool {
        self.uses_tls
    }

    /// Whether it is on this computer.
    pub fn is_loopback(&self) -> bool {
        let is_loopback = |address: IpAddr| address.is_loopback();
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse().is_ok_and(is_loopback)
    }

    /// Whether the URL names a user.
    pub(crate) fn has_user(&self) -> bool {
        self.login.username().is_some()
    }

    /// The user, password and database that a connection begins with.
    pub(super) fn login(&self, password: Option<&str>) -> RedisConnectionInfo {
        let login = self.login.clone();
        let login = login.set_lib_name("kvs-fleet", env!("CARGO_PKG_VERSION"));
        match password {
            Some(password) => login.set_password(password),
            None => login,
        }
    }
}

/// Without the user, which may be a password that somebody wrote in the wrong place.
impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.uses_tls { "rediss" } else { "redis" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Likewise.
impl std::fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The variable with the password.
pub const PASSWORD: &str = "KVS_FLEET_QUOTA_SERVER_PASSWORD";
const DEFAULT_PORT: u16 = 6_379;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_the_user() {
        for (text, shown, is_loopback) in [
            ("redis://localhost", "redis://localhost:6379", true),
            ("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000", true),
            ("redis://[::1]:7000", "redis://[::1]:7000", true),
            (
                "rediss://kvs-fleet@quota.example:6380",
                "rediss://quota.example:6380",
                false,
            ),
            ("valkeys://10.0.0.7/", "rediss://10.0.0.7:6379", false),
            (" redis://10.0.0.7:1 ", "redis://10.0.0.7:1", false),
        ] {
            let address = ServerAddress::parse(text).expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.is_loopback(), is_loopback, "{text}");
        }
        let address = ServerAddress::parse("rediss://kvs@quota.example/5").unwrap();
        let login = address.login(Some("secret"));
        assert_eq!(login.username(), Some("kvs"));
        assert_eq!(login.db(), 5);
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "",
            "quota.example:6379",
            "http://quota.example",
            "redis://",
            "redis://:hunter2@quota.example",
            "redis://kvs:hunter2@quota.example",
            "rediss://quota.example/?password=hunter2",
            "redis://quota.example/hunter2",
            "redis://quota.example:99999",
            "redis://quota.example:0",
            "redis:hunter2",
            "unix:///run/hunter2",
            "redis+unix:///run/hunter2",
        ] {
            let error = ServerAddress::parse(text).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
