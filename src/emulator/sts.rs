//! The formats of STS on the wire: the query protocol's parameters, and XML. It converts bytes to values and back, without
//! state.

use std::time::SystemTime;

use super::assume_role::{AssumeRole, AssumedRole};
use super::error::ApiError;
use super::operation::ApiOperation;
use super::shapes::{ApiRequest, CallerIdentity};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The unique ID of every role, before the session's name.
const ROLE_ID: &str = "AROAEMULATOR";

/// Not a secret: the emulator checks no signatures.
const SECRET_KEY: &str = "not-a-secret";

/// The operation that the body names; `GetCallerIdentity` if it names another one, which [`decode`] refuses.
pub(super) fn operation(body: &[u8]) -> ApiOperation {
    if is_action(body, ApiOperation::AssumeRole) {
        ApiOperation::AssumeRole
    } else {
        ApiOperation::CallerIdentity
    }
}

/// Parses a request's body.
pub(super) fn decode(operation: ApiOperation, body: &[u8]) -> Result<ApiRequest, ApiError> {
    if !is_action(body, operation) {
        return Err(ApiError::unknown_operation());
    }
    if operation == ApiOperation::CallerIdentity {
        return Ok(ApiRequest::CallerIdentity);
    }
    Ok(ApiRequest::AssumeRole(AssumeRole {
        role_arn: parameter(body, "RoleArn"),
        session_name: parameter(body, "RoleSessionName"),
        external_id: parameter(body, "ExternalId"),
        duration_seconds: parameter(body, "DurationSeconds"),
    }))
}

fn is_action(body: &[u8], operation: ApiOperation) -> bool {
    parameter(body, "Action").is_some_and(|action| action == operation.name())
}

/// The value of a parameter. Bytes that are not UTF-8 are replaced, which no parameter allows.
fn parameter(body: &[u8], name: &str) -> Option<String> {
    body.split(|byte| *byte == b'&').find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(&decoded(value)).into_owned())
    })
}

/// Decodes `application/x-www-form-urlencoded`. A `%` without two hexadecimal digits stays as it is.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .split_at_checked(2)
            .filter(|_| *first == b'%')
            .and_then(|(digits, after)| Some((hexadecimal(digits)?, after)));
        let (byte, after) = escaped.unwrap_or((if *first == b'+' { b' ' } else { *first }, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    // Rust's parser accepts a leading plus sign.
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| !digits.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok()
}

/// Serializes the answer of `GetCallerIdentity`.
pub(super) fn caller_identity(caller: &CallerIdentity, request_id: &str) -> Vec<u8> {
    let result = format!(
        "<Arn>{}</Arn><UserId>{ROLE_ID}:{}</UserId><Account>{}</Account>",
        caller.arn, caller.session_name, caller.account
    );
    answer(ApiOperation::CallerIdentity, &result, request_id)
}

/// Serializes the answer of `AssumeRole`.
pub(super) fn assumed_role(assumed: &AssumedRole, request_id: &str) -> Vec<u8> {
    let result = format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey><SessionToken>{}\
         </SessionToken><Expiration>{}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>{ROLE_ID}:{}\
         </AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>",
        assumed.access_key,
        assumed.session_token,
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + assumed.expires_at),
        assumed.session_name,
        assumed.arn,
    );
    answer(ApiOperation::AssumeRole, &result, request_id)
}

fn answer(operation: ApiOperation, result: &str, request_id: &str) -> Vec<u8> {
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{result}</{operation}Result><ResponseMetadata>\
         <RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
    .into_bytes()
}

/// Serializes an error.
pub(super) fn encode_error(error: &ApiError, request_id: &str) -> Vec<u8> {
    // STS has other names for the same errors.
    let code = match error.code {
        "AccessDeniedException" => "AccessDenied",
        "ClientLimitExceededException" => "Throttling",
        "ExpiredTokenException" => "ExpiredToken",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "ServiceUnavailableException" => "ServiceUnavailable",
        "UnknownOperationException" => "InvalidAction",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        other => other,
    };
    let blamed = if error.http_status < 500 {
        "Sender"
    } else {
        "Receiver"
    };
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{blamed}</Type><Code>{code}</Code><Message>{}</Message>\
         </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escaped(&error.message)
    )
    .into_bytes()
}

/// Text in XML. Control characters, which XML 1.0 does not have, are replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            control if control.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let body = b"Version=2011-06-15&RoleSessionName=run%404+b%zz%2&Action=AssumeRole&\
                     RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fkvs-fleet&XExternalId=no";
        assert_eq!(operation(body), ApiOperation::AssumeRole);
        let ApiRequest::AssumeRole(request) = decode(ApiOperation::AssumeRole, body).unwrap()
        else {
            panic!("another operation");
        };
        assert_eq!(
            request,
            AssumeRole {
                role_arn: Some("arn:aws:iam::111122223333:role/kvs-fleet".to_owned()),
                session_name: Some("run@4 b%zz%2".to_owned()),
                external_id: None,
                duration_seconds: None,
            }
        );
    }

    #[test]
    fn another_action_is_refused() {
        for body in [
            &b""[..],
            b"Action=GetSessionToken",
            b"Action=AssumeRol",
            b"\xff",
        ] {
            let error = decode(operation(body), body).unwrap_err();
            assert_eq!(error.code, "UnknownOperationException");
        }
    }

    #[test]
    fn an_error_is_valid_xml_and_has_the_name_of_sts() {
        let error = ApiError::denied_role("<me>", "a&b\u{1}");
        let text = String::from_utf8(encode_error(&error, "id")).unwrap();
        assert!(text.contains("<Code>AccessDenied</Code>"), "{text}");
        assert!(
            text.contains("User: &lt;me&gt; is not authorized to perform: sts:AssumeRole on resource: a&amp;b\u{fffd}<"),
            "{text}"
        );
    }
}
