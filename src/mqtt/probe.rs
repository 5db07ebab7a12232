//! Proves that Mosquitto lets in whom it should, and refuses whom it must.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::connection::{Connection, Login, Transport, is_refused_login};
use super::publish::{Publication, Verdict, publish};
use super::subscribe::Subscription;
use crate::endpoints::Endpoints;
use crate::message::Received;
use crate::secrets::Account;
use crate::stack::device::PROBE_USER;

/// The server's own count of connected clients.
const CLIENTS: &str = "$SYS/broker/clients/connected";

/// Logs in on all three listeners, and checks that a wrong password and a stranger's publish are refused.
///
/// # Errors
/// What is not as it should be, or did not answer within `patience`.
pub async fn prove(endpoints: &Endpoints, probe: &Account, patience: Duration) -> Result<()> {
    let service = Login::service(endpoints);
    let tls = Transport::Tls { ca_file: endpoints.ca_file.clone() };
    let login = async |address, transport| Connection::open(address, transport, &service, patience).await;
    let (plain, tls, websocket, (), ()) = tokio::try_join!(
        login(&endpoints.mqtt, &Transport::Tcp),
        login(&endpoints.mqtts, &tls),
        login(&endpoints.mqtt_ws, &Transport::WebSocket),
        a_wrong_password_is_refused(endpoints, patience),
        a_stranger_is_refused(endpoints, probe, patience),
    )?;
    tokio::try_join!(plain.close(patience), tls.close(patience), websocket.close(patience))?;
    Ok(())
}

async fn a_wrong_password_is_refused(endpoints: &Endpoints, patience: Duration) -> Result<()> {
    let wrong = Login { username: PROBE_USER.to_owned(), password: "not the password".to_owned() };
    match Connection::open(&endpoints.mqtt, &Transport::Tcp, &wrong, patience).await {
        Ok(_) => bail!("{} lets in anybody: a wrong password was accepted", endpoints.mqtt),
        Err(error) if is_refused_login(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The probe is a device without topics: whatever device it writes for is not its own.
async fn a_stranger_is_refused(endpoints: &Endpoints, probe: &Account, patience: Duration) -> Result<()> {
    let login = Login { username: PROBE_USER.to_owned(), password: probe.password.clone() };
    let mut connection = Connection::open(&endpoints.mqtt, &Transport::Tcp, &login, patience).await?;
    let foreign = Publication {
        topic: "device/sosstack-stranger/telemetry".to_owned(),
        payload: b"{}".to_vec(),
        qos: 1,
        retain: false,
        headers: Vec::new(),
    };
    let verdict = publish(&mut connection, foreign, patience).await?;
    ensure!(verdict == Verdict::NotAuthorized, "a device may write another device's telemetry ({verdict:?})");
    connection.close(patience).await
}

/// Connected clients, without this one.
///
/// # Errors
/// When Mosquitto does not answer within `patience`.
pub async fn clients(endpoints: &Endpoints, patience: Duration) -> Result<u64> {
    let ask = async {
        let login = Login::service(endpoints);
        let connection = Connection::open(&endpoints.mqtt, &Transport::Tcp, &login, patience).await?;
        let mut subscription = Subscription::new(connection, &[CLIENTS.to_owned()], 0).await?;
        let Received::Message(message) = subscription.next().await? else { bail!("the connection was lost") };
        let text = String::from_utf8(message.value.unwrap_or_default()).context("reading the count")?;
        let count = text.trim().parse::<u64>().context("reading the count")?;
        subscription.close(patience).await?;
        anyhow::Ok(count)
    };
    tokio::time::timeout(patience, ask).await.context("Mosquitto did not tell its number of clients in time")?
}
