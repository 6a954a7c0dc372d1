//! The column `account`: rows, and what refuses the whole manifest.

use super::*;
use crate::domain::device::AccountId;

/// The account and Region of each row; `!` is an invalid row.
fn places(text: &str, options: &Options) -> Vec<String> {
    let manifest = open(text, options);
    let mut rows = manifest.rows();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        all.push(match &row.checked {
            Ok(valid) => {
                assert_eq!(valid.to_device().account.as_ref(), valid.account());
                valid.account_region().to_string()
            }
            Err(error) => format!("! {}", error.reason),
        });
    }
    all
}

fn only(accounts: &[&str]) -> Options {
    let parse = |account: &&str| AccountId::parse(account).unwrap();
    Options {
        allowed_accounts: accounts.iter().map(parse).collect(),
        ..options()
    }
}

#[test]
fn each_row_may_name_its_account() {
    let text = "device_id,account,region\n\
                a,111122223333,\n\
                b,,us-east-1\n\
                c, 444455556666 ,us-east-1\n\
                d,111122223333,us-east-1\n";
    assert_eq!(
        places(text, &options()),
        [
            "eu-central-1 (account 111122223333)",
            "us-east-1",
            "us-east-1 (account 444455556666)",
            "us-east-1 (account 111122223333)",
        ]
    );
    assert!(open(text, &options()).layout().has_account());
    let without = open("device_id\na\n", &options());
    assert!(!without.layout().has_account());
    assert_eq!(places("device_id\na\n", &options()), ["eu-central-1"]);
}

#[test]
fn many_accounts_are_kept_apart() {
    let account = |number: usize| format!("{:012}", (number * 7_919) % 5_000);
    let mut text = "device_id,account\n".to_owned();
    for number in 0..10_000 {
        let _ = writeln!(text, "cam-{number},{}", account(number));
    }
    let found = places(&text, &options());
    for (number, place) in found.iter().enumerate() {
        assert_eq!(
            *place,
            format!("eu-central-1 (account {})", account(number))
        );
    }
}

#[test]
fn the_account_can_be_used_in_templates() {
    let text = "device_id,account\na, 111122223333\nb,\n";
    assert_eq!(
        rows(text, &named("{account}-{device_id}")),
        ["2 a>111122223333-a@eu-central-1", "3 b>-b@eu-central-1"]
    );
    let message = refused("device_id\na\n", &named("{account}"));
    assert!(message.contains("uses the column 'account'"), "{message}");
}

#[test]
fn a_wrong_account_refuses_the_manifest() {
    let expected = |account: &str| {
        format!(
            "devices.csv, line 3: the account '{account}' in the column 'account' is not a number of 12 digits; expected \
             one such as 111122223333, or an empty cell for the account of the run's own credentials"
        )
    };
    for (account, cause) in [
        (
            "1111222233",
            "; perhaps a spreadsheet program removed leading zeros: format the column as text, and write 001111222233",
        ),
        (
            "1.11122E+11",
            "; probably a spreadsheet program shortened a long number",
        ),
        ("1111-2222-3333", ""),
        ("fleet", ""),
        ("1111222233334", ""),
    ] {
        let text = format!("device_id,account\na,111122223333\nb,{account}\n");
        let message = refused(&text, &options());
        assert!(message.starts_with(&expected(account)), "{message}");
        if !cause.is_empty() {
            assert_eq!(message, expected(account) + cause);
        }
        let streamed = stream_refused(text.as_bytes());
        assert!(
            streamed.starts_with("standard input, line 3: the account"),
            "{streamed}"
        );
    }
}

#[test]
fn a_row_that_is_invalid_as_well_is_no_excuse_for_a_wrong_account() {
    let message = refused("device_id,account\n,12\n", &options());
    assert!(message.contains("line 2: the account '12'"), "{message}");
}

#[test]
fn lines_that_are_no_devices_say_nothing_about_accounts() {
    let text = "device_id,account\n---,---\na,111122223333\ndevice_id,account\nb\n";
    let found = places(text, &options());
    assert!(found[0].contains("the border of a table"), "{found:?}");
    assert_eq!(found[1], "eu-central-1 (account 111122223333)");
    assert_eq!(found[2], format!("! {HEADER_AGAIN}"));
    assert!(found[3].contains("the row has 1 field"), "{found:?}");
}

#[test]
fn an_account_that_is_not_allowed_refuses_the_manifest() {
    let text = "device_id,account\na,\nb,111122223333\nc,111122223333\nd,777788889999\n";
    assert_eq!(
        refused(text, &only(&["111122223333", "444455556666"])),
        "devices.csv, line 5: the account 777788889999 in the column 'account' is not among --account \
         111122223333,444455556666; correct the cell, or give --account 777788889999 as well if the account is meant"
    );
    let all = only(&["111122223333", "777788889999"]);
    assert_eq!(places(text, &all).len(), 4);
}

#[test]
fn two_columns_of_accounts_are_refused() {
    let message = refused("device_id,account,account\na,,\n", &options());
    assert!(message.contains("names 'account' twice"), "{message}");
}
