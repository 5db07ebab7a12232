//! What the allocator does with memory that was freed. `main.rs` chooses the allocator.

/// `mi_option_purge_delay` in the header of mimalloc 2: milliseconds until freed pages go back to the system.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Gives freed memory back at once, for commands that run for hours beside other work: a fifth less of it while a topic
/// is tailed. Reading at full speed would cost a quarter more CPU, so it is not the default.
#[allow(unsafe_code, reason = "the allocator's options are set by a function of C, and by no safe one")]
pub fn give_back_at_once() {
    // SAFETY: an option is one number; who frees a page meanwhile reads the old or the new one, and both are allowed.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) }
}
