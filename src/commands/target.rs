//! Which service a run works against, and as whom: AWS, an endpoint in its place, or the emulator in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::{AwsService, ConfigError, ConfigErrorKind, Connection, ConnectionSettings};
use crate::domain::device::{AccountId, Region};
use crate::domain::service::{Failure, Identity};
use crate::emulator::{self, Emulator};
use crate::engine::retry::Schedule;
use crate::engine::{FIRST_CONTACT, Stop, StopSignal};
use crate::error::Error;

/// In at most so many Regions it is asked who we are, each for a few seconds.
const MOST_REGIONS_ASKED: usize = 3;

/// The service that a run works against.
#[derive(Debug)]
pub(super) struct Target {
    connection: Connection,
    /// Empty before it was asked; then none where a server in AWS's place does not know.
    identity: OnceLock<Option<Identity>>,
    emulator: Option<Emulator>,
}

impl Target {
    /// Finds the way to the service, and starts the emulator where it is that. Sends nothing to AWS.
    pub(super) async fn load(
        mut settings: ConnectionSettings,
        emulator: bool,
    ) -> Result<Self, Error> {
        let emulator = if emulator {
            let ephemeral = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let started = Emulator::start(ephemeral, emulator::EmulatorSettings::default()).await;
            Some(started.map_err(|error| Error::refused("emulator", error.to_string()))?)
        } else {
            None
        };
        if let Some(emulator) = &emulator {
            settings.endpoint_url = Some(emulator.url());
        }
        let connection = Connection::load(settings).await?;
        for warning in connection.warnings() {
            warn!("{warning}");
        }
        Ok(Self {
            connection,
            identity: OnceLock::new(),
            emulator,
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

    /// The endpoint, where it is not AWS's own of each Region.
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

    /// Whether it was asked who we are.
    pub(super) fn is_identified(&self) -> bool {
        self.identity.get().is_some()
    }

    /// Refuses another account than the one expected.
    pub(super) fn check_account(&self, expected: Option<&AccountId>) -> Result<(), Error> {
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

    /// Refuses `--account` where it was asked who we are and nobody knew: by the time that an answer names another
    /// account, channels have been made there.
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

    /// Refuses the emulator's results at AWS, and AWS's at the emulator.
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

    /// Asks who we are, for a few seconds where there is no answer, or until the run stops. AWS must answer; a server
    /// in its place may not know.
    pub(super) async fn identify(&self, region: &Region, stop: &StopSignal) -> Result<(), Error> {
        let (begun, schedule) = (Instant::now(), Schedule::default());
        let mut tries = 0;
        while !self.is_identified() {
            tries += 1;
            let wait = tokio::select! {
                asked = self.connection.identity(region) => match asked {
                    Ok(identity) => {
                        let _first = self.identity.set(identity);
                        continue;
                    }
                    Err(error) if error.is_passing() && begun.elapsed() < FIRST_CONTACT => {
                        schedule.wait(tries, &mut fastrand::Rng::new())
                    }
                    Err(error) => return Err(error.into()),
                },
                stopped = stop.ended() => return Err(stopped.into()),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                stopped = stop.ended() => return Err(stopped.into()),
            }
        }
        Ok(())
    }

    /// The same in the first of these Regions that answers: one that does not must not stop the others.
    pub(super) async fn identify_in(
        &self,
        regions: &[Region],
        stop: &StopSignal,
    ) -> Result<(), Error> {
        let mut regions = regions.iter().take(MOST_REGIONS_ASKED).peekable();
        while let Some(region) = regions.next() {
            match self.identify(region, stop).await {
                Err(Error::Stopped(Stop::NoIdentity(_))) if regions.peek().is_some() => {}
                asked => return asked,
            }
        }
        Ok(())
    }

    /// The Regions of these in which the service is not offered, as far as the name of its host tells, and how it told.
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

    /// What the first line of a run says: account, caller, profile, Regions, endpoint.
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

/// Prints the first line of a run: loudly where it is not AWS that answers.
pub(super) fn introduce(target: &Target, regions: &[Region]) {
    let line = target.first_line(regions);
    if target.is_aws() {
        info!("{line}");
    } else {
        warn!("{line}");
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
