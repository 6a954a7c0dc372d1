//! Names that look like another name: guesses, for people to act on.

/// Longer names than this, in bytes, are not compared.
const LONGEST: usize = 1_000;

/// The one of these names that is perhaps meant by a name that is none of them. The first `known` characters of all of them
/// are the same, and no part of the guess.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: usize,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let rest = |name: &str| plain(name.get(known..).unwrap_or_default());
    let wanted = rest(wanted);
    // A short name is close to every other short name.
    let most = if wanted.chars().count() < 4 { 1 } else { 2 };
    let distances = names
        .into_iter()
        .map(|name| (strsim::levenshtein(&rest(name), &wanted), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= most).then_some(name)
}

/// Whether at most two characters differ.
pub(crate) fn is_near(one: &str, other: &str) -> bool {
    // The distance of two very long names takes long to compute.
    one.len().max(other.len()) < LONGEST && strsim::levenshtein(one, other) <= 2
}

/// A name without case and punctuation.
pub(crate) fn plain(name: &str) -> String {
    name.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn two_changes_are_near_and_three_are_not() {
        for (one, near) in [
            ("deviceid", true),
            ("devceid", true),
            ("devcieid", true),
            ("dvcid", false),
            ("", false),
        ] {
            assert_eq!(is_near(one, "deviceid"), near, "{one}");
        }
        let long = "x".repeat(1 << 20);
        assert!(!is_near(&long, &long));
    }
}
