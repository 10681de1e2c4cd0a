//! Tests of the database: order, isolation of failures, grouping, generations, versions.

use rusqlite::params;

use super::*;

const V1: Schema = Schema {
    application_id: 77,
    migrations: &[Migration::Sql(&["CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"])],
};
const V2: Schema = Schema {
    application_id: 77,
    migrations: &[
        Migration::Sql(&["CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"]),
        Migration::Sql(&["ALTER TABLE t ADD COLUMN text TEXT NOT NULL DEFAULT 'old'"]),
    ],
};

fn insert(database: &Database, n: i64) -> Ticket {
    database.submit(move |transaction| {
        transaction.execute("INSERT INTO t (n) VALUES (?1)", params![n])?;
        Ok(())
    })
}

fn numbers(database: &Database) -> Vec<i64> {
    database
        .read(|connection| {
            let mut statement = connection.prepare("SELECT n FROM t ORDER BY n")?;
            Ok(statement
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
        .unwrap()
}

fn open(path: &Path, schema: &Schema) -> Result<Database> {
    Database::open(path, schema, Options::default())
}

#[test]
fn a_failing_mutation_takes_back_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("a.sqlite"), &V1).unwrap();
    // One batch: the writer is held until all are queued.
    let held = database.shared.writer.lock();
    let first = insert(&database, 1);
    let half = database.submit(|transaction| -> Result<()> {
        transaction.execute("INSERT INTO t (n) VALUES (2)", [])?;
        Err(Error::invalid("n", "not liked"))
    });
    let twice = insert(&database, 1);
    let panics = database.submit(|_| -> Result<()> { panic!("a defect") });
    let last = insert(&database, 3);
    drop(held);
    assert_eq!(first.wait(), Ok(()));
    assert_eq!(half.wait(), Err(Error::invalid("n", "not liked")));
    assert!(matches!(twice.wait(), Err(Error::Internal(_))));
    assert!(matches!(panics.wait(), Err(Error::Internal(_))));
    assert_eq!(last.wait(), Ok(()));
    assert_eq!(numbers(&database), [1, 3]);
}

#[test]
fn waiting_mutations_share_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("a.sqlite"), &V1).unwrap();
    let held = database.shared.writer.lock();
    let tickets: Vec<_> = (0..500).map(|n| insert(&database, n)).collect();
    drop(held);
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    // The first may have been taken alone before the others came.
    assert!(database.commits() <= 2);
    assert_eq!(numbers(&database).len(), 500);
}

#[test]
fn a_later_opening_supersedes_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let old = open(&path, &V1).unwrap();
    insert(&old, 1).wait().unwrap();
    let new = open(&path, &V1).unwrap();
    assert!(new.generation() > old.generation());
    let refused = Error::Superseded {
        path: path.clone(),
        held: old.generation(),
        found: new.generation(),
    };
    assert_eq!(insert(&old, 2).wait(), Err(refused.clone()));
    assert_eq!(insert(&old, 3).wait(), Err(refused));
    insert(&new, 4).wait().unwrap();
    assert_eq!(numbers(&new), [1, 4]);
}

/// All bytes of a file and of its journal.
fn bytes(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let journal = path.with_extension("sqlite-wal");
    (std::fs::read(path).unwrap(), std::fs::read(journal).unwrap_or_default())
}

#[test]
fn who_only_reads_a_file_that_was_closed_in_order_leaves_it_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let first = open(&path, &V1).unwrap();
    insert(&first, 1).wait().unwrap();
    first.close().unwrap();
    let before = bytes(&path);
    let reading = open(&path, &V1).unwrap();
    assert!(reading.generation() > first.generation());
    assert_eq!(numbers(&reading), [1]);
    // A mutation that finds nothing to do is none.
    let nothing = reading.submit(|transaction| Ok(transaction.execute("DELETE FROM t WHERE n = 7", [])?));
    assert_eq!(nothing.wait(), Ok(0));
    assert_eq!(bytes(&path), before);
    // As a crash would leave it.
    std::mem::forget(reading);
    let next = open(&path, &V1).unwrap();
    assert!(!next.recovered());
    insert(&next, 2).wait().unwrap();
    std::mem::forget(next);
    assert!(open(&path, &V1).unwrap().recovered());
}

