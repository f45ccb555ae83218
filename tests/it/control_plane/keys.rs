//! Keys and certificates of a control plane: an authority, what the API server shows, an administrator, and the key of service accounts.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// Writes `ca.crt`, `server.crt`, `server.key`, `admin.crt`, `admin.key`, `sa.key`, `sa.pub` into a folder.
pub(super) fn write(dir: &Path) {
    let put = |name: &str, text: String| fs::write(dir.join(name), text).unwrap();
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "fleetc-test-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    put("ca.crt", ca.self_signed(&ca_key).unwrap().pem());
    let issuer = Issuer::new(ca, ca_key);

    let sign = |name: &str, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose| {
        let key = KeyPair::generate().unwrap();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        put(&format!("{name}.crt"), params.signed_by(&key, &issuer).unwrap().pem());
        put(&format!("{name}.key"), key.serialize_pem());
    };
    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
    sign("server", CertificateParams::new(names).unwrap(), ExtendedKeyUsagePurpose::ServerAuth);
    let mut admin = CertificateParams::default();
    admin.distinguished_name.push(DnType::CommonName, "admin");
    admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
    sign("admin", admin, ExtendedKeyUsagePurpose::ClientAuth);

    let accounts = KeyPair::generate().unwrap();
    put("sa.key", accounts.serialize_pem());
    put("sa.pub", accounts.public_key_pem());
}
