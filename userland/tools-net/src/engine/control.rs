//! Time: the one place where a transfer waits, and everything that bounds how long.
//!
//! A transfer owns a [`Control`]. Whoever must wait for a socket calls [`Control::wait`]; whoever moved bytes reports them.
//! The deadlines, the meter's ticks, the rate and the least speed are looked after in both.

use super::failure::{Exit, Failure, Result};
use super::sys::{self, Interest};
use std::time::{Duration, Instant};

/// Bytes moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Body bytes received.
    pub down: u64,
    /// Body bytes sent.
    pub up: u64,
    /// Body bytes that will be received, where known.
    pub down_total: Option<u64>,
    /// Body bytes that will be sent, where known.
    pub up_total: Option<u64>,
    /// Bytes of all response heads.
    pub heads: u64,
    /// Bytes of all requests' heads.
    pub requests: u64,
}

/// When the phases of a transfer ended, since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// The name was resolved.
    pub lookup: Duration,
    /// The connection was made.
    pub connect: Duration,
    /// TLS was agreed on; zero without it.
    pub tls: Duration,
    /// The request could be sent.
    pub pretransfer: Duration,
    /// The first byte of the answer came.
    pub first_byte: Duration,
    /// All redirects were followed; zero without any.
    pub redirect: Duration,
}

/// Shows how a transfer goes.
pub trait Meter {
    /// Called now and then, and once at the end.
    fn tick(&mut self, counts: &Counts, elapsed: Duration, last: bool);
}

/// The least speed.
#[derive(Debug, Clone, Copy)]
pub struct Slow {
    /// Bytes per second.
    pub limit: u64,
    /// How long it may be slower.
    pub time: Duration,
}

/// The clock of a transfer.
pub struct Control {
    start: Instant,
    deadline: Option<Instant>,
    connect_limit: Option<Duration>,
    connect_deadline: Option<(Instant, Instant)>,
    /// What was moved.
    pub counts: Counts,
    /// When phases ended.
    pub times: Times,
    idle: Option<Duration>,
    meter: Option<Box<dyn Meter>>,
    next_tick: Instant,
    rate: Option<u64>,
    slow: Option<Slow>,
    slow_since: Instant,
    slow_bytes: u64,
}

impl Control {
    /// A clock that starts now. `limit` bounds the whole transfer, `connect_limit` each connection.
    pub fn new(limit: Option<Duration>, connect_limit: Option<Duration>) -> Self {
        let start = Instant::now();
        Self {
            start,
            deadline: limit.and_then(|limit| start.checked_add(limit)),
            connect_limit,
            connect_deadline: None,
            counts: Counts::default(),
            times: Times::default(),
            idle: None,
            meter: None,
            next_tick: start + TICK,
            rate: None,
            slow: None,
            slow_since: start,
            slow_bytes: 0,
        }
    }

    /// Shows progress through `meter`.
    pub fn set_meter(&mut self, meter: Option<Box<dyn Meter>>) {
        self.meter = meter;
        if let Some(meter) = &mut self.meter {
            meter.tick(&self.counts, Duration::ZERO, false);
        }
    }

    /// Shows progress through `meter` from the first byte of a body on.
    pub fn set_late_meter(&mut self, meter: Option<Box<dyn Meter>>) {
        self.meter = meter;
    }

    /// Gives up when nothing moved for so long.
    pub fn set_idle(&mut self, idle: Option<Duration>) {
        self.idle = idle;
    }

    /// Bounds the speed to so many bytes per second.
    pub fn set_rate(&mut self, rate: Option<u64>) {
        self.rate = rate.filter(|rate| *rate > 0);
    }

