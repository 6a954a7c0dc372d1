//! A random manifest: devices, repeated lines and invalid lines, and how an operator edits it between two runs. It
//! knows the expected outcome of each line.

use std::fmt::Write as _;

/// The Regions of a batch; the first one is the default.
pub(super) const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-south-1"];

/// The expected outcome of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// The device gets its channel.
    Device,
    /// It repeats another line and has no row.
    Repeat,
    /// It has an `invalid` row.
    Invalid,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) id: String,
    channel_name: String,
    region: &'static str,
    ttl: &'static str,
}

impl Line {
    /// The Region of its channel.
    pub(super) fn region(&self) -> &'static str {
        if self.region.is_empty() {
            REGIONS[0]
        } else {
            self.region
        }
    }

    /// The name of its channel.
    pub(super) fn name(&self) -> &str {
        if self.channel_name.is_empty() {
            &self.id
        } else {
            &self.channel_name
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct TestManifest {
    pub(super) lines: Vec<Line>,
    /// Whether the meaning of a line depends on the lines before it.
    has_order: bool,
    regions: usize,
    next: usize,
}

impl TestManifest {
    /// A manifest of this many devices in this many Regions.
    pub(super) fn drawn(devices: usize, regions: usize, random: &mut fastrand::Rng) -> Self {
        let mut manifest = Self {
            lines: Vec::new(),
            has_order: random.bool(),
            regions,
            next: 0,
        };
        for _ in 0..devices {
            let line = manifest.device(random);
            manifest.lines.push(line);
            if random.u8(..8) == 0 {
                manifest.add_defect(random);
            }
        }
        manifest
    }

    /// A device that is not listed yet. IDs have different lengths, so that rows of one run never end at the same
    /// offsets as those of another one, and some need quotes.
    fn device(&mut self, random: &mut fastrand::Rng) -> Line {
        let number = self.next;
        self.next += 1;
        let name = format!("CAM-{number:05}{}", "-x".repeat(random.usize(..20)));
        let region = match random.usize(..=self.regions) {
            0 => "",
            named => REGIONS[named - 1],
        };
        let (id, channel_name) = match random.u8(..6) {
            0 => (format!("line 3, \"{number}\""), name),
            _ => (name, String::new()),
        };
        Line {
            kind: Kind::Device,
            id,
            channel_name,
            region,
            ttl: random.choice(["", "", "30"]).unwrap_or_default(),
        }
    }

    /// Adds an invalid or a repeated line.
    fn add_defect(&mut self, random: &mut fastrand::Rng) {
        let Some(last) = self.lines.last().cloned() else {
            return;
        };
        let fresh = self.device(random);
        let with_order = if self.has_order { 3 } else { 0 };
        let line = match random.u8(..3 + with_order) {
            0 => Line {
                ttl: "4",
                kind: Kind::Invalid,
                ..fresh
            },
            1 => Line {
                channel_name: "no such name!".to_owned(),
                kind: Kind::Invalid,
                ..fresh
            },
            2 => Line {
                id: String::new(),
                ttl: "30",
                kind: Kind::Invalid,
                ..fresh
            },
            _ if last.kind != Kind::Device => return,
            3 => Line {
                kind: Kind::Repeat,
                ..last
            },
            4 => Line {
                ttl: "99",
                kind: Kind::Invalid,
                ..last
            },
            _ => Line {
                id: fresh.id,
                channel_name: last.name().to_owned(),
                kind: Kind::Invalid,
                ..last
            },
        };
        self.lines.push(line);
    }

    /// Removes and adds devices, corrects lines, and may shuffle them.
    pub(super) fn edit(&mut self, random: &mut fastrand::Rng) {
        for line in &mut self.lines {
            if line.ttl == "4" && random.bool() {
                line.ttl = "5";
                line.kind = Kind::Device;
            }
        }
        if !self.has_order {
            self.lines.retain(|_| random.u8(..10) > 0);
            if random.bool() {
                random.shuffle(&mut self.lines);
            }
        }
        for _ in 0..random.usize(1..6) {
            let line = self.device(random);
            self.lines.push(line);
        }
    }

    /// The file's content.
    pub(super) fn text(&self) -> String {
        let mut text = "device_id,channel_name,region,message_ttl_seconds\n".to_owned();
        for line in &self.lines {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "\"{}\",{},{},{}",
                line.id.replace('"', "\"\""),
                line.channel_name,
                line.region,
                line.ttl
            );
        }
        text
    }

    /// The devices that must get their channel.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.kind == Kind::Device)
    }
}
