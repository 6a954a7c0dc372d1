//! States that no emulator has written.

use super::*;

#[test]
fn what_is_no_state_is_told_from_a_damaged_one() {
    let sample = sample();
    for other in [
        "",
        "device_id,channel_name\nA,A\n",
        "{}",
        "[1]",
        "{\"format\":\"other\",\"version\":1}",
        "{\"format\":7}",
        "\u{0}\u{0}",
    ] {
        let error = Snapshot::decode(other.as_bytes()).unwrap_err();
        assert!(
            matches!(error, SnapshotError::Foreign(_)),
            "{other}: {error}"
        );
        assert!(error.to_string().contains(FORMAT), "{error}");
    }
    for cut in 60..sample.len() - 1 {
        let error = Snapshot::decode(&sample.as_bytes()[..cut]).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged(_)), "{cut}: {error}");
    }
    let newer = sample.replace("\"version\":1,\"time", "\"version\":2,\"more\":[],\"time");
    let error = Snapshot::decode(newer.as_bytes()).unwrap_err();
    assert_eq!(error, SnapshotError::Newer(2));
    let deep = format!("{}{}", "{\"format\":".repeat(1000), "}".repeat(1000));
    assert!(Snapshot::decode(deep.as_bytes()).is_err());
}

#[test]
fn what_no_emulator_can_have_is_refused_with_its_place() {
    let sample = sample();
    for (from, to, expected) in [
        (
            "\"changes\":2",
            "\"changes\":18446744073709551615",
            "more than can be",
        ),
        (
            "\"time_ms\":1700000000123",
            "\"time_ms\":99999999999999",
            "after the year 2500",
        ),
        (
            "\"time_ms\":1700000000123",
            "\"time_ms\":-1",
            "invalid value",
        ),
        (
            "\"account\":\"111122223333\"",
            "\"account\":\"1111\"",
            "'1111' is not a number of 12 digits",
        ),
        (
            "\"account\":\"111122223333\"",
            "\"account\":\"000000000000\"",
            "ARN",
        ),
        (
            "\"region\":\"eu-central-1\"",
            "\"region\":\"Mars!\"",
            "Mars!",
        ),
        ("\"name\":\"CAM-1\"", "\"name\":\"CAM 1\"", "contains ' '"),
        (
            "\"name\":\"CAM-1\"",
            "\"name\":\"CAM-2\"",
            "'CAM-2' of the account 000000000000 in eu-central-1: its ARN",
        ),
        (
            "\"created_ms\":1700000000123",
            "\"created_ms\":1700000000124",
            "ARN",
        ),
        (
            "\"active_at_ms\":1700000000163",
            "\"active_at_ms\":18446744073709551615",
            "\"active_at_ms\" is 184",
        ),
        (
            "\"message_ttl_seconds\":60",
            "\"message_ttl_seconds\":4",
            "allowed are 5 to 120",
        ),
        (
            "\"message_ttl_seconds\":60",
            "\"message_ttl\":60",
            "unknown field",
        ),
        (
            "\"version\":\"9e3779b97f4a7c15\"",
            "\"version\":\"+e3779b97f4a7c15\"",
            "16 hexadecimal digits",
        ),
    ] {
        let damaged = sample.replacen(from, to, 1);
        assert_ne!(damaged, sample, "{from}");
        let error = Snapshot::decode(damaged.as_bytes()).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged(_)), "{error}");
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
}

#[test]
fn what_is_there_twice_is_refused() {
    let mut state = state();
    let caller = ApiCaller::new(Region::parse("eu-central-1").unwrap(), "AKID");
    state.answer(START, &caller, &create("CAM-1")).unwrap();
    let whole = state.snapshot(START);
    for what in ["account", "Region", "channel"] {
        let mut twice = whole.clone();
        let account = &mut twice.accounts[0];
        match what {
            "account" => twice.accounts.push(whole.accounts[0].clone()),
            "Region" => account.regions.push(whole.accounts[0].regions[0].clone()),
            _ => {
                let channel = account.regions[0].channels[0].clone();
                account.regions[0].channels.push(channel);
            }
        }
        let error = Snapshot::decode(&twice.encode()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("twice"), "{error}");
    }
}

#[test]
fn a_state_with_changed_bytes_is_refused_or_works() {
    let sample = sample();
    let caller = ApiCaller::new(Region::parse("eu-central-1").unwrap(), "AKID");
    for seed in 0..5_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = sample.clone().into_bytes();
        for _ in 0..random.u8(1..4) {
            let place = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => drop(bytes.remove(place)),
                1 => bytes.insert(place, random.u8(..)),
                2 => bytes[place] = random.u8(b'0'..=b'9'),
                _ => bytes[place] = random.u8(..),
            }
        }
        let Ok(read) = Snapshot::decode(&bytes) else {
            continue;
        };
        let mut state = state();
        let now = START.max(read.now);
        state.restore(read);
        for request in [create("CAM-1"), ApiRequest::List(ListChannels::default())] {
            // Any answer will do.
            let _answer = state.answer(now, &caller, &request);
        }
        let again = Snapshot::decode(&state.snapshot(now).encode());
        assert!(again.is_ok(), "seed {seed}: {again:?}");
    }
}
