//! A Kafka that asks who is there: TLS, client certificates, and SASL by each mechanism, on a broker of its own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::harness::{Finished, Home, eventually};
use crate::messages::PATIENCE;

const PASSWORD: &str = "a-guarded-secret";

/// PEM files of an authority, of the broker, and of somebody else that the authority signed for.
struct Certificates {
    authority: PathBuf,
    broker: (String, String),
    person: (PathBuf, PathBuf),
}

impl Certificates {
    fn make(home: &Home) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        // With the name of those whom it signs for, it would look as if they had signed for themselves.
        params.distinguished_name.push(DnType::CommonName, "guarded authority");
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
        let issue = |names: &[&str]| {
            let key = KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let params = CertificateParams::new(names).unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let keep = |name: &str, pem: &str| {
            let file = home.path().join(name);
            fs::write(&file, pem).unwrap();
            file
        };
        let person = issue(&["person"]);
        Self {
            broker: issue(&["localhost", "127.0.0.1"]),
            person: (keep("person.pem", &person.0), keep("person.key", &person.1)),
            authority: keep("guarded-ca.pem", &authority),
        }
    }
}

/// The broker, on the stack's ZooKeeper under a root of its own; with the stack's jars.
struct Guarded {
    broker: Child,
    /// `host:port` of SASL over TLS, of TLS with client certificates, and of SASL in the clear.
    sasl_tls: String,
    tls: String,
    sasl: String,
}

impl Guarded {
    fn start(home: &Home, certificates: &Certificates) -> Self {
        let port = 9_092 + home.offset + 100;
        let [sasl_tls, tls, sasl] = [0, 1, 2].map(|index| format!("127.0.0.1:{}", port + index));
        let zookeeper = format!("{}/guarded", home.environment()["ZOOKEEPER_CONNECT"].split('/').next().unwrap());
        let file = home.path().join("guarded.properties");
        fs::write(&file, properties(home, certificates, &zookeeper, [&sasl_tls, &tls, &sasl])).unwrap();
        let log = fs::File::create(home.path().join("guarded.log")).unwrap();
        let broker = java(home, "kafka.Kafka")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut guarded = Self { broker, sasl_tls, tls, sasl };
        let answers = || {
            let log = || fs::read_to_string(home.path().join("guarded.log")).unwrap();
            assert!(guarded.broker.try_wait().unwrap().is_none(), "it ended: {}", log());
            home.run(&with_certificate(&["topic", "list"], &guarded.tls, certificates)).code == Some(0)
        };
        eventually("the guarded broker answers", PATIENCE, answers);
        enrol(home, &zookeeper);
        guarded
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.broker.kill();
        let _ = self.broker.wait();
    }
}

/// The stack's own Java and jars.
fn java(home: &Home, class: &str) -> Command {
    let record = fs::read(home.stack_dir().join("services/kafka-0/instance.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let words: Vec<&str> =
        record["workload"]["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let jars = words.iter().position(|word| *word == "-cp").unwrap() + 1;
    let mut command = Command::new(words[0]);
    command.args(["-Xmx256M", "-XX:TieredStopAtLevel=1", "-cp", words[jars], class]);
    command
}

fn properties(home: &Home, certificates: &Certificates, zookeeper: &str, at: [&str; 3]) -> String {
    // A properties file goes on in the next line after a backslash.
    let pem = |text: &str| text.trim_end().replace('\n', "\\n\\\n");
    let authority = fs::read_to_string(&certificates.authority).unwrap();
    let listeners = format!("SASL_SSL://{},SSL://{},SASL_PLAINTEXT://{}", at[0], at[1], at[2]);
    let mut text = format!(
        "broker.id=0\nlog.dirs={}\nzookeeper.connect={zookeeper}\nlisteners={listeners}\n\
         inter.broker.listener.name=SSL\noffsets.topic.replication.factor=1\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         ssl.keystore.type=PEM\nssl.keystore.certificate.chain={}\nssl.keystore.key={}\n\
         ssl.truststore.type=PEM\nssl.truststore.certificates={}\nlistener.name.ssl.ssl.client.auth=required\n",
        home.path().join("guarded-data").display(),
        pem(&certificates.broker.0),
        pem(&certificates.broker.1),
        pem(&authority),
    );
    let security = "org.apache.kafka.common.security";
    for listener in ["sasl_ssl", "sasl_plaintext"] {
        writeln!(
            text,
            "listener.name.{listener}.plain.sasl.jaas.config={security}.plain.PlainLoginModule required \
             user_backend=\"{PASSWORD}\";"
        )
        .unwrap();
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            let module = format!("{security}.scram.ScramLoginModule required;");
            writeln!(text, "listener.name.{listener}.{mechanism}.sasl.jaas.config={module}").unwrap();
        }
    }
    text
}

fn enrol(home: &Home, zookeeper: &str) {
    // As many iterations as Kafka allows, so that a login takes some time.
    let secret = format!("SCRAM-SHA-256=[iterations=16384,password={PASSWORD}],SCRAM-SHA-512=[password={PASSWORD}]");
    let mut command = java(home, "kafka.admin.ConfigCommand");
    command.args(["--zookeeper", zookeeper, "--alter", "--entity-type", "users", "--entity-name", "backend"]);
    let enrolled = command.args(["--add-config", &secret]).output().unwrap();
    assert!(enrolled.status.success(), "{enrolled:?}");
}

fn with_certificate<'a>(command: &[&'a str], at: &'a str, certificates: &'a Certificates) -> Vec<&'a str> {
    let (certificate, key) = (certificates.person.0.to_str().unwrap(), certificates.person.1.to_str().unwrap());
    let authority = certificates.authority.to_str().unwrap();
    let options =
        ["--bootstrap", at, "--kafka-tls", "--ca", authority, "--kafka-cert", certificate, "--kafka-key", key];
    [command, &options].concat()
}

