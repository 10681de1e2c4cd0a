//! Power losses and errors of the disk at every step that SQLite makes in the life of VMs: creation (the migration of an empty
//! file to the newest schema), boot, writes of clients and guests, cron, previews, sleep, wake, destruction, the end of the
//! server.
//!
//! A [`scenario`] plays one client. A [`ledger`] notes between the steps of the disk what the client asked for and what was
//! acknowledged. [`recovery`] starts a new server on what is left and compares: what was acknowledged is there, what was asked for and
//! not answered is there as a whole or not at all, what was destroyed stays destroyed and leaves no files, and every file is sound.
//!
//! Some of the steps are tried by default, `AGENTOS_FULL=1` tries all; `AGENTOS_CRASH_STEP` tries one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail"
)]

mod keeper;
mod ledger;
mod recovery;
mod scenario;

use agentos_store_faults::{Disk, Fault, Step, Survivors};
use ledger::Ledger;
use scenario::{Player, Trouble};
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory for data: in memory where there is plenty, because only what SQLite asks for is lost here.
pub(crate) fn scratch() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let roomy = rustix::fs::statvfs(&memory).is_ok_and(|at| at.f_bavail * at.f_frsize > 4 << 30);
    let made = roomy.then(|| tempfile::tempdir_in(&memory).ok()).flatten();
    made.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// Of so many steps, those to try.
fn chosen(steps: usize, few: usize) -> Vec<usize> {
    if let Some(step) = std::env::var("AGENTOS_CRASH_STEP")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return vec![step];
    }
    let full = std::env::var_os("AGENTOS_FULL").is_some();
    let stride = if full { 1 } else { (steps / few).max(1) };
    // From the end, so that the very last step is among them.
    (0..=steps).rev().step_by(stride).collect()
}

/// A whole life without faults; what was asked for, and the steps.
async fn whole_life() -> (Ledger, Vec<Step>) {
    let directory = scratch();
    let disk = Disk::below(directory.path());
    let mut player = Player::new(directory.path(), &disk, Trouble::None);
    player.play().await;
    player.leave().await;
    assert_eq!(player.failures(), &[] as &[String], "nothing fails by itself");
    (player.into_ledger(), disk.steps())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_loss_at_any_step_loses_nothing_that_was_acknowledged() {
    let (ledger, steps) = whole_life().await;
    let cuts = chosen(steps.len(), 24);
    for cut in &cuts {
        for survivors in [Survivors::None, Survivors::All, Survivors::Some(*cut as u64)] {
            let so_far = &steps[..*cut];
            let image = scratch();
            Step::image(so_far, survivors, image.path()).unwrap();
            let what = format!("power lost after step {cut} of {}, {survivors:?}", steps.len());
            recovery::check(image.path(), &ledger.seen(so_far), &what).await;
        }
    }
    println!("{} of {} steps", cuts.len(), steps.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_any_step_is_told_and_loses_nothing_that_was_acknowledged() {
    let (_, steps) = whole_life().await;
    let marks = steps.iter().filter(|step| matches!(step, Step::Mark(_))).count();
    let (mut told, mut tried) = (0, 0);
    for (turn, at) in chosen(steps.len() - marks, 12).into_iter().enumerate() {
        // The kinds take turns, so that each step meets one and each kind of step meets all.
        let (fault, forever) = [
            (Fault::Io, false),
            (Fault::Full, true),
            (Fault::Io, true),
            (Fault::Full, false),
        ][turn % 4];
        let trouble = if forever { Trouble::Lasting } else { Trouble::Passing };
        let what = format!("{fault:?} at step {at}, for ever: {forever}");
        let directory = scratch();
        let disk = Disk::below(directory.path());
        disk.fail(at as u64, fault, forever);
        let mut player = Player::new(directory.path(), &disk, trouble);
        player.play().await;
        // The power is lost while the disk still fails; or the disk is mended, and the server ends in order.
        let lost = disk.steps();
        disk.heal();
        player.leave().await;
        let ended = disk.steps();
        told += usize::from(!player.failures().is_empty());
        tried += 1;
        let ledger = player.into_ledger();
        for (steps, how) in [(lost, "power lost"), (ended, "ended")] {
            let image = scratch();
            Step::image(&steps, Survivors::None, image.path()).unwrap();
            recovery::check(image.path(), &ledger.seen(&steps), &format!("{what}, {how}")).await;
        }
    }
    println!("{tried} steps, {told} errors told");
    assert!(told * 4 > tried, "errors reach the client: {told} of {tried}");
}
