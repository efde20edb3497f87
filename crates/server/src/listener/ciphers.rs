//! `tls-ciphers` and `tls-ciphersuites`: which of rustls's ciphers are offered, by OpenSSL's names.
//!
//! | directive | of | words |
//! |---|---|---|
//! | `tls-ciphersuites` | TLS 1.3 | `TLS_AES_128_GCM_SHA256` …, with `:` between them |
//! | `tls-ciphers` | TLS 1.2 | `ECDHE-RSA-AES128-GCM-SHA256` …; `DEFAULT`, `ALL`, `HIGH`: all; `!name`: not this one |
//!
//! Empty: all. rustls has none that is weak, so that whole families (`!MD5`, `!aNULL`) are left out already.

use super::TlsError;
use crate::config::Settings;
use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, ring};

/// OpenSSL's names.
const NAMES: [(&str, CipherSuite); 9] = [
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// rustls's cryptography with the ciphers that the settings leave.
///
/// # Errors
/// A word names no cipher that is there, or none is left.
pub(super) fn provider(settings: &Settings) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    for directive in ["tls-ciphers", "tls-ciphersuites"] {
        let text = settings.text(directive);
        if !text.is_empty() {
            let names = chosen(directive, text)?;
            provider.cipher_suites.retain(|known| {
                let name = name_of(known.suite());
                is_of(directive, name).is_none_or(|name| names.contains(&name))
            });
        }
    }
    if provider.cipher_suites.is_empty() { Err(TlsError::NoCipher) } else { Ok(provider) }
}

fn name_of(suite: CipherSuite) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == suite).map_or("", |(name, _)| name)
}

/// The name, if the directive is about it.
fn is_of(directive: &str, name: &'static str) -> Option<&'static str> {
    (name.starts_with("TLS_") == (directive == "tls-ciphersuites")).then_some(name)
}

/// The names that the words of a directive leave.
fn chosen(directive: &'static str, text: &str) -> Result<Vec<&'static str>, TlsError> {
    let known = || NAMES.iter().filter_map(|(name, _)| is_of(directive, name));
    let mut chosen = Vec::new();
    let mut dropped = Vec::new();
    for word in text.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        let found = known().find(|name| name.eq_ignore_ascii_case(word));
        match (found, word) {
            (Some(name), _) => chosen.push(name),
            (None, "DEFAULT" | "ALL" | "HIGH") => chosen.extend(known()),
            // What is none of ours is left out already.
            (None, word) if word.starts_with(['!', '-']) => dropped.push(&word[1..]),
            (None, word) => return Err(TlsError::Cipher { directive, word: word.to_owned() }),
        }
    }
    chosen.retain(|name| !dropped.iter().any(|word| word.eq_ignore_ascii_case(name)));
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    fn names(directive: &str, text: &str) -> Result<Vec<&'static str>, String> {
        let pair = (directive.to_owned(), text.to_owned());
        let settings = Settings::defaults().with(&[pair], Source::Start).unwrap();
        let provider = provider(&settings).map_err(|error| error.to_string())?;
        Ok(provider.cipher_suites.iter().map(|known| name_of(known.suite())).collect())
    }

    #[test]
    fn every_cipher_of_the_library_has_a_name() {
        let all = names("tls-ciphers", "").unwrap();
        assert_eq!(all.len(), NAMES.len());
        assert!(!all.contains(&""));
    }

    #[test]
    fn ciphers_are_chosen_by_their_names() {
        let left = names("tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256").unwrap();
        assert_eq!(left.len(), 4, "{left:?}");
        let left = names("tls-ciphersuites", "TLS_AES_256_GCM_SHA384").unwrap();
        assert_eq!(left.len(), 7, "{left:?}");
        let left = names("tls-ciphers", "DEFAULT:!MEDIUM:!ECDHE-RSA-CHACHA20-POLY1305").unwrap();
        assert_eq!(left.len(), 8, "{left:?}");
        let error = names("tls-ciphers", "DES-CBC3-SHA").unwrap_err();
        assert_eq!(error, "tls-ciphers: 'DES-CBC3-SHA' is no cipher that is served here");
    }
}
