//! `linux_*`: unmodified programs of Linux in a VM, beside the same programs run by the host.
//!
//! Both run the same commands on the same files, made by the same script, in turns, so that a busy moment meets both. Single system calls
//! are timed from inside, by a small program that the host's compiler makes; what is missing here gives a row that says so.

pub(super) mod busy;
pub(super) mod parked;
mod world;

use super::Scale;
use super::row::Row;
use crate::error::Error;
use std::time::Duration;
pub(super) use world::processors;
use world::{CALLS as CALLS_SOURCE, World, compiled};

/// A measurement by the clock of the one who waits for the program.
struct Program {
    name: &'static str,
    /// Needed in `/usr/bin`.
    needs: &'static str,
    script: &'static str,
    samples: usize,
    goal: f64,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "linux_node",
        needs: "node",
        script: "exec node -e 1",
        samples: 30,
        goal: 1.15,
    },
    Program {
        name: "linux_find_5000",
        needs: "find",
        script: "exec find tree -name '*7'",
        samples: 30,
        goal: 4.0,
    },
    Program {
        name: "linux_git_clone",
        needs: "git",
        script: "git clone -q --no-hardlinks repository clone && rm -rf clone",
        samples: 10,
        goal: 2.0,
    },
    Program {
        name: "linux_compile",
        needs: "gcc",
        script: "gcc -O1 -c calls.c -o calls.o",
        samples: 10,
        goal: 1.3,
    },
    Program {
        name: "linux_npm_install",
        needs: "npm",
        script: "cd project && npm install --offline --no-audit --no-fund --loglevel=error --cache ../cache > ../npm.log 2>&1 \
                 && rm -rf node_modules package-lock.json ../cache",
        samples: 5,
        goal: 1.5,
    },
];

/// Programs that are run at most this often take seconds.
const SLOW: usize = 10;

/// Single calls: name of the row, what the program calls it, and the goal.
const CALLS: &[(&str, &str, Goal)] = &[
    ("linux_open", "open", Goal::Micros(15.0)),
    ("linux_stat", "stat", Goal::Micros(10.0)),
    ("linux_read_4k", "read", Goal::Ratio(1.1)),
    ("linux_write_4k", "write", Goal::Ratio(1.1)),
    ("linux_spawn", "spawn", Goal::Ratio(1.4)),
];

enum Goal {
    Micros(f64),
    Ratio(f64),
}

/// The names of [`calls`].
pub(super) const CALL_NAMES: &[&str] = &[
    "linux_open",
    "linux_stat",
    "linux_read_4k",
    "linux_write_4k",
    "linux_spawn",
];
/// The names of [`programs`].
pub(super) const PROGRAM_NAMES: &[&str] = &[
    "linux_node",
    "linux_find_5000",
    "linux_git_clone",
    "linux_compile",
    "linux_npm_install",
];

/// System calls, timed by a program that makes them.
pub(super) async fn calls(scale: Scale) -> Result<Vec<Row>, Error> {
    let world = World::new().await?;
    if let Some(why) = world.refusal().await? {
        return Ok(not_run(CALL_NAMES, &why));
    }
    let Some(program) = compiled(CALLS_SOURCE)? else {
        return Ok(not_run(CALL_NAMES, "no C compiler here"));
    };
    world.put("calls", &program).await?;
    let (mut in_vm, mut on_host) = (String::new(), String::new());
    for _ in 0..scale.of(50).min(10) {
        in_vm.push_str(&world.in_vm("./calls 5").await?.0);
        on_host.push_str(&world.on_host("./calls 5").await?.0);
    }
    let rows = CALLS.iter().map(|(name, call, goal)| {
        let host = Row::new("host", "us", samples(&on_host, call));
        let row = Row::new(name, "us", samples(&in_vm, call)).against_row(&host);
        match goal {
            Goal::Micros(most) => row.goal(*most),
            Goal::Ratio(most) => row.goal_ratio(*most),
        }
    });
    Ok(rows.collect())
}

fn not_run(names: &[&'static str], why: &str) -> Vec<Row> {
    names.iter().map(|name| Row::not_run(name, "us", why)).collect()
}

/// The numbers that a program printed behind a name.
fn samples(text: &str, name: &str) -> Vec<f64> {
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        .collect()
}

/// Whole programs, timed from outside.
pub(super) async fn programs(scale: Scale) -> Result<Vec<Row>, Error> {
    let world = World::new().await?;
    if let Some(why) = world.refusal().await? {
        return Ok(not_run(PROGRAM_NAMES, &why));
    }
    world.set_up().await?;
    let mut rows = Vec::new();
    for program in PROGRAMS {
        if !world::is_there(program.needs) {
            rows.push(Row::not_run(program.name, "us", format!("no {} here", program.needs)));
            continue;
        }
        let (mut in_vm, mut on_host) = (Vec::<Duration>::new(), Vec::new());
        // The first of each fills caches. A quick run has time for one of what takes seconds.
        let rounds = match scale.quick && program.samples <= SLOW {
            true => 1..=1,
            false => 0..=scale.of(program.samples),
        };
        for round in rounds {
            let (vm, host) = (
                world.in_vm(program.script).await?.1,
                world.on_host(program.script).await?.1,
            );
            if round > 0 {
                in_vm.push(vm);
                on_host.push(host);
            }
        }
        rows.push(
            Row::times(program.name, &in_vm)
                .against("host", &on_host)
                .goal_ratio(program.goal),
        );
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_rows() {
        assert!(CALLS.iter().map(|(name, ..)| *name).eq(CALL_NAMES.iter().copied()));
        assert!(
            PROGRAMS
                .iter()
                .map(|program| program.name)
                .eq(PROGRAM_NAMES.iter().copied())
        );
    }

    #[test]
    fn numbers_are_found_by_their_name() {
        assert_eq!(
            samples("open 1.5\nopened 9\nstat 2\nopen 3\nopen x\n", "open"),
            [1.5, 3.0]
        );
    }
}
