//! The ARNs of the emulator: of channels, and of the sessions that callers have.

use super::access_key::AccountNumber;
use super::assume_role::RoleSession;
use crate::domain::device::Region;

/// A channel's ARN without its last part, the creation time.
pub(super) fn of_channel(region: &Region, account: AccountNumber, name: &str) -> String {
    let partition = partition(region);
    format!("arn:{partition}:kinesisvideo:{region}:{account}:channel/{name}")
}

/// The ARN of a role's session.
pub(super) fn of_session(region: &Region, account: AccountNumber, session: RoleSession) -> String {
    let partition = partition(region);
    let RoleSession { role, name } = session;
    format!("arn:{partition}:sts::{account}:assumed-role/{role}/{name}")
}

fn partition(region: &Region) -> &'static str {
    let name = region.as_str();
    if name.starts_with("cn-") {
        "aws-cn"
    } else if name.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}
