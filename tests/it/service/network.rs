//! Proxies and private certificate authorities: a CONNECT proxy and a TLS server on loopback, for a host name that does
//! not exist elsewhere.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::environment::{Case, describing};
use super::play::{Script, answer};
use crate::support::Bench;

const HOST: &str = "kvs.fleet.invalid";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The bundle: another authority and some text before this authority, as in bundles of companies.
    fn bundle(&self, case: Case) -> Case {
        let other = Self::new().0.pem();
        let text = format!("Corporate bundle\n{other}\n# and\n{}", self.0.pem());
        let case = case.file("bundle.pem", &text);
        let path = case.path("bundle.pem");
        case.with("AWS_CA_BUNDLE", path.to_str().unwrap())
    }

    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A TLS server that plays the script; returns its port.
async fn secure(script: &Script, acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = script.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, acceptor) = (script.clone(), acceptor.clone());
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    script.serve(&mut stream).await;
                }
            });
        }
    });
    port
}

/// A CONNECT proxy that connects everything to one port, or answers with another status; returns its port and the
/// requests.
async fn proxy(target: u16, status: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let heads = heads.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = client.read_u8().await else {
                        return;
                    };
                    head.push(byte);
                }
                heads.lock().unwrap().push(String::from_utf8(head).unwrap());
                let said = format!("HTTP/1.1 {status}\r\n\r\n");
                client.write_all(said.as_bytes()).await.unwrap();
                if status.starts_with("200") {
                    let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (port, asked)
}

fn not_found() -> Script {
    Script::new(vec![answer(
        "404 Not Found",
        "x-amzn-ErrorType: ResourceNotFoundException\r\n",
        "{}",
    )])
}

const REACHED: &str = "failure NotFound ResourceNotFoundException";

#[tokio::test]
async fn proxy_and_private_authority_are_used() {
    let authority = Authority::new();
    let script = not_found();
    let server = secure(&script, authority.acceptor(&[HOST])).await;
    for (variable, user, no_proxy) in [
        ("HTTPS_PROXY", "", "other.invalid"),
        ("https_proxy", "line:p%40ss@", ""),
        ("ALL_PROXY", "", "10.0.0.0/8"),
    ] {
        let (port, asked) = proxy(server, "200 Connection established").await;
        let case = describing(&format!("https://{HOST}"))
            .with(variable, &format!("http://{user}127.0.0.1:{port}"))
            .with("NO_PROXY", no_proxy);
        authority.bundle(case).says(&[REACHED]).await;
        let asked = asked.lock().unwrap().join("");
        assert!(
            asked.starts_with(&format!("CONNECT {HOST}:443 ")),
            "{asked}"
        );
        // line:p@ss
        assert_eq!(
            asked.contains("Basic bGluZTpwQHNz"),
            !user.is_empty(),
            "{asked}"
        );
    }
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn an_unknown_authority_or_wrong_name_is_a_tls_failure() {
    let authority = Authority::new();
    let script = not_found();
    let server = secure(&script, authority.acceptor(&[HOST])).await;
    let (port, _) = proxy(server, "200 OK").await;
    let proxied = |host: &str| {
        describing(&format!("https://{host}")).with("HTTPS_PROXY", &format!("127.0.0.1:{port}"))
    };
    proxied(HOST)
        .says(&[
            "failure Unreachable TlsFailed",
            "UnknownIssuer",
            "AWS_CA_BUNDLE",
        ])
        .await;
    authority
        .bundle(proxied("other.fleet.invalid"))
        .says(&["failure Unreachable TlsFailed", "not valid for"])
        .await;
    assert!(script.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_stops_the_run_before_the_first_attempt() {
    let script = not_found();
    let port = secure(&script, Authority::new().acceptor(&["localhost"])).await;
    let run = tokio::task::spawn_blocking(move || {
        let bench = Bench::of(3);
        let done = bench.provision(&format!("https://localhost:{port}")).run();
        (done, bench.files())
    });
    let (done, files) = run.await.unwrap();
    done.exits(1)
        .says("cannot be reached")
        .says("UnknownIssuer")
        .says("AWS_CA_BUNDLE");
    assert_eq!(files.len(), 1, "only the manifest");
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn a_refusing_proxy_is_reported_as_the_cause() {
    for (status, part) in [
        (
            "407 Proxy Authentication Required",
            "proxy authorization required",
        ),
        ("403 Forbidden", "unsuccessful"),
    ] {
        let (port, _) = proxy(1, status).await;
        describing(&format!("https://{HOST}"))
            .with("HTTPS_PROXY", &format!("http://127.0.0.1:{port}"))
            .says(&["failure Unreachable ProxyFailed", part, "HTTPS_PROXY"])
            .await;
    }
    describing(&format!("https://{HOST}"))
        .with("HTTPS_PROXY", "http://127.0.0.1:1")
        .says(&["failure Unreachable ProxyFailed", "refused"])
        .await;
}

#[tokio::test]
async fn no_proxy_bypasses_the_proxy() {
    let (port, asked) = proxy(1, "200 OK").await;
    describing(&format!("https://{HOST}"))
        .with("HTTPS_PROXY", &format!("http://127.0.0.1:{port}"))
        .with("no_proxy", ".fleet.invalid")
        .says(&["failure Unreachable DnsFailed", HOST, "cannot be looked up"])
        .await;
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn loopback_never_uses_a_proxy() {
    let authority = Authority::new();
    let script = not_found();
    let server = secure(&script, authority.acceptor(&["localhost"])).await;
    let case = describing(&format!("https://localhost:{server}"))
        .with("HTTPS_PROXY", "http://127.0.0.1:1")
        .with("ALL_PROXY", "http://127.0.0.1:1");
    authority.bundle(case).says(&[REACHED]).await;
}
