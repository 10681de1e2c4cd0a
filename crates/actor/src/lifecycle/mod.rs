//! The life of one actor: [`machine`] decides, [`cell`] holds what belongs to one actor, and [`boot`], [`stop`] and
//! [`destroy`] do what was decided, each as one task.

mod boot;
mod busy;
mod cell;
mod destroy;
mod idle;
pub(crate) mod machine;
mod stop;
mod work;

pub(crate) use busy::Busy;
pub use busy::KeepAwake;
pub(crate) use cell::{Awake, Cell, CellRef};
pub use machine::Phase;
pub(crate) use stop::Cause;
pub(crate) use work::{Entry, Work, too_many_awake};
