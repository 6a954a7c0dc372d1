//! Names that look like ones meant otherwise, columns above all: pure guesses, for people to act on.

use crate::domain::device::shown;

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
const KNOWN_ALIASES: [(&str, &str); 13] = [
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
            // Among short names everything is near to everything.
            let long_enough = plain_wanted.chars().count() >= 6;
            find(&|name| long_enough && distance(name, &plain_wanted) <= 2)
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

/// The one of these names that is perhaps meant by a name that is none of them, whose first `known` characters are right
/// and no part of the guess.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: usize,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let rest = |name: &str| plain(name.get(known..).unwrap_or_default());
    let wanted = rest(wanted);
    // Among short names everything is near to everything.
    let most = if wanted.chars().count() < 4 { 1 } else { 2 };
    let near = names
        .into_iter()
        .map(|name| (distance(&rest(name), &wanted), name));
    let (away, name) = near.min_by_key(|(away, _)| *away)?;
    (away <= most).then_some(name)
}

/// A name without case and punctuation.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// How many characters must be put in, taken out or changed to make one name of the other; three and more are all
/// alike, and not worked out for long names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let length = left.chars().count();
    if length.abs_diff(right.len()) > 2 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
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

    #[test]
    fn the_nearest_name_is_found_unless_none_is_near() {
        let names = ["KVS_RATE", "KVS_REGION", "KVS_TAG", "KVS_MAX_ATTEMPTS"];
        for (wanted, found) in [
            ("KVS_REGOIN", Some("KVS_REGION")),
            ("KVS_MAXATTEMPTS", Some("KVS_MAX_ATTEMPTS")),
            ("kvs_rate", Some("KVS_RATE")),
            ("KVS_TAGS", Some("KVS_TAG")),
            ("KVS_LOG", None),
            ("KVS_COLOUR", None),
            ("KVS_", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, 4, names), found, "{wanted}");
        }
        assert_eq!(nearest("KVS_RATE", 4, []), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("deviceid", "deviceid"), 0);
        assert_eq!(distance("devceid", "deviceid"), 1);
        assert_eq!(distance("devcieid", "deviceid"), 2);
        assert_eq!(distance("dvcid", "deviceid"), 3);
        assert_eq!(distance("", "ab"), 2);
    }
}
