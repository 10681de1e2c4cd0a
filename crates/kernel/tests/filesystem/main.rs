//! The memory filesystem keeps the promises of every filesystem that stores files.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod cases;
#[path = "../common/mod.rs"]
mod common;

use agentos_kernel::vfs::{Filesystem, FsQuota, MemoryFs};
use common::ManualClock;
use std::sync::Arc;

fn make(quota: Arc<FsQuota>) -> Arc<dyn Filesystem> {
    MemoryFs::new(Arc::new(ManualClock::default()), quota)
}

cases::cases! { make;
    writes_store_what_fits
    everything_that_grows_is_charged
    the_inode_count_is_bounded
    holes_read_zeros_and_are_found
    a_reservation_is_paid_and_used
    listings_see_what_stays_exactly_once
    names_of_inodes_follow_links_and_renames
    renames_have_all_their_cases
    what_is_open_lives_on
    names_and_links_have_their_lengths
    a_file_has_many_names
    threads_lose_nothing
}
