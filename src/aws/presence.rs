//! Whether the service is offered in a Region, according to DNS: its host name exists only where it is offered. No
//! request is sent to the service.

use std::time::Duration;

use aws_sdk_kinesisvideo::config::Builder;

use super::{Connection, probe};
use crate::domain::device::Region;
use crate::domain::service::classify;
use crate::domain::service::{Failure, is_known_to_offer};

/// The timeout of a name lookup.
const LONGEST_LOOKUP: Duration = Duration::from_secs(3);

/// The result of a name lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lookup {
    /// The name exists.
    Found,
    /// The name does not exist; the system's message.
    Missing(String),
    /// The lookup failed.
    Unknown,
}

impl Connection {
    /// The message that shows that the service is not offered in the Region. `None` if it is offered, or if DNS cannot
    /// tell: a proxy resolves names itself, and a custom endpoint has no Region.
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

    async fn host(&self, region: &str) -> Option<String> {
        let config = self.source().config;
        let url = probe::target(Builder::from(&config), region).await.ok()?;
        let (_, host) = url.split_once("://")?;
        Some(host.split(['/', ':']).next()?.to_owned())
    }
}

/// What a missing name means: nothing, unless other names are found.
fn missing(host: &str, found: Lookup, elsewhere: &Lookup) -> Option<Failure> {
    match (found, elsewhere) {
        (Lookup::Missing(why), Lookup::Found) => Some(classify::no_such_host(host, &why)),
        _ => None,
    }
}

/// A Region of the same partition where the service is offered.
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
    use crate::aws::ConnectionSettings;

    const UNKNOWN: &str = "failed to lookup address information: Name or service not known";

    #[test]
    fn a_missing_name_counts_only_if_other_names_are_found() {
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
        let settings = ConnectionSettings {
            region: Some(Region::parse("us-west-1").unwrap()),
            ..ConnectionSettings::default()
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
        // Neither name is looked up: the first exists, and a proxy resolves the second.
        let offered = Region::parse("eu-central-1").unwrap();
        assert_eq!(connection.not_offered(&offered).await, None);
    }
}
