//! `df` and `du`.

mod df;
mod du;

pub(crate) use df::df;
pub(crate) use du::du;
