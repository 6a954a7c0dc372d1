//! Where devices come from: a manifest in memory, or standard input as a stream.

use std::io::{self, Read as _, Stdin};
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::batch_files::BatchFiles;
use crate::aws::ConfigError;
use crate::domain::panics;
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::manifest::{self, Layout, Manifest, Options, RowAccounts, Rows, STANDARD_INPUT};

/// Where the devices of a run come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, in memory.
    File(Arc<Manifest>),
    /// Standard input, planned row by row while the run goes on.
    Stream(Box<Rows<Stdin>>),
}

impl Source {
    pub(super) fn layout(&self) -> &Layout {
        match self {
            Self::File(manifest) => manifest.layout(),
            Self::Stream(rows) => rows.layout(),
        }
    }

    /// The SHA-256 of a file; a stream has none.
    pub(super) fn sha256(&self) -> Option<&str> {
        match self {
            Self::File(manifest) => Some(manifest.sha256()),
            Self::Stream(_) => None,
        }
    }

    /// Whether the rows name accounts. Those of a stream may do so if it has a column for them.
    pub(super) fn row_accounts(&self) -> Result<RowAccounts, Error> {
        match self {
            Self::File(manifest) => Ok(manifest.row_accounts()?),
            Self::Stream(rows) => Ok(RowAccounts {
                have_column: rows.layout().has_account(),
                are_named: rows.layout().has_account(),
                ..RowAccounts::default()
            }),
        }
    }

    /// Refuses a file that another program has changed since it was read.
    pub(super) fn check_current(&self) -> Result<(), Error> {
        match self {
            Self::File(manifest) if !manifest.is_current() => {
                let message = format!(
                    "the manifest {} changed after it was read: another program is perhaps still writing it; nothing \
                     was created. Run again when the file is complete",
                    manifest.file()
                );
                Err(Error::refused("manifest", message))
            }
            _ => Ok(()),
        }
    }
}

/// Begins to open the manifest, on a thread that may wait for it: a file is read and checked whole, of standard input the
/// header is read.
pub(super) fn open(files: &BatchFiles, options: Options) -> JoinHandle<Result<Source, Error>> {
    let manifest = files.manifest.clone();
    tokio::task::spawn_blocking(move || {
        if manifest.is_some() {
            return whole(manifest.as_deref(), &options).map(Source::File);
        }
        let rows = manifest::stream(io::stdin(), &options)?;
        check_region(rows.layout(), &options)?;
        Ok(Source::Stream(Box::new(rows)))
    })
}

/// Begins to read the manifest whole, standard input as well.
pub(super) fn read(
    files: &BatchFiles,
    options: Options,
) -> JoinHandle<Result<Arc<Manifest>, Error>> {
    let manifest = files.manifest.clone();
    tokio::task::spawn_blocking(move || whole(manifest.as_deref(), &options))
}

/// What was opened, unless the command is stopped while it waits.
pub(super) async fn opened<T>(
    task: JoinHandle<Result<T, Error>>,
    stop: &StopSignal,
) -> Result<T, Error> {
    tokio::select! {
        opened = task => opened.map_err(|ended| Stop::Internal(panics::words_of_task(ended)))?,
        stopped = stop.ended() => Err(stopped.into()),
    }
}

fn whole(path: Option<&Path>, options: &Options) -> Result<Arc<Manifest>, Error> {
    let manifest = if let Some(path) = path {
        Manifest::open(path, options)?
    } else {
        let mut text = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut text);
        read.map_err(|error| {
            let message = format!("{STANDARD_INPUT} cannot be read: {error}");
            Error::refused("manifest", message)
        })?;
        Manifest::from_text(STANDARD_INPUT.into(), text, options)?
    };
    check_region(manifest.layout(), options)?;
    Ok(Arc::new(manifest))
}

/// Refuses a manifest that has no column for Regions where none is configured: that is not each row's fault.
fn check_region(layout: &Layout, options: &Options) -> Result<(), Error> {
    if options.region.is_none() && !layout.has_region() {
        return Err(ConfigError::NoRegion.into());
    }
    Ok(())
}
