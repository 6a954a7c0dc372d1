//! A manifest, drawn: devices, lines that repeat others, lines that ask for what cannot be had; and how an operator edits
//! it between two runs. It knows what is to become of each line.

use std::fmt::Write as _;

/// The Regions of a batch; the first is that of lines which name none.
pub(super) const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-south-1"];

/// What is to become of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// The device gets its channel.
    Device,
    /// It is another line again: it has no row.
    Repeat,
    /// It has a row that says so.
    Invalid,
}

/// A line.
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

/// A manifest.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) lines: Vec<Line>,
    /// Whether each line means the same wherever it stands.
    has_order: bool,
    regions: usize,
    next: usize,
}

impl Sheet {
    /// One of so many devices, in so many Regions.
    pub(super) fn drawn(devices: usize, regions: usize, random: &mut fastrand::Rng) -> Self {
        let mut sheet = Self {
            lines: Vec::new(),
            has_order: random.bool(),
            regions,
            next: 0,
        };
        for _ in 0..devices {
            let line = sheet.device(random);
            sheet.lines.push(line);
            if random.u8(..8) == 0 {
                sheet.spoil(random);
            }
        }
        sheet
    }

    /// A device that is not listed yet. IDs are of many lengths, so that rows of one run never end where those of
    /// another did, and some need quotes.
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

    /// Adds a line that is no device of its own.
    fn spoil(&mut self, random: &mut fastrand::Rng) {
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

    /// An operator takes devices out, puts others in, mends lines, and perhaps sorts it all anew.
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

    /// The file.
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

    /// The devices that are to get their channel.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.kind == Kind::Device)
    }
}
