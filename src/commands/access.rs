//! How the accounts are reached that rows name: by a role in each, or by a profile for each.

use std::path::Path;

use super::guard::Guard;
use crate::aws::Role;
use crate::cli::ConnectionArgs;
use crate::domain::account_template::AccountTemplate;
use crate::domain::device::AccountId;
use crate::domain::format;
use crate::domain::role::role_account;
use crate::engine::EngineSettings;
use crate::error::Error;
use crate::manifest::RowAccounts;

/// What `--role-arn`, `--external-id`, `--role-session-name` and `--profile` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// The role of an account.
    pub(super) role_arn: Option<AccountTemplate>,
    /// What the trust policies of the roles ask for.
    pub(super) external_id: Option<AccountTemplate>,
    /// The name of the roles' sessions.
    pub(super) session_name: String,
    /// Whether no flag gives the role: the emulator has one in each account.
    is_implied: bool,
    /// The profile of an account, or, without `{account}`, the one whose credentials assume the roles.
    pub(super) profile: Option<AccountTemplate>,
}

impl Access {
    fn new(args: &ConnectionArgs) -> Result<Self, Error> {
        if let (Some(role), Some(profile)) = (&args.role_arn, &args.profile)
            && profile.names_account()
        {
            return Err(usage(format!(
                "--role-arn {role} and --profile {profile} are two ways into each account; give one of them, or a profile \
                 without {{account}}, whose credentials assume the roles"
            )));
        }
        Ok(Self {
            role_arn: args.role_arn.clone(),
            external_id: args.external_id.clone(),
            session_name: args.role_session_name.clone(),
            is_implied: false,
            profile: args.profile.clone(),
        })
    }

    /// The same of a command that may work against the emulator.
    pub(super) fn of(args: &ConnectionArgs, is_emulated: bool) -> Result<Self, Error> {
        let given = Self::new(args)?;
        Ok(if is_emulated {
            given.or_any_role()
        } else {
            given
        })
    }

    /// Whether any flag says how the accounts are reached that rows name.
    pub(super) fn is_given(&self) -> bool {
        self.role_arn.is_some() || self.has_a_profile_for_each()
    }

    /// Whether each account has a profile of its own: then nothing is sent with the run's own credentials.
    pub(super) fn has_a_profile_for_each(&self) -> bool {
        let profile = self.profile.as_ref();
        profile.is_some_and(AccountTemplate::names_account)
    }

    /// The same, where any role leads to each account: the emulator has them all.
    fn or_any_role(mut self) -> Self {
        if !self.is_given() {
            self.role_arn = AccountTemplate::parse("arn:aws:iam::{account}:role/kvs-fleet").ok();
            self.is_implied = true;
        }
        self
    }

    /// The guard of a command on results of these accounts: `allowed` are those of `--account`.
    pub(super) fn guard(
        &self,
        allowed: &[AccountId],
        accounts: &[AccountId],
        results: &Path,
    ) -> Result<Guard, Error> {
        if !self.is_given() {
            return Guard::of_one(allowed, accounts, results);
        }
        let guard = Guard::of_several(allowed);
        if let Some(refused) = accounts.iter().find(|account| guard.refuses(account)) {
            let message = format!(
                "the results {} have channels in the account {refused}, which --account does not allow; add it, or give \
                 other results",
                results.display()
            );
            return Err(Error::refused("wrong-account", message));
        }
        self.check_ways_but_own(accounts)?;
        Ok(guard)
    }

    /// The guard of a command on rows: `allowed` are the accounts of `--account`, `results` those of the results. Refuses
    /// rows to which these flags do not lead, and flags that lead nowhere. With a flag, rows in whose column for accounts
    /// nothing is are of the account of the run's own credentials, as they are beside others.
    pub(super) fn guard_of_rows(
        &self,
        allowed: &[AccountId],
        rows: &mut RowAccounts,
        (results, file): (&[AccountId], &Path),
    ) -> Result<Guard, Error> {
        self.refuse_unused(rows)?;
        self.check_ways_but_own(&rows.named)?;
        rows.are_named |= rows.have_column && self.is_given() && !self.is_implied;
        if rows.are_named {
            Ok(Guard::of_several(allowed))
        } else {
            Guard::of_one(allowed, results, file)
        }
    }

