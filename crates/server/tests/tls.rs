//! Connections under TLS: who gets in and who does not, what is served, and what clients that misbehave cost.

mod security;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use security::{ask, clients_of, command, connect, free_port, open_descriptors, until};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use stillpoint_server::Running;

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// An authority, and what it has signed, in files.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    dir: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("stillpoint-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(dir.join("ca.pem"), &pem).unwrap();
        Authority { issuer: Issuer::new(params, key), pem, dir }
    }

    /// Signs a certificate for `localhost`; the paths of chain and key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let (chain, secret) =
            (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&chain, signed.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        (chain, secret)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    /// A client that trusts this authority, and shows a certificate if it has one.
    fn client(&self, certificate: Option<&(String, String)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(chain).unwrap()],
                    PrivateKeyDer::from_pem_file(key).unwrap(),
                )
                .unwrap(),
        })
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.dir);
    }
}

struct Served {
    server: Running,
    port: u16,
}

fn serve(authority: &Authority, more: &[(&str, &str)]) -> Served {
    let (chain, key) = authority.sign("server");
    let (port, plain_port) = (free_port(), free_port().to_string());
    let (text, ca) = (port.to_string(), authority.path("ca.pem"));
    let mut directives = vec![
        ("port", &plain_port[..]),
        ("bind", "127.0.0.1"),
        ("io-threads", "2"),
        ("tls-port", &text),
        ("tls-cert-file", &chain),
        ("tls-key-file", &key),
        ("tls-ca-cert-file", &ca),
    ];
    directives.extend(more);
    Served { server: Running::start(&directives).unwrap(), port }
}

fn secure(config: &Arc<ClientConfig>, port: u16) -> Secure {
    let name = "localhost".try_into().unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), connect(port))
}

fn ping(client: &mut Secure) -> std::io::Result<()> {
    client.write_all(b"PING\r\n")?;
    let mut reply = [0; 7];
    client.read_exact(&mut reply)?;
    assert_eq!(&reply, b"+PONG\r\n");
    Ok(())
}

#[test]
fn serves_large_values_and_pipelines_beside_the_plain_port() {
    let authority = Authority::new("large");
    let served = serve(&authority, &[("tls-auth-clients", "no")]);
    let mut client = secure(&authority.client(None), served.port);
    let large = vec![b'x'; 3 << 20];
    assert_eq!(ask(&mut client, &[b"SET", b"k", &large]), b"+OK\r\n");
    let reply = ask(&mut client, &[b"GET", b"k"]);
    assert!(reply.ends_with(&[&large[..], b"\r\n"].concat()));
    assert_eq!(ask(&mut connect(served.server.port()), &[b"STRLEN", b"k"]), b":3145728\r\n");
    let requests: Vec<u8> = (0..5000).flat_map(|_| command(&[b"INCR", b"n"])).collect();
    client.write_all(&requests).unwrap();
    let mut replies = Vec::new();
    while !replies.ends_with(b":5000\r\n") {
        let mut piece = [0; 4096];
        let n = client.read(&mut piece).unwrap();
        assert!(n > 0);
        replies.extend_from_slice(&piece[..n]);
    }
    assert_eq!(ask(&mut client, &[b"QUIT"]), b"+OK\r\n");
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "it says goodbye as TLS does");
}

#[test]
fn lets_in_whom_the_authority_knows() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let (own, foreign) = (authority.sign("client"), stranger.sign("client"));
    for (demand, anonymous_is_let_in) in [("yes", false), ("optional", true), ("no", true)] {
        let served = serve(&authority, &[("tls-auth-clients", demand)]);
        ping(&mut secure(&authority.client(Some(&own)), served.port)).unwrap();
        let anonymous = ping(&mut secure(&authority.client(None), served.port));
        assert_eq!(anonymous.is_ok(), anonymous_is_let_in, "{demand}: {anonymous:?}");
        let unknown = ping(&mut secure(&authority.client(Some(&foreign)), served.port));
        assert_eq!(unknown.is_ok(), demand == "no", "{demand}: {unknown:?}");
        // A client that does not trust the server.
        assert!(ping(&mut secure(&stranger.client(None), served.port)).is_err());
        until(|| clients_of(served.server.port()) == 1);
    }
}

