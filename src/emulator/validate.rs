//! The service model's validation (`kinesisvideo/2017-09-30`, `kinesis-video-signaling/2019-12-04`): lengths, patterns,
//! ranges, required members, and the few rules beyond the model. It checks the request only, not which channels exist.
//!
//! The patterns are the model's own text and do not use the checks of [`crate::domain::device`], so that the emulator
//! checks those too.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::OnceLock;

use regex::Regex;

use super::error::ApiError;
use super::shapes::{
    ApiRequest, CreateChannel, EndpointConfiguration, GetIceServers, ListChannels, SingleMaster,
    WireTag,
};

/// The model's limits of a text.
struct Text {
    shortest: usize,
    longest: usize,
    pattern: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Text {
    const fn new(shortest: usize, longest: usize, pattern: &'static str) -> Self {
        Self {
            shortest,
            longest,
            pattern,
            compiled: OnceLock::new(),
        }
    }

    /// Whether the whole text matches. An invalid pattern matches nothing; a test compiles all patterns.
    fn matches(&self, text: &str) -> bool {
        self.compiled
            .get_or_init(|| Regex::new(&format!("^(?:{})$", self.pattern)).ok())
            .as_ref()
            .is_some_and(|regex| regex.is_match(text))
    }
}

static CHANNEL_NAME: Text = Text::new(1, 256, "[a-zA-Z0-9_.-]+");
static RESOURCE_ARN: Text = Text::new(
    1,
    1024,
    r"arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+/[a-zA-Z0-9_.-]+/[0-9]+",
);
static VERSION: Text = Text::new(1, 64, "[a-zA-Z0-9]+");
static NEXT_TOKEN: Text = Text::new(0, 1024, "[a-zA-Z0-9+/=]*");
static TAG_KEY: Text = Text::new(1, 128, r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$");
static TAG_VALUE: Text = Text::new(0, 256, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*");
static CLIENT_ID: Text = Text::new(1, 256, "[a-zA-Z0-9_.-]+");

const CHANNEL_TYPES: &[&str] = &["SINGLE_MASTER", "FULL_MESH"];
const PROTOCOLS: &[&str] = &["WSS", "HTTPS", "WEBRTC"];
const ROLES: &[&str] = &["MASTER", "VIEWER"];

/// Checks a request as the service does before it executes it.
pub(super) fn check(request: &ApiRequest) -> Result<(), ApiError> {
    let mut found = Violations::default();
    match request {
        ApiRequest::Create(create) => return check_create(found, create),
        ApiRequest::Describe(describe) => {
            found.optional_text(
                "channelName",
                describe.channel_name.as_deref(),
                &CHANNEL_NAME,
            );
            found.optional_text("channelARN", describe.channel_arn.as_deref(), &RESOURCE_ARN);
            found.result()?;
            if describe.channel_name.is_none() && describe.channel_arn.is_none() {
                return Err(ApiError::invalid_argument(
                    "Either ChannelName or ChannelARN must be specified.",
                ));
            }
            return Ok(());
        }
        ApiRequest::List(list) => check_list(&mut found, list),
        ApiRequest::Delete(delete) => {
            found.text("channelARN", delete.channel_arn.as_deref(), &RESOURCE_ARN);
            found.optional_text(
                "currentVersion",
                delete.current_version.as_deref(),
                &VERSION,
            );
        }
        ApiRequest::Update(update) => {
            found.text("channelARN", update.channel_arn.as_deref(), &RESOURCE_ARN);
            found.text(
                "currentVersion",
                update.current_version.as_deref(),
                &VERSION,
            );
            check_ttl(&mut found, update.single_master_configuration.as_ref());
        }
        ApiRequest::Tag(tag) => {
            found.text("resourceARN", tag.resource_arn.as_deref(), &RESOURCE_ARN);
            check_tags(&mut found, tag.tags.as_deref(), 1);
            found.result()?;
            return check_tag_rules(tag.tags.as_deref().unwrap_or_default());
        }
        ApiRequest::Untag(untag) => {
            found.text("resourceARN", untag.resource_arn.as_deref(), &RESOURCE_ARN);
            check_tag_keys(&mut found, untag.tag_key_list.as_deref());
        }
        ApiRequest::ListTags(list) => {
            found.text("resourceARN", list.resource_arn.as_deref(), &RESOURCE_ARN);
            found.optional_text("nextToken", list.next_token.as_deref(), &NEXT_TOKEN);
        }
        ApiRequest::Endpoint(endpoint) => {
            found.text("channelARN", endpoint.channel_arn.as_deref(), &RESOURCE_ARN);
            check_endpoint(&mut found, endpoint.configuration.as_ref());
        }
        ApiRequest::Ice(ice) => check_ice(&mut found, ice),
        ApiRequest::CallerIdentity | ApiRequest::AssumeRole(_) => {}
    }
    found.result()
}

fn check_create(mut found: Violations, create: &CreateChannel) -> Result<(), ApiError> {
    found.text("channelName", create.channel_name.as_deref(), &CHANNEL_NAME);
    found.one_of("channelType", create.channel_type.as_deref(), CHANNEL_TYPES);
    check_ttl(&mut found, create.single_master_configuration.as_ref());
    let tags = create.tags.as_deref().unwrap_or_default();
    check_tags(&mut found, Some(tags), 0);
    found.result()?;
    if create.channel_type.as_deref() == Some("FULL_MESH") {
        return Err(ApiError::invalid_argument(
            "The channel type FULL_MESH is not supported.",
        ));
    }
    check_tag_rules(tags)
}

fn check_list(found: &mut Violations, list: &ListChannels) {
    found.range("maxResults", list.max_results, 1, 10_000);
    found.optional_text("nextToken", list.next_token.as_deref(), &NEXT_TOKEN);
    if let Some(condition) = &list.channel_name_condition {
        found.one_of(
            "channelNameCondition.comparisonOperator",
            condition.comparison_operator.as_deref(),
            &["BEGINS_WITH"],
        );
        found.optional_text(
            "channelNameCondition.comparisonValue",
            condition.comparison_value.as_deref(),
            &CHANNEL_NAME,
        );
    }
}

fn check_ttl(found: &mut Violations, configuration: Option<&SingleMaster>) {
    found.range(
        "singleMasterConfiguration.messageTtlSeconds",
        configuration.and_then(|single| single.message_ttl_seconds),
        5,
        120,
    );
}

fn check_tags(found: &mut Violations, tags: Option<&[WireTag]>, fewest: usize) {
    if !found.count("tags", tags.map(<[WireTag]>::len), fewest, 50) {
        return;
    }
    for (index, tag) in tags.unwrap_or_default().iter().enumerate() {
        let place = index + 1;
        found.text(
            &format!("tags.{place}.member.key"),
            tag.key.as_deref(),
            &TAG_KEY,
        );
        found.text(
            &format!("tags.{place}.member.value"),
            tag.value.as_deref(),
            &TAG_VALUE,
        );
    }
}

fn check_tag_keys(found: &mut Violations, keys: Option<&[String]>) {
    if !found.count("tagKeyList", keys.map(<[String]>::len), 1, 50) {
        return;
    }
    for (index, key) in keys.unwrap_or_default().iter().enumerate() {
        found.text(
            &format!("tagKeyList.{}.member", index + 1),
            Some(key),
            &TAG_KEY,
        );
    }
}

/// Rules of the tagging guide that are not in the model.
fn check_tag_rules(tags: &[WireTag]) -> Result<(), ApiError> {
    let mut seen = HashSet::with_capacity(tags.len());
    for key in tags.iter().filter_map(|tag| tag.key.as_deref()) {
        let start = key.get(..4).unwrap_or_default();
        if start.eq_ignore_ascii_case("aws:") {
            return Err(ApiError::invalid_argument(format!(
                "The tag key {key} is reserved: tag keys must not start with aws:."
            )));
        }
        if !seen.insert(key) {
            return Err(ApiError::invalid_argument(format!(
                "The tag key {key} is given more than once."
            )));
        }
    }
    Ok(())
}

fn check_endpoint(found: &mut Violations, configuration: Option<&EndpointConfiguration>) {
    const AT: &str = "singleMasterChannelEndpointConfiguration";
    let Some(configuration) = configuration else {
        return;
    };
    found.one_of(&format!("{AT}.role"), configuration.role.as_deref(), ROLES);
    let Some(protocols) = &configuration.protocols else {
        return;
    };
    if found.count(&format!("{AT}.protocols"), Some(protocols.len()), 1, 5) {
        for protocol in protocols {
            found.one_of(&format!("{AT}.protocols"), Some(protocol), PROTOCOLS);
        }
    }
}

fn check_ice(found: &mut Violations, ice: &GetIceServers) {
    found.text("channelARN", ice.channel_arn.as_deref(), &RESOURCE_ARN);
    found.optional_text("clientId", ice.client_id.as_deref(), &CLIENT_ID);
    found.optional_text("username", ice.username.as_deref(), &CLIENT_ID);
    found.one_of("service", ice.service.as_deref(), &["TURN"]);
}

/// All violations of a request: the service reports them together.
#[derive(Default)]
struct Violations(Vec<String>);

impl Violations {
    fn add(&mut self, value: &str, at: &str, constraint: &str) {
        // The service repeats the whole value. The emulator shortens it, so that a large request does not get a large
        // answer.
        const LONGEST: usize = 512;
        let shown: String = value.chars().take(LONGEST).collect();
        self.0.push(format!(
            "Value '{shown}' at '{at}' failed to satisfy constraint: {constraint}"
        ));
    }

    fn add_missing(&mut self, at: &str) {
        self.0.push(format!(
            "Value null at '{at}' failed to satisfy constraint: Member must not be null"
        ));
    }

    fn text(&mut self, at: &str, value: Option<&str>, rule: &Text) {
        if value.is_none() {
            self.add_missing(at);
        }
        self.optional_text(at, value, rule);
    }

    fn optional_text(&mut self, at: &str, value: Option<&str>, rule: &Text) {
        let Some(value) = value else {
            return;
        };
        let length = value.chars().count();
        self.bounds(value, at, "length", length, (rule.shortest, rule.longest));
        if !rule.matches(value) {
            let pattern = rule.pattern;
            self.add(
                value,
                at,
                &format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    fn one_of(&mut self, at: &str, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let set = allowed.join(", ");
            self.add(
                value,
                at,
                &format!("Member must satisfy enum value set: [{set}]"),
            );
        }
    }

    fn range(&mut self, at: &str, value: Option<i32>, least: i32, most: i32) {
        let Some(value) = value else {
            return;
        };
        self.bounds(&value.to_string(), at, "value", value, (least, most));
    }

    fn bounds<T: PartialOrd + Display + Copy>(
        &mut self,
        shown: &str,
        at: &str,
        what: &str,
        found: T,
        (least, most): (T, T),
    ) {
        let (bound, than) = if found < least {
            (least, "greater")
        } else if found > most {
            (most, "less")
        } else {
            return;
        };
        let constraint = format!("Member must have {what} {than} than or equal to {bound}");
        self.add(shown, at, &constraint);
    }

    /// Whether the list is present and its members must be checked.
    fn count(&mut self, at: &str, count: Option<usize>, least: usize, most: usize) -> bool {
        let Some(count) = count else {
            self.add_missing(at);
            return false;
        };
        let shown = match count {
            0 => "[]".to_owned(),
            _ => format!("[{count} members]"),
        };
        self.bounds(&shown, at, "length", count, (least, most));
        count <= most
    }

    fn result(&self) -> Result<(), ApiError> {
        let (count, noun) = match self.0.len() {
            0 => return Ok(()),
            1 => (1, "error"),
            more => (more, "errors"),
        };
        Err(ApiError::invalid_argument(format!(
            "{count} validation {noun} detected: {}",
            self.0.join("; ")
        )))
    }
}

#[cfg(test)]
mod tests;
