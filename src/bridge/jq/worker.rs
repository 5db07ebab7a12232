//! The helper's side: compiles the expression that it is told, and applies it to one payload after the other.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Program, frame};
use crate::filter::{Query, Wrong};

/// What an expression may take beside the program itself, in bytes.
const MEMORY: u64 = 256 * 1024 * 1024;
/// Expressions are nested calls to the interpreter.
const STACK: usize = 64 * 1024 * 1024;
/// Whoever asked has given up long before, or is dead: a request that takes longer ends the process.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers requests until the input ends. Blocks its thread.
///
/// # Errors
/// When the pipes break or carry what no bridge sends.
pub fn run(mut input: impl Read + Send, mut output: impl Write + Send) -> Result<()> {
    let busy = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&busy));
    std::thread::scope(|scope| {
        let work = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
            let program = frame::read(&mut input)?.context("no program")?;
            let query = serde_json::from_slice::<Program>(&program)?.compile();
            bound_memory();
            frame::write(&mut output, &frame::whole(b"ready"))?;
            let mut number = 0;
            while let Some(request) = frame::read(&mut input)? {
                number += 1;
                // Odd while there is something to do.
                busy.store(2 * number + 1, Ordering::Relaxed);
                let answer = frame::answer(&apply(&query, &request));
                busy.store(2 * number, Ordering::Relaxed);
                frame::write(&mut output, &answer)?;
            }
            Ok(())
        });
        work.context("starting a thread")?.join().unwrap_or_else(|_| Err(anyhow::anyhow!("an expression failed")))
    })
}

fn apply(query: &Result<Query, Wrong>, request: &[u8]) -> Result<Vec<u8>, String> {
    let (variables, payload) = frame::parse_request(request).ok_or("a broken request")?;
    match query {
        Ok(query) => query.value(payload, variables),
        Err(wrong) => Err(wrong.problem.clone()),
    }
}

/// Ends the process when one request takes too long: a bridge that was killed meanwhile kills no helper.
fn watch(busy: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            std::thread::sleep(PATIENCE);
            let now = busy.load(Ordering::Relaxed);
            if now == seen && now % 2 == 1 {
                std::process::exit(1);
            }
            seen = now;
        }
    });
}

/// From now on no more memory than now and [`MEMORY`]; and no image of it on the disk, however this ends.
fn bound_memory() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let used = pages.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let Some(used) = used.map(|pages| pages * rustix::param::page_size() as u64) else { return };
    let allowed = getrlimit(Resource::As);
    if allowed.current.is_none_or(|current| current > used + MEMORY) {
        let _ = setrlimit(Resource::As, Rlimit { current: Some(used + MEMORY), maximum: allowed.maximum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_in_order() {
        let program = Program::new("{owner: $owner, n: .n.n}", &[]);
        let variables = br#"["u-1","t","now"]"#;
        let mut input = frame::whole(&serde_json::to_vec(&program).unwrap());
        input.extend(frame::request(variables, br#"{"n":{"n":1}}"#));
        input.extend(frame::request(variables, br#"{"n":1}"#));
        input.extend(frame::request(variables, b"nonsense"));
        let mut output = Vec::new();
        run(input.as_slice(), &mut output).unwrap();
        let mut output = output.as_slice();
        assert_eq!(frame::read(&mut output).unwrap().unwrap(), b"ready");
        let mut next = || frame::parse_answer(&frame::read(&mut output).unwrap().unwrap());
        assert_eq!(next(), Ok(br#"{"owner":"u-1","n":1}"#.to_vec()));
        assert!(next().unwrap_err().contains("cannot index"));
        assert!(next().unwrap_err().contains("not JSON"));
        assert!(run([].as_slice(), Vec::new()).is_err());
    }
}
