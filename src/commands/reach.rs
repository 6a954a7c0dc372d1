//! How the accounts are reached that the rows name: each with credentials of its own, which must be of that account.

use indexmap::IndexMap;

use super::access::{Access, Way};
use super::asking::{seed, side_by_side};
use super::guard::Guard;
use super::target::{Target, regions_of};
use crate::aws::{ConfigError, ConfigErrorKind, Connection};
use crate::domain::device::{AccountId, AccountRegion, Region};
use crate::engine::{Stop, StopSignal, first_contact};
use crate::error::Error;
use crate::fleet::plan::OwnAccount;
use crate::manifest::RowAccounts;

/// Accounts that are reached at once.
const AT_ONCE: usize = 16;

impl Target {
    /// Finds out the account of the run's own credentials, prints the first line of the run, and reaches each account that
    /// the rows name. Refuses an account that was not meant. Gives that of the own credentials, as far as it is known.
    pub(super) async fn meet_all(
        &self,
        access: &Access,
        guard: &Guard,
        account_regions: &[AccountRegion],
        stop: &StopSignal,
    ) -> Result<Option<AccountId>, Error> {
        let account = if access.has_a_profile_for_each() {
            None
        } else {
            self.meet(guard, &regions_of(account_regions), stop).await?
        };
        self.say_first_line(account_regions);
        self.reach(access, account_regions, stop).await?;
        Ok(account)
    }

    /// Reaches the accounts that these rows name, except that of the run's own credentials, and those that were reached
    /// before. For one that cannot be reached [`Target::service`] gives the cause; the others are not affected.
    pub(super) async fn reach(
        &self,
        access: &Access,
        account_regions: &[AccountRegion],
        stop: &StopSignal,
    ) -> Result<(), Error> {
        let mut accounts: IndexMap<AccountId, Region> = IndexMap::new();
        for AccountRegion { account, region } in account_regions {
            if let Some(account) = account
                && self.account() != Some(account)
                && !self.is_reached(account)
            {
                let first = accounts.entry(account.clone());
                first.or_insert_with(|| region.clone());
            }
        }
        access.check_ways(&accounts.keys().cloned().collect::<Vec<_>>())?;
        let ways = accounts.into_iter().filter_map(|(account, region)| {
            let way = access.way_to(&account)?;
            Some((account, region, way))
        });
        let reached = side_by_side(ways, AT_ONCE, |(account, region, way)| {
            let (own, stop) = (self.connection().clone(), stop.clone());
            async move {
                let reached = connected(&own, way, &account, &region, &stop).await;
                Some((account, reached))
            }
        });
        let lost = || Stop::Internal("an account was left without an answer".to_owned());
        for (account, reached) in reached.await.ok_or_else(lost)? {
            if let (Err(cause @ Stop::Credentials(_)), true) = (&reached, access.role_arn.is_some())
            {
                // Those that assume all roles.
                return Err(Error::NotBegun(cause.clone()));
            }
            self.add_account(account, reached);
        }
        match stop.cause() {
            Some(stop) => Err(stop.into()),
            None => Ok(()),
        }
    }
}

impl Target {
    /// Refuses a custom endpoint that was asked and has not said whose account it works for, if it cannot be reached or refuses
    /// the credentials: then that is the cause, and no row.
    pub(super) async fn check_answering(
        &self,
        region: &Region,
        stop: &StopSignal,
    ) -> Result<(), Error> {
        if !self.is_identified() || self.account().is_some() {
            return Ok(());
        }
        let request = || self.connection().required_identity(region);
        let asked = first_contact(stop, seed(), ConfigError::is_passing, request).await?;
        match asked {
            Err(error) if error.is_passing() || error.kind() == ConfigErrorKind::Credentials => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// The account of rows that name none, among rows that do: that of the run's own credentials, which must be known and
    /// allowed.
    pub(super) fn account_of_other_rows(
        &self,
        access: &Access,
        guard: &Guard,
    ) -> Result<AccountId, Error> {
        let usage = |message: String| Err(Error::refused("usage", message));
        if let Some(profile) = &access.profile
            && access.has_a_profile_for_each()
        {
            return usage(format!(
                "a row names no account, but --profile {profile} needs one for each; fill the column 'account'"
            ));
        }
        let Some(own) = self.account() else {
            return usage(
                "a row names no account, and the endpoint does not say whose account it works for (GetCallerIdentity); \
                 fill the column 'account'"
                    .to_owned(),
            );
        };
        if guard.refuses(own) {
            let message = format!(
                "a row names no account, which means that of the run's own credentials, {own}, and --account does not \
                 allow it; fill the column 'account', or add the account"
            );
            return Err(Error::refused("wrong-account", message));
        }
        Ok(own.clone())
    }
}

/// The account of rows that name none. It has to be known before the plan: two rows of one account may ask for the same
/// channel.
pub(super) async fn own_account(
    target: &Target,
    access: &Access,
    guard: &Guard,
    rows: &RowAccounts,
    stop: &StopSignal,
) -> Result<OwnAccount, Error> {
    if !rows.are_named || rows.others.is_empty() {
        return Ok(OwnAccount::Only);
    }
    if !access.has_a_profile_for_each() {
        let regions: Vec<Region> = rows.others.iter().cloned().collect();
        target.meet(guard, &regions, stop).await?;
        if let Some(region) = regions.first() {
            target.check_answering(region, stop).await?;
        }
    }
    let own = target.account_of_other_rows(access, guard)?;
    Ok(OwnAccount::Known(own))
}

/// The connection to an account, with credentials that are of it.
async fn connected(
    own: &Connection,
    way: Way,
    account: &AccountId,
    region: &Region,
    stop: &StopSignal,
) -> Result<Connection, Stop> {
    let connection = match way {
        Way::Role(role) => own.with_role(role),
        Way::Profile(name) => own.with_profile(&name).await.map_err(unusable)?,
    };
    let identity = first_contact(stop, seed(), ConfigError::is_passing, || {
        connection.identity(region)
    });
    match identity.await?.map_err(unusable)? {
        Some(identity) if identity.account != *account => Err(Stop::WrongAccount {
            expected: account.clone(),
            found: identity.account,
        }),
        _ => Ok(connection),
    }
}

/// Why an account cannot be worked in.
fn unusable(error: ConfigError) -> Stop {
    match error.kind() {
        ConfigErrorKind::Role => Stop::Role(error.into_failure()),
        ConfigErrorKind::Unreachable => Stop::NoIdentity(error.to_string()),
        ConfigErrorKind::Configuration | ConfigErrorKind::Credentials => {
            Stop::Credentials(error.into_failure())
        }
    }
}
