use crate::endpoints::Endpoints;
use crate::secrets::Account;
use std::time::Duration;
pub async fn prove(_e: &Endpoints, _p: &Account, _d: Duration) -> anyhow::Result<()> {
    Ok(())
}
pub async fn clients(_e: &Endpoints, _p: Duration) -> anyhow::Result<u64> {
    Ok(0)
}
