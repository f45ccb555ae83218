//! What a connection shows beside its answers: until when the certificates on both sides are good, and how far the server's clock is from ours.
//!
//! The server's certificate is looked at in a handshake of its own that trusts nobody and sends nothing: whether it is trusted, requests say.
//! Behind a proxy it is not looked at.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::connection::ClusterConnection;

/// What was seen. What could not be is missing.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Certificates by whose they are, and when they end.
    pub certificates: Vec<(&'static str, Timestamp)>,
    /// When the token ends; `None` where it does not say.
    pub token: Option<Timestamp>,
    /// Seconds that the server's clock is ahead of ours.
    pub ahead: Option<i64>,
}

impl ClusterConnection {
    /// Looks. Must be called on the runtime of a [`Driver`](super::Driver).
    pub(super) async fn inspect(&self) -> Inspection {
        let mut seen = Inspection { ahead: self.ahead().await, ..Inspection::default() };
        let access = self.access().clone();
        let ends = access.claims().and_then(|claims| claims.get("exp")?.as_i64());
        seen.token = ends.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let own = access.client_certificate().and_then(|pem| pem_end(&pem));
        seen.certificates.extend(own.map(|end| ("client", end)));
        let authority = super::target::trust(&access).ok().and_then(|trust| STANDARD.decode(trust.ca?).ok());
        seen.certificates.extend(authority.and_then(|pem| pem_end(&pem)).map(|end| ("authority", end)));
        let proxied = access.cluster().is_some_and(|cluster| cluster.proxy_url.is_some());
        let server = access.server().to_owned();
        if !proxied && let Ok(Some(end)) = tokio::task::spawn_blocking(move || server_end(&server)).await {
            seen.certificates.push(("server", end));
        }
        seen
    }
}

/// The end of the first certificate in a PEM text.
fn pem_end(pem: &[u8]) -> Option<Timestamp> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    der_end(&block.contents)
}

fn der_end(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// The end of the certificate that a server shows.
fn server_end(url: &str) -> Option<Timestamp> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let url: http::Uri = url.parse().ok()?;
    if url.scheme_str() != Some("https") {
        return None;
    }
    let host = url.host()?.trim_matches(['[', ']']).to_owned();
    let address = (host.as_str(), url.port_u16().unwrap_or(443)).to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Look(schemes)))
        .with_no_client_auth();
    let name = ServerName::try_from(host).ok()?;
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).ok()?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).ok()?;
    }
    der_end(tls.peer_certificates()?.first()?)
}

/// Takes every certificate, to look at it.
#[derive(Debug)]
struct Look(Vec<SignatureScheme>);

impl ServerCertVerifier for Look {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
