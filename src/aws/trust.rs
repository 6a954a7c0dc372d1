//! Certificate authorities from a PEM file, checked before they reach the TLS library.
//!
//! The SDK's HTTP client panics on a certificate that it cannot read, so what passes here must be one: the structure
//! of X.509 (RFC 5280, section 4.1) is walked as far as that library walks it. Nothing is verified: who the file
//! trusts is the file's business.

use aws_smithy_types::base64;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// What a certificate's block is called; OpenSSL also writes the second, whose content has a trailer and is skipped.
const LABEL: &str = "CERTIFICATE";
/// The largest certificate that the TLS library reads, in bytes.
const LARGEST: usize = 0xffff;

/// The file's certificates, each as clean PEM of its own.
///
/// Other blocks (keys, parameters) and text between the blocks are skipped, as other AWS tools do.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<String>, String> {
    let text = String::from_utf8_lossy(pem);
    let mut found = Vec::new();
    let mut block: Option<(String, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let number = index + 1;
        if let Some(label) = label_of(line, BEGIN) {
            if let Some((open, _)) = block {
                return Err(format!(
                    "line {number}: a block begins inside the block {open}"
                ));
            }
            block = Some((label.to_owned(), String::new()));
        } else if let Some(label) = label_of(line, END) {
            match block.take() {
                Some((open, body)) if open == label => {
                    if label == LABEL {
                        let place = format!("certificate {}, line {number}", found.len() + 1);
                        found.push(certificate(&body).map_err(|e| format!("{place}: {e}"))?);
                    }
                }
                _ => return Err(format!("line {number}: {label} ends without a beginning")),
            }
        } else if let Some((_, body)) = &mut block {
            body.push_str(line);
        }
    }
    match block {
        Some((open, _)) => Err(format!("the block {open} does not end")),
        None if found.is_empty() => Err("it holds no certificate".to_owned()),
        None => Ok(found),
    }
}

fn label_of<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix(DASHES)
}

fn certificate(body: &str) -> Result<String, String> {
    let der = base64::decode(body).map_err(|_| "it is not Base64".to_owned())?;
    if der.len() > LARGEST {
        return Err(format!("it has {} bytes, more than {LARGEST}", der.len()));
    }
    if !is_certificate(&der) {
        return Err("it is not an X.509 certificate".to_owned());
    }
    // Encoded anew, so that line lengths and stray characters of the file matter no more.
    Ok(format!(
        "-----BEGIN {LABEL}-----\n{}\n-----END {LABEL}-----\n",
        base64::encode(&der)
    ))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

fn is_certificate(der: &[u8]) -> bool {
    walk(der).is_some()
}

/// Some where the structure is that of a certificate of version 1 or 3.
fn walk(der: &[u8]) -> Option<()> {
    let mut whole = Der(der);
    let mut certificate = Der(whole.take(SEQUENCE)?);
    whole.end()?;
    let mut tbs = Der(certificate.take(SEQUENCE)?);
    let algorithm = certificate.take(SEQUENCE)?;
    let signature = certificate.take(BIT_STRING)?;
    certificate.end()?;
    // No unused bits: signatures are whole bytes.
    (signature.first() == Some(&0)).then_some(())?;

    let version_3 = tbs.peek() == Some(VERSION);
    if version_3 {
        let mut version = Der(tbs.take(VERSION)?);
        (version.take(INTEGER)? == [2]).then_some(())?;
        version.end()?;
    }
    tbs.take(INTEGER).filter(|serial| !serial.is_empty())?;
    let inner_algorithm = tbs.take(SEQUENCE)?;
    (!version_3 || inner_algorithm == algorithm).then_some(())?;
    for _issuer_validity_subject_key in 0..4 {
        tbs.take(SEQUENCE)?;
    }
    if version_3 && tbs.peek() == Some(EXTENSIONS) {
        let mut extensions = Der(tbs.take(EXTENSIONS)?);
        extensions.take(SEQUENCE)?;
        extensions.end()?;
    }
    tbs.end()
}

/// A reader of DER's tag, length and value.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// The value behind the tag. Lengths must be definite and as short as possible.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let rest = self.0.strip_prefix(&[tag])?;
        let (length, rest) = match *rest {
            [short @ 0..=0x7f, ref rest @ ..] => (usize::from(short), rest),
            [0x81, one @ 0x80..=0xff, ref rest @ ..] => (usize::from(one), rest),
            [0x82, high @ 1..=0xff, low, ref rest @ ..] => {
                (usize::from(u16::from_be_bytes([high, low])), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        rcgen::generate_simple_self_signed(vec!["kvs.test".to_owned()])
            .unwrap()
            .cert
            .pem()
    }

    #[test]
    fn a_bundle_with_text_keys_and_crlf_is_read() {
        let (first, second) = (pem(), pem().replace('\n', "\r\n"));
        let bundle = format!(
            "# Corporate CA\n{first}\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\nnext\n{second}"
        );
        let found = certificates(bundle.as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        let compact = |pem: &str| pem.replace(['\n', '\r'], "");
        assert_eq!(compact(&found[0]), compact(&first));
        assert_eq!(compact(&found[1]), compact(&second));
    }

    #[test]
    fn what_is_no_bundle_is_refused_with_its_place() {
        let good = pem();
        let cut: String = good.lines().take(4).collect::<Vec<_>>().join("\n");
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, part) in [
            (String::new(), "no certificate"),
            ("not a PEM file".to_owned(), "no certificate"),
            (cut, "does not end"),
            (format!("{good}{wrong}"), "certificate 2, line"),
            (
                wrong.replace("AAAA", "not base64 §"),
                "certificate 1, line 3: it is not Base64",
            ),
            (
                format!("-----BEGIN CERTIFICATE-----\n{good}"),
                "line 2: a block begins",
            ),
            (
                "-----END CERTIFICATE-----".to_owned(),
                "line 1: CERTIFICATE ends",
            ),
        ] {
            let error = certificates(text.as_bytes()).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn no_damage_to_a_certificate_panics_here() {
        let seed = 7_u64;
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let der = rcgen::generate_simple_self_signed(vec!["kvs.test".to_owned()])
            .unwrap()
            .cert
            .der()
            .to_vec();
        assert!(is_certificate(&der));
        for end in 0..der.len() {
            assert!(!is_certificate(&der[..end]), "cut at {end}");
        }
        for _ in 0..5_000 {
            let mut damaged = der.clone();
            let at = random.usize(0..damaged.len());
            damaged[at] = random.u8(..);
            let _ = is_certificate(&damaged);
        }
    }
}