#[test]
fn takes_authorities_from_a_directory() {
    let authority = Authority::new("dir");
    let own = authority.sign("client");
    let trusted = authority.dir.join("trusted");
    std::fs::create_dir(&trusted).unwrap();
    std::fs::write(trusted.join("one.pem"), &authority.pem).unwrap();
    let dir = trusted.to_string_lossy().into_owned();
    let served = serve(&authority, &[("tls-ca-cert-file", ""), ("tls-ca-cert-dir", &dir)]);
    ping(&mut secure(&authority.client(Some(&own)), served.port)).unwrap();
}

#[test]
fn what_cannot_be_served_is_told_at_start() {
    let authority = Authority::new("wrong");
    let (chain, key) = authority.sign("server");
    let (_, other_key) = authority.sign("other");
    let port = free_port().to_string();
    let start = |more: &[(&str, &str)]| {
        let directives =
            [&[("port", "0"), ("bind", "127.0.0.1"), ("tls-port", &port)], more].concat();
        Running::start(&directives).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let both = [("tls-cert-file", &chain[..]), ("tls-key-file", &key[..])];
    assert!(start(&[]).contains("tls-ca-cert-file"), "{}", start(&[]));
    assert!(start(&[("tls-auth-clients", "no")]).contains("TLS needs tls-cert-file"));
    let words =
        start(&[&both[..], &[("tls-auth-clients", "no"), ("tls-protocols", "TLSv1")]].concat());
    assert!(words.contains("'TLSv1' is not served"), "{words}");
    let mixed = [
        ("tls-cert-file", &chain[..]),
        ("tls-key-file", &other_key[..]),
        ("tls-auth-clients", "no"),
    ];
    let words = start(&mixed);
    assert!(words.contains("not that of the certificate in tls-cert-file"), "{words}");
    let file = |name: &str, text: &str| {
        std::fs::write(authority.path(name), text).unwrap();
        authority.path(name)
    };
    let label = ["ENCRYPTED", "PRIVATE", "KEY"].join(" ");
    let encrypted = format!("-----BEGIN {label}-----\nMIIE\n-----END {label}-----\n");
    let mut open = vec![("tls-cert-file", &chain[..]), ("tls-auth-clients", "no")];
    for (text, why) in [
        (&encrypted[..], "the key in it is encrypted, give one without a password"),
        ("hello", "there is no private key in it"),
    ] {
        let path = file("wrong.key", text);
        let words = start(&[&open[..], &[("tls-key-file", &path)]].concat());
        assert!(words.contains("cannot use tls-key-file") && words.contains(why), "{words}");
    }
    open.push(("tls-key-file", &key));
    for (name, value, why) in [
        ("tls-ciphers", "RC4-MD5", "tls-ciphers: 'RC4-MD5' is no cipher that is served here"),
        ("tls-ciphersuites", "!TLS_AES_256_GCM_SHA384", "leave no cipher for tls-protocols"),
    ] {
        let only = [("tls-protocols", "TLSv1.3"), ("tls-ciphers", "!ALL"), (name, value)];
        let words = start(&[&open[..], &only[..]].concat());
        assert!(words.contains(why), "{words}");
    }
    let missing =
        [("tls-cert-file", "/nowhere.pem"), ("tls-key-file", &key[..]), ("tls-auth-clients", "no")];
    assert!(
        start(&missing).contains("cannot use tls-cert-file '/nowhere.pem'"),
        "{}",
        start(&missing)
    );
}

#[test]
fn only_the_protocols_asked_for() {
    let authority = Authority::new("protocols");
    for (word, version) in
        [("TLSv1.2", &rustls::version::TLS12), ("TLSv1.3", &rustls::version::TLS13)]
    {
        let served = serve(&authority, &[("tls-auth-clients", "no"), ("tls-protocols", word)]);
        let mut client = secure(&authority.client(None), served.port);
        ping(&mut client).unwrap();
        assert_eq!(client.conn.protocol_version(), Some(version.version));
    }
}

#[test]
fn only_the_ciphers_asked_for() {
    let authority = Authority::new("ciphers");
    let suite = "TLS_CHACHA20_POLY1305_SHA256";
    let served = serve(&authority, &[("tls-auth-clients", "no"), ("tls-ciphersuites", suite)]);
    let mut client = secure(&authority.client(None), served.port);
    ping(&mut client).unwrap();
    let agreed = client.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(agreed, rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
}

#[test]
fn who_never_agrees_on_keys_is_let_go_after_ten_seconds() {
    let authority = Authority::new("patience");
    let served = serve(&authority, &[("tls-auth-clients", "no")]);
    let begun = std::time::Instant::now();
    let mut silent = connect(served.port);
    let mut ready = secure(&authority.client(None), served.port);
    ping(&mut ready).unwrap();
    // At most the alert that says goodbye, then the end.
    assert!(silent.read_to_end(&mut Vec::new()).unwrap() < 64);
    let took = begun.elapsed().as_secs();
    assert!((9..15).contains(&took), "{took} s");
    // Who has agreed stays.
    ping(&mut ready).unwrap();
}

#[test]
fn config_set_changes_the_certificate_of_those_who_come_later() {
    let authority = Authority::new("reload");
    let served = serve(&authority, &[("tls-auth-clients", "no")]);
    let shown = |client: &Secure| client.conn.peer_certificates().unwrap()[0].to_vec();
    let config = authority.client(None);
    let mut before = secure(&config, served.port);
    ping(&mut before).unwrap();
    let (chain, key) = authority.sign("renewed");
    let set: Vec<&[u8]> = vec![
        b"CONFIG",
        b"SET",
        b"tls-cert-file",
        chain.as_bytes(),
        b"tls-key-file",
        key.as_bytes(),
    ];
    let mut admin = connect(served.server.port());
    assert_eq!(ask(&mut admin, &set), b"+OK\r\n");
    let mut after = secure(&config, served.port);
    ping(&mut after).unwrap();
    assert_ne!(shown(&before), shown(&after));
    ping(&mut before).unwrap();
    let refused = ask(&mut admin, &[b"CONFIG", b"SET", b"tls-key-file", b"/nowhere.key"]);
    let text = String::from_utf8_lossy(&refused).into_owned();
    assert!(text.starts_with("-ERR CONFIG SET failed") && text.contains("tls-key-file"), "{text}");
    let mut still = secure(&config, served.port);
    ping(&mut still).unwrap();
    assert_eq!(shown(&still), shown(&after));
    let got = ask(&mut admin, &[b"CONFIG", b"GET", b"tls-key-file"]);
    assert!(String::from_utf8_lossy(&got).contains("renewed.key"));
}

/// Files, sockets and the working directory are changed together or not at all.
#[test]
fn config_set_opens_the_port_for_tls_and_changes_nothing_if_any_of_it_fails() {
    let authority = Authority::new("together");
    let (chain, key) = authority.sign("server");
    let port = free_port();
    let server = Running::start(&[
        ("port", &free_port().to_string()),
        ("bind", "127.0.0.1"),
        ("enable-protected-configs", "yes"),
        ("tls-auth-clients", "no"),
    ])
    .unwrap();
    let mut admin = connect(server.port());
    let files = ["tls-cert-file", &chain, "tls-key-file", &key];
    let text = port.to_string();
    let mut set = |more: &[&str]| {
        let words = ["CONFIG", "SET", "tls-port", &text].into_iter().chain(more.iter().copied());
        String::from_utf8(ask(&mut admin, &words.map(str::as_bytes).collect::<Vec<_>>())).unwrap()
    };
    assert!(set(&[]).contains("TLS needs tls-cert-file"));
    assert!(set(&[&files[..], &["dir", "/nowhere/at/all"]].concat()).contains("'dir'"));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(set(&files), "+OK\r\n");
    let config = authority.client(None);
    let mut first = secure(&config, port);
    ping(&mut first).unwrap();
    // A certificate that is not used because the directory fails.
    let shown = |client: &Secure| client.conn.peer_certificates().unwrap()[0].to_vec();
    let (other, secret) = authority.sign("other");
    let others = ["tls-cert-file", &other, "tls-key-file", &secret, "dir", "/nowhere/at/all"];
    assert!(set(&others).contains("'dir'"));
    let mut second = secure(&config, port);
    ping(&mut second).unwrap();
    assert_eq!(shown(&first), shown(&second));
    server.stop().unwrap();
}

#[test]
fn a_connection_that_is_cut_off_has_its_requests_served() {
    let authority = Authority::new("cut");
    let served = serve(&authority, &[("tls-auth-clients", "no")]);
    let mut client = secure(&authority.client(None), served.port);
    ping(&mut client).unwrap();
    client.write_all(b"SET cut 1\r\nSET half").unwrap();
    client.flush().unwrap();
    // The socket goes without TLS's own goodbye.
    drop(client);
    let mut plain = connect(served.server.port());
    until(|| ask(&mut plain, &[b"GET", b"cut"]) == b"$1\r\n1\r\n");
    until(|| clients_of(served.server.port()) == 2);
}

#[test]
fn strangers_bytes_and_half_handshakes_hold_up_nobody() {
    let authority = Authority::new("strange");
    let served = serve(&authority, &[("tls-auth-clients", "no")]);
    let config = authority.client(None);
    let port = served.server.port();
    until(|| clients_of(port) == 1);
    let before = open_descriptors();
    let mut random = security::Random::new(11);
    let mut stalled = Vec::new();
    for round in 0..200 {
        let mut socket = connect(served.port);
        match round % 4 {
            0 => socket.write_all(b"PING\r\n").unwrap(),
            1 => drop(socket.write_all(&random.bytes(700))),
            2 => {
                // The beginning of a real handshake, and nothing more.
                let mut tls =
                    ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
                let mut hello = Vec::new();
                tls.write_tls(&mut hello).unwrap();
                let most = random.below(hello.len());
                socket.write_all(&hello[..most]).unwrap();
                stalled.push(socket);
            }
            _ => {
                // A record that nobody has encrypted.
                let mut client = secure(&config, served.port);
                ping(&mut client).unwrap();
                client.sock.write_all(b"\x17\x03\x03\x00\x20").unwrap();
                client.sock.write_all(&random.bytes(32)).unwrap();
                assert!(ping(&mut client).is_err());
            }
        }
    }
    ping(&mut secure(&config, served.port)).unwrap();
    drop(stalled);
    until(|| clients_of(port) == 1);
    until(|| open_descriptors() <= before);
}

#[test]
fn a_client_that_reads_nothing_is_held_up_and_not_served_from_memory() {
    let authority = Authority::new("greedy");
    let served = serve(&authority, &[("tls-auth-clients", "no")]);
    let mut greedy = secure(&authority.client(None), served.port);
    assert_eq!(ask(&mut greedy, &[b"SET", b"big", &vec![b'y'; 1 << 20]]), b"+OK\r\n");
    let requests: Vec<u8> = (0..200).flat_map(|_| command(&[b"GET", b"big"])).collect();
    greedy.write_all(&requests).unwrap();
    let mut plain = connect(served.server.port());
    let mut most = 0;
    for _ in 0..20 {
        let list = String::from_utf8(ask(&mut plain, &[b"CLIENT", b"LIST"])).unwrap();
        let figures = list.split_ascii_whitespace().filter_map(|word| word.strip_prefix("omem="));
        most = most.max(figures.map(|n| n.parse::<usize>().unwrap()).max().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(most < 8 << 20, "{most} bytes are kept for it");
    let (mut left, mut piece) = (200 * ((1 << 20) + 2 + 10), [0; 65536]);
    while left > 0 {
        left -= greedy.read(&mut piece).unwrap();
    }
    ping(&mut greedy).unwrap();
}