fn run_as_backend(home: &Home, arguments: &[&str], password: &str) -> Finished {
    let mut command = home.command(arguments);
    command.env("SOSSTACK_STACK", "elsewhere").env("SOSSTACK_KAFKA_PASSWORD", password);
    Finished::from(command.output().unwrap())
}

pub fn a_guarded_cluster_is_spoken_to(home: &Home) {
    let certificates = Certificates::make(home);
    let guarded = Guarded::start(home, &certificates);
    let authority = certificates.authority.to_str().unwrap();
    home.ok(&with_certificate(&["topic", "create", "guarded", "--partitions", "1"], &guarded.tls, &certificates));
    let over_tls = |sasl| {
        [
            "--bootstrap",
            &guarded.sasl_tls,
            "--kafka-tls",
            "--ca",
            authority,
            "--kafka-user",
            "backend",
            "--kafka-sasl",
            sasl,
        ]
    };
    for mechanism in ["plain", "scram-sha-256", "scram-sha-512"] {
        let sent = run_as_backend(home, &[&["pub", "guarded", mechanism][..], &over_tls(mechanism)].concat(), PASSWORD);
        assert_eq!(sent.code, Some(0), "{mechanism}: {sent:?}");
    }
    let in_the_clear = ["--bootstrap", &guarded.sasl, "--kafka-user", "backend"];
    let whole = ["sub", "guarded", "--from", "beginning", "--until", "now"];
    let read = run_as_backend(home, &[&whole[..], &in_the_clear].concat(), PASSWORD);
    assert_eq!(read.stdout, "plain\nscram-sha-256\nscram-sha-512\n", "{read:?}");

    what_is_wrong_is_said(home, &guarded, &certificates);
    by_a_context(home, &guarded, authority);
}

fn what_is_wrong_is_said(home: &Home, guarded: &Guarded, certificates: &Certificates) {
    let authority = certificates.authority.to_str().unwrap();
    let at = &guarded.sasl_tls;
    let cases: [(&[&str], &str, &str); 6] = [
        (
            &[
                "--bootstrap",
                at,
                "--kafka-tls",
                "--ca",
                authority,
                "--kafka-user",
                "backend",
                "--kafka-sasl",
                "scram-sha-512",
            ],
            "refuses the login of backend (SCRAM-SHA-512)",
            "check the password in SOSSTACK_KAFKA_PASSWORD",
        ),
        (
            &["--bootstrap", &guarded.sasl, "--kafka-user", "backend"],
            "refuses the login of backend (PLAIN)",
            "--kafka-sasl",
        ),
        (
            &["--bootstrap", at, "--kafka-tls", "--kafka-user", "backend"],
            "presents an untrusted certificate",
            "--ca FILE",
        ),
        (
            &["--bootstrap", &guarded.tls, "--kafka-tls", "--ca", authority],
            "requires a client certificate that it trusts",
            "--kafka-cert",
        ),
        (&["--bootstrap", at, "--kafka-user", "backend"], "closes the connection over sasl_plaintext", "--kafka-tls"),
        (&["--bootstrap", at, "--kafka-tls", "--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem cannot be read", "PEM"),
    ];
    for (options, cause, remedy) in cases {
        let commands: [&[&str]; 3] =
            [&["sub", "guarded", "--until", "now"], &["pub", "guarded", "lost"], &["topic", "list"]];
        // Who hangs up may be starting, and is waited for: one command says as much as three.
        let count = if cause.starts_with("closes the connection") { 1 } else { 3 };
        for command in &commands[..count] {
            let refused = run_as_backend(home, &[command, options].concat(), "not the password");
            let code = if cause.contains("cannot be read") { 2 } else { 1 };
            assert_eq!(refused.code, Some(code), "{command:?} {options:?}: {refused:?}");
            assert!(refused.stderr.contains(cause), "{command:?} {options:?}: {refused:?}");
            assert!(refused.stderr.contains(remedy), "{command:?} {options:?}: {refused:?}");
            assert!(!refused.stderr.contains("not the password"), "{refused:?}");
        }
    }
}

fn by_a_context(home: &Home, guarded: &Guarded, authority: &str) {
    let file = home.path().join("kafka-password");
    fs::write(&file, PASSWORD).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let tls = ["--kafka-tls", "--ca", authority, "--kafka-user", "backend", "--kafka-sasl", "scram-sha-256"];
    let add = ["context", "add", "guarded", "--bootstrap", &guarded.sasl_tls, "--kafka-password-file", file];
    home.ok(&[&add[..], &tls].concat());
    let last = home.ok(&["sub", "guarded", "--from", "beginning", "--until", "now", "--context", "guarded"]);
    assert!(last.ends_with("scram-sha-512\n"), "{last}");
    many_ends_amid_logins(home);
    home.ok(&["context", "remove", "guarded"]);
}

/// A command that has read all ends at once, also while one of its connections still logs in.
fn many_ends_amid_logins(home: &Home) {
    let whole = ["sub", "guarded", "--from", "beginning", "--until", "now", "--context", "guarded"];
    let read = || {
        for _ in 0..25 {
            assert!(home.ok(&whole).ends_with("scram-sha-512\n"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(read);
        }
    });
}
