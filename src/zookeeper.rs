//! ZooKeeper's four-letter words: one word over TCP, one answer, end of connection.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a node does in the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Leader,
    Follower,
    Standalone,
}

impl Mode {
    /// Of the name that a node has for it.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Leader, Self::Follower, Self::Standalone].into_iter().find(|mode| mode.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Standalone => "standalone",
        }
    }
}

/// Asks a node for its role. A node outside a quorum answers, but has none.
///
/// # Errors
/// When nothing answers within `deadline`, or the node does not serve requests.
pub async fn mode(address: &str, deadline: Duration) -> Result<Mode> {
    let figures = monitor(address, deadline).await?;
    let state = figures.get("zk_server_state").map_or("unknown", String::as_str);
    Mode::named(state).with_context(|| format!("{address} is in state {state}"))
}

/// The figures of `mntr` by name, e.g. `zk_server_state`.
///
/// # Errors
/// When nothing answers within `deadline`, or the node does not serve requests.
pub async fn monitor(address: &str, deadline: Duration) -> Result<BTreeMap<String, String>> {
    let answer = four_letter_word(address, "mntr", deadline).await?;
    let figures: BTreeMap<_, _> =
        answer.lines().filter_map(|line| line.split_once('\t')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    ensure!(!figures.is_empty(), "{address} answers: {}", answer.trim());
    Ok(figures)
}

async fn four_letter_word(address: &str, word: &str, deadline: Duration) -> Result<String> {
    let exchange = async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(word.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    timeout(deadline, exchange)
        .await
        .with_context(|| format!("{address} did not answer {word:?} within {deadline:?}"))?
        .with_context(|| format!("asking {address} {word:?}"))
}
