//! The call itself.

/// Returns whole pages that are free to the host; whether there were any. Other threads that allocate meanwhile wait for
/// their arena, some milliseconds for a large one, so this is for quiet moments. Does nothing where the allocator of the
/// system is not glibc's.
pub fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[allow(unsafe_code, reason = "a C function")]
        // SAFETY: `malloc_trim` may be called by any thread at any time. It takes the locks of the allocator itself, moves
        // nothing that is in use, and has no pointer among its arguments.
        let given = unsafe { libc::malloc_trim(0) };
        given == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..1000).map(|number| vec![number as u8; 1000]).collect();
        drop((0..1000).map(|_| vec![1_u8; 5000]).collect::<Vec<_>>());
        super::give_back();
        assert!(
            kept.iter()
                .enumerate()
                .all(|(number, bytes)| bytes.iter().all(|byte| *byte == number as u8))
        );
    }
}
