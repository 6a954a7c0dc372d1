//! Suggests the intended name of a column that has a similar one. Used only in messages.

use crate::domain::device::shown;
use crate::domain::suggest::{is_near, plain};

/// Names that device columns go by, without case and punctuation.
const DEVICE_ALIASES: [&str; 12] = [
    "deviceid",
    "device",
    "devicename",
    "id",
    "camera",
    "cameraid",
    "cameraname",
    "cam",
    "camid",
    "serial",
    "serialnumber",
    "name",
];

/// Names that the optional columns go by, without case and punctuation, and what the column must be called.
const KNOWN_ALIASES: [(&str, &str); 18] = [
    ("channelname", "channel_name"),
    ("channel", "channel_name"),
    ("channelnames", "channel_name"),
    ("messagettlseconds", "message_ttl_seconds"),
    ("messagettlsecs", "message_ttl_seconds"),
    ("messagettls", "message_ttl_seconds"),
    ("messagettl", "message_ttl_seconds"),
    ("ttlseconds", "message_ttl_seconds"),
    ("ttl", "message_ttl_seconds"),
    ("region", "region"),
    ("regions", "region"),
    ("awsregion", "region"),
    ("regionname", "region"),
    ("account", "account"),
    ("accountid", "account"),
    ("accountnumber", "account"),
    ("awsaccount", "account"),
    ("awsaccountid", "account"),
];

/// The column that is perhaps meant by a device column that is not there.
pub(super) fn device_column<'a>(wanted: &str, columns: &'a [Box<str>]) -> Option<&'a str> {
    let plain_wanted = plain(wanted);
    let find = |likely: &dyn Fn(&str) -> bool| {
        let found = columns.iter().find(|name| likely(&plain(name)));
        found.map(|name| &**name)
    };
    find(&|name| name == plain_wanted)
        .or_else(|| {
            // A short name is close to every other short name.
            let long_enough = plain_wanted.chars().count() >= 6;
            find(&|name| long_enough && is_near(name, &plain_wanted))
        })
        .or_else(|| {
            DEVICE_ALIASES
                .iter()
                .find_map(|alias| find(&|name| name == *alias))
        })
}

/// What to say about a column that nothing uses, when its name looks like one of those that mean something.
pub(super) fn unused_column(name: &str) -> Option<String> {
    let meant = match name.split_once(':') {
        Some((word, key)) if matches!(&*plain(word), "tag" | "tags") => {
            format!("tag:{}", key.trim())
        }
        _ => {
            let plain = plain(name);
            let (_, known) = KNOWN_ALIASES.iter().find(|(alias, _)| *alias == plain)?;
            (*known).to_owned()
        }
    };
    Some(format!(
        "the column {} is not used; if {} is meant, rename it to that",
        shown(name),
        shown(&meant)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(wanted: &str, columns: &[&str]) -> Option<String> {
        let columns: Vec<Box<str>> = columns.iter().map(|name| (*name).into()).collect();
        device_column(wanted, &columns).map(str::to_owned)
    }

    #[test]
    fn the_device_column_is_guessed() {
        assert_eq!(
            guess("device_id", &["x", "DeviceID"]).as_deref(),
            Some("DeviceID")
        );
        assert_eq!(
            guess("device_id", &["Device-Id"]).as_deref(),
            Some("Device-Id")
        );
        assert_eq!(
            guess("device_id", &["devcie_id"]).as_deref(),
            Some("devcie_id")
        );
        assert_eq!(
            guess("device_id", &["note", "Camera"]).as_deref(),
            Some("Camera")
        );
        assert_eq!(
            guess("Seriennummer", &["Seriennumer"]).as_deref(),
            Some("Seriennumer")
        );
        assert_eq!(guess("device_id", &["note", "line"]), None);
        assert_eq!(guess("id", &["", "_"]), None);
    }

    #[test]
    fn look_alikes_are_said() {
        for (name, meant) in [
            ("channelname", "channel_name"),
            ("Channel Name", "channel_name"),
            ("TTL", "message_ttl_seconds"),
            ("message_ttl", "message_ttl_seconds"),
            ("Region", "region"),
            ("Account", "account"),
            ("account_id", "account"),
            ("aws_account", "account"),
            ("tags:Site", "tag:Site"),
            ("Tag: Site", "tag:Site"),
        ] {
            assert_eq!(
                unused_column(name).unwrap(),
                format!(
                    "the column '{name}' is not used; if '{meant}' is meant, rename it to that"
                )
            );
        }
        for name in ["serial", "line", "tagged", "note: x", ""] {
            assert_eq!(unused_column(name), None, "{name}");
        }
    }
}
