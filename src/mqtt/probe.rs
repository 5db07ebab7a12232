//! Proves that Mosquitto lets in whom it should, and refuses whom it must.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, Publish};

use super::access::{Access, Login, Transport, is_refused_login};
use super::hello::Session;
use super::link::Link;
use super::subscribe::Subscription;
use super::websocket;
use crate::endpoints::Endpoints;
use crate::secrets::{Account, Secret};
use crate::stack::device::PROBE_USER;
use crate::stack::leaf;

/// The server's own count of connected clients.
const CLIENTS: &str = "$SYS/broker/clients/connected";

/// Logs in on all three listeners, and checks that a wrong password and a stranger's publish are refused.
///
/// # Errors
/// What is not as it should be, or did not answer within `patience`.
pub async fn prove(endpoints: &Endpoints, probe: &Account, patience: Duration) -> Result<()> {
    let plain = Access::service(endpoints);
    let transport = Transport::Tls { ca_file: endpoints.ca_file.clone() };
    let tls = Access { address: endpoints.mqtts.clone(), transport, ..plain.clone() };
    let websocket = Access { address: endpoints.mqtt_ws.clone(), ..plain.clone() };
    tokio::try_join!(
        login(&plain, patience),
        login(&tls, patience),
        websocket::login(&websocket, patience),
        a_wrong_password_is_refused(endpoints, patience),
        a_stranger_is_refused(endpoints, probe, patience),
    )?;
    Ok(())
}

/// Logs in with a session of its own, and leaves again.
///
/// # Errors
/// Why the server cannot be reached or refuses the login, or does not answer within `patience`.
pub async fn login(access: &Access, patience: Duration) -> Result<()> {
    Link::open(access, &Session::fresh(), patience).await?.close(patience).await
}

async fn a_wrong_password_is_refused(endpoints: &Endpoints, patience: Duration) -> Result<()> {
    let wrong = Login::new(PROBE_USER, Secret::new("not the password"));
    match login(&Access { login: Some(wrong), ..Access::service(endpoints) }, patience).await {
        Ok(()) => bail!("{} lets anybody in: a wrong password was accepted", endpoints.mqtt),
        Err(error) if is_refused_login(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The probe is a device without topics: whatever device it writes for is not its own.
async fn a_stranger_is_refused(endpoints: &Endpoints, probe: &Account, patience: Duration) -> Result<()> {
    let access = Access::probe(endpoints, probe);
    let mut link = Link::open(&access, &Session::fresh(), patience).await?;
    let foreign = Publish {
        pkid: 1,
        ..Publish::new(leaf::TELEMETRY.topic("sosstack-stranger"), QoS::AtLeastOnce, &b"{}"[..], None)
    };
    link.queue(&Packet::Publish(foreign))?;
    let answer = tokio::time::timeout(patience, link.next()).await.context("no answer to a publish")??;
    let Packet::PubAck(ack) = answer else { bail!("the answer to a publish is {answer:?}") };
    ensure!(
        ack.reason == PubAckReason::NotAuthorized,
        "a device may write another device's telemetry ({:?})",
        ack.reason
    );
    link.close(patience).await
}

/// Connected clients, without this one.
///
/// # Errors
/// When Mosquitto does not answer within `patience`.
pub async fn clients(endpoints: &Endpoints, patience: Duration) -> Result<u64> {
    let ask = async {
        let access = Access::service(endpoints);
        let subscription = Subscription::open(&access, &[CLIENTS.to_owned()], 0, patience).await?;
        let text = String::from_utf8(subscription.one(patience).await?).context("reading the count")?;
        let count = text.trim().parse::<u64>().context("reading the count")?;
        anyhow::Ok(count)
    };
    tokio::time::timeout(patience, ask).await.context("Mosquitto did not report its number of clients in time")?
}
