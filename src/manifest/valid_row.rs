//! What one row asks for: its cells checked against the service's limits, without copying them.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use csv::StringRecord;

use super::account::KnownAccounts;
use super::compiled::{Compiled, Resolved};
use super::error::{Flaw, RowError};
use super::hints::{cell_hint, hint, template_hint};
use super::layout::{Layout, TagSource};
use super::mangled;
use super::records::{cell, trim};
use crate::domain::device::{
    AccountId, AccountRegion, ChannelName, Device, Invalid, LONGEST_DEVICE_ID, MessageTtl, Region,
    Tag, shown,
};

/// How many Regions are remembered, so that a Region's name is not copied for each row. AWS has fewer.
const REGIONS: usize = 64;

/// Buffers that are used again for each row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    channel_name: String,
    tag: String,
    accounts: KnownAccounts,
    regions: Vec<Region>,
}

/// A valid row: the device and the channel it asks for.
#[derive(Debug, Clone, Copy)]
pub struct ValidRow<'a> {
    layout: &'a Layout,
    cells: &'a StringRecord,
    names: Resolved<'a>,
    account: Option<&'a AccountId>,
    region: &'a Region,
    message_ttl: Option<MessageTtl>,
}

/// The device's ID in a row, perhaps empty.
#[inline]
pub(super) fn device_id<'a>(layout: &Layout, cells: &'a StringRecord) -> &'a str {
    trim(cell(cells, layout.id))
}

/// Checks a row, whose [`device_id`] is this.
pub(super) fn resolve<'a>(
    layout: &'a Layout,
    cells: &'a StringRecord,
    device_id: &'a str,
    scratch: &'a mut Scratch,
) -> Result<ValidRow<'a>, Flaw> {
    let Scratch {
        channel_name,
        tag,
        accounts,
        regions,
    } = scratch;
    check_length(layout, cells)?;
    let account = match accounts.of_row(layout, cells) {
        Ok(account) => account,
        Err(reason) => {
            // A line that is no device's says nothing about accounts.
            refuse_border(device_id)?;
            refuse_header(layout, cells, device_id)?;
            return Err(Flaw::Account(reason));
        }
    };
    check_id(layout, device_id)?;
    refuse_header(layout, cells, device_id)?;
    let region = region(layout, cells, regions)?;
    let mut names = Resolved {
        device_id,
        channel_name: "",
        region: region.as_str(),
    };
    names.channel_name = channel_name_of(layout, cells, names, channel_name)?;
    let message_ttl = message_ttl(layout, cells)?;
    let valid = ValidRow {
        layout,
        cells,
        names,
        account,
        region,
        message_ttl,
    };
    valid.check_tags(tag)?;
    Ok(valid)
}

fn check_length(layout: &Layout, cells: &StringRecord) -> Result<(), RowError> {
    let wanted = layout.columns.len();
    let found = cells.len();
    // Spreadsheet programs add empty cells to rows.
    let too_many = found > wanted
        && cells
            .iter()
            .skip(wanted)
            .any(|cell| !cell.trim().is_empty());
    if found < layout.needed || too_many {
        let more = if too_many {
            "; quote a cell that holds the delimiter"
        } else {
            ""
        };
        return Err(RowError::new(format!(
            "the row has {found} {}, the header has {wanted}{more}",
            if found == 1 { "field" } else { "fields" }
        )));
    }
    Ok(())
}

