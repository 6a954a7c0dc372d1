//! The roster against maps that are plainly right, and its size.

use std::collections::BTreeMap;

use super::*;

fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

#[test]
fn a_device_is_found_by_id_and_by_channel() {
    let (here, there) = (region("eu-central-1"), region("us-east-1"));
    let mut roster = Roster::new();
    let one = roster.insert("D1", "D1", &here).unwrap();
    let two = roster.insert("D2", "cam-2", &here).unwrap();
    assert_eq!(
        (roster.find("D1"), roster.find("D2"), roster.find("D3")),
        (Some(one), Some(two), None)
    );
    assert_eq!(roster.holder(&here, "D1"), Some(one));
    assert_eq!(roster.holder(&here, "cam-2"), Some(two));
    assert_eq!(
        roster.holder(&here, "D2"),
        None,
        "its channel is named otherwise"
    );
    assert_eq!(roster.holder(&there, "D1"), None);
    assert_eq!(
        (roster.id(two), roster.channel_name(two)),
        ("D2", Some("cam-2"))
    );
    assert_eq!(
        (roster.channel_name(one), roster.region(one)),
        (Some("D1"), Some(&here))
    );
}

#[test]
fn no_two_devices_have_one_channel() {
    let (here, there) = (region("eu-central-1"), region("us-east-1"));
    let mut roster = Roster::new();
    let one = roster.insert("D1", "D1", &here).unwrap();
    let two = roster.insert("D2", "cam", &here).unwrap();
    for (id, name, error) in [
        ("D1", "else", RosterError::Known(one)),
        ("D3", "D1", RosterError::NameTaken(one)),
        ("D3", "cam", RosterError::NameTaken(two)),
        ("cam", "cam", RosterError::NameTaken(two)),
    ] {
        assert_eq!(roster.insert(id, name, &here), Err(error), "{id} {name}");
    }
    assert_eq!(
        roster.rename(two, "D1", &here),
        Err(RosterError::NameTaken(one))
    );
    let three = roster.insert("D3", "D1", &there).unwrap();
    assert_eq!(roster.holder(&there, "D1"), Some(three));
    assert_eq!(roster.len(), 3);
}

#[test]
fn a_name_that_was_given_up_is_free() {
    let here = region("eu-central-1");
    let mut roster = Roster::new();
    let one = roster.insert("D1", "D1", &here).unwrap();
    let two = roster.insert("D2", "cam", &here).unwrap();
    for index in [one, two] {
        roster.release_name(index);
        assert_eq!(roster.channel_name(index), None);
    }
    let three = roster.insert("D3", "D1", &here).unwrap();
    let four = roster.insert("cam", "cam", &here).unwrap();
    assert_eq!(roster.holder(&here, "D1"), Some(three));
    assert_eq!(roster.holder(&here, "cam"), Some(four));
    assert_eq!(roster.find("D1"), Some(one));
    assert_eq!(
        roster.rename(one, "cam", &here),
        Err(RosterError::NameTaken(four))
    );
    roster.rename(one, "new", &here).unwrap();
    assert_eq!(
        (roster.holder(&here, "new"), roster.id(one)),
        (Some(one), "D1")
    );
}

#[test]
fn what_is_noted_is_kept() {
    let mut roster = Roster::new();
    let here = region("eu-central-1");
    let one = roster.insert("D1", "D1", &here).unwrap();
    assert_eq!(
        (
            roster.row(one),
            roster.status(one),
            roster.manifest_offset(one)
        ),
        (None, None, None)
    );
    let row = Place {
        offset: 1 << 40,
        length: 260,
    };
    roster.set_row(one, Status::Exists, row);
    roster.set_manifest_offset(one, 0);
    roster.set_ask(one, 77);
    roster.set(one, Flag::Attempted);
    roster.rename(one, "cam", &here).unwrap();
    assert_eq!(
        (roster.row(one), roster.status(one)),
        (Some(row), Some(Status::Exists))
    );
    assert_eq!(
        (roster.manifest_offset(one), roster.ask(one)),
        (Some(0), 77)
    );
    assert!(roster.is(one, Flag::Attempted) && !roster.is(one, Flag::Listed));
}

