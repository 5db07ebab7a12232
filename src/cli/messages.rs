#[derive(Debug, clap::Args)]
pub struct PubArgs {}
#[derive(Debug, clap::Args)]
pub struct SubArgs {}
#[derive(Debug, clap::Args)]
pub struct TailArgs {}
