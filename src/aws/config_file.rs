//! One AWS configuration file: its path, its encoding, and its text as the SDK parses it. The SDK ignores a file that
//! it cannot read, logs the bytes of a file that is not UTF-8, and uses an empty value as a value.

use std::io::ErrorKind;
use std::path::PathBuf;

use aws_runtime::env_config::file::EnvConfigFileKind;

use super::endpoint;
use super::environment::Environment;
use super::value::trimmed;
use crate::domain::wide::{Wide, wide};

/// The file's text; empty if the file does not exist.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    pub(super) kind: EnvConfigFileKind,
    pub(super) path: PathBuf,
    /// The text has as many lines as the file, so that line numbers match.
    pub(super) text: String,
    /// The variable that names a file that does not exist.
    pub(super) missing: Option<&'static str>,
}

impl ConfigFile {
    /// Reads the file that the environment names, else the default one. An error does not repeat the file's content.
    pub(super) fn read(environment: &Environment, kind: EnvConfigFileKind) -> Result<Self, String> {
        let (variable, usual) = match kind {
            EnvConfigFileKind::Config => ("AWS_CONFIG_FILE", "~/.aws/config"),
            EnvConfigFileKind::Credentials => ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        };
        let named = environment.get(variable);
        let path = environment.path(named.unwrap_or(usual));
        let in_file = |what: String| format!("{} {what}", path.display());
        let (bytes, missing) = match std::fs::read(&path) {
            Ok(bytes) => (bytes, None),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (Vec::new(), named.map(|_| variable))
            }
            Err(error) => return Err(in_file(format!("cannot be opened: {error}"))),
        };
        let text = decode(&bytes).map_err(in_file)?;
        Ok(Self {
            kind,
            text: normalize(&text)
                .map_err(|(line, what)| in_file(format!("line {line}: {what}")))?,
            path,
            missing,
        })
    }

    /// Removes every endpoint.
    pub(super) fn forget_endpoints(&mut self) {
        self.replace_lines(|line| {
            let is_endpoint = key_of(line).is_some_and(|key| key == "endpoint_url");
            is_endpoint.then(String::new)
        });
    }

    /// Replaces `credential_source = Environment` with keys.
    pub(super) fn resolve_environment(&mut self, keys: &str) {
        let mut profile = String::new();
        self.replace_lines(|line| {
            if let Some(name) = section_of(line) {
                name.strip_prefix("profile")
                    .unwrap_or(name)
                    .trim()
                    .clone_into(&mut profile);
            }
            let (key, value) = line.split_once('=')?;
            let is_environment = key.trim().eq_ignore_ascii_case("credential_source")
                && value.trim().eq_ignore_ascii_case("environment");
            is_environment.then(|| format!("source_profile = {profile}\n{keys}"))
        });
    }

    /// The names of the `services` sections that have an endpoint for this service.
    pub(super) fn sections_with_our_endpoint(&self) -> Vec<&str> {
        let mut found = Vec::new();
        let mut section = None;
        let mut is_ours = false;
        for line in self.text.lines() {
            if let Some(name) = section_of(line) {
                section = name.strip_prefix("services ").map(str::trim);
                is_ours = false;
            } else if let (Some(name), Some(key)) = (section, key_of(line)) {
                if is_continuation(line) {
                    found.extend((is_ours && key == "endpoint_url").then_some(name));
                } else {
                    is_ours = endpoint::is_our_service(&key);
                }
            }
        }
        found
    }

    fn replace_lines(&mut self, mut other: impl FnMut(&str) -> Option<String>) {
        let lines = self.text.lines();
        let lines = lines.map(|line| other(line).unwrap_or_else(|| line.to_owned()) + "\n");
        self.text = lines.collect();
    }

    /// Whether the file has a section of this name without the `profile` keyword.
    pub(super) fn has_bare_section(&self, name: &str) -> bool {
        matches!(self.kind, EnvConfigFileKind::Config)
            && self.text.lines().any(|line| section_of(line) == Some(name))
    }
}

