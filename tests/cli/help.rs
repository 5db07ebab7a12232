//! `--help` is documentation: a change of it is a change that somebody decided on.

use crate::machine::Machine;

#[test]
fn every_command_explains_itself() {
    let machine = Machine::bare();
    let help = |words: &[&str]| {
        let finished = machine.run(&[words, &["--help"]].concat());
        assert_eq!(finished.code, Some(0), "{words:?}: {finished:?}");
        finished.stdout
    };
    let overview = help(&[]);
    insta::assert_snapshot!("help", overview);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands.take_while(|line| !line.is_empty()).filter_map(|line| {
        let first = line.strip_prefix("  ")?.split_whitespace().next()?;
        line.as_bytes().get(2).is_some_and(u8::is_ascii_lowercase).then_some(first)
    });
    let names: Vec<&str> = names.collect();
    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        insta::assert_snapshot!(format!("help_{name}"), help(&[name]));
    }
}

#[test]
fn without_a_command_the_help_is_shown_as_an_error() {
    let finished = Machine::bare().run(&[]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("Usage: sosstack"), "{finished:?}");
}

#[test]
fn the_version_is_the_packages() {
    let finished = Machine::bare().run(&["--version"]);
    assert_eq!(finished.stdout, format!("sosstack {}\n", env!("CARGO_PKG_VERSION")));
}
