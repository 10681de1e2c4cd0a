//! The names of an inode, as places in directories.

use std::collections::BTreeSet;

use agentos_kernel::id::Ino;

/// A place: a directory and the position of an entry in it.
pub(super) type Place = (Ino, u64);

/// Where an inode is named. Looked up in the database only when somebody asks; known as long as a name that changed is not on
/// disk yet.
#[derive(Debug, Default)]
pub(super) enum Names {
    /// Not looked up.
    #[default]
    Unknown,
    None,
    One(Place),
    Many(BTreeSet<Place>),
}

impl Names {
    pub(super) fn of(places: BTreeSet<Place>) -> Self {
        match (places.len(), places.first()) {
            (0, _) | (_, None) => Self::None,
            (1, Some(only)) => Self::One(*only),
            _ => Self::Many(places),
        }
    }

    pub(super) fn add(&mut self, place: Place) {
        match self {
            Self::Unknown => {}
            Self::None => *self = Self::One(place),
            Self::One(first) => *self = Self::Many(BTreeSet::from([*first, place])),
            Self::Many(many) => {
                many.insert(place);
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) {
        match self {
            Self::Unknown | Self::None => {}
            Self::One(only) => {
                if *only == place {
                    *self = Self::None;
                }
            }
            Self::Many(many) => {
                many.remove(&place);
                if let (1, Some(last)) = (many.len(), many.first()) {
                    *self = Self::One(*last);
                }
            }
        }
    }

    /// Whether they were looked up.
    pub(super) fn are_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Any place; none if there is none, or none is known.
    pub(super) fn any(&self) -> Option<Place> {
        match self {
            Self::Unknown | Self::None => None,
            Self::One(place) => Some(*place),
            Self::Many(many) => many.first().copied(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Unknown | Self::None => 0,
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }
}