    /// Refuses flags that say how accounts are reached where no row names one: its channels would be made in another.
    fn refuse_unused(&self, rows: &RowAccounts) -> Result<(), Error> {
        let (flag, template) = match (&self.role_arn, &self.profile) {
            (Some(role), _) if !rows.have_column && !self.is_implied => ("--role-arn", role),
            (None, Some(profile)) if profile.names_account() && !rows.are_named => {
                ("--profile", profile)
            }
            _ => return Ok(()),
        };
        let found = if rows.have_column {
            "no row has a number in the column 'account'"
        } else {
            "the manifest has no column 'account'"
        };
        Err(usage(format!(
            "{flag} {template} says how the accounts are reached that the rows name, but {found}; name the account of each \
             row there, or leave {flag} out, which means the account of the run's own credentials"
        )))
    }

    /// The way into an account; none where no flag leads there.
    pub(super) fn way_to(&self, account: &AccountId) -> Option<Way> {
        if let Some(role) = &self.role_arn {
            let external_id = self.external_id.as_ref();
            return Some(Way::Role(Role {
                arn: role.for_account(account),
                external_id: external_id.map(|id| id.for_account(account)),
                session_name: self.session_name.clone(),
            }));
        }
        let profile = self.profile.as_ref();
        let profile = profile.filter(|profile| profile.names_account());
        profile.map(|profile| Way::Profile(profile.for_account(account)))
    }

    /// Settings for accounts that are reached this way.
    pub(super) fn engine(&self, settings: EngineSettings) -> EngineSettings {
        EngineSettings {
            has_common_credentials: self.role_arn.is_some(),
            ..settings
        }
    }

    /// Refuses rows that name accounts to which no flag leads, before anything is sent. One of them may be that of the run's
    /// own credentials, which is not known yet.
    fn check_ways_but_own<'a>(
        &self,
        accounts: impl IntoIterator<Item = &'a AccountId>,
    ) -> Result<(), Error> {
        let is_reached = |account: &&AccountId| match &self.role_arn {
            Some(role) => check_role(role, account).is_ok(),
            None => self.has_a_profile_for_each(),
        };
        let unreached: Vec<AccountId> = accounts
            .into_iter()
            .filter(|account| !is_reached(account))
            .cloned()
            .collect();
        if unreached.len() < 2 {
            return Ok(());
        }
        self.check_ways(&unreached)
    }

    /// Refuses rows that name an account to which no flag leads. `accounts` are those that they name.
    pub(super) fn check_ways(&self, accounts: &[AccountId]) -> Result<(), Error> {
        let Some(first) = accounts.first() else {
            return Ok(());
        };
        if let Some(role) = &self.role_arn {
            return accounts
                .iter()
                .try_for_each(|account| check_role(role, account));
        }
        match &self.profile {
            Some(profile) if profile.names_account() => Ok(()),
            Some(profile) => Err(usage(format!(
                "the rows name {}, but the profile {profile} leads to one only: write {{account}} where the names of your \
                 profiles have the number, such as --profile 'fleet-{{account}}', or give the role that this profile \
                 assumes in each account, such as --role-arn 'arn:aws:iam::{{account}}:role/kvs-fleet'",
                named(accounts, first)
            ))),
            None => Err(usage(format!(
                "the rows name {}, but no flag says how it is reached: give the role to assume in each account, such as \
                 --role-arn 'arn:aws:iam::{{account}}:role/kvs-fleet', or a profile for each, such as --profile \
                 'fleet-{{account}}'",
                named(accounts, first)
            ))),
        }
    }
}

/// The way into an account.
#[derive(Debug)]
pub(super) enum Way {
    /// A role that the run's own credentials assume.
    Role(Role),
    /// A profile of its own.
    Profile(String),
}

/// Refuses a role of another account than the row's.
fn check_role(role: &AccountTemplate, account: &AccountId) -> Result<(), Error> {
    match role_account(&role.for_account(account)) {
        Some(leads_to) if leads_to != *account => Err(usage(format!(
            "--role-arn {role} is a role of the account {leads_to}, but rows name the account {account}: write {{account}} \
             in place of the number, such as arn:aws:iam::{{account}}:role/kvs-fleet"
        ))),
        _ => Ok(()),
    }
}

