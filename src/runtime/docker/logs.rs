//! Log lines of several containers, merged by time.

use std::time::Duration;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt, select_all};
use jiff::Timestamp;

use super::log_text::Assembler;
use super::names;
use crate::runtime::merged::{Lines, by_time};
use crate::runtime::{LogLine, LogQuery};
use crate::stack::{Service, StackName};

/// How often a container that has ended is asked whether it runs again: Docker's first delay between
/// restarts is 100 ms.
const REATTACH: Duration = Duration::from_millis(500);

/// The history of all services in the order of time; with `follow`, then new lines as they come.
pub(super) async fn logs(docker: &Docker, stack: &StackName, services: &[Service], query: &LogQuery) -> Result<Lines> {
    let sources: Vec<_> = services
        .iter()
        .map(|&service| Source { docker: docker.clone(), container: names::container(stack, service), service })
        .collect();
    if !query.follow {
        return Ok(by_time(sources.iter().map(|source| source.history(query)).collect()));
    }
    // Following needs to know where each history ended, so histories are read whole first.
    let histories = sources.iter().map(|source| async { source.history(query).try_collect::<Vec<_>>().await });
    let histories = try_join_all(histories).await?;
    let followers = sources.into_iter().zip(&histories).map(|(source, lines)| {
        let last = lines.iter().filter_map(|line| line.time).max();
        source.follow(last.or(query.since), query.tail == Some(0))
    });
    let followed = select_all(followers.collect::<Vec<_>>());
    let past = by_time(histories.into_iter().map(|lines| stream::iter(lines.into_iter().map(Ok)).boxed()).collect());
    Ok(past.chain(followed).boxed())
}

/// One container's log.
struct Source {
    docker: Docker,
    container: String,
    service: Service,
}

impl Source {
    fn history(&self, query: &LogQuery) -> Lines {
        let tail = query.tail.map_or_else(|| "all".to_owned(), |count| count.to_string());
        let since = query.since;
        let lines = self.read(false, since, &tail);
        lines.try_filter(move |line| std::future::ready(since.is_none_or(|since| line.time >= Some(since)))).boxed()
    }

    /// Lines later than `last`, through restarts of the container, until it is removed.
    fn follow(self, last: Option<Timestamp>, only_new: bool) -> Lines {
        let tail = if only_new { "0" } else { "all" };
        let lines = self.read(true, last, tail);
        stream::unfold((self, lines, last), |(source, mut lines, mut last)| async move {
            loop {
                match lines.next().await {
                    Some(Ok(line)) if last.is_some() && line.time <= last => {}
                    Some(Ok(line)) => {
                        last = line.time.or(last);
                        return Some((Ok(line), (source, lines, last)));
                    }
                    Some(Err(error)) => return Some((Err(error), (source, stream::empty().boxed(), last))),
                    None => {
                        tokio::time::sleep(REATTACH).await;
                        if !source.exists().await {
                            return None;
                        }
                        lines = source.read(true, last, "all");
                    }
                }
            }
        })
        .boxed()
    }

    async fn exists(&self) -> bool {
        self.docker.inspect_container(&self.container, None).await.is_ok()
    }

    /// The daemon knows whole seconds only; callers drop what is too early. No lines of a container
    /// that does not exist.
    fn read(&self, follow: bool, since: Option<Timestamp>, tail: &str) -> Lines {
        let since = since.map_or(0, |time| i32::try_from(time.as_second()).unwrap_or(i32::MAX));
        let options = LogsOptionsBuilder::new()
            .follow(follow)
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .since(since)
            .tail(tail)
            .build();
        let pieces = self.docker.logs(&self.container, Some(options)).boxed();
        let (service, container) = (self.service, self.container.clone());
        stream::unfold((pieces, Assembler::default()), |(mut pieces, mut assembler)| async move {
            let line = assembler.next_line(&mut pieces).await?;
            Some((line, (pieces, assembler)))
        })
        .map(move |line| match line {
            Ok((time, text)) => Ok(LogLine { service: service.into(), time, text }),
            Err(error) => Err(error).with_context(|| format!("reading the log of container {container}")),
        })
        .boxed()
    }
}
