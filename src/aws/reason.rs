//! Why the SDK has no credentials: its nested errors in plain words.

use crate::domain::service::classify;

/// The start of the SDK's errors about credentials (`aws-credential-types`).
const NOT_FOUND: &str = "the credential provider was not enabled";
const MISCONFIGURED: &str = "the credentials provider was not properly configured";
const WRAPPERS: [&str; 5] = [
    NOT_FOUND,
    MISCONFIGURED,
    "credentials provider timed out",
    "an error occurred while loading credentials",
    "unexpected credentials error",
];

/// Causes that only repeat the one after them.
const EMPTY: [&str; 3] = [
    "an error occurred while loading credentials",
    MISCONFIGURED,
    "service error",
];

/// A prefix that names a part of the SDK.
const PREFIX: &str = "ProfileFile provider could not be built: ";

/// The prefix of the profile provider's message in an error of the chain.
const OF_PROFILE: &str = "Profile: the credential provider was not enabled: ";
const NEXT_PROVIDER: &str = "WebIdentityToken:";

/// The causes of an error about credentials, outermost first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reason<'a>(&'a [String]);

impl<'a> Reason<'a> {
    /// The causes from the first one that is about credentials.
    pub(super) fn of(causes: &'a [String]) -> Self {
        let is_about_credentials =
            |cause: &String| WRAPPERS.iter().any(|text| cause.starts_with(text));
        let from = causes.iter().position(is_about_credentials).unwrap_or(0);
        Self(causes.get(from..).unwrap_or_default())
    }

    pub(super) fn causes(self) -> &'a [String] {
        self.0
    }

    /// Whether no provider is configured at all.
    pub(super) fn is_nothing_found(self) -> bool {
        self.0.first().is_some_and(|cause| cause == NOT_FOUND) && self.of_profile().is_none()
    }

    /// Whether the configuration is wrong, so that a sign-in does not help.
    pub(super) fn is_configuration(self) -> bool {
        self.of_profile().is_some() || self.0.iter().any(|cause| cause == MISCONFIGURED)
    }

    /// The profile provider's message about a profile, in an error that lists all providers.
    fn of_profile(self) -> Option<&'a str> {
        let found = self.0.iter().find_map(|cause| cause.split_once(OF_PROFILE));
        let (_, rest) = found?;
        let message = rest.split(NEXT_PROVIDER).next()?.trim();
        message.starts_with("profile `").then_some(message)
    }

    /// The reason on one line, without repetitions and Rust's names.
    pub(super) fn in_words(self) -> String {
        if let Some(message) = self.of_profile() {
            return classify::message_text(message).into_string();
        }
        let mut parts: Vec<&str> = Vec::new();
        for cause in self.0 {
            let is_empty = EMPTY.contains(&cause.as_str()) || cause.starts_with("unhandled error");
            if !is_empty && parts.last() != Some(&cause.as_str()) {
                parts.push(cause.strip_prefix(PREFIX).unwrap_or(cause));
            }
        }
        let text = if parts.is_empty() {
            self.0.join(": ")
        } else {
            parts.join(": ")
        };
        // Lists of names, and the status of an answer.
        let text = text
            .replace(['[', ']', '"'], "")
            .replace("StatusCode(", "HTTP status (");
        let text = classify::message_text(without_output(&text));
        text.trim_end_matches(['.', ' ']).to_owned()
    }
}

/// The text without the output of a `credential_process`, which the SDK repeats: it may contain secrets.
pub(super) fn without_output(text: &str) -> &str {
    text.split("Stderr:").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(causes: &[&str]) -> Vec<String> {
        causes.iter().map(|cause| (*cause).to_owned()).collect()
    }

    #[test]
    fn the_output_of_a_process_is_left_out() {
        let end = "exit status: 7. Stderr: + SECRET=hunter2";
        assert_eq!(without_output(end), "exit status: 7. ");
        let causes = reason(&["an error occurred while loading credentials", end]);
        assert_eq!(Reason::of(&causes).in_words(), "exit status: 7");
    }

    #[test]
    fn repeated_causes_are_left_out() {
        let causes = reason(&[
            "dispatch failure",
            "an error occurred while loading credentials",
            "an error occurred while loading credentials",
            "service error",
            "unhandled error (AccessDenied)",
            "AccessDenied: not authorized to perform sts:AssumeRole",
        ]);
        let reason = Reason::of(&causes);
        assert_eq!(
            reason.in_words(),
            "AccessDenied: not authorized to perform sts:AssumeRole"
        );
        assert!(!reason.is_configuration() && !reason.is_nothing_found());
    }

    #[test]
    fn only_the_profiles_part_of_a_chain_error_is_reported() {
        let chain = |message: &str| {
            reason(&[
                NOT_FOUND,
                &format!(
                    "no credentials found in chain. Attempted:\n Environment: {NOT_FOUND}: not set\n Profile: \
                     {NOT_FOUND}: {message}\n WebIdentityToken: {NOT_FOUND}: not set"
                ),
            ])
        };
        let causes = chain("profile `m` was not defined: could not find source profile m");
        let found = Reason::of(&causes);
        assert_eq!(
            found.in_words(),
            "profile `m` was not defined: could not find source profile m"
        );
        assert!(found.is_configuration() && !found.is_nothing_found());
        assert!(Reason::of(&chain("No profiles were defined")).is_nothing_found());
    }
}
