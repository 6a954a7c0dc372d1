//! Which service a run works against, and with which identity: AWS, a custom endpoint, or the emulator in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

use tracing::{info, warn};

use super::asking::seed;
use super::messages::say_all;
use crate::aws::{AwsService, ConfigError, ConfigErrorKind, Connection, ConnectionSettings};
use crate::domain::device::{AccountId, Region};
use crate::domain::service::{Failure, Identity};
use crate::emulator::{Emulator, EmulatorSettings};
use crate::engine::{Stop, StopSignal, first_contact};
use crate::error::Error;

/// Regions in which the identity is requested, each for a few seconds, until one answers.
const MOST_REGIONS_ASKED: usize = 3;

/// The service that a run works against.
#[derive(Debug)]
pub(super) struct Target {
    connection: Connection,
    /// Empty before it was requested; then none if a custom endpoint does not know it.
    identity: OnceLock<Option<Identity>>,
    emulator: Option<Emulator>,
}

impl Target {
    /// Finds the way to the service, and starts the emulator if it is the service. Sends nothing to AWS.
    pub(super) async fn load(
        mut settings: ConnectionSettings,
        emulator: bool,
    ) -> Result<Self, Error> {
        let mut started = None;
        if emulator {
            let ephemeral = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let emulator = Emulator::start(ephemeral, EmulatorSettings::default()).await;
            let emulator =
                emulator.map_err(|error| Error::refused("emulator", error.to_string()))?;
            settings.endpoint_url = Some(emulator.url());
            started = Some(emulator);
        }
        let connection = Connection::load(settings).await?;
        say_all(&connection.warnings());
        Ok(Self {
            connection,
            identity: OnceLock::new(),
            emulator: started,
        })
    }

    /// The Region for rows that name none, where one is configured.
    pub(super) fn default_region(&self) -> Option<Region> {
        self.connection.default_region().cloned()
    }

    /// Whether AWS itself answers.
    pub(super) fn is_aws(&self) -> bool {
        self.connection.endpoint().is_aws()
    }

    /// Whether the emulator in this process answers.
    pub(super) fn is_emulator(&self) -> bool {
        self.emulator.is_some()
    }

    /// The custom endpoint, or the emulator's.
    pub(super) fn url(&self) -> Option<&str> {
        self.connection.endpoint().url()
    }

    /// The account, where it is known.
    pub(super) fn account(&self) -> Option<&AccountId> {
        self.identity().map(|who| &who.account)
    }

    /// The caller's ARN, where it is known.
    pub(super) fn caller(&self) -> Option<&str> {
        self.identity().map(|who| &*who.caller)
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.get().and_then(Option::as_ref)
    }

    pub(super) fn is_identified(&self) -> bool {
        self.identity.get().is_some()
    }

    /// Refuses another account than the one expected.
    fn check_account(&self, expected: Option<&AccountId>) -> Result<(), Error> {
        let (Some(found), Some(expected)) = (self.account(), expected) else {
            return Ok(());
        };
        if found == expected {
            return Ok(());
        }
        let message = if self.is_emulator() {
            format!(
                "--account is {expected}, but the emulator's account is always {found}; leave --account out of a \
                 rehearsal"
            )
        } else {
            let stop = Stop::WrongAccount {
                expected: expected.clone(),
                found: found.clone(),
            };
            stop.to_string()
        };
        Err(Error::refused("wrong-account", message))
    }

    /// Refuses `--account` if the identity was requested and is not known: before an answer could name another account,
    /// channels would have been created there.
    pub(super) fn check_guard(&self, guard: Option<&AccountId>) -> Result<(), Error> {
        let Some(guard) = guard.filter(|_| self.is_identified() && self.account().is_none()) else {
            return Ok(());
        };
        let message = format!(
            "--account {guard} cannot be checked before something is made: the endpoint {} does not say whose account \
             it works for (GetCallerIdentity), and no channel that it lists does. Make sure of the account by other \
             means, and leave --account out",
            self.url().unwrap_or_default()
        );
        Err(Error::refused("wrong-account", message))
    }

    /// The account that this run must be of. Refuses results of another kind of service, and of another account than
    /// `--account`.
    pub(super) fn expected(
        &self,
        flag: Option<&AccountId>,
        results: Option<AccountId>,
        file: &Path,
    ) -> Result<Option<AccountId>, Error> {
        self.check_kind(results.as_ref(), file)?;
        expected(flag, results, file)
    }

