//! `completions` and `man`: shell completions and manual pages.

use crate::support::Bench;

#[test]
fn there_are_completions_for_every_shell() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = bench.call(&["completions", shell]).run();
        assert_eq!(done.code, Some(0), "{shell}: {}", done.stderr);
        for word in ["provision", "emulator", "max-attempts"] {
            assert!(done.stdout.contains(word), "{shell} lacks {word}");
        }
    }
    let done = bench.call(&["completions", "tcsh"]).run();
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("bash"), "{}", done.stderr);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let bench = Bench::new();
    let page = |arguments: &[&str]| {
        let done = bench.call(arguments).run();
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{arguments:?}");
        done.stdout
    };
    let overview = page(&["man"]);
    let listed = overview
        .lines()
        .filter_map(|line| line.strip_prefix("kvs\\-fleet\\-")?.strip_suffix("(1)"));
    let listed: Vec<&str> = listed.collect();
    assert!(listed.contains(&"provision"), "{listed:?}\n{overview}");
    for section in ["EXIT CODES", "NOTES"] {
        assert!(overview.contains(section), "{overview}");
    }
    for command in listed {
        let page = page(&["man", command]);
        assert!(page.contains(&format!("kvs-fleet-{command}")), "{page}");
        assert!(page.contains(".SH EXAMPLES"), "{command}");
    }
    assert!(page(&["man", "provision"]).contains("\\-\\-max\\-attempts"));
    let done = bench.call(&["man", "provison"]).run();
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("provision"), "{}", done.stderr);
}
