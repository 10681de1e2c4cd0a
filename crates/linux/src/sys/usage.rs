//! What processes use.

use std::io;

/// CPU time of all threads that a process has had, in ns. None once it has been reaped.
pub(crate) fn cpu_time(pid: u32) -> Option<u64> {
    // How the host makes a clock of a process's number (`clock_getcpuclockid`), which needs no right.
    let clock = (!pid.cast_signed()).wrapping_shl(3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is writable.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let (seconds, rest) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
}

/// Lets the calling thread, and what it makes, run on at most `count` of its processors; which ones goes round from call to call.
pub(crate) fn use_processors(count: u64) -> io::Result<()> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let allowed = allowed()?;
    // SAFETY: the number is below the size of the set.
    let has = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
    let cpus: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(has).collect();
    let count = usize::try_from(count).unwrap_or(usize::MAX).max(1);
    if cpus.is_empty() || count >= cpus.len() {
        return Ok(());
    }
    let first = NEXT.fetch_add(count, Ordering::Relaxed) % cpus.len();
    // SAFETY: zeros are an empty set.
    let mut chosen: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter().cycle().skip(first).take(count) {
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_SET(*cpu, &mut chosen) };
    }
    // SAFETY: the set is readable and as long as it says.
    super::check(unsafe { libc::sched_setaffinity(0, size_of_val(&chosen), &raw const chosen) }.into()).map(drop)
}

/// Processors that the calling thread may use.
pub(crate) fn processors() -> u64 {
    // SAFETY: the set is readable.
    let count = allowed().map_or(1, |set| unsafe { libc::CPU_COUNT(&set) });
    u64::try_from(count).unwrap_or(1)
}

fn allowed() -> io::Result<libc::cpu_set_t> {
    // SAFETY: zeros are an empty set.
    let mut allowed: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is writable and as long as it says.
    super::check(unsafe { libc::sched_getaffinity(0, size_of_val(&allowed), &raw mut allowed) }.into())?;
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_this_process_grows_and_that_of_nobody_is_none() {
        let before = cpu_time(std::process::id()).unwrap();
        while cpu_time(std::process::id()).unwrap() == before {
            std::hint::black_box(before);
        }
        assert_eq!(cpu_time(4_194_303), None);
    }

    #[test]
    fn a_thread_that_may_use_one_processor_has_one() {
        std::thread::spawn(|| {
            use_processors(1).unwrap();
            assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
            assert_eq!(processors(), 1);
        })
        .join()
        .unwrap();
    }
}
