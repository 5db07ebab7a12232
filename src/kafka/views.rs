//! What each broker knows. They hear of changes one after the other: one that has not heard yet knows nothing of a new
//! topic, or still names one that is gone.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

use super::access::Access;
use super::cluster::{Cluster, cluster_of};

/// How long a broker may take to say what it knows.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds topics that the broker that described the cluster has not heard of and another one has. Asks nobody where none is
/// missing. Blocks its thread.
pub(super) fn add_missing<'a>(cluster: &mut Cluster, access: &Access, wanted: impl IntoIterator<Item = &'a str>) {
    let missing: Vec<&str> = wanted.into_iter().filter(|name| cluster.topic(name).is_none()).collect();
    if missing.is_empty() {
        return;
    }
    let views = of_each(cluster, access);
    for name in missing {
        if cluster.topic(name).is_none() {
            cluster.topics.extend(views.iter().find_map(|view| view.topic(name).cloned()));
        }
    }
    cluster.topics.sort_by(|a, b| a.name.cmp(&b.name));
}

/// The cluster as each of its brokers that answers describes it. Blocks its thread.
pub(super) fn of_each(cluster: &Cluster, access: &Access) -> Vec<Cluster> {
    let (say, said) = channel();
    for address in &cluster.addresses {
        let (say, config) = (say.clone(), access.of_one(address));
        let work = move || {
            // A client that knows one address asks that broker first, as it is connected to no other.
            let Ok(client) = config.create::<AdminClient<DefaultClientContext>>() else { return };
            if let Ok(metadata) = client.inner().fetch_metadata(None, PATIENCE) {
                let _ = say.send(cluster_of(&metadata));
            }
            // Nobody waits for this thread.
            drop(client);
        };
        // A broker whose name is not known here is not waited for.
        let _ = std::thread::Builder::new().name("views".to_owned()).spawn(work);
    }
    drop(say);
    let deadline = Instant::now() + PATIENCE;
    let mut views = Vec::new();
    while let Ok(view) = said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        views.push(view);
    }
    views
}
