//! Whether the service is offered in a Region, as far as the name of its host tells: where it is not offered, there is no
//! such name. Nothing is sent to the service.

use std::time::Duration;

use aws_sdk_kinesisvideo::config::Builder;

use super::{Connection, probe};
use crate::domain::device::Region;
use crate::domain::service::classify;
use crate::domain::service::{Failure, is_known_to_offer};

/// The longest that a name server is waited for.
const LONGEST_LOOKUP: Duration = Duration::from_secs(3);

/// What a name server said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lookup {
    /// There is such a name.
    Found,
    /// There is none, in the system's words.
    Missing(String),
    /// Nobody could say.
    Unknown,
}

impl Connection {
    /// How it shows that the service is not offered in a Region. None where it is, or where that cannot be told without
    /// asking the service: a proxy looks names up by itself, and a custom endpoint has no Region.
    pub async fn not_offered(&self, region: &Region) -> Option<Failure> {
        if is_known_to_offer(region)
            || self.endpoint().url().is_some()
            || self.0.settings.network.has_proxy()
        {
            return None;
        }
        let host = self.host(region.as_str()).await?;
        let found = look_up(&host).await;
        if !matches!(found, Lookup::Missing(_)) {
            return None;
        }
        let elsewhere = self.host(elsewhere(region)).await?;
        missing(&host, found, &look_up(&elsewhere).await)
    }

    /// The host of the service in a Region.
    async fn host(&self, region: &str) -> Option<String> {
        let config = self.source().config;
        let url = probe::target(Builder::from(&config), region).await.ok()?;
        let (_, host) = url.split_once("://")?;
        Some(host.split(['/', ':']).next()?.to_owned())
    }
}

/// What it means that a name is missing: nothing, unless names are looked up well otherwise.
fn missing(host: &str, found: Lookup, elsewhere: &Lookup) -> Option<Failure> {
    match (found, elsewhere) {
        (Lookup::Missing(why), Lookup::Found) => Some(classify::no_such_host(host, &why)),
        _ => None,
    }
}

/// A Region of the same partition that offers the service.
fn elsewhere(region: &Region) -> &'static str {
    [
        ("cn-", "cn-north-1"),
        ("us-gov-", "us-gov-west-1"),
        ("us-iso-", "us-iso-east-1"),
    ]
    .into_iter()
    .find(|(start, _)| region.as_str().starts_with(start))
    .map_or("us-east-1", |(_, other)| other)
}

async fn look_up(host: &str) -> Lookup {
    let asked = tokio::time::timeout(LONGEST_LOOKUP, tokio::net::lookup_host((host, 443)));
    match asked.await {
        Ok(Ok(_)) => Lookup::Found,
        Ok(Err(error)) if classify::is_unknown_name(&error.to_string()) => {
            Lookup::Missing(error.to_string())
        }
        _ => Lookup::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Settings;

    const UNKNOWN: &str = "failed to lookup address information: Name or service not known";

    #[test]
    fn a_missing_name_counts_only_where_others_are_found() {
        let absent = || Lookup::Missing(UNKNOWN.to_owned());
        let host = "kinesisvideo.us-west-1.amazonaws.com";
        let failure = missing(host, absent(), &Lookup::Found).unwrap();
        assert!(failure.is_of_a_missing_host());
        assert!(failure.message.contains(host), "{failure:?}");
        for elsewhere in [absent(), Lookup::Unknown] {
            assert_eq!(missing(host, absent(), &elsewhere), None);
        }
        for found in [Lookup::Found, Lookup::Unknown] {
            assert_eq!(missing(host, found, &Lookup::Found), None);
        }
    }

    #[tokio::test]
    async fn a_host_has_the_domain_of_its_partition() {
        let settings = Settings {
            region: Some(Region::parse("us-west-1").unwrap()),
            ..Settings::default()
        };
        let connection = Connection::load(settings).await.unwrap();
        for (region, host) in [
            ("us-west-1", "kinesisvideo.us-west-1.amazonaws.com"),
            (
                "cn-northwest-1",
                "kinesisvideo.cn-northwest-1.amazonaws.com.cn",
            ),
        ] {
            assert_eq!(connection.host(region).await.as_deref(), Some(host));
            let other = elsewhere(&Region::parse(region).unwrap());
            assert!(is_known_to_offer(&Region::parse(other).unwrap()));
        }
        // Neither is looked up: it is there, and a proxy does that.
        let offered = Region::parse("eu-central-1").unwrap();
        assert_eq!(connection.not_offered(&offered).await, None);
    }
}
