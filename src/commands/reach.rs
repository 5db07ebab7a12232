//! From arguments to the brokers that a client command speaks to.

use std::fmt::Write;

use anyhow::Result;

use super::Context;
use crate::about::{About, Remedy};
use crate::cli::clients::{ClusterArgs, KafkaArgs};
use crate::contexts::{Cluster, Contexts, LOCAL, MQTT_PASSWORD};
use crate::event::Event;
use crate::failure::Failure;
use crate::kafka::access::Mechanism;
use crate::reach::{Reach, Who};

/// As [`resolve_as`]: as the backend, or as a device.
pub(super) async fn resolve(context: &Context, args: &ClusterArgs, device: Option<&str>) -> Result<Reach> {
    resolve_as(context, args, device.map_or(Who::Backend, Who::Device)).await
}

/// The brokers that the arguments name, else those of the context in use, else the local stack's. Another cluster's login
/// is whatever its URL or context says.
pub(super) async fn resolve_as(context: &Context, args: &ClusterArgs, who: Who<'_>) -> Result<Reach> {
    let Some(elsewhere) = elsewhere(context, args)? else { return of_stack(context, args, who).await };
    if let Who::Device(device) = who {
        let cause = format!("--as {device} is for devices of the local stack");
        let remedy = format!("log in with --mqtt mqtt://{device}@HOST, and its password in {MQTT_PASSWORD}");
        return Err(Failure::Usage { cause, remedy: Remedy::words(remedy) }.into());
    }
    let Elsewhere { about, context: name, cluster } = elsewhere;
    if who == Who::Probe {
        return Reach::of_probe(&cluster, name.as_deref(), about);
    }
    for words in cluster.exposed_passwords() {
        context.ui.report(Event::Warning(words));
    }
    Reach::of_cluster(&cluster, name.as_deref(), about)
}

async fn of_stack(context: &Context, args: &ClusterArgs, who: Who<'_>) -> Result<Reach> {
    let (stack, mut endpoints) = context.endpoints().await?;
    if args.context.as_deref() == Some(LOCAL) {
        // Named because another context is in use: without it the next command would speak to that one.
        endpoints.about = About::stack(endpoints.about.to_string(), format!(" --context {LOCAL}{}", stack.name.flag()));
    }
    Reach::of_stack(&stack, endpoints, &context.paths, who)
}

/// Which other cluster than the local stack the arguments or the context in use name.
pub(super) fn named_elsewhere(context: &Context, args: &ClusterArgs) -> Result<Option<About>> {
    Ok(elsewhere(context, args)?.map(|elsewhere| elsewhere.about))
}

/// A cluster of Kafka alone, as arguments name it.
pub(super) fn kafka_cluster(bootstrap: &[String], args: &KafkaArgs) -> Cluster {
    Cluster {
        bootstrap: bootstrap.to_vec(),
        kafka_user: args.kafka_user.clone(),
        kafka_sasl: args.kafka_sasl.map(Mechanism::from).unwrap_or_default(),
        kafka_tls: args.kafka_tls,
        kafka_cert: args.kafka_cert.clone(),
        kafka_key: args.kafka_key.clone(),
        ..Cluster::default()
    }
}

/// A cluster that is meant instead of the local stack.
struct Elsewhere {
    about: About,
    /// None where arguments say all of it.
    context: Option<String>,
    cluster: Cluster,
}

fn elsewhere(context: &Context, args: &ClusterArgs) -> Result<Option<Elsewhere>> {
    if !args.bootstrap.is_empty() || args.mqtt.is_some() {
        let kafka = kafka_cluster(&args.bootstrap, &args.kafka);
        let cluster = Cluster { mqtt: args.mqtt.clone(), ca: args.ca.clone(), ..kafka };
        let about = About::elsewhere(cluster.addresses(), options(args));
        return Ok(Some(Elsewhere { about, context: None, cluster }));
    }
    let contexts = Contexts::read(&context.paths)?;
    let Some(name) = args.context.as_ref().or(contexts.current.as_ref()) else { return Ok(None) };
    let Some(cluster) = contexts.find(name)?.cloned() else { return Ok(None) };
    let about = About::elsewhere(format!("context {name} ({})", cluster.addresses()), format!(" --context {name}"));
    Ok(Some(Elsewhere { about, context: Some(name.clone()), cluster }))
}

/// The arguments that name a cluster, as they have to be typed once more.
fn options(args: &ClusterArgs) -> String {
    let mut text = String::new();
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let bootstrap = (!args.bootstrap.is_empty()).then(|| args.bootstrap.join(","));
    let sasl = args.kafka.kafka_sasl.map(|mechanism| Mechanism::from(mechanism).as_str().to_lowercase());
    let named = [
        ("bootstrap", bootstrap),
        ("kafka-user", args.kafka.kafka_user.clone()),
        ("kafka-sasl", sasl),
        ("kafka-cert", path(&args.kafka.kafka_cert)),
        ("kafka-key", path(&args.kafka.kafka_key)),
        ("mqtt", args.mqtt.clone()),
        ("ca", path(&args.ca)),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            let _ = write!(text, " --{name} {value}");
        }
    }
    if args.kafka.kafka_tls {
        text.push_str(" --kafka-tls");
    }
    text
}
