//! The tables of the filesystem, as of schema version 1.
//!
//! ```text
//!   agent_os_fs_inodes    one row an inode: attributes, sizes, link target
//!   agent_os_fs_dentries  names; `position` is the cursor of directory listings
//!   agent_os_fs_blocks    content, 4096 bytes a row at most; an absent row is a hole, an empty one is reserved room
//!   agent_os_fs_xattrs    extended attributes
//!   agent_os_fs_totals    one row: the next inode number, and what the quota is charged
//! ```
//!
//! Times are nanoseconds since 1970. Unsigned numbers of 64 bits are stored as SQLite's signed ones, bit by bit.

/// Statements that create the tables; part of the first migration.
pub(crate) const TABLES: &str = "
CREATE TABLE agent_os_fs_inodes (
    ino        INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    mode       INTEGER NOT NULL,
    nlink      INTEGER NOT NULL,
    uid        INTEGER NOT NULL,
    gid        INTEGER NOT NULL,
    rdev       INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    stored     INTEGER NOT NULL,
    room       INTEGER NOT NULL,
    xattr_room INTEGER NOT NULL,
    atime      INTEGER NOT NULL,
    mtime      INTEGER NOT NULL,
    ctime      INTEGER NOT NULL,
    btime      INTEGER NOT NULL,
    parent     INTEGER NOT NULL,
    subdirs    INTEGER NOT NULL,
    next       INTEGER NOT NULL,
    target     BLOB
) STRICT;
CREATE INDEX agent_os_fs_orphans ON agent_os_fs_inodes (ino) WHERE nlink = 0;
CREATE TABLE agent_os_fs_dentries (
    dir      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name     BLOB NOT NULL,
    ino      INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    PRIMARY KEY (dir, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_os_fs_names ON agent_os_fs_dentries (ino);
CREATE TABLE agent_os_fs_blocks (
    ino  INTEGER NOT NULL,
    idx  INTEGER NOT NULL,
    room INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (ino, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE agent_os_fs_xattrs (
    ino   INTEGER NOT NULL,
    name  BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ino, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE agent_os_fs_totals (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    next_ino INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    inodes   INTEGER NOT NULL
) STRICT;
";
