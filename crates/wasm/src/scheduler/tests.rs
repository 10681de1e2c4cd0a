use super::*;
use crate::config::WasmConfig;
use agentos_kernel::limits::Limits;
use agentos_kernel::outside::Waits;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Weak, mpsc};
use std::task::{Poll, Waker};

fn scheduler(workers: usize) -> Scheduler {
    let config = WasmConfig {
        pool_slots: 0,
        ..WasmConfig::default()
    };
    let engines = Arc::new(Engines::new(&config).unwrap());
    Scheduler::new(&engines, workers, Duration::from_millis(1)).unwrap()
}

fn boxed(work: impl Future<Output = ()> + Send + 'static) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(work)
}

/// Starts a task that is no process's.
fn start(vm: &Arc<Vm>, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
    Task::start(vm, Weak::new(), work);
}

/// Something outside that answers once.
#[derive(Default)]
struct Outside(Mutex<(bool, Option<Waker>)>);

impl Outside {
    fn answer(&self) {
        let mut state = self.0.lock();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    fn wait(&self) {
        let answered = poll_fn(|cx| {
            let mut state = self.0.lock();
            state.1 = Some(cx.waker().clone());
            if state.0 { Poll::Ready(()) } else { Poll::Pending }
        });
        Waits::of(&Limits::default()).wait(answered).unwrap();
    }
}

/// Stands for a guest that computes: ends its slice over and over until told to stop.
async fn spin(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        yield_now().await;
    }
}

#[test]
fn a_vm_never_uses_more_than_its_cpus() {
    let scheduler = scheduler(4);
    let vm = scheduler.vm(2);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (done, ended) = mpsc::channel();
    for _ in 0..16 {
        let (running, most, done) = (Arc::clone(&running), Arc::clone(&most), done.clone());
        start(
            &vm,
            boxed(async move {
                for _ in 0..200 {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    std::hint::black_box((0..1000).sum::<u64>());
                    running.fetch_sub(1, Ordering::SeqCst);
                    yield_now().await;
                }
                done.send(()).unwrap();
            }),
        );
    }
    for _ in 0..16 {
        ended.recv().unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
}

#[test]
fn spinners_of_one_vm_do_not_keep_another_waiting() {
    let scheduler = scheduler(2);
    let (loud, quiet) = (scheduler.vm(8), scheduler.vm(1));
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..500 {
        start(&loud, boxed(spin(Arc::clone(&stop))));
    }
    let (done, ended) = mpsc::channel();
    for _ in 0..10 {
        let done = done.clone();
        start(&quiet, boxed(async move { done.send(()).unwrap() }));
        ended.recv().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
}

#[test]
fn tasks_of_one_vm_take_turns() {
    let scheduler = scheduler(1);
    let vm = scheduler.vm(1);
    let (said, order) = mpsc::channel();
    // Both are queued by a third, so that neither runs before the other is there.
    let starter = Arc::clone(&vm);
    start(
        &vm,
        boxed(async move {
            for name in ["a", "b"] {
                let said = said.clone();
                start(
                    &starter,
                    boxed(async move {
                        for _ in 0..3 {
                            said.send(name).unwrap();
                            yield_now().await;
                        }
                    }),
                );
            }
        }),
    );
    assert_eq!(order.iter().collect::<Vec<_>>(), ["a", "b", "a", "b", "a", "b"]);
}

#[test]
fn a_task_that_is_woken_while_it_runs_runs_again() {
    let scheduler = scheduler(1);
    let vm = scheduler.vm(1);
    let (done, ended) = mpsc::channel();
    let mut polls = 0;
    start(
        &vm,
        boxed(poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
            if polls < 5 {
                return Poll::Pending;
            }
            done.send(polls).unwrap();
            Poll::Ready(())
        })),
    );
    assert_eq!(ended.recv().unwrap(), 5);
}

#[test]
fn a_waker_from_outside_wakes_a_sleeping_worker() {
    let scheduler = scheduler(2);
    let vm = scheduler.vm(1);
    let (told, wakers) = mpsc::channel::<Waker>();
    let (done, ended) = mpsc::channel();
    let mut left = 100;
    start(
        &vm,
        boxed(poll_fn(move |cx| {
            if left == 0 {
                done.send(()).unwrap();
                return Poll::Ready(());
            }
            left -= 1;
            told.send(cx.waker().clone()).unwrap();
            Poll::Pending
        })),
    );
    while let Ok(waker) = wakers.recv() {
        waker.wake();
    }
    ended.recv().unwrap();
}

