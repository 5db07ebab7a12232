//! Messages on their way through their routes. Where a route has an expression, a thread of that route's own waits for it,
//! so that neither the bridge's loop nor any other route does; what comes of a topic's messages leaves in their order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::Notify;

use super::acks::Number;
use crate::bridge::map::{At, Mapped, Mapper};
use crate::bridge::record::Received;

/// A message, with all that decides what becomes of it: fixed at receipt, whatever changes meanwhile.
pub struct Task {
    pub received: Received,
    /// None at QoS 0, which is not answered.
    pub number: Option<Number>,
    pub mapper: Arc<Mapper>,
    pub at: At,
}

impl Task {
    /// A message that is received just now.
    pub fn new(received: Received, number: Option<Number>, mapper: Arc<Mapper>) -> Self {
        let at = At { owners: mapper.owners(), event_id: None, may_use_jq: true };
        Self { received, number, mapper, at }
    }

    fn done(self) -> Done {
        let mapped = self.mapper.map(&self.received, &self.at);
        Done { task: self, mapped }
    }
}

/// A message, and what becomes of it.
pub struct Done {
    pub task: Task,
    pub mapped: Mapped,
}

type Ticket = u64;

struct Job {
    task: Task,
    ticket: Ticket,
    since: Instant,
}

/// The place of a message among those of its topic.
struct Slot {
    ticket: Ticket,
    done: Option<Done>,
}

/// See the module.
pub struct Mapping {
    /// By the route's name. One may outlive its route: it waits for nothing then.
    threads: HashMap<Arc<str>, Sender<Job>>,
    /// Topics of which a message is with a thread.
    topics: HashMap<String, VecDeque<Slot>>,
    next: Ticket,
    ready: VecDeque<Done>,
    report: Sender<(Ticket, Done)>,
    reports: Receiver<(Ticket, Done)>,
    wake: Arc<Notify>,
}

impl Mapping {
    /// `wake` is notified when a thread is done with a message.
    pub fn new(wake: &Arc<Notify>) -> Self {
        let (report, reports) = channel();
        let wake = Arc::clone(wake);
        let (threads, topics) = (HashMap::new(), HashMap::new());
        Self { threads, topics, next: 0, ready: VecDeque::new(), report, reports, wake }
    }

    /// Takes a message on its way; [`Mapping::take`] gives what becomes of it. Never blocks.
    ///
    /// # Errors
    /// When no thread can be started, or one has failed.
    pub fn put(&mut self, task: Task) -> Result<()> {
        let topic = &task.received.topic;
        match task.mapper.expression(topic).cloned() {
            Some(route) => {
                let ticket = self.place(topic.clone(), None);
                let job = Job { task, ticket, since: Instant::now() };
                self.thread(&route)?.send(job).map_err(|_| anyhow!("the thread of route {route:?} has failed"))
            }
            // After a change of the routes, for a moment.
            None if self.topics.contains_key(topic) => {
                self.place(topic.clone(), Some(task.done()));
                Ok(())
            }
            None => {
                self.ready.push_back(task.done());
                Ok(())
            }
        }
    }

