//! How connections are opened: WAL, every commit flushed, foreign keys, small caches, nothing of SQL that reaches beyond the
//! file.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::{Error, Result};

/// Page cache of a connection, in KiB.
const CACHE_KIB: i64 = 1024;
/// The WAL file is cut to this size after a checkpoint.
const WAL_BYTES: i64 = 16 << 20;

/// Opens the writing connection, creating the file (mode 0600) where it is missing.
pub(crate) fn open_writer(path: &Path, vfs: Option<&str>) -> Result<Connection> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, vfs)?;
    configure_writer(&connection).map_err(|error| Error::sqlite(path, &error))?;
    Ok(connection)
}

/// Opens a connection that cannot write, and that leaves the journal as it is when it is closed, also as the last one.
pub(crate) fn open_reader(path: &Path, vfs: Option<&str>) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, vfs)?;
    let restrict = || {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "query_only", true)
    };
    restrict().map_err(|error| Error::sqlite(path, &error))?;
    Ok(connection)
}

/// Opens a database that lives in memory only.
pub(crate) fn open_memory() -> Result<Connection> {
    let path = Path::new(":memory:");
    let connection = open(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        None,
    )?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    };
    let connection = opened.map_err(|error| Error::sqlite(path, &error))?;
    configure(&connection).map_err(|error| Error::sqlite(path, &error))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES, |row| row.get::<_, i64>(0))?;
    Ok(())
}

/// Creates the file with its mode before SQLite does with its own; the journal files inherit the mode.
fn create_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|error| Error::host(path, &error))
}
