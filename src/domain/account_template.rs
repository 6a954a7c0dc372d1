//! Templates of what differs between accounts: a role's ARN, an external ID, a profile's name.

use std::fmt;

use super::account::AccountId;
use super::template::{Piece, Template};
use super::text::{shown, visible};

/// The one column that these templates can use.
const ACCOUNT: &str = "account";

/// A template such as `arn:aws:iam::{account}:role/kvs-fleet`, in the syntax of [`Template`]. Its only column is
/// `{account}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTemplate(Template);

impl AccountTemplate {
    /// The error says why the text is no such template.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text).map_err(|error| error.to_string())?;
        let other = template.pieces().iter().find_map(|piece| match piece {
            Piece::Column { name, .. } if &**name != ACCOUNT => Some(name),
            _ => None,
        });
        match other {
            None => Ok(Self(template)),
            Some(name) => Err(format!(
                "the template {} uses {{{}}}, but only {{account}} can be used here: it is filled in once for each account, \
                 not for each row",
                shown(text),
                visible(name)
            )),
        }
    }

    /// Whether the text differs between accounts.
    pub fn names_account(&self) -> bool {
        self.0.uses(ACCOUNT)
    }

    /// The text, where it is the same for every account.
    pub fn constant(&self) -> Option<String> {
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => Some(text.to_string()),
            Piece::Column { .. } => None,
        };
        self.0.pieces().iter().map(text).collect()
    }

    /// The text for an account.
    pub fn for_account(&self, account: &AccountId) -> String {
        self.filled(account.as_str())
    }

    /// The text for some account, to check its form.
    pub(crate) fn example(&self) -> String {
        self.filled("111122223333")
    }

    fn filled(&self, account: &str) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => text.to_string(),
            Piece::Column { filters, .. } => filters
                .iter()
                .fold(account.into(), |text, filter| filter.apply(text))
                .into_owned(),
        };
        self.0.pieces().iter().map(text).collect()
    }
}

impl fmt::Display for AccountTemplate {
    /// The text that the template was parsed from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let account = AccountId::parse("111122223333").unwrap();
        AccountTemplate::parse(text).unwrap().for_account(&account)
    }

    #[test]
    fn the_account_is_filled_in() {
        assert_eq!(
            filled("arn:aws:iam::{account}:role/kvs-fleet"),
            "arn:aws:iam::111122223333:role/kvs-fleet"
        );
        assert_eq!(filled("{ account }-{account}"), "111122223333-111122223333");
        assert_eq!(filled("{{account}}"), "{account}");
        assert_eq!(filled("{account|delete(1)}"), "22223333");
        assert_eq!(filled("factory"), "factory");
    }

    #[test]
    fn only_a_template_with_the_column_differs_between_accounts() {
        let names_account = |text: &str| AccountTemplate::parse(text).unwrap().names_account();
        let constant = |text: &str| AccountTemplate::parse(text).unwrap().constant();
        assert_eq!(constant("fleet-{account}"), None);
        assert_eq!(constant("fleet-{{1}}").as_deref(), Some("fleet-{1}"));
        assert!(names_account("fleet-{account}"));
        assert!(!names_account("fleet"));
        assert!(!names_account("{{account}}"));
    }

    #[test]
    fn another_column_is_refused_by_its_name() {
        assert_eq!(
            AccountTemplate::parse("role-{acount}").unwrap_err(),
            "the template 'role-{acount}' uses {acount}, but only {account} can be used here: it is filled in once for \
             each account, not for each row"
        );
        let error = AccountTemplate::parse("role-{account").unwrap_err();
        assert!(error.contains("never closed"), "{error}");
    }
}
