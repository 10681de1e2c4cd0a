//! Tests of the user database: what it does, and what it refuses.

use super::*;

struct Fixture {
    directory: tempfile::TempDir,
    database: UserDatabase,
}

fn fixture(limits: UserLimits) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let database = UserDatabase::open(&directory.path().join("user.sqlite"), limits, None).unwrap();
    Fixture { directory, database }
}

#[test]
fn statements_take_values_and_return_rows() {
    let Fixture { database, .. } = fixture(UserLimits::default());
    database
        .execute(
            "CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d REAL); CREATE INDEX i ON t (a)",
            &[],
        )
        .unwrap();
    let values = [
        SqlValue::Int(1),
        SqlValue::Text("x".into()),
        SqlValue::Blob(vec![0, 255]),
        SqlValue::Real(0.5),
    ];
    database.execute("INSERT INTO t VALUES (?, ?, ?, ?)", &values).unwrap();
    let rows = database.execute("SELECT *, NULL AS e FROM t", &[]).unwrap();
    assert_eq!(rows.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(rows.rows, [[values.to_vec(), vec![SqlValue::Null]].concat()]);
    assert_eq!(rows.objects().next().unwrap().last(), Some(("e", &SqlValue::Null)));
    assert!(matches!(
        database.execute("INSERT INTO t VALUES (?, 1, 1, 1)", &[]),
        Err(Error::Sql(_))
    ));
    assert!(matches!(
        database.execute("SELECT ?; SELECT ?", &[SqlValue::Null]),
        Err(Error::Sql(_))
    ));
    let error = database.execute("SELEKT 1", &[]).unwrap_err().to_string();
    assert!(
        error.contains("syntax error") && !error.contains("user.sqlite"),
        "{error}"
    );
    assert_eq!(database.execute("", &[]).unwrap(), Rows::default());
}

#[test]
fn no_statement_reaches_beyond_the_file() {
    let Fixture { directory, database } = fixture(UserLimits::default());
    let other = directory.path().join("vm.sqlite");
    std::fs::write(&other, b"").unwrap();
    database
        .execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)", &[])
        .unwrap();
    let hostile = [
        format!("ATTACH '{}' AS other", other.display()),
        format!("VACUUM INTO '{}'", directory.path().join("copy.sqlite").display()),
        format!("VACUUM main INTO '{}'", directory.path().join("copy.sqlite").display()),
        "VACUUM".to_owned(),
        "SELECT load_extension('/tmp/x.so')".to_owned(),
        "PRAGMA max_page_count = 1000000".to_owned(),
        "PRAGMA journal_mode = OFF".to_owned(),
        "PRAGMA synchronous = OFF".to_owned(),
        "PRAGMA temp_store_directory = '/etc'".to_owned(),
        "PRAGMA writable_schema = ON".to_owned(),
        "PRAGMA mmap_size = 1000000000".to_owned(),
        "PRAGMA cache_size = 1000000".to_owned(),
        "PRAGMA wal_checkpoint".to_owned(),
        "PRAGMA query_only = ON".to_owned(),
        "PRAGMA hard_heap_limit = 1".to_owned(),
        "PRAGMA soft_heap_limit = 1".to_owned(),
        "SELECT writefile('/tmp/x', 'y')".to_owned(),
        "SELECT readfile('/etc/passwd')".to_owned(),
        "SELECT fts3_tokenizer('simple', x'00')".to_owned(),
        "UPDATE sqlite_schema SET sql = ''".to_owned(),
        "CREATE VIRTUAL TABLE temp.x USING csv(filename='/etc/passwd')".to_owned(),
        "DETACH main".to_owned(),
    ];
    for sql in &hostile {
        let outcome = database.execute(sql, &[]);
        assert!(matches!(outcome, Err(Error::Sql(_))), "{sql}: {outcome:?}");
    }
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["user.sqlite", "user.sqlite-shm", "user.sqlite-wal", "vm.sqlite"]
    );
    assert_eq!(std::fs::read(other).unwrap(), b"");
    assert_eq!(database.execute("PRAGMA table_info(t)", &[]).unwrap().rows.len(), 1);
    assert_eq!(
        database.execute("SELECT * FROM t", &[]).unwrap().rows,
        [[SqlValue::Int(1)]]
    );
}

#[test]
fn size_result_and_time_are_bounded() {
    let limits = UserLimits {
        database_bytes: 256 << 10,
        result_bytes: 4096,
        query_timeout: Duration::from_millis(20),
    };
    let Fixture { database, .. } = fixture(limits);
    database.execute("CREATE TABLE t (b BLOB)", &[]).unwrap();
    let full = (0..1000).find_map(|_| database.execute("INSERT INTO t VALUES (zeroblob(4000))", &[]).err());
    let full = full.unwrap();
    assert_eq!(
        full.to_string(),
        "database or disk is full: 262145 of 262144 bytes (limits.sqlite.maxDatabaseBytes)"
    );
    assert_eq!((full.code(), full.errno().name()), ("limit_exceeded", "ENOSPC"));
    assert!((128 << 10..=256 << 10).contains(&database.bytes().unwrap()));
    let large = database.execute("SELECT b FROM t", &[]);
    assert!(matches!(
        large,
        Err(Error::Limit {
            limit: "limits.sqlite.maxResultBytes",
            ..
        })
    ));
    let huge = database.execute("SELECT zeroblob(1000000000)", &[]);
    assert!(matches!(huge, Err(Error::Sql(_))), "{huge:?}");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    assert_eq!(database.execute(endless, &[]), Err(Error::Interrupted(20)));
    assert_eq!(database.execute("SELECT 1", &[]).unwrap().rows, [[SqlValue::Int(1)]]);
}

