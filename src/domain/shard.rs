//! A shard: the part of a batch's devices that one of several processes attempts.
//!
//! A device's part depends on its ID and on the number of parts alone, in every version: runs on other hosts, and reruns after
//! an update, agree on it. It is FNV-1a (64 bits) of the ID's bytes, mixed by the finalizer of `MurmurHash3`, and scaled to the
//! number of parts: `hash * parts / 2^64`.

use std::fmt;

/// The most parts: more than any scheduler starts, and few enough to be numbered in a file's name.
pub const MOST_SHARDS: u32 = 100_000;

/// Part `number` of `count`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    count: u32,
}

impl Shard {
    /// None unless `1 <= number <= count <= MOST_SHARDS`.
    #[must_use]
    pub fn new(number: u32, count: u32) -> Option<Self> {
        let is_valid = (1..=count).contains(&number) && count <= MOST_SHARDS;
        is_valid.then_some(Self { number, count })
    }

    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, count) = text.split_once('/')?;
        Self::new(number.parse().ok()?, count.parse().ok()?)
    }

    /// Which part it is, from 1.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// The shard of this device among as many.
    #[must_use]
    pub fn of_device(self, device_id: &str) -> Self {
        let scaled = u128::from(hash(device_id.as_bytes())) * u128::from(self.count);
        let number = u32::try_from(scaled >> 64).unwrap_or_default() + 1;
        Self { number, ..self }
    }

    /// Whether the device belongs to this shard.
    #[must_use]
    pub fn has(self, device_id: &str) -> bool {
        self.of_device(device_id) == self
    }

    /// For a file's name: `03-of-16`, so that names sort by their number.
    #[must_use]
    pub fn label(self) -> String {
        let count = self.count.to_string();
        format!("{:0width$}-of-{count}", self.number, width = count.len())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

/// FNV-1a, mixed: its high bits alone are uneven for IDs that differ in their last digits only.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str, count: u32) -> u32 {
        Shard::new(1, count).unwrap().of_device(id).number
    }

    /// Another version must not move a device: its shard's results would be refused.
    #[test]
    fn a_device_stays_in_its_part_in_every_version() {
        let parts = |id| [1, 2, 3, 16, 1000, MOST_SHARDS].map(|count| part(id, count));
        for (id, expected) in [
            ("", [1, 2, 3, 15, 937, 93_677]),
            ("CAM-0001", [1, 1, 1, 3, 144, 14_302]),
            ("CAM-0002", [1, 2, 3, 12, 689, 68_824]),
            ("DEVICE_1", [1, 1, 1, 4, 199, 19_856]),
            ("Kamera-\u{e4}", [1, 2, 3, 13, 754, 75_303]),
        ] {
            assert_eq!(parts(id), expected, "{id}");
        }
    }

    #[test]
    fn parts_are_even() {
        let names: [fn(u32) -> String; 4] = [
            |n| format!("CAM-{n:06}"),
            |n| format!("{:012X}", 0x0011_2233_0000_u64 + u64::from(n)),
            |n| n.to_string(),
            |n| format!("line7/{}", n * 100),
        ];
        for name in names {
            for count in [2, 3, 7, 16, 64] {
                let mut devices = vec![0_u32; count as usize];
                let all = 4_000 * count;
                for n in 0..all {
                    devices[part(&name(n), count) as usize - 1] += 1;
                }
                let (least, most) = (devices.iter().min(), devices.iter().max());
                // Five standard deviations of a random choice are 8 %.
                assert!(
                    *least.unwrap() > 3_680 && *most.unwrap() < 4_320,
                    "{} in {count}: {devices:?}",
                    name(1)
                );
            }
        }
    }

    #[test]
    fn each_device_is_in_exactly_one_part() {
        for n in 0..1_000 {
            let id = format!("CAM-{n}");
            let shards = (1..=16).filter_map(|number| Shard::new(number, 16));
            assert_eq!(shards.filter(|shard| shard.has(&id)).count(), 1);
        }
    }

    #[test]
    fn shards_are_counted_from_one() {
        for (number, count) in [(0, 4), (5, 4), (1, 0), (0, 0), (1, MOST_SHARDS + 1)] {
            assert_eq!(Shard::new(number, count), None);
        }
        let label = |number, count| Shard::new(number, count).unwrap().label();
        assert_eq!(label(3, 16), "03-of-16");
        assert_eq!(label(3, 9), "3-of-9");
        assert_eq!(label(100, 100), "100-of-100");
        let shard = Shard::new(3, 16);
        assert_eq!(shard.unwrap().to_string(), "3/16");
        assert_eq!(Shard::parse("3/16"), shard);
        for text in ["", "3", "17/16", "x/16", "3/16/2"] {
            assert_eq!(Shard::parse(text), None, "{text}");
        }
    }
}
