//! Where in a directory a guest is, as a number that the host keeps.
//!
//! A guest's position is that of the host's empty directory, which its descriptors share as they share everything else. Positions
//! of the VM's filesystems are numbers that mean something to them alone; nearly all are small enough to be the host's as they
//! are, and nothing is kept of them, however large a directory is. Those of some filesystems of the host (hashes of 63 bits, and
//! twice that where layers lie over one another) are too large; they are kept, and the host's position is a place in that table.

/// The first position that stands for a place in the table.
const FIRST: u64 = 1 << 62;
/// Large positions of one open directory that are kept; then all but the last are forgotten, and whoever goes back to one of them finds the end.
const POSITIONS_MAX: usize = 1 << 16;

/// The large positions of one open directory.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    large: Vec<u64>,
    /// Where in the table the next one is, if it has been seen before; none if that is to be looked for.
    next: Option<usize>,
}

impl Positions {
    /// What the guest's position means, from where it lists on; none if nothing any more.
    pub(crate) fn start(&mut self, guest: u64) -> Option<u64> {
        let Some(place) = guest.checked_sub(FIRST) else {
            self.next = None;
            return Some(guest);
        };
        let place = usize::try_from(place).ok()?;
        self.next = Some(place + 1);
        self.large.get(place).copied()
    }

    /// What the guest's position is to be for one of the filesystem's.
    pub(crate) fn tell(&mut self, position: u64) -> u64 {
        if position < FIRST {
            return position;
        }
        let is = |place: &usize| self.large.get(*place) == Some(&position);
        let known = match self.next {
            Some(next) => Some(next).filter(is),
            // Whoever goes back meets the same ones again, mostly.
            None => self.large.iter().position(|known| *known == position),
        };
        let place = known.unwrap_or_else(|| self.add(position));
        self.next = Some(place + 1);
        FIRST + place as u64
    }

    fn add(&mut self, position: u64) -> usize {
        if self.large.len() >= POSITIONS_MAX {
            self.large = Vec::new();
        }
        self.large.push(position);
        self.large.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_are_themselves_and_large_ones_are_found_again() {
        let mut positions = Positions::default();
        for small in [0, 1, 17, FIRST - 1] {
            assert_eq!((positions.tell(small), positions.start(small)), (small, Some(small)));
        }
        assert!(positions.large.is_empty());
        let large = [FIRST, FIRST + 5, u64::MAX, FIRST + 2];
        let told = large.map(|position| positions.tell(position));
        assert!(told.iter().all(|guest| i64::try_from(*guest).is_ok()));
        assert_eq!(told.map(|guest| positions.start(guest)), large.map(Some));
        // From the beginning, and from the middle.
        assert_eq!(positions.start(0), Some(0));
        assert_eq!(large.map(|position| positions.tell(position)), told);
        assert_eq!(positions.start(told[1]), Some(large[1]));
        assert_eq!(positions.tell(large[2]), told[2]);
        assert_eq!(positions.tell(large[3]), told[3]);
        assert_eq!(positions.large.len(), 4);
        assert_eq!([FIRST + 4, u64::MAX].map(|guest| positions.start(guest)), [None, None]);
        // What is between two that were seen is new.
        assert_eq!(positions.start(told[1]), Some(large[1]));
        let between = positions.tell(FIRST + 7);
        assert_eq!(positions.start(between), Some(FIRST + 7));
    }

    #[test]
    fn no_directory_is_large_enough_to_fill_more_than_the_table() {
        let mut positions = Positions::default();
        for position in 0..3 * POSITIONS_MAX as u64 {
            let guest = positions.tell(FIRST + 2 * position);
            assert_eq!(positions.start(guest), Some(FIRST + 2 * position));
            assert!(positions.large.len() <= POSITIONS_MAX);
        }
    }
}