fn check_id(layout: &Layout, device_id: &str) -> Result<(), RowError> {
    if device_id.is_empty() {
        return Err(RowError::new(format!(
            "the device ID (column {}) is empty",
            shown(layout.id_column())
        )));
    }
    if device_id.len() > LONGEST_DEVICE_ID {
        return Err(RowError::new(format!(
            "the device ID {} has {} bytes; at most {LONGEST_DEVICE_ID} are allowed",
            shown(device_id),
            device_id.len()
        )));
    }
    if !device_id.is_ascii() && device_id.contains('\u{feff}') {
        return Err(RowError::new(format!(
            "the device ID {} holds a byte order mark; were two files concatenated without a line end between them? \
             Split the line there",
            shown(device_id)
        )));
    }
    refuse_border(device_id)?;
    match &layout.id_pattern {
        Some(pattern) if !pattern.matches(device_id) => Err(RowError::new(format!(
            "the device ID {} does not match the pattern '{pattern}' as a whole{}",
            shown(device_id),
            hint(device_id)
        ))),
        _ => Ok(()),
    }
}

fn refuse_border(device_id: &str) -> Result<(), RowError> {
    if mangled::is_border(device_id) {
        return Err(RowError::new(format!(
            "the device ID {} is the border of a table, not a device; remove the line",
            shown(device_id)
        )));
    }
    Ok(())
}

/// Refuses a row of nothing but names of columns, in any order.
fn refuse_header(layout: &Layout, cells: &StringRecord, device_id: &str) -> Result<(), RowError> {
    let is_column = |text: &str| layout.columns.iter().any(|name| &**name == text);
    let mut others = cells.iter().map(trim).filter(|cell| !cell.is_empty());
    if is_column(device_id) && others.all(is_column) && has_id_column(layout, cells) {
        return Err(RowError::new(
            "the header is repeated here; were two files concatenated? Remove the line",
        ));
    }
    Ok(())
}

fn has_id_column(layout: &Layout, cells: &StringRecord) -> bool {
    cells.iter().any(|cell| trim(cell) == layout.id_column())
}

fn region<'a>(
    layout: &'a Layout,
    cells: &StringRecord,
    known: &'a mut Vec<Region>,
) -> Result<&'a Region, RowError> {
    let text = layout.region.map_or("", |index| trim(cell(cells, index)));
    if text.is_empty() {
        return layout.default_region.as_ref().ok_or_else(|| {
            RowError::new(
                "the row has no Region and the run has none; fill the column 'region' or give --region",
            )
        });
    }
    let place = known.iter().position(|region| region.as_str() == text);
    let place = if let Some(place) = place {
        place
    } else {
        let region = Region::parse(text).map_err(|invalid| with_hint(&invalid, text))?;
        if known.len() == REGIONS {
            known.clear();
        }
        known.push(region);
        known.len() - 1
    };
    Ok(&known[place])
}

/// The name from the cell or the template; `buffer` holds a name with several parts.
fn channel_name_of<'a>(
    layout: &'a Layout,
    cells: &'a StringRecord,
    names: Resolved<'a>,
    buffer: &'a mut String,
) -> Result<&'a str, RowError> {
    let own = layout
        .channel_name
        .map_or("", |index| trim(cell(cells, index)));
    let name = if !own.is_empty() {
        own
    } else if let Some(text) = layout.name_template.verbatim(cells, names) {
        text
    } else {
        buffer.clear();
        buffer.extend(layout.name_template.texts(cells, names));
        buffer
    };
    ChannelName::check(name).map_err(|invalid| {
        let hint = if own.is_empty() {
            template_hint(layout, cells, names.device_id)
        } else {
            cell_hint(layout, own)
        };
        RowError::new(format!("{invalid}{hint}"))
    })?;
    Ok(name)
}

fn message_ttl(layout: &Layout, cells: &StringRecord) -> Result<Option<MessageTtl>, RowError> {
    let cell = layout
        .message_ttl
        .map_or("", |index| trim(cell(cells, index)));
    if cell.is_empty() {
        return Ok(layout.default_ttl);
    }
    let ttl = MessageTtl::parse(cell).map(Some);
    ttl.map_err(|invalid| with_hint(&invalid, cell))
}

fn with_hint(invalid: &Invalid, text: &str) -> RowError {
    RowError::new(format!("{invalid}{}", hint(text)))
}

/// A tag's value in a row.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Cell(&'a str),
    Template(&'a Compiled),
}