/// Accounts in a sentence.
fn named(accounts: &[AccountId], first: &AccountId) -> String {
    match accounts.len() {
        1 => format!("the account {first}"),
        many => format!("{} ({first}, …)", format::count(many as u64, "account")),
    }
}

fn usage(message: String) -> Error {
    Error::refused("usage", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(role_arn: Option<&str>, profile: Option<&str>) -> Access {
        let template = |text: &str| AccountTemplate::parse(text).unwrap();
        Access {
            role_arn: role_arn.map(template),
            external_id: None,
            session_name: "kvs-fleet".to_owned(),
            is_implied: false,
            profile: profile.map(template),
        }
    }

    fn refused(access: &Access, accounts: &[&str]) -> Option<String> {
        let parse = |account: &&str| AccountId::parse(account).unwrap();
        let accounts: Vec<AccountId> = accounts.iter().map(parse).collect();
        let error = access.check_ways(&accounts).err()?;
        assert_eq!((error.reason(), error.exit_code()), ("usage", 2));
        Some(error.to_string())
    }

    const ONE: &[&str] = &["111122223333"];
    const TWO: &[&str] = &["111122223333", "444455556666"];

    #[test]
    fn a_template_leads_to_every_account() {
        for (role, profile) in [
            (Some("arn:aws:iam::{account}:role/kvs-fleet"), None),
            (
                Some("arn:aws:iam::{account}:role/kvs-fleet"),
                Some("factory"),
            ),
            (None, Some("fleet-{account}")),
        ] {
            assert_eq!(refused(&access(role, profile), TWO), None);
        }
        // A role of the only account.
        let role = access(Some("arn:aws:iam::111122223333:role/kvs-fleet"), None);
        assert_eq!(refused(&role, ONE), None);
    }

    #[test]
    fn rows_without_an_account_need_no_flag() {
        for profile in [None, Some("factory")] {
            assert_eq!(refused(&access(None, profile), &[]), None);
        }
    }

    #[test]
    fn flags_that_lead_nowhere_are_refused() {
        let role = access(Some("arn:aws:iam::{account}:role/kvs-fleet"), None);
        let profile = access(None, Some("fleet-{account}"));
        let rows = |have_column, are_named| RowAccounts {
            have_column,
            are_named,
            ..RowAccounts::default()
        };
        let refused = |access: &Access, mut rows: RowAccounts| {
            let results = (&[][..], Path::new("d.results.csv"));
            let guard = access.guard_of_rows(&[], &mut rows, results);
            guard.err().map(|error| error.to_string())
        };
        for access in [&role, &profile] {
            let message = refused(access, rows(false, false)).unwrap();
            assert!(message.contains("the manifest has no column 'account'"));
            assert_eq!(refused(access, rows(true, true)), None);
        }
        // All rows are of the account of the run's own credentials, which has no profile then.
        assert_eq!(refused(&role, rows(true, false)), None);
        let message = refused(&profile, rows(true, false)).unwrap();
        assert!(message.contains("no row has a number"), "{message}");
        let emulator = access(None, None).or_any_role();
        assert_eq!(refused(&emulator, rows(false, false)), None);
    }

    #[test]
    fn an_account_to_which_no_flag_leads_is_refused() {
        let message = refused(&access(None, None), ONE).unwrap();
        assert_eq!(
            message,
            "the rows name the account 111122223333, but no flag says how it is reached: give the role to assume in each \
             account, such as --role-arn 'arn:aws:iam::{account}:role/kvs-fleet', or a profile for each, such as --profile \
             'fleet-{account}'"
        );
        let message = refused(&access(None, Some("factory")), TWO).unwrap();
        assert!(
            message.starts_with(
                "the rows name 2 accounts (111122223333, …), but the profile factory leads to one only: write {account}"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_role_of_another_account_is_refused() {
        for role in [
            "arn:aws:iam::111122223333:role/kvs-fleet",
            "arn:aws:iam::111122223333:role/fleet-{account}",
        ] {
            assert_eq!(
                refused(&access(Some(role), None), TWO).unwrap(),
                format!(
                    "--role-arn {role} is a role of the account 111122223333, but rows name the account 444455556666: \
                     write {{account}} in place of the number, such as arn:aws:iam::{{account}}:role/kvs-fleet"
                )
            );
        }
    }
}
