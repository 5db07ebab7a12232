//! Log lines of several sources as one stream, in the order of time as far as it is known.

use anyhow::Result;
use futures_util::FutureExt;
use futures_util::future::select_all;
use futures_util::stream::{self, BoxStream, Peekable, StreamExt};
use jiff::Timestamp;

use super::LogLine;

/// Lines as they are told.
pub type Lines = BoxStream<'static, Result<LogLine>>;

type Head = std::pin::Pin<Box<Peekable<Lines>>>;

/// Emits whichever stream's next line is the oldest. Reads no further ahead than one line of each, and waits for all of
/// them: it is for sources that come to an end.
pub fn by_time(sources: Vec<Lines>) -> Lines {
    stream::unfold(heads(sources), |mut heads| async move {
        let mut oldest: Option<(usize, Option<Timestamp>)> = None;
        for (index, lines) in heads.iter_mut().enumerate() {
            let Some(line) = lines.as_mut().peek().await else { continue };
            let time = time_of(line);
            if oldest.is_none_or(|(_, earliest)| time < earliest) {
                oldest = Some((index, time));
            }
        }
        let line = heads[oldest?.0].next().await?;
        Some((line, heads))
    })
    .boxed()
}

/// As [`by_time`], of the lines that are there: it waits for none that a source has not told yet, as it may never.
pub fn as_they_come(sources: Vec<Lines>) -> Lines {
    stream::unfold(heads(sources), |mut heads| async move {
        loop {
            let mut oldest: Option<(usize, Option<Timestamp>)> = None;
            let mut ended = Vec::new();
            for (index, lines) in heads.iter_mut().enumerate() {
                let time = match lines.as_mut().peek().now_or_never() {
                    Some(Some(line)) => time_of(line),
                    Some(None) => {
                        ended.push(index);
                        continue;
                    }
                    None => continue,
                };
                if oldest.is_none_or(|(_, earliest)| time < earliest) {
                    oldest = Some((index, time));
                }
            }
            if let Some((index, _)) = oldest {
                let line = heads[index].next().await?;
                return Some((line, heads));
            }
            for index in ended.into_iter().rev() {
                drop(heads.swap_remove(index));
            }
            if heads.is_empty() {
                return None;
            }
            select_all(heads.iter_mut().map(|lines| lines.as_mut().peek())).await;
        }
    })
    .boxed()
}

fn heads(sources: Vec<Lines>) -> Vec<Head> {
    sources.into_iter().map(|lines| Box::pin(lines.peekable())).collect()
}

fn time_of(line: &Result<LogLine>) -> Option<Timestamp> {
    line.as_ref().ok().and_then(|line| line.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Bridge, Member, Service};

    fn lines(service: impl Into<Member>, times: &[i64]) -> Lines {
        let service = service.into();
        let line = |&second: &i64| {
            Ok(LogLine { service, time: Timestamp::from_second(second).ok(), text: second.to_string() })
        };
        stream::iter(times.iter().map(line).collect::<Vec<_>>()).boxed()
    }

    #[tokio::test]
    async fn lines_of_all_services_come_in_the_order_of_time() {
        let sources = || {
            vec![lines(Service::kafka(0), &[1, 4, 5]), lines(Service::kafka(1), &[]), lines(Bridge::ALL[0], &[2, 3, 9])]
        };
        for merged in [by_time(sources()), as_they_come(sources())] {
            let merged: Vec<_> = merged.map(|line| line.unwrap().text).collect().await;
            assert_eq!(merged, ["1", "2", "3", "4", "5", "9"]);
        }
    }

    #[tokio::test]
    async fn one_that_is_silent_holds_no_other_back() {
        let silent = stream::pending().boxed();
        let mut merged = as_they_come(vec![silent, lines(Service::mosquitto(), &[1, 2])]);
        assert_eq!(merged.next().await.unwrap().unwrap().text, "1");
        assert_eq!(merged.next().await.unwrap().unwrap().text, "2");
        assert!(merged.next().now_or_never().is_none(), "the silent one may say something yet");
    }
}