    /// Gives up on a transfer that is slower.
    pub fn set_slow(&mut self, slow: Option<Slow>) {
        self.slow = slow;
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// A connection is being made from now on.
    pub fn connecting(&mut self) {
        let now = Instant::now();
        self.connect_deadline = self
            .connect_limit
            .and_then(|limit| Some((now, now.checked_add(limit)?)));
    }

    /// The connection was made.
    pub fn connected(&mut self) {
        self.connect_deadline = None;
    }

    /// The meter's last word.
    pub fn finish(&mut self) {
        let elapsed = self.elapsed();
        if let Some(meter) = &mut self.meter {
            meter.tick(&self.counts, elapsed, true);
        }
    }

    /// Waits until an interest is ready.
    pub fn wait(&mut self, interests: &mut [Interest<'_>]) -> Result<()> {
        while !self.wait_until(interests, None)? {}
        Ok(())
    }

    /// Waits until an interest is ready (true) or until `until` (false).
    pub fn wait_until(&mut self, interests: &mut [Interest<'_>], until: Option<Instant>) -> Result<bool> {
        let began = Instant::now();
        let idle = self
            .idle
            .filter(|_| !interests.is_empty())
            .and_then(|idle| began.checked_add(idle));
        loop {
            let now = Instant::now();
            self.check(now)?;
            if idle.is_some_and(|idle| idle <= now) {
                return Err(self.timed_out(now));
            }
            if until.is_some_and(|until| until <= now) {
                return Ok(false);
            }
            let nearest = self.nearest(until).into_iter().chain(idle).min();
            let timeout = nearest.map(|at| at.saturating_duration_since(now));
            sys::poll(interests, timeout).map_err(|error| Failure::receive(&error))?;
            if interests.iter().any(|interest| interest.ready) {
                return Ok(true);
            }
        }
    }

    /// Waits for `duration`, within the deadlines.
    pub fn sleep(&mut self, duration: Duration) -> Result<()> {
        let until = Instant::now().checked_add(duration);
        while self.wait_until(&mut [], until)? {}
        Ok(())
    }

    /// `count` body bytes were received.
    pub fn received(&mut self, count: usize) -> Result<()> {
        self.counts.down += count as u64;
        self.moved(self.counts.down)
    }

    /// `count` body bytes were sent.
    pub fn sent(&mut self, count: usize) -> Result<()> {
        self.counts.up += count as u64;
        self.moved(self.counts.up)
    }

    /// Most bytes to move at once under the rate.
    pub fn portion(&self, most: usize) -> usize {
        let rate = self.rate.map_or(most, |rate| usize::try_from(rate / 4).unwrap_or(most));
        most.min(rate.max(1))
    }

    fn moved(&mut self, total: u64) -> Result<()> {
        self.check(Instant::now())?;
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(total as f64 / rate as f64);
            let early = due.saturating_sub(self.elapsed());
            if early > Duration::from_millis(1) {
                return self.sleep(early);
            }
        }
        Ok(())
    }

    fn check(&mut self, now: Instant) -> Result<()> {
        if let Some((since, deadline)) = self.connect_deadline
            && deadline <= now
        {
            let text = format!("Connection timed out after {} milliseconds", (now - since).as_millis());
            return Err(Failure::new(Exit::Timeout, text));
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(self.timed_out(now));
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            let elapsed = now - self.start;
            if let Some(meter) = &mut self.meter {
                meter.tick(&self.counts, elapsed, false);
            }
        }
        self.check_speed(now)
    }

    fn timed_out(&self, now: Instant) -> Failure {
        let elapsed = (now - self.start).as_millis();
        let text = if self.connect_deadline.is_some() || self.times.connect.is_zero() {
            format!("Connection timed out after {elapsed} milliseconds")
        } else {
            let total = self.counts.down_total.map(|total| format!("out of {total} "));
            let total = total.unwrap_or_default();
            format!(
                "Operation timed out after {elapsed} milliseconds with {} {total}bytes received",
                self.counts.down
            )
        };
        Failure::new(Exit::Timeout, text)
    }

    fn check_speed(&mut self, now: Instant) -> Result<()> {
        let Some(slow) = self.slow else { return Ok(()) };
        let waited = now.saturating_duration_since(self.slow_since);
        let total = self.counts.down + self.counts.up;
        let least = slow.limit.saturating_mul(slow.time.as_secs().max(1));
        if total - self.slow_bytes >= least {
            (self.slow_since, self.slow_bytes) = (now, total);
        } else if waited >= slow.time {
            let text = format!(
                "Operation too slow. Less than {} bytes/sec transferred the last {} seconds",
                slow.limit,
                slow.time.as_secs()
            );
            return Err(Failure::new(Exit::Timeout, text));
        }
        Ok(())
    }

    fn nearest(&self, until: Option<Instant>) -> Option<Instant> {
        let connect = self.connect_deadline.map(|(_, deadline)| deadline);
        let tick = self.meter.is_some().then_some(self.next_tick);
        let slow = self.slow.map(|slow| self.slow_since + slow.time);
        [until, self.deadline, connect, tick, slow].into_iter().flatten().min()
    }
}

/// Time between two ticks of the meter.
const TICK: Duration = Duration::from_millis(500);