    fn place(&mut self, topic: String, done: Option<Done>) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.topics.entry(topic).or_default().push_back(Slot { ticket, done });
        ticket
    }

    fn thread(&mut self, route: &Arc<str>) -> Result<&Sender<Job>> {
        if !self.threads.contains_key(route) {
            let (send, jobs) = channel::<Job>();
            let (report, wake) = (self.report.clone(), Arc::clone(&self.wake));
            let work = move || {
                for Job { mut task, ticket, since } in jobs {
                    task.at.may_use_jq = since.elapsed() < task.mapper.patience();
                    if report.send((ticket, task.done())).is_err() {
                        return;
                    }
                    wake.notify_one();
                }
            };
            let started = thread::Builder::new().name(format!("jq {route}")).spawn(work);
            started.with_context(|| format!("starting the thread of route {route:?}"))?;
            self.threads.insert(Arc::clone(route), send);
        }
        Ok(&self.threads[route])
    }

    /// What becomes of the next message that is done with.
    pub fn take(&mut self) -> Option<Done> {
        while let Ok((ticket, done)) = self.reports.try_recv() {
            self.settle(ticket, done);
        }
        self.ready.pop_front()
    }

    fn settle(&mut self, ticket: Ticket, done: Done) {
        let topic = done.task.received.topic.clone();
        let Some(slots) = self.topics.get_mut(&topic) else { return };
        if let Some(slot) = slots.iter_mut().find(|slot| slot.ticket == ticket) {
            slot.done = Some(done);
        }
        while let Some(done) = slots.front_mut().and_then(|slot| slot.done.take()) {
            slots.pop_front();
            self.ready.push_back(done);
        }
        if slots.is_empty() {
            self.topics.remove(&topic);
        }
    }

    /// Whether a message is on its way.
    pub fn is_busy(&self) -> bool {
        !self.topics.is_empty() || !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::bridge::map::Limits;
    use crate::bridge::owners::Owners;
    use crate::bridge::routes::Routes;
    use crate::stack::load::{Overrides, load_text};

    /// A helper that never answers: each message takes the deadline's time, or more.
    const SILENT: &str = "#!/bin/sh\nexec sleep 60\n";

    fn mapper(routes: &str, program: &std::path::Path) -> Arc<Mapper> {
        let stack = load_text("", None, &Overrides::default()).unwrap().stack;
        let routes = Routes::load_text(routes, None, &stack).unwrap();
        let limits = Limits { mapping: Duration::from_millis(20), program: program.to_owned(), ..Limits::default() };
        Arc::new(Mapper::new(routes, Owners::default(), limits))
    }

    fn task(mapper: &Arc<Mapper>, topic: &str, number: Number) -> Task {
        let received = Received {
            topic: topic.to_owned(),
            payload: Bytes::from_static(b"{}"),
            qos: 1,
            retained: false,
            duplicate: false,
            at: 0,
            properties: Vec::new(),
        };
        Task::new(received, Some(number), Arc::clone(mapper))
    }

    fn numbers(mapping: &mut Mapping) -> Vec<Number> {
        std::iter::from_fn(|| mapping.take()).map(|done| done.task.number.unwrap()).collect()
    }

    fn all(mapping: &mut Mapping) -> Vec<Done> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut all = Vec::new();
        while mapping.is_busy() {
            assert!(Instant::now() < deadline);
            all.extend(mapping.take());
            thread::yield_now();
        }
        all
    }

    fn silent(directory: &std::path::Path) -> std::path::PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.join("silent");
        std::fs::write(&path, SILENT).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn nothing_waits_for_another_routes_expression() {
        let dir = tempfile::tempdir().unwrap();
        let routes = "routes:\n  - {name: alert, value: '{a: .}'}\n  - {name: fall, value: '{a: .}'}\n";
        let mapper = mapper(routes, &silent(dir.path()));
        let mut mapping = Mapping::new(&Arc::default());
        for number in 0..5 {
            mapping.put(task(&mapper, "device/d/alert", number)).unwrap();
        }
        mapping.put(task(&mapper, "panic/p/press", 5)).unwrap();
        assert_eq!(numbers(&mut mapping), [5], "the press goes its way at once");
        mapping.put(task(&mapper, "wearable/d/fall", 6)).unwrap();
        let done: Vec<Number> = all(&mut mapping).iter().map(|done| done.task.number.unwrap()).collect();
        let alerts: Vec<Number> = done.iter().copied().filter(|number| *number < 5).collect();
        assert_eq!(alerts, [0, 1, 2, 3, 4], "in their order");
        assert_ne!(done.last(), Some(&6), "nor does one expression wait for another: {done:?}");
    }

    /// A route that has no expression any more does not let later messages of a topic overtake earlier ones.
    #[test]
    fn a_change_of_routes_changes_no_order() {
        let dir = tempfile::tempdir().unwrap();
        let before = mapper("routes: [{name: alert, value: '{a: .}'}]", &silent(dir.path()));
        let after = mapper("", &silent(dir.path()));
        let mut mapping = Mapping::new(&Arc::default());
        mapping.put(task(&before, "device/d/alert", 0)).unwrap();
        mapping.put(task(&after, "device/d/alert", 1)).unwrap();
        mapping.put(task(&after, "device/other/alert", 2)).unwrap();
        assert_eq!(numbers(&mut mapping), [2]);
        let done: Vec<Number> = all(&mut mapping).iter().map(|done| done.task.number.unwrap()).collect();
        assert_eq!(done, [0, 1]);
    }

    /// What waits for an expression for too long is handled as what cannot be mapped; it is not lost, and holds nothing up.
    #[test]
    fn nobody_waits_for_an_expression_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mapper = mapper("routes: [{name: alert, value: '{a: .}'}]", &silent(dir.path()));
        let mut mapping = Mapping::new(&Arc::default());
        let many = 500;
        for number in 0..many {
            mapping.put(task(&mapper, "device/d/alert", number)).unwrap();
        }
        let start = Instant::now();
        let done = all(&mut mapping);
        assert!(start.elapsed() < 10 * mapper.patience(), "{:?}", start.elapsed());
        assert_eq!(done.len() as u64, many);
        assert!(done.iter().all(|done| done.mapped.records.len() == 1), "each is a dead letter");
    }
}
