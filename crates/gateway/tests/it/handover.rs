//! Handover.
