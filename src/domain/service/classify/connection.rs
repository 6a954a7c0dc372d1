//! The meaning of a missing answer: the connection was not established, was broken, or timed out.

use std::time::Duration;

use super::{
    CONNECTION_FAILED, CONNECTION_LOST, DNS_FAILED, Failure, FailureKind, PROXY_FAILED, TIMEOUT,
    TLS_FAILED, TOO_MANY_OPEN_FILES, message_text,
};

/// No answer within the timeout, although the request may have been sent.
pub fn timed_out(limit: Duration) -> Failure {
    let message = format!("no answer within {} s", limit.as_secs_f64());
    Failure::new(FailureKind::Lost, TIMEOUT, message)
}

/// The meaning of a connection failure, from the texts of its causes, outermost first.
///
/// `host` is the request's host, for the message. Only texts are available, because the HTTP client's error types are
/// not public. Tests that break real connections check these texts.
pub fn connection(causes: &[String], host: Option<&str>) -> Failure {
    let host = host.unwrap_or("the service");
    let code = connection_code(causes).unwrap_or(CONNECTION_LOST);
    let kind = match code {
        CONNECTION_LOST => FailureKind::Lost,
        _ => FailureKind::Unreachable,
    };
    let message = match code {
        CONNECTION_LOST => format!("the connection broke with {host}"),
        DNS_FAILED => format!("the host name {host} cannot be looked up"),
        PROXY_FAILED => format!("the proxy does not connect to {host}"),
        TOO_MANY_OPEN_FILES => "no connection can be made: too many files are open".to_owned(),
        TLS_FAILED => format!("no secure connection to {host}"),
        _ => format!("no connection to {host}"),
    };
    let message = format!("{message}: {}{}", root(causes), hint(code, causes));
    Failure::new(kind, code, message_text(&message))
}

/// The system's message about a host name that does not exist.
pub(crate) fn no_such_host(host: &str, why: &str) -> Failure {
    let cause = format!("dns error: {why}");
    connection(&[cause], Some(host))
}

/// This tool's code if the causes say that no connection could be established, else `None`.
pub(crate) fn connection_code(causes: &[String]) -> Option<&'static str> {
    let any = |pattern: &str| causes.iter().any(|cause| cause.contains(pattern));
    // EMFILE and ENFILE in the words of Unix and Windows, at any step.
    if any("Too many open files") || any("(os error 10024)") {
        Some(TOO_MANY_OPEN_FILES)
    } else if any("tunnel error") {
        Some(PROXY_FAILED)
    } else if any("dns error") {
        Some(DNS_FAILED)
    } else if any("TLS handshake failed")
        || any("invalid peer certificate")
        || any("tls handshake eof")
        || any("invalid server name for TLS")
    {
        Some(TLS_FAILED)
    } else if any("client error (Connect)") || any("HTTP connect timeout") {
        Some(CONNECTION_FAILED)
    } else {
        None
    }
}

/// Whether a failed lookup means that the name does not exist, and not that the lookup failed: in the words of glibc,
/// macOS, musl and Windows.
pub(crate) fn is_unknown_name(text: &str) -> bool {
    [
        "Name or service not known",
        "No address associated with hostname",
        "nodename nor servname provided, or not known",
        "Name does not resolve",
        "No such host is known",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// The causes with information, from the first specific one on, without repetitions.
fn root(causes: &[String]) -> String {
    const WRAPPERS: [&str; 6] = [
        "client error",
        "dispatch failure",
        "io error",
        "timeout",
        "other",
        "TLS handshake failed",
    ];
    let mut said: Vec<&str> = Vec::new();
    for cause in causes {
        let wrapper = WRAPPERS.iter().any(|wrapper| {
            cause == wrapper || cause.starts_with("client error") || cause == "request timed out"
        });
        if wrapper || said.iter().any(|earlier| earlier.contains(cause.as_str())) {
            continue;
        }
        said.retain(|earlier| !cause.contains(earlier));
        said.push(cause);
    }
    if said.is_empty() {
        return "the cause is unknown".to_owned();
    }
    said.join(": ")
}

fn hint(code: &str, causes: &[String]) -> &'static str {
    let any = |pattern: &str| causes.iter().any(|cause| cause.contains(pattern));
    match code {
        TLS_FAILED if any("UnknownIssuer") => {
            " (does a proxy inspect TLS here? then name a file with its CA certificate in AWS_CA_BUNDLE)"
        }
        TLS_FAILED if any("Expired") || any("NotValidYet") || any("not valid yet") => {
            " (is this computer's clock right?)"
        }
        TOO_MANY_OPEN_FILES => " (see ulimit -n)",
        PROXY_FAILED => " (see HTTPS_PROXY, ALL_PROXY and NO_PROXY)",
        _ => "",
    }
}
