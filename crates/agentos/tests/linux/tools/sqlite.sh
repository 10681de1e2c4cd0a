# The sqlite3 program.
# needs: sqlite3
sqlite3 t.db 'create table t(a, b); insert into t values (1, "x"), (2, "y"); select * from t;'; sqlite3 -header -csv t.db 'select count(*) c, group_concat(b) from t'; echo 'select max(a) from t;' | sqlite3 t.db; sqlite3 t.db '.dump' | sqlite3 u.db; sqlite3 u.db 'select sum(a) from t'; sqlite3 t.db 'bad sql'; echo $?; sqlite3 t.db 'pragma journal_mode=wal; insert into t values (3, "z"); select count(*) from t;'; sqlite3 :memory: 'with recursive c(n) as (select 1 union all select n + 1 from c where n < 10000) select sum(n) from c'; rm -f *.db*
