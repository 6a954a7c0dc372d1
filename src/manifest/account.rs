//! The account that a row names. It is a guard: one that cannot be right refuses the manifest, not only the row.

use csv::StringRecord;

use super::hints::hint;
use super::layout::Layout;
use super::records::{cell, trim};
use crate::domain::device::{AccountId, shown};

/// How many accounts are remembered, so that a number is not copied and compared with the allowed ones for each row.
const ACCOUNTS: usize = 4_096;
/// How many allowed accounts a message lists.
const MOST_LISTED: usize = 20;

/// The accounts of the rows so far: valid and allowed, in ascending order.
#[derive(Debug, Default)]
pub(super) struct KnownAccounts(Vec<AccountId>);

impl KnownAccounts {
    /// The account that a row names, if it names one, or why the manifest is refused.
    #[inline]
    pub(super) fn of_row(
        &mut self,
        layout: &Layout,
        cells: &StringRecord,
    ) -> Result<Option<&AccountId>, String> {
        let text = layout.account.map_or("", |index| trim(cell(cells, index)));
        if text.is_empty() {
            return Ok(None);
        }
        let place = match self.place(text) {
            Ok(place) => place,
            Err(_) => self.learn(text, &layout.allowed_accounts)?,
        };
        Ok(self.0.get(place))
    }

    fn place(&self, text: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.as_str().cmp(text))
    }

    /// Checks an account that is not known yet, and remembers it.
    fn learn(&mut self, text: &str, allowed: &[AccountId]) -> Result<usize, String> {
        let account = AccountId::parse(text).map_err(|_| not_a_number(text))?;
        if !allowed.is_empty() && !allowed.contains(&account) {
            return Err(not_allowed(&account, allowed));
        }
        if self.0.len() == ACCOUNTS {
            self.0.clear();
        }
        let place = self.place(text).unwrap_or_else(|place| place);
        self.0.insert(place, account);
        Ok(place)
    }
}

fn not_a_number(text: &str) -> String {
    let is_short = text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let cause = if is_short {
        format!(
            "; perhaps a spreadsheet program removed leading zeros: format the column as text, and write {text:0>12}"
        )
    } else {
        hint(text)
    };
    format!(
        "the account {} in the column 'account' is not a number of 12 digits; expected one such as 111122223333, or an \
         empty cell for the account of the run's own credentials{cause}",
        shown(text)
    )
}

fn not_allowed(account: &AccountId, allowed: &[AccountId]) -> String {
    let listed: Vec<&str> = allowed
        .iter()
        .take(MOST_LISTED)
        .map(AccountId::as_str)
        .collect();
    let more = match allowed.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the account {account} in the column 'account' is not among --account {}{more}; correct the cell, or give \
         --account {account} as well if the account is meant",
        listed.join(",")
    )
}
