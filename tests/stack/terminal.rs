//! tail in a real terminal: colours, one line where it fits, laid out where it does not.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::Home;
use crate::messages::Running;
use crate::pty::open_terminal;

const COLUMNS: u16 = 60;

pub fn a_terminal_is_written_for(home: &Home) {
    let (screen, terminal) = open_terminal();
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut command = home.command(&["tail", "test.terminal"]);
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color").stdout(Stdio::from(terminal)).stderr(Stdio::piped());
    let mut tail = Running::of(command.spawn().unwrap());
    // The command holds the terminal's other end, too; with it the test would never see the end.
    drop(command);
    tail.wait_for("listening to ");
    let long = format!(r#"{{"note":"{}","seq":1}}"#, "x".repeat(usize::from(COLUMNS) - 20));
    for payload in [r#"{"short":1}"#, &long, "escape \u{1b}[2J", r#"{"last":1}"#] {
        home.ok(&["pub", "test.terminal", payload, "-k", "k-1"]);
    }
    let mut shown = Vec::new();
    for line in BufReader::new(screen).lines() {
        shown.push(line.unwrap().trim_end().to_owned());
        if shown.last().unwrap().contains("last") {
            break;
        }
    }
    let plain: Vec<String> = shown.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
    assert!(shown[0].contains("\u{1b}["), "the topic has a colour: {shown:?}");
    assert!(plain[0].ends_with(r#"test.terminal  k-1  {"short":1}"#), "{plain:?}");
    assert!(plain[1].ends_with("test.terminal  k-1"), "what does not fit is laid out: {plain:?}");
    assert_eq!(&plain[2..6][..1], ["  {"], "{plain:?}");
    assert_eq!(plain[4], r#"    "seq": 1"#, "{plain:?}");
    assert!(plain[6].ends_with(r"escape \u{1b}[2J"), "a payload cannot clear the screen: {plain:?}");
    assert!(plain.iter().all(|line| line.chars().count() <= usize::from(COLUMNS)), "{plain:?}");
}
