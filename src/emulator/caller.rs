//! Who sends a request, and in which Region: from its headers, which are read and not verified.

use super::access_key::AccountNumber;
use super::arn;
use super::assume_role::RoleSession;
use crate::domain::device::Region;

/// The sender of a request.
#[derive(Debug, Clone)]
pub struct ApiCaller {
    /// The Region of the credential scope.
    pub region: Region,
    /// The access key ID.
    pub access_key: Box<str>,
    account: AccountNumber,
    session_token: Option<Box<str>>,
}

impl ApiCaller {
    /// A caller with this access key, which says its account.
    pub fn new(region: Region, access_key: impl Into<Box<str>>) -> Self {
        let access_key = access_key.into();
        Self {
            region,
            account: AccountNumber::of_key(&access_key),
            access_key,
            session_token: None,
        }
    }

    /// The same caller with a session token.
    pub(super) fn with_session_token(mut self, token: Option<&str>) -> Self {
        self.session_token = token.map(Into::into);
        self
    }

    pub(super) fn account(&self) -> AccountNumber {
        self.account
    }

    /// The session that the token holds, if the access key is that of a session.
    pub(super) fn session(&self) -> RoleSession<'_> {
        AccountNumber::of_session_key(&self.access_key)
            .and(self.session_token.as_deref())
            .and_then(RoleSession::of_token)
            .unwrap_or(RoleSession::UNNAMED)
    }

    /// The caller's ARN.
    pub(super) fn arn(&self) -> String {
        arn::of_session(&self.region, self.account, self.session())
    }
}
