//! Cron: jobs that are due by the clock of a place.
//!
//! ```text
//!   Schedule    when: an expression or an instant, in a time zone      (pure)
//!   plan        what becomes of a due time: run, queue, skip, refuse   (pure)
//!   CronJobs    the jobs in storage; works while the actor sleeps
//!   Cron        the clockwork of an awake actor; CronHost carries out the actions
//! ```
//!
//! Rules (lifecycle.md, section 8): a job is stored before it is acknowledged; each due time fires once; a local time that
//! does not exist runs at the next minute that does, one that occurs twice runs once; due times missed while nobody was awake
//! are combined into one run unless the newest is a day old; an instant in the past, missed the same way, runs once.

mod action;
mod event;
mod expression;
mod job;
mod jobs;
mod plan;
mod runner;
mod schedule;
mod zone;
mod zones;

#[cfg(test)]
mod tests;

pub use action::CronAction;
pub use agentos_store::tables::Overlap;
pub use event::CronEvent;
pub use job::{CronJobInfo, CronLimits, NewCronJob};
pub use jobs::{CronJobs, next_time};
pub use runner::{Cron, CronHost, CronRun};
pub use schedule::{InvalidSchedule, Schedule, iso};
