//! Derived keys and certificates are the same on every run, and good: chains verify, given keys are read back.

use sha2::{Digest as _, Sha256};

use super::keys::Key;
use crate::template::der::{self, Reader};
use crate::template::{Derived, Functions, Options, Template, Value, sprig};

const TEXT: &str = r#"
{{- $ca := genCA "the authority" 365 }}{{ $cert := genSignedCert "svc" (list "10.0.0.1" "::1") (list "a.example.com") 30 $ca }}
{{- $ec := genPrivateKey "ecdsa" }}{{ $own := genCAWithKey "own" 9000 $ec }}
{{- $ed := genPrivateKey "ed25519" }}{{ $self := genSelfSignedCertWithKey "é*" nil (list "b") 1 $ed }}
{{- $ca.Cert }}{{ $ca.Key }}{{ $cert.Cert }}{{ $cert.Key }}{{ $ec }}{{ $own.Cert }}{{ $ed }}{{ $self.Cert -}}
{{ $again := buildCustomCert ($ca.Cert | b64enc) ($ca.Key | b64enc) }}{{ eq $again.Cert $ca.Cert -}}
{{ randAlphaNum 12 }} {{ uuidv4 }} {{ shuffle "abcdef" }} {{ randInt 5 500 }} {{ bcrypt "x" }} {{ decryptAES "k" (encryptAES "k" "text") }}"#;

fn run(key: &[u8], text: &str) -> String {
    let mut functions = Functions::builtins();
    sprig::extend(&mut functions);
    let derived = Derived::new(key, "shop", 1_767_225_600_000_000_000);
    let options = Options { effects: Some(&derived), ..Options::default() };
    let template = Template::parse("t", text, &functions).unwrap();
    String::from_utf8(template.execute(&Value::Nil, &options).unwrap()).unwrap()
}

#[test]
fn derived_values_are_equal_on_every_run_and_depend_on_the_key() {
    let first = run(b"secret", TEXT);
    assert_eq!(first, run(b"secret", TEXT));
    assert_ne!(first, run(b"other", TEXT));
    // What a release promises: these bytes never change.
    let digest = crate::template::encoding::hex(&Sha256::digest(first.as_bytes()));
    assert_eq!(digest, "1ff8ac601351b643adc913b33d4a5e6cfc43cba3f377421d3d45f543b6c5cc29", "{first}");
}

#[test]
fn a_call_more_changes_only_what_comes_after() {
    let one = run(b"k", "{{ randAlpha 8 }}");
    assert!(run(b"k", "{{ randAlpha 8 }}{{ uuidv4 }}").starts_with(&one));
    assert_ne!(run(b"k", "{{ randAlpha 8 }}"), run(b"k", "{{ randNumeric 1 | trunc 0 }}{{ randAlpha 8 }}"));
}

/// The PEM blocks of a text.
fn blocks(text: &str) -> Vec<&str> {
    text.match_indices("-----BEGIN ").filter_map(|(at, _)| text.get(at..)).collect()
}

#[test]
fn a_signed_certificate_verifies_with_the_key_of_its_authority() {
    let text =
        run(b"k", r#"{{ $ca := genCA "a" 9 }}{{ $c := genSignedCert "b" nil nil 9 $ca }}{{ $ca.Key }}{{ $c.Cert }}"#);
    let [key, certificate] = blocks(&text).try_into().unwrap();
    let Ok(Key::Rsa(key)) = Key::from_pem(key) else { panic!("no RSA key") };
    let (_, bytes) = der::from_pem(certificate).unwrap();
    let mut parts = Reader(&bytes).inside(der::SEQUENCE).unwrap();
    let body = parts.next(der::SEQUENCE).unwrap().whole;
    parts.next(der::SEQUENCE).unwrap();
    let signature = parts.next(der::BIT_STRING).unwrap().content;
    let public = key.to_public_key();
    public.verify(rsa::Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(body), &signature[1..]).unwrap();
}

#[test]
fn keys_are_read_as_they_were_written() {
    for kind in ["ecdsa", "ed25519"] {
        let pem = run(b"k", &format!("{{{{ genPrivateKey {kind:?} }}}}"));
        assert_eq!(Key::from_pem(&pem).map(|key| key.to_pem()), Ok(pem), "{kind}");
    }
    let text = run(b"k", r#"{{ (genCA "a" 1).Key }}"#);
    assert_eq!(Key::from_pem(&text).map(|key| key.to_pem()), Ok(text));
    assert_eq!(Key::from_pem("x").err().as_deref(), Some("no PEM data in input"));
}

#[test]
fn passwords_are_derived_as_the_original_does() {
    // From helm 4.3.1.
    assert_eq!(run(b"", r#"{{ derivePassword 1 "long" "pw" "user" "example.com" }}"#), "DinaHinfJads4_");
    assert_eq!(run(b"secret", r#"{{ randAlpha 0 }}{{ htpasswd "u:" "x" }}"#), "invalid username: u:");
}

#[test]
fn keys_and_hashes_count_as_work() {
    for call in [
        r#"genPrivateKey "rsa""#,
        r#"genPrivateKey "dsa""#,
        r#"genCA "a" 1"#,
        r#"bcrypt "x""#,
        r#"htpasswd "u" "x""#,
        r#"derivePassword 1 "long" "pw" "user" "example.com""#,
    ] {
        let text = format!("{{{{ range until 100 }}}}{{{{ {call} }}}}{{{{ end }}}}");
        let mut functions = Functions::builtins();
        sprig::extend(&mut functions);
        let template = Template::parse("t", &text, &functions).unwrap();
        let derived = Derived::new(b"k", "t", 0);
        let options = Options { max_steps: 30_000, effects: Some(&derived), ..Options::default() };
        let error = template.execute(&Value::Nil, &options).unwrap_err();
        assert!(error.reason().contains("exceeded the limit of 30000 steps"), "{call}: {}", error.reason());
    }
}
