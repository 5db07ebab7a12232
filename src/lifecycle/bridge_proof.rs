//! Whether a stack's bridges work: one is subscribed and the other waits, and a press of the probe gets to Kafka.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt;

use super::poll;
use crate::endpoints::Endpoints;
use crate::event::{self, Outcome, Report, Step};
use crate::failure::Failure;
use crate::observe::Bridges;
use crate::observe::press::Press;
use crate::runtime::LogQuery;
use crate::runtime::bridges::Hosted;
use crate::secrets::Account;
use crate::stack::{Bridge, StackName};
use crate::{kafka, mqtt};

/// How long a bridge may take to say how it is.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a press may take before another one is tried.
const PRESS: Duration = Duration::from_secs(5);
/// Log lines that are shown of bridges which did not become ready.
const LINES: usize = 15;

/// What bridges are proven with, and until when.
#[derive(Clone)]
pub struct Proof {
    mqtt: mqtt::access::Access,
    kafka: kafka::access::Access,
    deadline: Instant,
}

/// What was seen of them.
struct Seen {
    active: Bridge,
    standby: Bridge,
    /// From the press until its record was read.
    took: Duration,
}

impl Proof {
    /// Of a stack whose services are ready; `probe` is the account of the probe's device.
    pub fn new(endpoints: &Endpoints, probe: &Account, deadline: Instant) -> Self {
        let mqtt = mqtt::access::Access::probe(endpoints, probe);
        Self { mqtt, kafka: kafka::access::Access::of_stack(endpoints), deadline }
    }

    /// Waits until one is subscribed and active, the other waits to take over, and a press has got to Kafka.
    ///
    /// # Errors
    /// [`Failure::NotReady`] when one ends or the deadline passes.
    pub(super) async fn prove(&self, name: &StackName, hosted: &Hosted, report: Report<'_>) -> Result<()> {
        let began = Instant::now();
        event::step(report, Step::ProveBridges, async {
            let (blamed, cause) = match self.seen(hosted, report).await {
                Ok(Ok(Seen { active, standby, took })) => return Ok(((), Outcome::Bridged { active, standby, took })),
                Ok(Err(ended)) => (vec![ended], format!("{ended} exited while starting")),
                Err(words) => (Bridge::ALL.to_vec(), format!("the bridges are not ready: {words}")),
            };
            Err(not_ready(name, hosted, &blamed, cause, began.elapsed()).await.into())
        })
        .await
    }

    /// Or the one that has ended: it is of no use to wait any longer.
    async fn seen(&self, hosted: &Hosted, report: Report<'_>) -> Result<Result<Seen, Bridge>, String> {
        let mut prepared = None;
        poll::until(&Step::ProveBridges, self.deadline, report, async || {
            if prepared.is_none() {
                // While they start.
                prepared = Some(Press::prepare(&self.mqtt, &self.kafka, PRESS).await);
            }
            let bridges = Bridges::take(hosted, PATIENCE).await.map_err(|error| words(&error))?;
            if let Some(ended) = bridges.0.iter().find(|seen| !seen.state().is_alive()) {
                return Ok(Err(ended.bridge));
            }
            let (active, standby) = bridges.ready()?;
            if !bridges.is_provable() {
                return Err(format!("{active} does not take presses of the probe yet"));
            }
            let Some(press) = prepared.take() else { return Err("no press is prepared".to_owned()) };
            let mut press = press.map_err(|error| words(&error))?;
            let took = press.press(PRESS).await.map_err(|error| words(&error))?;
            press.close().await;
            Ok(Ok(Seen { active, standby, took }))
        })
        .await
    }
}

fn words(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

async fn not_ready(name: &StackName, hosted: &Hosted, blamed: &[Bridge], cause: String, waited: Duration) -> Failure {
    let query = LogQuery { tail: Some(LINES), ..LogQuery::default() };
    let lines = hosted.logs(blamed, &query);
    let lines = lines.filter_map(async |line| line.ok().map(|line| format!("{}  {}", line.service, line.text)));
    let evidence: Vec<String> = lines.collect().await;
    let words = if let [one] = blamed { format!("logs {one}") } else { "logs bridge".to_owned() };
    let evidence = evidence[evidence.len().saturating_sub(LINES)..].to_vec();
    Failure::NotReady { cause, evidence, remedy: name.about().remedy(&words), waited }
}
