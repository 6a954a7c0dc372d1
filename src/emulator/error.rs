//! The service's errors: code, HTTP status and message, as in the service model and the API reference.

use super::operation::ApiOperation;

/// An error as the client gets it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} (HTTP {http_status}): {message}")]
pub struct ApiError {
    pub http_status: u16,
    /// The error code, in `x-amzn-ErrorType`.
    pub code: &'static str,
    /// The text in `Message`.
    pub message: String,
}

impl ApiError {
    fn new(http_status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            http_status,
            code,
            message: message.into(),
        }
    }

    /// A quota is exceeded.
    pub fn throttled() -> Self {
        Self::new(
            400,
            "ClientLimitExceededException",
            "Kinesis Video Streams has throttled the request because you have exceeded the limit of allowed client \
             calls. Try making the call later.",
        )
    }

    pub fn is_throttle(&self) -> bool {
        self.code == "ClientLimitExceededException"
    }

    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidArgumentException", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            404,
            "ResourceNotFoundException",
            "The requested channel is not found or not active.",
        )
    }

    pub(super) fn exists(name: &str) -> Self {
        Self::new(
            400,
            "ResourceInUseException",
            format!("The channel {name} already exists."),
        )
    }

    pub(super) fn not_active(name: &str) -> Self {
        Self::new(
            400,
            "ResourceInUseException",
            format!("The channel {name} is not in the ACTIVE state."),
        )
    }

    pub(super) fn account_full(limit: usize) -> Self {
        Self::new(
            400,
            "AccountChannelLimitExceededException",
            format!(
                "You have reached the maximum limit of {limit} signaling channels for this AWS account in this Region."
            ),
        )
    }

    pub(super) fn too_many_tags(most: usize) -> Self {
        Self::new(
            400,
            "TagsPerResourceExceededLimitException",
            format!(
                "You have exceeded the limit of {most} tags that you can associate with the resource."
            ),
        )
    }

    pub(super) fn version_mismatch() -> Self {
        Self::new(
            400,
            "VersionMismatchException",
            "The specified version is not the latest version of the channel. Describe the channel to get it.",
        )
    }

    /// No policy of this kind, such as `identity-based`, allows the operation.
    pub(super) fn denied(
        caller: &str,
        operation: ApiOperation,
        resource: &str,
        policy: &str,
    ) -> Self {
        Self::new(
            401,
            "AccessDeniedException",
            format!(
                "User: {caller} is not authorized to perform: kinesisvideo:{operation} on resource: {resource} because \
                 no {policy} policy allows the kinesisvideo:{operation} action"
            ),
        )
    }

    /// The account may not be used at all.
    pub(super) fn denied_account(caller: &str, operation: ApiOperation) -> Self {
        Self::new(
            403,
            "AccessDeniedException",
            format!(
                "User: {caller} is not authorized to perform: kinesisvideo:{operation} with an explicit deny in a \
                 service control policy"
            ),
        )
    }

    /// STS does not say whether the role does not exist or does not trust the caller.
    pub(super) fn denied_role(caller: &str, role_arn: &str) -> Self {
        Self::new(
            403,
            "AccessDeniedException",
            format!(
                "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
            ),
        )
    }

    /// A parameter of STS is not valid.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(super) fn expired_token() -> Self {
        Self::new(
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        )
    }

    pub(super) fn unknown_client() -> Self {
        Self::new(
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    }

    pub(super) fn missing_token() -> Self {
        Self::new(
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    pub(super) fn bad_signature(message: impl Into<String>) -> Self {
        Self::new(403, "InvalidSignatureException", message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self::new(
            404,
            "UnknownOperationException",
            "The emulator knows no operation with this method and path.",
        )
    }

    pub(super) fn not_json(reason: &str) -> Self {
        Self::new(400, "SerializationException", reason)
    }

    pub(super) fn too_large(most: usize) -> Self {
        Self::new(
            413,
            "RequestEntityTooLargeException",
            format!("The request's body could not be read, or has more than {most} bytes."),
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(500, "InternalFailure", "Internal service error")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(
            503,
            "ServiceUnavailableException",
            "Service is temporarily unavailable",
        )
    }
}
