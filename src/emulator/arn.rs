//! The ARNs of the emulator: of channels, and of the sessions that callers have.

use super::access_key::AccountNumber;
use super::assume_role::RoleSession;
use crate::domain::device::{Region, emulated_creation};

/// A channel's ARN. The emulator's own account shows that it is no channel of AWS; in others the creation time does.
pub(super) fn of_channel_made(
    region: &Region,
    account: AccountNumber,
    name: &str,
    creation_millis: u64,
) -> String {
    let without_time = of_channel(region, account, name);
    let creation = match account {
        AccountNumber::OWN => creation_millis.to_string(),
        _ => emulated_creation(creation_millis),
    };
    format!("{without_time}/{creation}")
}

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