#[test]
fn the_finished_file_follows_the_manifest_then_the_file() {
    let mut roster = Roster::new();
    let here = region("eu-central-1");
    let devices: Vec<DeviceIndex> = (0..6)
        .map(|index| {
            roster
                .insert(&format!("D{index}"), &format!("D{index}"), &here)
                .unwrap()
        })
        .collect();
    for (&index, manifest) in
        devices
            .iter()
            .zip([Some(50), None, Some(10), Some(20), None, Some(5)])
    {
        roster.set_row(
            index,
            Status::Created,
            Place {
                offset: 0,
                length: 1,
            },
        );
        if let Some(offset) = manifest {
            roster.set_manifest_offset(index, offset);
        }
    }
    let unattempted = roster.insert("D6", "D6", &here).unwrap();
    roster.set_manifest_offset(unattempted, 1);
    let order: Vec<&str> = roster
        .in_manifest_order()
        .into_iter()
        .map(|index| roster.id(index))
        .collect();
    assert_eq!(order, ["D5", "D2", "D3", "D0", "D1", "D4"]);
}

#[test]
fn looking_in_order_finds_the_same() {
    let mut roster = Roster::new();
    for index in 0..100 {
        let id = format!("D{index}");
        roster.insert(&id, &id, &region("eu-central-1")).unwrap();
    }
    let mut last = None;
    for id in ["D0", "D1", "D2", "D50", "D51", "D3", "D99", "none", "D0"] {
        let found = roster.find_next(id, last);
        assert_eq!(found, roster.find(id));
        last = found.or(last);
    }
}

/// Against maps that are plainly right.
#[test]
fn a_long_random_life_keeps_it_consistent() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let regions = [region("eu-central-1"), region("us-east-1")];
        let mut roster = Roster::new();
        let mut names: BTreeMap<String, Option<(usize, String)>> = BTreeMap::new();
        for _ in 0..2_000 {
            let id = format!("D{}", random.u8(..));
            let (number, name) = (random.usize(..2), format!("D{}", random.u8(..)));
            let name = if random.bool() { id.clone() } else { name };
            let wanted = Some((number, name.clone()));
            let is_taken = names
                .iter()
                .any(|(other, held)| *other != id && *held == wanted);
            let done = match roster.find(&id) {
                None => roster.insert(&id, &name, &regions[number]).map(drop),
                Some(index) if random.u8(..4) == 0 => {
                    roster.release_name(index);
                    names.insert(id, None);
                    continue;
                }
                Some(index) => roster.rename(index, &name, &regions[number]),
            };
            assert_eq!(done.is_err(), is_taken, "seed {seed}: {done:?}");
            if !is_taken {
                names.insert(id, wanted);
            }
        }
        assert_eq!(roster.len(), names.len());
        for (id, held) in &names {
            let index = roster.find(id).unwrap();
            assert_eq!(
                roster.channel_name(index),
                held.as_ref().map(|(_, name)| name.as_str())
            );
            if let Some((number, name)) = held {
                assert_eq!(
                    roster.holder(&regions[*number], name),
                    Some(index),
                    "seed {seed}"
                );
            }
        }
    }
}

#[test]
fn a_device_takes_no_more_than_64_bytes() {
    // Just behind the index's doubling, and far from it.
    for count in [120_000, 200_000] {
        let mut roster = Roster::new();
        for index in 0..count {
            let id = format!("CAMERA-{index:09}");
            roster.insert(&id, &id, &region("eu-central-1")).unwrap();
        }
        let bytes = roster.entries.capacity() * size_of::<Entry>()
            + roster.texts.capacity()
            + roster.by_id.allocation_size()
            + roster.by_channel.allocation_size();
        assert!(bytes <= 64 * count, "{bytes} bytes for {count} devices");
    }
}
