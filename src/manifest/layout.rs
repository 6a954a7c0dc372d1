//! The header resolved against the flags: which column means what, decided once for all rows.

use super::compiled::Compiled;
use super::error::{Damage, ManifestError, listed};
use super::options::{IdPattern, Options};
use super::suggest;
use super::titles::LaterHeader;
use crate::domain::device::{AccountId, MessageTtl, Region, Tag, shown};
use crate::domain::template::Template;

const CHANNEL_NAME: &str = "channel_name";
const MESSAGE_TTL: &str = "message_ttl_seconds";
const ACCOUNT: &str = "account";
const REGION: &str = "region";
const TAG_PREFIX: &str = "tag:";

/// A manifest's header as the file has it.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) file: Box<str>,
    pub(super) line: u64,
    pub(super) delimiter: u8,
    /// The names, trimmed.
    pub(super) columns: Vec<Box<str>>,
    /// A later line that looks like the header, where this one does not.
    pub(super) later: Option<LaterHeader>,
}

/// How a manifest's rows are laid out: the delimiter, what each column means, the templates with their columns.
#[derive(Debug)]
pub struct Layout {
    pub(super) delimiter: u8,
    pub(super) columns: Vec<Box<str>>,
    /// A row must have at least so many cells: nameless columns at the end may be missing.
    pub(super) needed: usize,
    pub(super) id: usize,
    pub(super) channel_name: Option<usize>,
    pub(super) message_ttl: Option<usize>,
    pub(super) account: Option<usize>,
    pub(super) region: Option<usize>,
    pub(super) name_template: Compiled,
    /// The same as it was written, for messages.
    pub(super) name_text: Template,
    pub(super) default_ttl: Option<MessageTtl>,
    pub(super) default_region: Option<Region>,
    pub(super) id_pattern: Option<IdPattern>,
    /// Those that rows may name; an empty list allows all.
    pub(super) allowed_accounts: Vec<AccountId>,
    /// In the order of the command line, then of the columns. Each key once.
    pub(super) tags: Vec<TagSource>,
    warnings: Vec<String>,
}

/// Where a tag's value comes from: the cell where it is not empty, else the template.
#[derive(Debug)]
pub(super) struct TagSource {
    pub(super) key: Box<str>,
    pub(super) column: Option<usize>,
    pub(super) template: Option<Compiled>,
}

impl Layout {
    pub(super) fn new(header: Header, options: &Options) -> Result<Self, ManifestError> {
        refuse_duplicates(&header, options)?;
        let place = |name: &str| header.columns.iter().position(|column| &**column == name);
        let id_column = options.id_column.trim();
        let id = place(id_column).ok_or_else(|| no_device_column(&header, id_column))?;
        let named = header.columns.iter().rposition(|name| !name.is_empty());
        let name_template = compile(&options.channel_name, "--channel-name", &header, id_column)?;
        let tags = tag_sources(&header, options, id_column)?;
        Ok(Self {
            delimiter: header.delimiter,
            needed: named.map_or(0, |last| last + 1),
            id,
            channel_name: place(CHANNEL_NAME),
            message_ttl: place(MESSAGE_TTL),
            account: place(ACCOUNT),
            region: place(REGION),
            name_template,
            name_text: options.channel_name.clone(),
            default_ttl: options.message_ttl,
            default_region: options.region.clone(),
            id_pattern: options.id_pattern.clone(),
            allowed_accounts: options.allowed_accounts.clone(),
            tags,
            warnings: warnings(&header, options),
            columns: header.columns,
        })
    }

    /// The delimiter, given or found.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The columns' names, trimmed, in the header's order.
    #[must_use]
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|name| &**name)
    }

    /// Whether rows can name their Region.
    #[must_use]
    pub fn has_region(&self) -> bool {
        self.region.is_some()
    }

    /// Whether rows can name their account.
    #[must_use]
    pub fn has_account(&self) -> bool {
        self.account.is_some()
    }

    /// Whether rows can ask for a message TTL or tags.
    #[must_use]
    pub fn has_ttl_or_tags(&self) -> bool {
        self.message_ttl.is_some() || self.default_ttl.is_some() || !self.tags.is_empty()
    }

    /// The device column's name.
    #[must_use]
    pub fn id_column(&self) -> &str {
        self.columns.get(self.id).map_or("", |name| name)
    }

    /// The keys of the tags that channels may get.
    #[must_use]
    pub fn tag_keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tags.iter().map(|source| &*source.key)
    }

    /// Warnings about columns that are not used, but look as if they were meant.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn header_error(header: &Header, reason: String) -> ManifestError {
    ManifestError::line(&header.file, header.line, Damage::Header(reason))
}

/// Two columns of one name are refused where the name is used: which of them is meant cannot be known.
fn refuse_duplicates(header: &Header, options: &Options) -> Result<(), ManifestError> {
    let id_column = options.id_column.trim();
    let known = [id_column, CHANNEL_NAME, MESSAGE_TTL, ACCOUNT, REGION];
    let is_used = |name: &str| {
        known.contains(&name) || name.starts_with(TAG_PREFIX) || options.templates_use(name)
    };
    let mut sorted: Vec<(&str, usize)> = header
        .columns
        .iter()
        .map(|name| &**name)
        .zip(1..)
        .filter(|(name, _)| !name.is_empty() && is_used(name))
        .collect();
    sorted.sort_unstable();
    let pair = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0);
    match pair {
        None => Ok(()),
        Some(pair) => Err(header_error(
            header,
            format!(
                "the header names {} twice, as columns {} and {}; rename or remove one",
                shown(pair[0].0),
                pair[0].1,
                pair[1].1
            ),
        )),
    }
}