    /// Refuses the emulator's results for a run against AWS, and the other way round.
    pub(super) fn check_kind(
        &self,
        account: Option<&AccountId>,
        results: &Path,
    ) -> Result<(), Error> {
        let Some(account) = account else {
            return Ok(());
        };
        let message = match (account.is_emulator(), self.is_aws(), self.is_emulator()) {
            (true, true, _) => format!(
                "the results {} were made with the emulator (account {account}), but this run is against AWS; work with \
                 another results file",
                results.display()
            ),
            (false, _, true) => format!(
                "the results {} were made with the account {account}, but this run is against the emulator; work with \
                 another results file",
                results.display()
            ),
            _ => return Ok(()),
        };
        Err(Error::refused("wrong-account", message))
    }

    /// Sends STS `GetCallerIdentity`, unless it was answered before, for a few seconds while there is no answer, or until
    /// the run stops. AWS must answer; a custom endpoint need not know.
    async fn identify(&self, region: &Region, stop: &StopSignal) -> Result<(), Error> {
        if self.is_identified() {
            return Ok(());
        }
        let request = || self.connection.identity(region);
        let asked = first_contact(stop, seed(), ConfigError::is_passing, request).await?;
        let _first = self.identity.set(asked?);
        Ok(())
    }

    /// Finds out the account and the caller in the first of these Regions that answers: one that does not must not stop the
    /// others. Refuses another account than the one expected, and prints the first line of the run. Gives the account, as
    /// far as it is known.
    pub(super) async fn meet(
        &self,
        expected: Option<AccountId>,
        regions: &[Region],
        stop: &StopSignal,
    ) -> Result<Option<AccountId>, Error> {
        let mut left = regions.iter().take(MOST_REGIONS_ASKED).peekable();
        while let Some(region) = left.next() {
            match self.identify(region, stop).await {
                Err(Error::Stopped(Stop::NoIdentity(_))) if left.peek().is_some() => {}
                asked => {
                    asked?;
                    break;
                }
            }
        }
        self.check_account(expected.as_ref())?;
        let line = self.first_line(regions);
        if self.is_aws() {
            info!("{line}");
        } else {
            warn!("{line}");
        }
        Ok(self.account().cloned().or(expected))
    }

    /// The Regions of these in which the service is not offered, as far as the name of its host shows, with the failure
    /// that shows it.
    pub(super) async fn not_offered(&self, regions: &[Region]) -> Vec<(Region, Failure)> {
        let mut found = Vec::new();
        for region in regions {
            if let Some(failure) = self.connection.not_offered(region).await {
                found.push((region.clone(), failure));
            }
        }
        found
    }

    /// The service in a Region.
    pub(super) fn service(&self, region: &Region) -> AwsService {
        self.connection.region(region)
    }

    /// The first line of a run: account, caller, profile, Regions, endpoint.
    pub(super) fn first_line(&self, regions: &[Region]) -> String {
        let account = self.account().map_or("not known yet", AccountId::as_str);
        let caller = self
            .caller()
            .map_or(String::new(), |caller| format!(", caller {caller}"));
        let source = self.connection.credentials_source();
        let source = source.map_or(String::new(), |source| format!(", {source}"));
        let mut names: Vec<&str> = regions.iter().map(Region::as_str).collect();
        names.sort_unstable();
        let regions = match names.as_slice() {
            [] => "Regions as the rows name them".to_owned(),
            [one] => format!("Region {one}"),
            many => format!("Regions {}", many.join(", ")),
        };
        let (lead, endpoint) = match (self.is_emulator(), self.url()) {
            (true, Some(url)) => (
                "EMULATOR, NOT AWS: ",
                format!("endpoint {url} in this process"),
            ),
            (_, Some(url)) if !self.is_aws() => ("NOT AWS: ", format!("endpoint {url}")),
            (_, Some(url)) => ("", format!("endpoint {url}")),
            (_, None) => ("", "endpoint AWS".to_owned()),
        };
        format!("{lead}account {account}{caller}{source}, {regions}, {endpoint}")
    }
}

/// The account that this run must be of: `--account`, and that of the results' ARNs, which must be the same.
pub(super) fn expected(
    flag: Option<&AccountId>,
    results: Option<AccountId>,
    file: &Path,
) -> Result<Option<AccountId>, Error> {
    match (flag, results) {
        (Some(flag), Some(results)) if *flag != results => Err(Error::refused(
            "wrong-account",
            format!(
                "--account is {flag}, but the results {} are of the account {results}; give the right account, or \
                 another results file",
                file.display()
            ),
        )),
        (Some(flag), _) => Ok(Some(flag.clone())),
        (None, results) => Ok(results),
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        match error.kind() {
            ConfigErrorKind::Configuration => Self::refused("configuration", error.to_string()),
            ConfigErrorKind::Credentials => Self::refused("credentials", error.to_string()),
            ConfigErrorKind::Unreachable => Self::Stopped(Stop::NoIdentity(error.to_string())),
        }
    }
}
