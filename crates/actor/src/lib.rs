//! Actors by name and key: life of sleep and wake, connections, events, schedules, queues.
#![forbid(unsafe_code)]
