//! Generated filesystems: `/proc` and `/dev`.
