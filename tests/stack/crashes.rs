//! Commands that are killed at any moment: the next one converges, and nothing that was promised is lost.
//!
//! A few rounds by default; `make soak` runs many (`SOSSTACK_SOAK_ROUNDS`).

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Home, On, send_signal};

const ROUNDS: u32 = 4;

#[test]
fn a_kill_at_any_moment_is_healed_as_processes() {
    if On::Process.is_here() {
        kill_at_random_moments(&Home::new(On::Process, 12_500));
    }
}

#[test]
fn a_kill_at_any_moment_is_healed_in_docker() {
    if On::Docker.is_here() {
        kill_at_random_moments(&Home::new(On::Docker, 13_500));
    }
}

/// What is killed, and how long it runs at most, in milliseconds. `up` comes after a `down`, so that it has work to do.
const VICTIMS: [(&[&str], u64); 4] = [(&["down"], 3000), (&["up"], 9000), (&["device", "add"], 500), (&["seed"], 700)];

fn kill_at_random_moments(home: &Home) {
    let rounds = std::env::var("SOSSTACK_SOAK_ROUNDS").ok().map_or(ROUNDS, |text| text.parse().unwrap());
    home.up();
    home.ok(&["pub", "audit.access", "kept through all of it"]);
    let mut promised: BTreeSet<String> = BTreeSet::new();
    for round in 0..rounds {
        let (words, longest) = VICTIMS[usize::try_from(round).unwrap() % VICTIMS.len()];
        let moment = Duration::from_millis(random() % longest);
        println!("round {round}: kill {words:?} after {moment:?}");
        let device = format!("soak-{round}");
        let mut arguments = words.to_vec();
        if words == ["device", "add"] {
            arguments.push(&device);
        }
        if words == ["up"] {
            home.ok(&["down"]);
        }
        let mut victim = home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is what varies: there is no condition to wait for.
        std::thread::sleep(moment);
        if let Some(status) = victim.try_wait().unwrap() {
            assert!(status.success(), "{words:?} failed by itself");
            if words == ["device", "add"] {
                promised.insert(device);
            }
        } else {
            send_signal(victim.id(), Signal::KILL);
            victim.wait().unwrap();
        }
        let healed = home.run(&["up"]);
        assert_eq!(healed.code, Some(0), "round {round}: {words:?} killed after {moment:?}: {healed:?}");
        assert_eq!(home.json(&["status"])["healthy"], true, "round {round}");
        assert_eq!(home.json(&["doctor"]).as_array().unwrap().iter().filter(|f| f["verdict"] == "bad").count(), 0);
    }
    let devices = home.ok(&["device", "list"]);
    for device in promised {
        assert!(devices.contains(&device), "{device} was added and is gone");
        home.ok(&["pub", &format!("device/{device}/telemetry"), "{}", "--as", &device]);
    }
    let read = home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]);
    assert!(read.contains("kept through all of it\n"), "{read}");
}

/// From the random keys of the standard library's hashing.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
