//! Whatever a stack file holds, it makes a stack or is refused in words; a stack that it makes can be written as a
//! stack file that makes the same one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sosstack::failure::Failure;
use sosstack::stack::load::{Overrides, load_text, to_yaml};

fuzz_target!(|text: &str| {
    match load_text(text, None, &Overrides::default()) {
        Ok(loaded) => {
            let again = load_text(&to_yaml(&loaded.stack), None, &Overrides::default());
            assert_eq!(again.expect("an effective stack is a valid file").stack, loaded.stack);
        }
        Err(error) => match error.downcast_ref::<Failure>() {
            Some(Failure::InvalidStackFile { problems }) => {
                assert!(!problems.is_empty());
                assert!(problems.iter().all(|problem| !problem.trim().is_empty()));
            }
            other => panic!("refused without words: {other:?}"),
        },
    }
});