/// The text without a byte order mark, with `\n` line ends.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let convert = |from: &str| {
        format!(
            "Save it as UTF-8: in an editor, with iconv -f {from} -t UTF-8 FILE > NEW, or in PowerShell with \
             (Get-Content FILE) | Set-Content -Encoding ascii FILE"
        )
    };
    if let Some(Wide { iconv, .. }) = wide(bytes) {
        return Err(format!(
            "is in {iconv}, as Windows PowerShell writes with '>'; it must be UTF-8. {}",
            convert(iconv)
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        format!(
            "is not UTF-8: line {line} has a character in another encoding, such as Windows-1252 (Latin-1); a comment \
             counts too. {}",
            convert("WINDOWS-1252")
        )
    })?;
    if text.contains('\0') {
        return Err(
            "has NUL bytes and is no text; write it again, for instance with: aws configure"
                .to_owned(),
        );
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The lines with trimmed values, without lines that have an empty value, and with the service names that the SDK looks
/// up. An error carries its line number.
fn normalize(text: &str) -> Result<String, (usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut normal = String::with_capacity(text.len());
    let mut in_services = false;
    let mut service = String::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(section) = section_of(line) {
            in_services = section.split_whitespace().next() == Some("services");
            service.clear();
            normal.push_str(line.trim_end());
        } else if let Some((key, value)) = property(line) {
            let is_nested = is_continuation(line);
            let mut key = key;
            if in_services && !is_nested {
                // The specification writes service names with `_`; the SDK looks them up with `-`.
                key = key.to_ascii_lowercase().replace('_', "-");
                key.clone_into(&mut service);
            }
            let is_parent = !is_nested && is_followed_by_continuation(&lines, index);
            let is_known = !value.is_empty() || is_parent;
            let unread = match (in_services, is_nested) {
                (true, true) => unread_below(&service, &key),
                (true, false) if !value.is_empty() => {
                    let is_endpoint = key == "endpoint-url" || endpoint::is_our_service(&key);
                    is_endpoint.then_some(UNREAD)
                }
                (false, false) if is_known => endpoint::is_our_service(&key).then_some(UNREAD),
                _ => None,
            };
            if let Some(message) = unread {
                return Err((index + 1, message.to_owned()));
            }
            if is_known {
                let indent = if is_nested { "  " } else { "" };
                normal = normal + indent + &key + " = " + value;
            }
        } else {
            normal.push_str(line);
        }
        normal.push('\n');
    }
    Ok(normal)
}

/// Why the SDK would ignore an endpoint for this service: the run would then create its channels at AWS.
const UNREAD: &str = "an endpoint that nothing reads: it belongs in a section [services NAME], in a line 'endpoint_url = \
    URL' indented below 'kinesis_video =', and the profile needs 'services = NAME'";

/// Why the SDK would ignore a property below a service in a `services` section, if it is such an endpoint.
fn unread_below(service: &str, key: &str) -> Option<&'static str> {
    if !endpoint::is_our_service(service) {
        return None;
    }
    if key.eq_ignore_ascii_case("endpoint_url") {
        return (service != "kinesis-video").then_some(
            "an endpoint for this service is under another name than kinesis_video; nothing reads it",
        );
    }
    let is_like_a_url = key.to_ascii_lowercase().contains("url");
    is_like_a_url.then_some(UNREAD)
}

/// Whether a line belongs to the property above it.
fn is_continuation(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';'])
}

fn is_followed_by_continuation(lines: &[&str], index: usize) -> bool {
    let mut following = lines.iter().skip(index + 1);
    following
        .find(|line| !line.trim().is_empty() && !is_comment(line))
        .is_some_and(|line| is_continuation(line))
}

/// The text between the brackets of a section header.
fn section_of(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.split_once(']')?;
    Some(name.trim())
}

