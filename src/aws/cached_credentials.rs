//! Credentials between their source and the SDK: fetched once for all clients, cached until shortly before they expire,
//! and checked so that they can be sent.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_kinesisvideo::config::Credentials;
use tokio::sync::Mutex;

use super::value::{trimmed, unsendable};
use crate::domain::panics;

/// The longest time that a source may take. A `credential_process` may open a browser and wait for a sign-in.
pub(super) const LONGEST_SIGN_IN: Duration = Duration::from_mins(5);

/// Credentials are fetched again this long before they expire. Longer than the SDK's own limit (10 s), so that the SDK
/// does not get the same credentials again.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

/// A source with a cache. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(super) struct CachedCredentials(Arc<CredentialsCache>);

struct CredentialsCache {
    source: SharedCredentialsProvider,
    current: Mutex<Option<Credentials>>,
}

impl CachedCredentials {
    pub(super) fn new(source: SharedCredentialsProvider) -> Self {
        Self(Arc::new(CredentialsCache {
            source,
            current: Mutex::default(),
        }))
    }

    /// Runs in its own task: an attempt that times out does not end a sign-in, and the next attempt uses its
    /// credentials.
    async fn credentials(&self) -> provider::Result {
        let inner = Arc::clone(&self.0);
        let fetching = tokio::spawn(async move { inner.fetch().await });
        let fetched = fetching.await;
        fetched.map_err(|ended| CredentialsError::unhandled(panics::words_of_task(ended)))?
    }
}

impl CredentialsCache {
    async fn fetch(&self) -> provider::Result {
        let mut current = self.current.lock().await;
        if let Some(known) = current.as_ref().filter(|known| is_valid(known)) {
            return Ok(known.clone());
        }
        let fetched =
            tokio::time::timeout(LONGEST_SIGN_IN, self.source.provide_credentials()).await;
        let fetched = fetched.map_err(|_| CredentialsError::provider_timed_out(LONGEST_SIGN_IN))?;
        let fit = fit(fetched?)?;
        *current = Some(fit.clone());
        Ok(fit)
    }
}

fn is_valid(credentials: &Credentials) -> bool {
    let until = SystemTime::now() + BEFORE_EXPIRY;
    credentials.expiry().is_none_or(|expiry| expiry > until)
}

/// The credentials without surrounding white space. Another character that a header cannot carry is an error that does
/// not repeat the value.
fn fit(credentials: Credentials) -> provider::Result {
    let parts = [
        ("access key ID", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ];
    let mut is_trimmed = false;
    for (name, value) in parts {
        let Some(value) = value else { continue };
        let inner = trimmed(value);
        is_trimmed |= inner.len() < value.len();
        if inner.is_empty() && name != "session token" {
            return Err(CredentialsError::invalid_configuration(format!(
                "the {name} is empty"
            )));
        }
        if let Some(what) = unsendable(inner) {
            let message = format!("the {name} holds {what}; it must not");
            return Err(CredentialsError::invalid_configuration(message));
        }
    }
    let has_empty_token = credentials.session_token() == Some("");
    if !is_trimmed && !has_empty_token {
        return Ok(credentials);
    }
    let token = credentials.session_token().map(trimmed);
    let mut builder = Credentials::builder()
        .access_key_id(trimmed(credentials.access_key_id()))
        .secret_access_key(trimmed(credentials.secret_access_key()))
        .provider_name("Trimmed");
    builder.set_session_token(token.filter(|token| !token.is_empty()).map(str::to_owned));
    builder.set_expiry(credentials.expiry());
    builder.set_account_id(credentials.account_id().cloned());
    Ok(builder.build())
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// Does not print the credentials.
impl fmt::Debug for CachedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedCredentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, secret: &str, token: Option<&str>) -> Result<Credentials, String> {
        let token = token.map(str::to_owned);
        fit(Credentials::new(id, secret, token, None, "Test")).map_err(|error| {
            let causes = super::super::attempt::causes(&error);
            causes.join(": ")
        })
    }

    #[test]
    fn white_space_around_credentials_is_trimmed_for_every_source() {
        let fit = of("AKID\n", " secret\r", Some("\n")).unwrap();
        assert_eq!(
            (
                fit.access_key_id(),
                fit.secret_access_key(),
                fit.session_token()
            ),
            ("AKID", "secret", None)
        );
    }

    #[test]
    fn an_unsendable_character_is_reported_without_the_value() {
        for (id, secret, token, part) in [
            ("AK\nID", "s", None, "access key ID holds a line end"),
            ("", "s", None, "access key ID is empty"),
            (
                "AKID",
                "hunter 2",
                None,
                "secret access key holds white space",
            ),
            (
                "AKID",
                "s",
                Some("hunter\u{7}2"),
                "session token holds a control character",
            ),
        ] {
            let error = of(id, secret, token).expect_err(part);
            assert!(error.contains(part) && !error.contains("hunter"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_continues_when_the_attempt_times_out() {
        #[derive(Debug, Default)]
        struct Slow(std::sync::atomic::AtomicU32);
        impl ProvideCredentials for Slow {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                future::ProvideCredentials::new(async move {
                    tokio::time::sleep(Duration::from_secs(20)).await;
                    Ok(Credentials::new(
                        format!("AKID{asked}"),
                        "s",
                        None,
                        None,
                        "Slow",
                    ))
                })
            }
        }
        let kept = CachedCredentials::new(SharedCredentialsProvider::new(Slow::default()));
        let short = Duration::from_secs(10);
        assert!(
            tokio::time::timeout(short, kept.provide_credentials())
                .await
                .is_err()
        );
        for _ in 0..2 {
            let found = kept.provide_credentials().await.unwrap();
            assert_eq!(found.access_key_id(), "AKID0");
        }
    }
}
