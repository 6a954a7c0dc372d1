//! Certificate authorities from a PEM file, checked before they reach the TLS library.
//!
//! The SDK's HTTP client panics on a certificate that it cannot read. Each certificate is therefore read here first, by
//! the functions that the client uses. Nothing else is verified: the operator decides whom to trust.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{Error, PemObject};
use webpki::anchor_from_trusted_cert;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The file's certificates, each as a PEM block of its own.
///
/// Other blocks (keys, parameters, OpenSSL's `TRUSTED CERTIFICATE`) and text between the blocks are skipped, as by
/// other AWS tools.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<String>, String> {
    let text = String::from_utf8_lossy(pem);
    let around = |c: char| c.is_whitespace() || c == '\u{feff}';
    let lines: Vec<&str> = text.lines().map(|line| line.trim_matches(around)).collect();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(lines.join("\n").as_bytes()) {
        let number = found.len() + 1;
        let clean = certificate
            .map_err(|error| reason(&error))
            .and_then(|certificate| clean(&certificate));
        found.push(clean.map_err(|reason| format!("certificate {number}: {reason}"))?);
    }
    // The iterator does not report a block that begins inside another one, or that ends without a beginning.
    for mark in [BEGIN, END] {
        let marks = lines.iter().filter(|line| **line == mark).count();
        if marks != found.len() {
            return Err(format!(
                "the line '{mark}' is there {marks} times, complete certificates: {}",
                found.len()
            ));
        }
    }
    if found.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(found)
}

fn reason(error: &Error) -> String {
    match error {
        Error::Base64Decode(_) => "it is not Base64".to_owned(),
        Error::MissingSectionEnd { end_marker } => {
            let label = String::from_utf8_lossy(end_marker);
            format!("the block {label} does not end")
        }
        other => other.to_string(),
    }
}

/// The certificate as PEM, encoded again, so that line lengths and stray characters of the file do not matter.
fn clean(certificate: &CertificateDer<'_>) -> Result<String, String> {
    anchor_from_trusted_cert(certificate)
        .map_err(|error| format!("it is not an X.509 certificate ({error})"))?;
    Ok(format!(
        "{BEGIN}\n{}\n{END}\n",
        BASE64_STANDARD.encode(certificate)
    ))
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
    fn indented_lines_and_a_byte_order_mark_are_read() {
        let indented = pem().replace('\n', "\n  ");
        let found = certificates(format!("\u{feff}{indented}").as_bytes()).unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_damaged_bundle_is_refused_with_the_number_of_the_certificate() {
        let good = pem();
        let cut: String = good.lines().take(4).collect::<Vec<_>>().join("\n");
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, part) in [
            (String::new(), "no certificate"),
            ("not a PEM file".to_owned(), "no certificate"),
            (cut, "does not end"),
            (
                format!("{good}{wrong}"),
                "certificate 2: it is not an X.509",
            ),
            (
                wrong.replace("AAAA", "not base64 §"),
                "certificate 1: it is not Base64",
            ),
            (
                format!("-----BEGIN CERTIFICATE-----\n{good}"),
                "CERTIFICATE-----' is there 2 times, complete certificates: 1",
            ),
            (
                "-----END CERTIFICATE-----".to_owned(),
                "'-----END CERTIFICATE-----' is there 1 times, complete certificates: 0",
            ),
        ] {
            let error = certificates(text.as_bytes()).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn damaged_certificates_are_refused_without_a_panic() {
        let seed = 7_u64;
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let der = rcgen::generate_simple_self_signed(vec!["kvs.test".to_owned()])
            .unwrap()
            .cert
            .der()
            .to_vec();
        let is_certificate = |der: &[u8]| clean(&der.into()).is_ok();
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
