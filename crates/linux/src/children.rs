//! Ends of children, of which a process that ignores them is never told.

/// Has the calling process hear of the ends of its children, if whoever started it had them ignored (`trap '' CHLD`): signals that are
/// ignored stay so when a program is executed. Nothing is changed where something handles them already.
///
/// Linux programs need this. It is for whoever owns the process, once, before there are other threads and children: a library does not
/// decide that. Where no Linux programs run it does nothing.
pub fn hear_of_children() {
    #[cfg(jail)]
    // SAFETY: zeros are a valid value, which the first call fills and the second reads.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        if libc::sigaction(libc::SIGCHLD, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
        {
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut());
        }
    }
}
