//! What was asked for each finished device, as digests: so that a later run can count finished devices whose row now
//! asks for another TTL or other tags.
//!
//! A pair is a 64-bit hash of the device's ID and a 32-bit digest of its TTL and tags; both stand in files, so neither
//! may ever change. A hash that two devices share would make a wrong count and nothing worse: at 64 bits that is
//! one chance in 30 million for a million devices. Knows nothing of files.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// Pairs in a line of the runs log, which keeps a line below 100 KB.
const PAIRS_A_LINE: usize = 4096;

/// Hexadecimal digits of a pair: 16 for the device, 8 for what is asked.
const PAIR_DIGITS: usize = 24;

/// A line's worth of pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asks {
    /// 24 hexadecimal digits each: the device's hash, the digest of what is asked.
    pub digests: String,
}

impl Asks {
    /// Puts what was asked for these devices into lines. An ask of 0 is one that is not known, and left out.
    pub fn lines<'a>(pairs: impl Iterator<Item = (&'a str, u32)>) -> impl Iterator<Item = Self> {
        let mut pairs = pairs.filter(|&(_, ask)| ask != 0).peekable();
        std::iter::from_fn(move || {
            pairs.peek()?;
            let mut digests = String::with_capacity(PAIRS_A_LINE * PAIR_DIGITS);
            for (device_id, ask) in pairs.by_ref().take(PAIRS_A_LINE) {
                // Writing to a string cannot fail.
                let _ = write!(digests, "{:016x}{ask:08x}", device_hash(device_id));
            }
            Some(Self { digests })
        })
    }
}

/// What was asked for each device in all runs, the last one counts. 16 bytes a device.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Sorted by the device's hash once [`Self::finish`] was called.
    pairs: Vec<(u64, u32)>,
}

impl Asked {
    /// Adds a later line; what cannot be read in it is skipped.
    pub(crate) fn add(&mut self, asks: &Asks) {
        let pairs = asks.digests.as_bytes().chunks_exact(PAIR_DIGITS);
        self.pairs.extend(pairs.filter_map(|pair| {
            let (device, ask) = std::str::from_utf8(pair).ok()?.split_at_checked(16)?;
            let device = u64::from_str_radix(device, 16).ok()?;
            Some((device, u32::from_str_radix(ask, 16).ok()?))
        }));
    }

    pub(crate) fn finish(&mut self) {
        self.pairs.reverse();
        self.pairs.sort_by_key(|&(device, _)| device);
        self.pairs.dedup_by_key(|&mut (device, _)| device);
        self.pairs.shrink_to_fit();
    }

    /// Whether nothing is known of any device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The digest of what was asked for the device last, where that is known.
    #[must_use]
    pub fn get(&self, device_id: &str) -> Option<u32> {
        let device = device_hash(device_id);
        let index = self
            .pairs
            .binary_search_by_key(&device, |&(device, _)| device)
            .ok()?;
        self.pairs.get(index).map(|&(_, ask)| ask)
    }
}

fn device_hash(device_id: &str) -> u64 {
    hash([device_id.as_bytes()])
}

/// FNV-1a, its bits mixed once more: fast, the same everywhere, and good enough where nobody gains by a collision.
fn hash<const PARTS: usize>(parts: [&[u8]; PARTS]) -> u64 {
    let bytes = parts.into_iter().flatten();
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_hold_does_not_change() {
        let line = Asks::lines([("DEVICE_1", 0xb87c_13db)].into_iter())
            .next()
            .unwrap();
        assert_eq!(line.digests, "4458c27e93ebcac0b87c13db");
    }

    #[test]
    fn the_last_ask_counts_and_many_devices_take_several_lines() {
        let ids: Vec<String> = (0..10_000).map(|index| format!("CAM-{index}")).collect();
        let pairs = (1..).zip(&ids).map(|(ask, id)| (id.as_str(), ask));
        let lines: Vec<Asks> = Asks::lines(pairs).collect();
        assert_eq!(lines.len(), 3);
        let mut asked = Asked::default();
        for line in &lines {
            asked.add(line);
        }
        let later = [("CAM-7", 700_000), ("CAM-8", 0)];
        Asks::lines(later.into_iter()).for_each(|line| asked.add(&line));
        asked.add(&Asks {
            digests: "not hexadecimal digits...".into(),
        });
        asked.finish();
        assert_eq!(asked.get("CAM-7"), Some(700_000));
        assert_eq!(asked.get("CAM-8"), Some(9));
        assert_eq!(asked.get("CAM-9999"), Some(10_000));
        assert_eq!(asked.get("CAM-10000"), None);
        assert_eq!(asked.pairs.len(), ids.len());
    }
}