#[test]
fn a_panic_ends_its_task_only() {
    let scheduler = scheduler(1);
    let vm = scheduler.vm(1);
    let (done, ended) = mpsc::channel();
    start(
        &vm,
        boxed(async { std::panic::resume_unwind(Box::new("a mistake of the host")) }),
    );
    start(&vm, boxed(async move { done.send(()).unwrap() }));
    ended.recv().unwrap();
}

#[test]
fn the_ticker_sleeps_when_nothing_runs_and_wakes_for_work() {
    let scheduler = scheduler(1);
    let vm = scheduler.vm(1);
    let quiet = || {
        while !scheduler.shared.ticker.is_sleeping() {
            std::thread::yield_now();
        }
        assert_eq!(scheduler.busy(), 0);
    };
    quiet();
    let before = scheduler.shared.ticks.load(Ordering::Relaxed);
    let shared = Arc::clone(&scheduler.shared);
    let (done, ended) = mpsc::channel();
    start(
        &vm,
        boxed(async move {
            while shared.ticks.load(Ordering::Relaxed) < before + 3 {
                std::hint::spin_loop();
            }
            done.send(()).unwrap();
        }),
    );
    ended.recv().unwrap();
    quiet();
}

/// A host that does not answer holds up a worker, but not the others' guests; once it answers there are no more workers than
/// before.
#[test]
fn a_worker_that_is_stuck_in_the_host_is_replaced() {
    let scheduler = scheduler(2);
    let (slow, quick) = (scheduler.vm(4), scheduler.vm(1));
    let (answer, host) = mpsc::channel::<()>();
    let host = Arc::new(Mutex::new(host));
    let (stuck, enter) = mpsc::channel();
    let (done, ended) = mpsc::channel();
    for _ in 0..3 {
        let (host, stuck, done) = (Arc::clone(&host), stuck.clone(), done.clone());
        start(
            &slow,
            boxed(async move {
                stuck.send(()).unwrap();
                // Blocks the thread, as a disk does.
                host.lock().recv().unwrap();
                done.send("slow").unwrap();
            }),
        );
    }
    // The third gets a worker only if the first two were replaced.
    for _ in 0..3 {
        enter.recv().unwrap();
    }
    for _ in 0..10 {
        let done = done.clone();
        start(&quick, boxed(async move { done.send("quick").unwrap() }));
        assert_eq!(ended.recv().unwrap(), "quick");
    }
    for _ in 0..3 {
        answer.send(()).unwrap();
        assert_eq!(ended.recv().unwrap(), "slow");
    }
    loop {
        let queues = scheduler.shared.queues.lock();
        if queues.started <= 2 && queues.stuck == 0 {
            assert_eq!(queues.watched.len(), queues.started);
            break;
        }
        drop(queues);
        std::thread::yield_now();
    }
}

/// Tasks that wait for each other through something outside, one CPU and one worker: each lends both to the next.
#[test]
fn what_waits_outside_lends_its_cpu_and_its_worker() {
    // More than workers that are replaced without having said why.
    const DEPTH: usize = STUCK_MAX + 44;
    let scheduler = scheduler(1);
    let vm = scheduler.vm(1);
    let (done, ended) = mpsc::channel();
    let answers: Vec<Arc<Outside>> = (0..=DEPTH).map(|_| Arc::default()).collect();
    for pair in answers.windows(2) {
        let (mine, next) = (Arc::clone(&pair[0]), Arc::clone(&pair[1]));
        start(
            &vm,
            boxed(async move {
                next.wait();
                mine.answer();
            }),
        );
    }
    let first = Arc::clone(&answers[0]);
    start(
        &vm,
        boxed(async move {
            first.wait();
            done.send(()).unwrap();
        }),
    );
    let last = Arc::clone(&answers[DEPTH]);
    start(&vm, boxed(async move { last.answer() }));
    ended.recv_timeout(Duration::from_secs(60)).unwrap();
    loop {
        let queues = scheduler.shared.queues.lock();
        if queues.started <= 1 && queues.stuck == 0 {
            assert_eq!((queues.watched.len(), queues.lent), (queues.started, 0));
            break;
        }
        drop(queues);
        std::thread::yield_now();
    }
}