#[test]
fn of_two_openings_of_a_closed_file_the_first_to_write_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    open(&path, &V1).unwrap().close().unwrap();
    let (slow, fast) = (open(&path, &V1).unwrap(), open(&path, &V1).unwrap());
    insert(&fast, 1).wait().unwrap();
    let refused = Err(Error::Superseded {
        path: path.clone(),
        held: slow.generation(),
        found: fast.generation(),
    });
    assert_eq!(insert(&slow, 2).wait(), refused);
    assert_eq!(insert(&slow, 3).wait(), refused);
    assert_eq!(slow.close(), refused);
    insert(&fast, 4).wait().unwrap();
    assert_eq!(numbers(&fast), [1, 4]);
}

#[test]
fn generations_grow_where_nothing_but_the_end_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let mut last = 0;
    for _ in 0..4 {
        let database = open(&path, &V1).unwrap();
        assert!(database.generation() > last && !database.recovered());
        last = database.generation();
        database.close().unwrap();
    }
    let distrusted = open(&path, &V1).unwrap();
    distrusted.distrust();
    distrusted.close().unwrap();
    assert!(open(&path, &V1).unwrap().recovered());
}

#[test]
fn closing_commits_what_is_queued_and_admits_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let database = open(&path, &V1).unwrap();
    let lazy = database.submission().lazy().submit(|transaction| {
        transaction.execute("INSERT INTO t (n) VALUES (1)", [])?;
        Ok(())
    });
    database.close().unwrap();
    assert_eq!(lazy.wait(), Ok(()));
    assert_eq!(insert(&database, 2).wait(), Err(Error::Closed));
    assert_eq!(database.read(|_| Ok(())), Err(Error::Closed));
    database.close().unwrap();
    assert_eq!(numbers(&open(&path, &V1).unwrap()), [1]);
    assert!(
        !directory
            .path()
            .join("a.sqlite-wal")
            .metadata()
            .is_ok_and(|m| m.len() > 0 && database.generation() > 1)
    );
}

#[test]
fn a_lazy_mutation_goes_along_with_a_prompt_one_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        lazy_delay: Duration::from_secs(3600),
        ..Options::default()
    };
    let database = Database::open(&directory.path().join("a.sqlite"), &V1, options).unwrap();
    let lazy = database.submission().lazy().submit(|transaction| {
        transaction.execute("INSERT INTO t (n) VALUES (1)", [])?;
        Ok(())
    });
    assert!(!lazy.is_resolved());
    database.flush().wait().unwrap();
    assert_eq!(lazy.wait(), Ok(()));
}

#[test]
fn a_lone_lazy_mutation_becomes_durable_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        lazy_delay: Duration::from_millis(1),
        ..Options::default()
    };
    let database = Database::open(&directory.path().join("a.sqlite"), &V1, options).unwrap();
    let lazy = database.submission().lazy().submit(|_| Ok(5));
    assert_eq!(lazy.wait(), Ok(5));
}

