//! The shard of a run: the one that was given, or the one whose index the scheduler gives.

use std::ffi::OsString;

use crate::cli::ProvisionArgs;
use crate::cli::values::ShardChoice;
use crate::domain::device::shown;
use crate::domain::shard::Shard;
use crate::error::Error;

/// The variables in which schedulers give the index of a task, from 0: Kubernetes Indexed Jobs, AWS Batch array jobs, Slurm
/// job arrays, Nomad groups.
const INDEXES: [&str; 4] = [
    "JOB_COMPLETION_INDEX",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "SLURM_ARRAY_TASK_ID",
    "NOMAD_ALLOC_INDEX",
];

/// The shard that these arguments and the environment ask for; none for all devices.
pub(super) fn of(args: &ProvisionArgs) -> Result<Option<Shard>, Error> {
    let choice = args.input.shard;
    let shard = choice.map(|choice| resolve(choice, |name| std::env::var_os(name)));
    let shard = shard.transpose();
    shard.map_err(|message| Error::refused("usage", message))
}

fn resolve(
    choice: ShardChoice,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Shard, String> {
    let count = match choice {
        ShardChoice::Given(shard) => return Ok(shard),
        ShardChoice::Auto(count) => count,
    };
    let set = INDEXES.iter().filter_map(|name| {
        let value = variable(name)?.to_string_lossy().trim().to_owned();
        (!value.is_empty()).then_some((*name, value))
    });
    let set: Vec<(&str, String)> = set.collect();
    let (name, value) = match set.as_slice() {
        [only] => only,
        [] => {
            return Err(format!(
                "--shard auto/{count}: no index is in the environment ({}); start the command as a task of an array or an \
                 indexed job, or give the shard's number, such as --shard 1/{count}",
                INDEXES.join(", ")
            ));
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "--shard auto/{count}: {} are both set, and only one of them can be the index; unset the others, or give \
                 the shard's number, such as --shard 1/{count}",
                names.join(" and ")
            ));
        }
    };
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let index: Option<u32> = value.parse().ok().filter(|_| is_number);
    let shard = index.and_then(|index| Shard::new(index.checked_add(1)?, count));
    shard.ok_or_else(|| {
        format!(
            "--shard auto/{count}: {name} is {}; expected is an index from 0 to {}: start an array of {count} tasks at 0",
            shown(value),
            count - 1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(count: u32, set: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| OsString::from(value))
        };
        resolve(ShardChoice::Auto(count), variable).map(|shard| shard.to_string())
    }

    #[test]
    fn the_index_of_each_scheduler_counts_from_zero() {
        for name in INDEXES {
            assert_eq!(auto(16, &[(name, "0")]).as_deref(), Ok("1/16"));
            assert_eq!(auto(16, &[(name, "15 ")]).as_deref(), Ok("16/16"));
        }
        let blank = [("NOMAD_ALLOC_INDEX", " "), ("SLURM_ARRAY_TASK_ID", "2")];
        assert_eq!(auto(4, &blank).as_deref(), Ok("3/4"));
    }

    #[test]
    fn an_index_that_cannot_be_one_is_refused_with_its_variable() {
        for value in ["4", "-1", "+1", "x", "1.0", "99999999999"] {
            let error = auto(4, &[("SLURM_ARRAY_TASK_ID", value)]).unwrap_err();
            assert!(error.contains("SLURM_ARRAY_TASK_ID is"), "{error}");
            assert!(error.contains("from 0 to 3"), "{error}");
        }
        assert!(auto(4, &[]).unwrap_err().contains("JOB_COMPLETION_INDEX"));
        let two = [("JOB_COMPLETION_INDEX", "1"), ("NOMAD_ALLOC_INDEX", "1")];
        let error = auto(4, &two).unwrap_err();
        assert!(
            error.contains("JOB_COMPLETION_INDEX and NOMAD_ALLOC_INDEX are both set"),
            "{error}"
        );
    }
}
