//! The names of an inode: which directories hold it, for `getcwd(3)` and `/proc/<pid>/fd`.

use super::dir::Name;
use crate::id::Ino;
use imbl::OrdSet;

#[derive(Debug, Clone, Default)]
pub(super) enum Names {
    #[default]
    None,
    One(Ino, Name),
    Many(OrdSet<(Ino, Name)>),
}

impl Names {
    pub(super) fn add(&mut self, dir: Ino, name: &Name) {
        let name = Name::clone(name);
        match self {
            Self::None => *self = Self::One(dir, name),
            Self::One(first_dir, first) => {
                let both = [(*first_dir, Name::clone(first)), (dir, name)];
                *self = Self::Many(both.into_iter().collect());
            }
            Self::Many(many) => {
                many.insert((dir, name));
            }
        }
    }

    pub(super) fn remove(&mut self, dir: Ino, name: &Name) {
        match self {
            Self::None => {}
            Self::One(only_dir, only) => {
                if *only_dir == dir && only == name {
                    *self = Self::None;
                }
            }
            Self::Many(many) => {
                many.remove(&(dir, Name::clone(name)));
                if let (1, Some((dir, name))) = (many.len(), many.get_min()) {
                    *self = Self::One(*dir, Name::clone(name));
                }
            }
        }
    }

    pub(super) fn any(&self) -> Option<(Ino, Vec<u8>)> {
        match self {
            Self::None => None,
            Self::One(dir, name) => Some((*dir, name.to_vec())),
            Self::Many(many) => many.get_min().map(|(dir, name)| (*dir, name.to_vec())),
        }
    }
}
