//! Plain http needs no cryptography.

use billing_http::{ApiKey, Client, ErrorKind};
use rustls::crypto::{CryptoProvider, ring};

#[test]
fn a_provider_without_cipher_suites_is_no_fault_of_plain_http() {
    let none = CryptoProvider { cipher_suites: Vec::new(), ..ring::default_provider() };
    none.install_default().unwrap();
    let build = |base_url: &str| Client::builder(base_url, ApiKey::new("key").unwrap()).build();
    assert!(build("http://127.0.0.1:8787/api/v1").is_ok());
    assert_eq!(build("https://billing.example/api/v1").unwrap_err().kind(), ErrorKind::Setup);
}
