//! How every client of the library begins and ends.

/// The beginning of every client's settings.
///
/// OpenSSL is made ready here, before the library does it: its own way tears OpenSSL down when the process exits, under
/// threads of clients that were let go of, and one that logs in just then would crash.
pub(super) fn client_config() -> rdkafka::ClientConfig {
    openssl_sys::init();
    rdkafka::ClientConfig::new()
}

/// Lets go of a client without waiting: each of the library's threads may take 100 ms to notice.
pub(super) fn let_go(client: impl Send + 'static) {
    // Without a thread it is let go of here, and waited for.
    let _ = std::thread::Builder::new().name("leaving".to_owned()).spawn(move || drop(client));
}
