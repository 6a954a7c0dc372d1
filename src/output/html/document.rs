//! The skeleton of a page: one document that loads nothing from elsewhere.
//!
//! Text comes from the manifest. The template engine escapes it, and the content security policy allows only the page's
//! own script, by its hash.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// Colours, type, sections, tiles, notes, tables, figures, focus and print, for every page.
const STYLE: &str = include_str!("shared.css");

/// The content of a page.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The title, as text that is not escaped yet.
    pub(crate) title: &'a str,
    /// The page's own style sheet. It follows the shared one.
    pub(crate) style: &'a str,
    /// The page's script. It runs after the body is there.
    pub(crate) script: &'a str,
    /// Where the script may connect to: `'none'`, or `'self'` for the server of the page.
    pub(crate) connect: &'a str,
    /// Header, main part, footer, and data for the script.
    pub(crate) body: Markup,
}

impl Document<'_> {
    /// The text of the page.
    pub(crate) fn into_text(self) -> String {
        let policy = policy(self.script, self.connect);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) (PreEscaped(self.style)) }
                }
                body {
                    (self.body)
                    script { (PreEscaped(self.script)) }
                }
            }
        };
        page.into_string()
    }
}

/// The content security policy of a page with this script, also for a server's header.
pub(crate) fn policy(script: &str, connect: &str) -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; connect-src {connect}; \
         base-uri 'none'; form-action 'none'"
    )
}
