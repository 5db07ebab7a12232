use super::Context;
use crate::cli::messages::*;
pub(super) async fn publish(_c: &Context, _a: &PubArgs) -> anyhow::Result<()> {
    Ok(())
}
pub(super) async fn subscribe(_c: &Context, _a: &SubArgs) -> anyhow::Result<()> {
    Ok(())
}
pub(super) async fn tail(_c: &Context, _a: &TailArgs) -> anyhow::Result<()> {
    Ok(())
}