/// A property's key and value, without a trailing comment.
fn property(line: &str) -> Option<(String, &str)> {
    if is_comment(line) {
        return None;
    }
    let mut after_space = false;
    let comment = line.char_indices().find(|(_, c)| {
        let begins = after_space && matches!(c, '#' | ';');
        after_space = c.is_whitespace();
        begins
    });
    let line = comment.map_or(line, |(at, _)| line.get(..at).unwrap_or_default());
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then(|| (key.to_owned(), trimmed(value)))
}

fn key_of(line: &str) -> Option<String> {
    property(line).map(|(key, _)| key.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_unset_and_lines_keep_their_numbers() {
        let text = "[default]\nregion =  eu-west-1 \u{a0} # here\nendpoint_url =\n# note\n\nregion2=\ns3 =\n\n  \
                    endpoint_url = \n  a = b\n";
        let normal = normalize(text).unwrap();
        assert_eq!(
            normal,
            "[default]\nregion = eu-west-1\n\n# note\n\n\ns3 = \n\n\n  a = b\n"
        );
    }

    #[test]
    fn service_names_are_rewritten_to_those_the_sdk_looks_up() {
        let normal =
            normalize("[profile a]\nsource_profile = x\n[services b]\nKinesis_Video =\n  endpoint_url = https://h\n").unwrap();
        assert!(
            normal.contains("\nkinesis-video = \n  endpoint_url = https://h\n"),
            "{normal}"
        );
        assert!(normal.contains("source_profile = x"), "{normal}");
        for name in ["kinesisvideo", "kinesisVideo"] {
            let text = format!("[services b]\n{name} =\n  endpoint_url = https://h\n");
            let (line, what) = normalize(&text).expect_err(name);
            assert_eq!(line, 3);
            assert!(what.contains("kinesis_video"), "{what}");
        }
    }

    #[test]
    fn an_endpoint_that_the_sdk_ignores_is_refused_with_its_line() {
        for text in [
            "[services s]\nkinesis_video = https://h\n",
            "[services s]\nendpoint_url = https://h\n",
            "[services s]\nkinesis_video =\n  endpointurl = https://h\n",
            "[default]\nkinesis_video =\n  endpoint_url = https://h\n",
        ] {
            let refused = normalize(text).expect_err(text);
            assert!(
                refused.0 >= 2 && refused.1.contains("[services NAME]"),
                "{text}"
            );
        }
        let other =
            "[services s]\ns3 =\n  endpoint_url = https://h\n[default]\nendpoint_url = https://h\n";
        assert!(normalize(other).is_ok());
    }

    #[test]
    fn an_encoding_error_names_the_encoding_and_does_not_repeat_the_content() {
        let text = "[default]\r\naws_secret_access_key = hunter2\r\n";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, part) in [
            ([b"\xFF\xFE", &utf16[..]].concat(), "UTF-16"),
            (utf16, "UTF-16LE"),
            (big, "UTF-16BE"),
            (b"[default]\n# M\xFCnchen\nhunter2\n".to_vec(), "line 2"),
            (b"[default]\nhunter2\0\n".to_vec(), "NUL"),
        ] {
            let error = decode(&bytes).expect_err(part);
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_byte_order_mark_and_crlf_line_ends_are_accepted() {
        let text = decode("\u{feff}[default]\r\nregion = a\rb = c".as_bytes());
        assert_eq!(text.unwrap(), "[default]\nregion = a\nb = c");
    }

    #[test]
    fn keys_replace_credential_source_environment() {
        let mut file = ConfigFile {
            kind: EnvConfigFileKind::Config,
            path: PathBuf::new(),
            text: "[profile line]\nrole_arn = r\ncredential_source = Environment\n".to_owned(),
            missing: None,
        };
        file.resolve_environment("aws_access_key_id = a\n");
        assert!(
            file.text
                .contains("source_profile = line\naws_access_key_id = a\n")
        );
        assert!(!file.text.contains("credential_source"));
    }
}
