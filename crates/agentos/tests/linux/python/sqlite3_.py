# A database: transactions, locks between processes, the write-ahead log.
import sqlite3, os, subprocess, sys
db = sqlite3.connect('t.db')
db.execute('create table t(a integer primary key, b text)')
with db: db.executemany('insert into t(b) values (?)', [(str(i) * 10,) for i in range(5000)])
print(db.execute('select count(*), sum(length(b)) from t').fetchone())
try:
    with db: db.execute('delete from t'); raise ValueError
except ValueError: pass
print(db.execute('select count(*) from t').fetchone())
db.execute('create index i on t(b)'); print(db.execute('select a from t where b = ?', ('77' * 10,)).fetchone())
db.close()
code = "import sqlite3; d = sqlite3.connect('t.db', timeout=60)\nfor i in range(20):\n  with d: d.execute('insert into t(b) values (1)')"
ps = [subprocess.Popen([sys.executable, '-c', code]) for _ in range(3)]; print([p.wait() for p in ps])
db = sqlite3.connect('t.db'); print(db.execute('select count(*) from t').fetchone(), db.execute('pragma integrity_check').fetchone())
print(db.execute('pragma journal_mode=wal').fetchone())
with db: db.execute('insert into t(b) values (2)')
other = sqlite3.connect('t.db'); print(other.execute('select count(*) from t').fetchone())
other.execute('begin immediate')
try: sqlite3.connect('t.db', timeout=0).execute('begin immediate')
except sqlite3.OperationalError as e: print(e)
other.rollback(); other.close(); db.execute('vacuum'); db.close()
print(sorted(os.listdir('.')))
[os.unlink(n) for n in os.listdir('.')]