#[test]
fn an_open_transaction_is_taken_back_at_close() {
    let Fixture { directory, database } = fixture(UserLimits::default());
    database
        .execute("CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1)", &[])
        .unwrap();
    database.close().unwrap();
    assert_eq!(database.execute("SELECT 1", &[]), Err(Error::Closed));
    let again = UserDatabase::open(&directory.path().join("user.sqlite"), UserLimits::default(), None).unwrap();
    assert_eq!(
        again.execute("SELECT count(*) FROM t", &[]).unwrap().rows,
        [[SqlValue::Int(0)]]
    );
}

#[test]
fn a_nearly_full_disk_refuses_writing_and_lets_reading_pass() {
    let directory = tempfile::tempdir().unwrap();
    let headroom = Arc::new(Headroom::with(10, 0, || Ok(crate::DiskSpace { total: 100, free: 1 })));
    let path = directory.path().join("user.sqlite");
    let database = UserDatabase::open(&path, UserLimits::default(), Some(headroom)).unwrap();
    assert_eq!(
        database.execute("CREATE TABLE t (a)", &[]).unwrap_err().code(),
        "ENOSPC"
    );
    assert_eq!(database.execute("SELECT 1", &[]).unwrap().rows.len(), 1);
}

#[test]
fn temporary_tables_and_the_journal_are_bounded_as_well() {
    let limits = UserLimits {
        database_bytes: 4 << 20,
        ..UserLimits::default()
    };
    let Fixture { directory, database } = fixture(limits);
    database.execute("CREATE TEMP TABLE t (b BLOB)", &[]).unwrap();
    let full = (0..2000).find_map(|_| database.execute("INSERT INTO t VALUES (zeroblob(4000))", &[]).err());
    assert!(matches!(full, Some(Error::DatabaseFull { .. })), "{full:?}");
    database
        .execute("CREATE TABLE p (a INTEGER PRIMARY KEY, b BLOB)", &[])
        .unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800) \
                INSERT INTO p SELECT i, zeroblob(4000) FROM n";
    database.execute(rows, &[]).unwrap();
    // One transaction that changes more pages than the cache holds, again and again.
    let sql = format!("BEGIN; {} COMMIT", "UPDATE p SET b = randomblob(4000);".repeat(30));
    database.execute(&sql, &[]).unwrap();
    let journal = std::fs::metadata(directory.path().join("user.sqlite-wal"))
        .unwrap()
        .len();
    assert!(journal < 12 << 20, "{journal}");
}

#[test]
fn a_transaction_ends_with_the_call_that_fails_in_it_or_with_its_time() {
    let Fixture { database, directory } = fixture(UserLimits::default());
    database.execute("CREATE TABLE t (a)", &[]).unwrap();
    assert!(
        database
            .execute("BEGIN; INSERT INTO t VALUES (1); SELEKT", &[])
            .is_err()
    );
    // Taken back, so the next statement is durable by itself.
    database.execute("INSERT INTO t VALUES (2)", &[]).unwrap();
    database.execute("BEGIN", &[]).unwrap();
    database.execute("INSERT INTO t VALUES (3)", &[]).unwrap();
    assert!(database.execute("SELEKT", &[]).is_err());
    database.execute("COMMIT", &[]).unwrap();
    database.close().unwrap();
    let limits = UserLimits {
        query_timeout: Duration::from_millis(50),
        ..UserLimits::default()
    };
    let database = UserDatabase::open(&directory.path().join("user.sqlite"), limits, None).unwrap();
    database.execute("BEGIN; INSERT INTO t VALUES (4)", &[]).unwrap();
    let overdue = std::iter::repeat_with(|| database.execute("SELECT 1", &[])).find_map(Result::err);
    assert_eq!(overdue, Some(Error::Interrupted(50)));
    let rows = database.execute("SELECT a FROM t", &[]).unwrap().rows;
    assert_eq!(rows, [[SqlValue::Int(2)], [SqlValue::Int(3)]]);
}

#[test]
fn a_call_ends_when_nobody_waits_for_it() {
    let Fixture { database, .. } = fixture(UserLimits::default());
    let stop = Stop::default();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let ended = std::thread::scope(|scope| {
        let call = scope.spawn(|| database.execute_until(endless, &[], &stop));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        call.join().unwrap()
    });
    assert_eq!(ended, Err(Error::Cancelled));
    assert_eq!(database.execute("SELECT 1", &[]).unwrap().rows, [[SqlValue::Int(1)]]);
}

#[test]
fn a_database_in_memory_has_the_same_bounds() {
    let limits = UserLimits {
        database_bytes: 64 << 10,
        ..UserLimits::default()
    };
    let database = UserDatabase::in_memory(limits).unwrap();
    database.execute("CREATE TABLE t (b BLOB)", &[]).unwrap();
    let full = (0..100).find_map(|_| database.execute("INSERT INTO t VALUES (zeroblob(4000))", &[]).err());
    assert!(matches!(full, Some(Error::DatabaseFull { .. })), "{full:?}");
    for sql in [
        "ATTACH ':memory:' AS other",
        "ATTACH '/tmp/x' AS other",
        "VACUUM INTO '/tmp/x'",
    ] {
        assert!(matches!(database.execute(sql, &[]), Err(Error::Sql(_))), "{sql}");
    }
}

#[test]
fn damage_is_found() {
    let Fixture { directory, database } = fixture(UserLimits::default());
    database
        .execute("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(20000))", &[])
        .unwrap();
    database.close().unwrap();
    let path = directory.path().join("user.sqlite");
    UserDatabase::check(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..4200].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let found = UserDatabase::check(&path).unwrap_err();
    assert_eq!(found.code(), "storage_corrupt", "{found}");
}
