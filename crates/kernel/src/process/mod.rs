//! Processes: table, spawn, wait, signals, and the system calls that executors make on behalf of guests.
