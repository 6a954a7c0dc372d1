//! What a plan is refused for as a whole, before anything is sent or written.

use crate::cli::ProvisionArgs;
use crate::domain::format;
use crate::error::Error;
use crate::fleet::batch::Planned;
use crate::fleet::plan::Counts;

/// Refuses a plan that is not what the person expects, before anything is sent.
pub(in crate::commands) fn check_plan(
    args: &ProvisionArgs,
    planned: &Planned,
) -> Result<(), Error> {
    let Counts {
        listed, invalid, ..
    } = planned.counts;
    if let Some(expected) = args.input.expect.filter(|expected| *expected != listed) {
        let message = format!(
            "the manifest lists {}, but --expect {expected} was given; nothing was attempted",
            format::count(listed, "device")
        );
        return Err(Error::refused("unexpected-count", message));
    }
    if args.input.strict && invalid > 0 {
        let message = format!(
            "the manifest has {} and --strict was given; nothing was attempted",
            format::count(invalid, "invalid row")
        );
        return Err(Error::refused("invalid-rows", message));
    }
    Ok(())
}

/// Refuses a manifest of which not one row can be used: a run of it would be complete without having attempted anything.
pub(in crate::commands) fn check_usable(counts: &Counts) -> Result<(), Error> {
    let (listed, invalid) = (counts.listed, counts.invalid);
    if listed > 0 || invalid == 0 {
        return Ok(());
    }
    let lead = match invalid {
        1 => "the manifest's only row is invalid".to_owned(),
        more => format!("not one of the {more} rows can be used: all are invalid"),
    };
    Err(Error::refused(
        "invalid-rows",
        format!(
            "{lead}, for the reasons above; nothing was attempted. Correct the manifest, or the flags that say how it \
             is read ('kvs-fleet plan -v' lists all rows)"
        ),
    ))
}