impl<'a> ValidRow<'a> {
    /// The device's ID: not empty, trimmed.
    #[must_use]
    pub fn device_id(&self) -> &'a str {
        self.names.device_id
    }

    /// The channel's name, valid.
    #[must_use]
    pub fn channel_name(&self) -> &'a str {
        self.names.channel_name
    }

    /// The account that the row names. None: that of the run's own credentials.
    #[must_use]
    pub fn account(&self) -> Option<&'a AccountId> {
        self.account
    }

    /// The account and Region the channel is to be in.
    #[must_use]
    pub fn account_region(&self) -> AccountRegion {
        AccountRegion {
            account: self.account.cloned(),
            region: self.region.clone(),
        }
    }

    /// The Region the channel is to be in.
    #[must_use]
    pub fn region(&self) -> &'a Region {
        self.region
    }

    /// The message TTL, where one is asked for.
    #[must_use]
    pub fn message_ttl(&self) -> Option<MessageTtl> {
        self.message_ttl
    }

    /// The device as a value of its own.
    #[must_use]
    pub fn to_device(&self) -> Device {
        let tag = |source: &'a TagSource| match self.value(source)? {
            Value::Cell(text) => Some(Tag::checked(&source.key, text)),
            value @ Value::Template(_) => {
                let text: String = self.texts(value).collect();
                Some(Tag::checked(&source.key, &text))
            }
        };
        Device {
            id: self.device_id().into(),
            channel_name: ChannelName::checked(self.channel_name()),
            account: self.account.cloned(),
            region: self.region.clone(),
            message_ttl: self.message_ttl,
            tags: self.layout.tags.iter().filter_map(tag).collect(),
        }
    }

    /// A hash of TTL and tags: what may differ between two rows of a device that ask for the same channel. To be compared
    /// within a run only.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        /// Bytes that no text in UTF-8 has.
        const NO_TAG: u8 = 0xFE;
        const END: u8 = 0xFF;
        let mut hasher = DefaultHasher::new();
        self.message_ttl.hash(&mut hasher);
        for source in &self.layout.tags {
            match self.value(source) {
                Some(value) => {
                    self.texts(value)
                        .for_each(|text| hasher.write(text.as_bytes()));
                    hasher.write_u8(END);
                }
                None => hasher.write_u8(NO_TAG),
            }
        }
        hasher.finish()
    }

    fn check_tags(&self, buffer: &mut String) -> Result<(), RowError> {
        let mut count = 0;
        for source in &self.layout.tags {
            let Some(value) = self.value(source) else {
                continue;
            };
            count += 1;
            let checked = match value {
                Value::Cell(text) => Tag::check_value(text),
                // Checked with the header.
                Value::Template(template) if template.constant().is_some() => Ok(()),
                Value::Template(_) => {
                    buffer.clear();
                    buffer.extend(self.texts(value));
                    Tag::check_value(buffer)
                }
            };
            checked.map_err(|invalid| {
                RowError::new(format!("the tag {}: {invalid}", shown(&source.key)))
            })?;
        }
        if count > Tag::MOST {
            return Err(RowError::new(format!(
                "the row asks for {count} tags; a channel has at most {}",
                Tag::MOST
            )));
        }
        Ok(())
    }

    fn value(&self, source: &'a TagSource) -> Option<Value<'a>> {
        let cell = source.column.map_or("", |index| cell(self.cells, index));
        if cell.is_empty() {
            source.template.as_ref().map(Value::Template)
        } else {
            Some(Value::Cell(cell))
        }
    }

    fn texts(&self, value: Value<'a>) -> impl Iterator<Item = Cow<'a, str>> {
        let (cell, template) = match value {
            Value::Cell(text) => (Some(Cow::Borrowed(text)), None),
            Value::Template(template) => (None, Some(template.texts(self.cells, self.names))),
        };
        cell.into_iter().chain(template.into_iter().flatten())
    }
}
