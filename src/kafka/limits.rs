//! How large a message may be. Brokers are asked when there is a large one: most runs have none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResourceResult, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use super::access::Access;
use super::client::let_go;

/// Smaller ones are within the brokers' default, 1,048,588 bytes.
pub(super) const LARGE: usize = 900_000;
/// How long brokers may take to tell; without their answer they judge when they get the message.
const PATIENCE: Duration = Duration::from_secs(3);

/// What brokers said of their limits, in bytes.
#[derive(Default)]
pub(super) struct Limits {
    /// Of a batch as it is sent, compressed, in each topic that was asked for.
    topics: HashMap<Arc<str>, Option<u64>>,
    /// Of a whole request: on a larger one the broker hangs up without a word.
    request: Option<u64>,
}

impl Limits {
    /// Asks once for each topic. `broker` is one of the cluster. Blocks its thread, which is one of the runtime's for
    /// such work.
    pub(super) fn learn(&mut self, access: &Access, broker: Option<i32>, topic: &Arc<str>) {
        if self.topics.contains_key(topic) {
            return;
        }
        let asked = tokio::runtime::Handle::current().block_on(async {
            let client: AdminClient<DefaultClientContext> = access.config().create().ok()?;
            let of_topic = ask(&client, &ResourceSpecifier::Topic(topic), "max.message.bytes").await;
            let of_request = match broker {
                Some(id) => ask(&client, &ResourceSpecifier::Broker(id), "socket.request.max.bytes").await,
                None => None,
            };
            let_go(client);
            Some((of_topic, of_request))
        });
        let (of_topic, of_request) = asked.unwrap_or_default();
        self.topics.insert(Arc::clone(topic), of_topic);
        self.request = of_request.or(self.request);
    }

    /// Why no broker can be sent a message of this size.
    pub(super) fn problem(&self, size: usize) -> Option<String> {
        let most = self.request.filter(|most| size as u64 > *most)?;
        Some(format!("it has {size} bytes, and a request to the brokers {most} at most (socket.request.max.bytes)"))
    }

    /// Why a topic did not take a message.
    pub(super) fn refusal(&self, topic: &str) -> String {
        match self.topics.get(topic).copied().flatten() {
            Some(most) => format!("it is larger than the topic allows (max.message.bytes {most})"),
            None => "it is larger than the topic allows (max.message.bytes)".to_owned(),
        }
    }
}

async fn ask(client: &AdminClient<DefaultClientContext>, whose: &ResourceSpecifier<'_>, setting: &str) -> Option<u64> {
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let answer = client.describe_configs([whose], &options).await.ok()?;
    let found = |resource: ConfigResourceResult| resource.ok()?.get(setting)?.value.as_ref()?.parse().ok();
    answer.into_iter().find_map(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_where_it_is_known() {
        let mut limits = Limits::default();
        assert_eq!(limits.problem(usize::MAX), None);
        assert_eq!(limits.refusal("a"), "it is larger than the topic allows (max.message.bytes)");
        limits.request = Some(104_857_600);
        limits.topics.insert(Arc::from("a"), Some(1_048_588));
        assert_eq!(limits.refusal("a"), "it is larger than the topic allows (max.message.bytes 1048588)");
        assert_eq!(limits.problem(104_857_600), None);
        assert!(limits.problem(104_857_601).unwrap().contains("socket.request.max.bytes"));
    }
}
