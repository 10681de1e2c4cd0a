//! Files of old versions: each released version is kept as SQL, opens, and keeps what it held. A released schema that was
//! edited in place is found here as well, because new files must look like migrated ones.
//!
//! `AGENTOS_BLESS=1` writes the file of a version that is not released yet.

use std::path::{Path, PathBuf};

use agentos_store::database::{Database, Migration, Options, Schema};
use agentos_store::tables::VM_SCHEMA;
use agentos_store::{HOST_SCHEMA, HostIndex};
use agentos_store_faults::{Disk, Step, Survivors};
use rusqlite::Connection;

use super::{dump, rows, script};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Statements that make the database again, for a file under version control.
fn to_sql(connection: &Connection) -> String {
    let mut out = String::new();
    for name in ["application_id", "user_version"] {
        let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        out += &format!("PRAGMA {name} = {value};\n");
    }
    let schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
    let mut tables = Vec::new();
    for row in rows(connection, schema) {
        let sql = row.trim_matches('|').to_owned();
        if let Some(name) = sql.strip_prefix("CREATE TABLE ") {
            tables.push(name.split_whitespace().next().unwrap().to_owned());
        }
        out += &format!("{sql};\n");
    }
    for table in tables {
        let columns: Vec<String> = rows(connection, &format!("SELECT name FROM pragma_table_info('{table}')"))
            .iter()
            .map(|row| format!("quote({})", row.trim_matches('|')))
            .collect();
        for row in rows(
            connection,
            &format!("SELECT {} FROM {table} ORDER BY 1", columns.join(" || ',' || ")),
        ) {
            let values = row.strip_prefix('|').unwrap().strip_suffix('|').unwrap();
            out += &format!("INSERT INTO {table} VALUES ({values});\n");
        }
    }
    out
}

/// The schema as SQLite has it, without what depends on the order of rows.
fn schema_of(connection: &Connection) -> Vec<String> {
    rows(
        connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2",
    )
}

/// Opens the kept file of a version with the present program: it holds what it held, and looks like a new file.
fn check_old(name: &str, schema: &Schema, fill: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    let fresh = directory.path().join("fresh.sqlite");
    fill(&fresh);
    let file = data(name);
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        std::fs::write(&file, to_sql(&Connection::open(&fresh).unwrap())).unwrap();
    }
    let old = directory.path().join("old.sqlite");
    let before = {
        let connection = Connection::open(&old).unwrap();
        connection
            .execute_batch(&std::fs::read_to_string(&file).unwrap())
            .unwrap();
        dump(&connection)
    };
    assert!(before.lines().count() >= 3, "{before}");
    let database = Database::open(&old, schema, Options::default()).unwrap();
    database.close().unwrap();
    let (old, fresh) = (Connection::open(&old).unwrap(), Connection::open(&fresh).unwrap());
    assert_eq!(dump(&old), before);
    assert_eq!(
        schema_of(&old),
        schema_of(&fresh),
        "a migrated file differs from a new one"
    );
}

#[test]
fn a_file_of_version_1_of_an_actor_opens() {
    check_old("vm-v1.sql", &VM_SCHEMA, |path| {
        let database = Database::open(path, &VM_SCHEMA, Options::default()).unwrap();
        // Without the last steps of each part, which remove things, there is something to keep.
        let script = script::actor();
        for (number, act) in script.iter().enumerate() {
            if !matches!(number, 7 | 13..=16 | 18..=19 | 23 | 27) {
                act(&database).unwrap();
            }
        }
        database.close().unwrap();
    });
}

#[test]
fn a_file_of_version_1_of_the_index_opens() {
    check_old("host-v1.sql", &HOST_SCHEMA, |path| {
        let index = HostIndex::open(path, Options::default()).unwrap();
        for act in &script::index()[..6] {
            act(&index).unwrap();
        }
        index.close().unwrap();
    });
}

const V1: Migration = Migration::Sql(&["CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT) STRICT"]);
const OLD: Schema = Schema {
    application_id: 5,
    migrations: &[V1],
};
const NEW: Schema = Schema {
    application_id: 5,
    migrations: &[
        V1,
        Migration::Sql(&[
            "ALTER TABLE t ADD COLUMN length INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX i ON t (length)",
        ]),
        Migration::Code(|transaction| {
            transaction.execute("UPDATE t SET length = length(s)", [])?;
            Ok(())
        }),
    ],
};

#[test]
fn a_power_loss_in_a_migration_leaves_the_old_version_or_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let options = |disk: Option<&Disk>| {
        let mut options = Options::default();
        options.vfs = disk.map(|disk| disk.vfs().to_owned());
        options
    };
    let path = directory.path().join("vm.sqlite");
    let old = Database::open(&path, &OLD, options(Some(&disk))).unwrap();
    let fill = old.submit(|transaction| {
        for n in 0..500 {
            transaction.execute("INSERT INTO t VALUES (?1, ?2)", (n, "x".repeat(n as usize % 50)))?;
        }
        Ok(())
    });
    fill.wait().unwrap();
    old.close().unwrap();
    let start = disk.steps().len();
    let new = Database::open(&path, &NEW, options(Some(&disk))).unwrap();
    new.close().unwrap();
    let steps = disk.steps();
    let mut versions = std::collections::BTreeSet::new();
    for cut in start..=steps.len() {
        for survivors in [Survivors::None, Survivors::All, Survivors::Some(cut as u64)] {
            let image = tempfile::tempdir().unwrap();
            Step::image(&steps[..cut], survivors, image.path()).unwrap();
            let path = image.path().join("vm.sqlite");
            let found: i64 = {
                let connection = Connection::open(&path).unwrap();
                connection
                    .pragma_query_value(None, "user_version", |row| row.get(0))
                    .unwrap()
            };
            versions.insert(found);
            let database = Database::open(&path, &NEW, options(None)).unwrap();
            let sum = "SELECT count(*) || '/' || sum(length) FROM t WHERE length = length(s)";
            let rows = database.read(|connection| Ok(rows(connection, sum))).unwrap();
            assert_eq!(rows, ["|500/12250|"], "after step {cut}, {survivors:?}");
            database.close().unwrap();
        }
    }
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), [1, 3]);
}