#[test]
fn versions_go_forward_and_never_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let old = open(&path, &V1).unwrap();
    insert(&old, 1).wait().unwrap();
    old.close().unwrap();
    let new = open(&path, &V2).unwrap();
    let text: String = new
        .read(|c| Ok(c.query_row("SELECT text FROM t", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(text, "old");
    new.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(
        open(&path, &V1).unwrap_err(),
        Error::TooNew {
            path: path.clone(),
            found: 2,
            known: 1
        }
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let other = Schema {
        application_id: 78,
        ..V2
    };
    assert!(matches!(open(&path, &other), Err(Error::Corrupt { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_refused_after_a_crash_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let database = open(&path, &V1).unwrap();
    for n in 0..2000 {
        drop(insert(&database, n));
    }
    database.flush().wait().unwrap();
    // What a crash leaves: the file is copied while it is in use.
    let copy = directory.path().join("b.sqlite");
    database
        .read(|c| Ok(c.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?))
        .ok();
    database.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let store = rusqlite::Connection::open(&path).unwrap();
    store.execute("UPDATE agent_os_store SET clean = 0", []).unwrap();
    drop(store);
    if let Ok(marked) = std::fs::read(&path) {
        bytes = marked;
    }
    let end = bytes.len();
    bytes[end - 4096..].fill(0xff);
    std::fs::write(&copy, &bytes).unwrap();
    assert_eq!(open(&copy, &V1).unwrap_err().code(), "storage_corrupt");
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);
    std::fs::write(&copy, b"this is no database, but a text that is long enough").unwrap();
    assert_eq!(open(&copy, &V1).unwrap_err().code(), "storage_corrupt");
}

#[test]
fn a_nearly_full_disk_refuses_new_data_and_lets_essentials_pass() {
    let directory = tempfile::tempdir().unwrap();
    let headroom = Headroom::with(10, 0, || Ok(crate::DiskSpace { total: 100, free: 9 }));
    let options = Options {
        headroom: Some(Arc::new(headroom)),
        ..Options::default()
    };
    let database = Database::open(&directory.path().join("a.sqlite"), &V1, options).unwrap();
    assert_eq!(
        insert(&database, 1).wait().unwrap_err().errno(),
        agentos_kernel::Errno::ENOSPC
    );
    assert_eq!(database.submission().essential().submit(|_| Ok(1)).wait(), Ok(1));
    assert_eq!(numbers(&database), [] as [i64; 0]);
    database.close().unwrap();
}

#[test]
fn a_full_file_is_enospc_for_the_whole_commit_and_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("a.sqlite"), &V1).unwrap();
    insert(&database, 1).wait().unwrap();
    let shared = &database.shared;
    let set = |pages: i64| {
        let writer = shared.writer.lock();
        let pragma = format!("PRAGMA max_page_count = {pages}");
        writer
            .as_ref()
            .unwrap()
            .connection()
            .unwrap()
            .query_row(&pragma, [], |_| Ok(()))
            .unwrap();
    };
    set(1);
    let big = database.submit(|transaction| {
        transaction.execute_batch("CREATE TABLE big (b BLOB); INSERT INTO big VALUES (zeroblob(1000000))")?;
        Ok(())
    });
    assert_eq!(big.wait().unwrap_err().code(), "ENOSPC");
    assert_eq!(numbers(&database), [1]);
}

#[tokio::test]
async fn tickets_are_futures_and_a_full_queue_makes_callers_wait() {
    let database = Database::in_memory(&V1).unwrap();
    let mut tickets = Vec::new();
    for n in 0..10_000 {
        let submission = database.submission().bytes(8192);
        let ticket = submission.submit_async(move |transaction| {
            transaction.execute("INSERT INTO t (n) VALUES (?1)", [n])?;
            Ok(n)
        });
        tickets.push(ticket.await);
    }
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.await, Ok(n as i64));
    }
    assert_eq!(numbers(&database).len(), 10_000);
}

#[test]
fn a_refused_file_keeps_its_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sqlite");
    let database = open(&path, &V2).unwrap();
    insert(&database, 1).wait().unwrap();
    // What a crash leaves: both files are copied while they are in use.
    let copies = tempfile::tempdir().unwrap();
    let image = || {
        let read = |name: &str| std::fs::read(copies.path().join(name)).unwrap();
        (read("a.sqlite"), read("a.sqlite-wal"))
    };
    for name in ["a.sqlite", "a.sqlite-wal"] {
        std::fs::copy(directory.path().join(name), copies.path().join(name)).unwrap();
    }
    let before = image();
    assert!(!before.1.is_empty());
    let copy = copies.path().join("a.sqlite");
    assert!(matches!(open(&copy, &V1), Err(Error::TooNew { .. })));
    assert!(image() == before);
    assert_eq!(numbers(&open(&copy, &V2).unwrap()), [1]);
}