fn no_device_column(header: &Header, id_column: &str) -> ManifestError {
    let columns = header.columns.iter().map(|name| &**name);
    let first = header.columns.first().map_or("", |name| &**name);
    if first.starts_with("#TYPE ") {
        return header_error(
            header,
            "the line is the type that Export-Csv of Windows PowerShell writes, not a header; remove it, or export again \
             with: Export-Csv -NoTypeInformation"
                .to_owned(),
        );
    }
    if first.starts_with("sep=") {
        return header_error(
            header,
            "the line tells a spreadsheet program the delimiter and is not a header; remove it"
                .to_owned(),
        );
    }
    let close = suggest::device_column(id_column, &header.columns);
    let is_likelier = |later: &&LaterHeader| close.is_none() || later.has_column(id_column);
    if let Some(later) = header.later.as_ref().filter(is_likelier) {
        return header_error(
            header,
            later.advice(&header.file, id_column, &listed(columns)),
        );
    }
    let advice = match close {
        Some(close) => format!(
            "give --id-column {} if that one holds the device IDs, or rename it",
            shown(close)
        ),
        None => "name the one that holds the device IDs with --id-column, or add a header line if the file has none"
            .to_owned(),
    };
    header_error(
        header,
        format!(
            "the header has no column {}; it has, read with the delimiter {}: {}; {advice}",
            shown(id_column),
            shown_delimiter(header.delimiter),
            listed(columns)
        ),
    )
}

fn shown_delimiter(delimiter: u8) -> String {
    if delimiter == b'\t' {
        "tab".to_owned()
    } else {
        shown(char::from(delimiter).encode_utf8(&mut [0; 4]))
    }
}

fn compile(
    template: &Template,
    flag: &str,
    header: &Header,
    id_column: &str,
) -> Result<Compiled, ManifestError> {
    let place = |name: &str| {
        let index = header.columns.iter().position(|column| &**column == name)?;
        Some((index, matches!(name, MESSAGE_TTL | ACCOUNT)))
    };
    Compiled::new(template, id_column, place).map_err(|unknown| {
        let columns = header.columns.iter().map(|name| &**name);
        ManifestError::flag(
            flag,
            format!(
                "the template {} uses the column {}, which {} does not have; it has: {}",
                shown(template.as_str()),
                shown(unknown),
                header.file,
                listed(columns)
            ),
        )
    })
}

fn tag_sources(
    header: &Header,
    options: &Options,
    id_column: &str,
) -> Result<Vec<TagSource>, ManifestError> {
    let mut columns = tag_columns(header)?;
    let mut sources = Vec::with_capacity(options.tags.len() + columns.len());
    for (key, template) in &options.tags {
        let flag = format!("--tag {key}");
        let compiled = compile(template, &flag, header, id_column)?;
        check_literals(&compiled, &flag)?;
        let column = columns.iter().position(|(other, _)| *other == &**key);
        sources.push(TagSource {
            key: key.clone(),
            column: column.map(|index| columns.remove(index).1),
            template: Some(compiled),
        });
    }
    sources.extend(columns.into_iter().map(|(key, index)| TagSource {
        key: key.into(),
        column: Some(index),
        template: None,
    }));
    Ok(sources)
}

/// The keys and places of the tag columns.
fn tag_columns(header: &Header) -> Result<Vec<(&str, usize)>, ManifestError> {
    let mut found: Vec<(&str, usize)> = Vec::new();
    for (index, name) in header.columns.iter().enumerate() {
        let Some(key) = name.strip_prefix(TAG_PREFIX).map(str::trim) else {
            continue;
        };
        let wrong =
            |reason: String| header_error(header, format!("the column {}: {reason}", shown(name)));
        if key.is_empty() {
            return Err(wrong(
                "the tag has no key; expected 'tag:KEY', such as 'tag:Site'".to_owned(),
            ));
        }
        Tag::check_key(key).map_err(|invalid| wrong(invalid.to_string()))?;
        if found.iter().any(|(other, _)| *other == key) {
            return Err(wrong(format!(
                "another column has the tag key {} too; rename or remove one",
                shown(key)
            )));
        }
        found.push((key, index));
    }
    Ok(found)
}

/// A template's literal text must be valid before the first row is read.
fn check_literals(template: &Compiled, flag: &str) -> Result<(), ManifestError> {
    let wrong =
        |invalid: crate::domain::device::Invalid| ManifestError::flag(flag, invalid.to_string());
    let literals: String = template.literals().collect();
    Tag::check_value(&literals).map_err(wrong)
}

fn warnings(header: &Header, options: &Options) -> Vec<String> {
    const MOST: usize = 20;
    let id_column = options.id_column.trim();
    let known = [CHANNEL_NAME, MESSAGE_TTL, ACCOUNT, REGION, id_column];
    let is_free = |name: &str| !known.contains(&name) && !name.starts_with(TAG_PREFIX);
    let columns = header.columns.iter().map(|name| &**name);
    let unused = columns.filter(|name| is_free(name)).filter_map(|name| {
        if name == "device_id" {
            return Some(format!(
                "the column 'device_id' is not used: --id-column gives {}, and {{device_id}} in templates means that",
                shown(id_column)
            ));
        }
        if options.templates_use(name) {
            None
        } else {
            suggest::unused_column(name)
        }
    });
    let results = is_results(header).then(|| {
        format!(
            "{} has the columns of a results file; each of its rows is taken for a device to provision",
            header.file
        )
    });
    results.into_iter().chain(unused.take(MOST)).collect()
}

/// Whether the columns are those of a results file, which is easily given in place of the manifest.
fn is_results(header: &Header) -> bool {
    let has = |wanted: &str| header.columns.iter().any(|name| **name == *wanted);
    ["status", "channel_arn", "attempts", "error_code"]
        .into_iter()
        .all(has)
}
