//! Which lines differ.
//!
//! The shortest edit script is found by the linear-space form of Myers' algorithm: searches from both ends meet in the
//! middle of an optimal path, which splits the problem in two. Lines that the other side does not have at all are set
//! aside first. Runs of changes are then moved to where readers expect them: as far down as they go, unless a run of the
//! other side stands opposite.

/// Changed lines of both sides.
pub(super) struct Changed {
    pub(super) from: Vec<bool>,
    pub(super) to: Vec<bool>,
}

/// A run of changes: lines deleted from one side and inserted from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: usize,
    pub(super) deleted: usize,
    pub(super) to: usize,
    pub(super) inserted: usize,
}

/// Beyond this cost the search takes what it has, so that files with little in common end in reasonable time.
const MOST_COST: usize = 4096;

/// The changes that make `from` into `to`.
pub(super) fn changes(from: &[u32], to: &[u32]) -> Vec<Change> {
    let changed = compare(from, to);
    let mut found = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < from.len() || b < to.len() {
        let (start_a, start_b) = (a, b);
        while changed.from.get(a) == Some(&true) {
            a += 1;
        }
        while changed.to.get(b) == Some(&true) {
            b += 1;
        }
        if a > start_a || b > start_b {
            found.push(Change {
                from: start_a,
                deleted: a - start_a,
                to: start_b,
                inserted: b - start_b,
            });
        }
        a += 1;
        b += 1;
    }
    found
}

fn compare(from: &[u32], to: &[u32]) -> Changed {
    let mut changed = Changed {
        from: vec![true; from.len()],
        to: vec![true; to.len()],
    };
    let prefix = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let most = from.len().min(to.len()) - prefix;
    let suffix = from
        .iter()
        .rev()
        .zip(to.iter().rev())
        .take(most)
        .take_while(|(a, b)| a == b)
        .count();
    for (side, length) in [(&mut changed.from, from.len()), (&mut changed.to, to.len())] {
        side[..prefix].fill(false);
        side[length - suffix..].fill(false);
    }
    let kept = |side: &[u32], other: &[u32]| -> Vec<(usize, u32)> {
        let present: std::collections::HashSet<u32> = other[prefix..other.len() - suffix].iter().copied().collect();
        let middle = side.iter().copied().enumerate().take(side.len() - suffix).skip(prefix);
        middle.filter(|(_, line)| present.contains(line)).collect()
    };
    let (a, b) = (kept(from, to), kept(to, from));
    let diagonals = a.len() + b.len() + 3;
    let mut search = Search {
        a: &a,
        b: &b,
        offset: b.len() as isize + 1,
        forward: vec![0; diagonals],
        backward: vec![0; diagonals],
        changed: &mut changed,
    };
    search.run(0, a.len(), 0, b.len());
    settle(&mut changed.from, &changed.to, from);
    settle(&mut changed.to, &changed.from, to);
    changed
}

struct Search<'a> {
    a: &'a [(usize, u32)],
    b: &'a [(usize, u32)],
    /// Where diagonal 0 stands in the tables.
    offset: isize,
    forward: Vec<isize>,
    backward: Vec<isize>,
    changed: &'a mut Changed,
}

impl Search<'_> {
    fn equal(&self, x: isize, y: isize) -> bool {
        self.a[x as usize].1 == self.b[y as usize].1
    }

    /// Marks the lines of an optimal path through a rectangle as unchanged. A stack stands for recursion.
    fn run(&mut self, x0: usize, x1: usize, y0: usize, y1: usize) {
        let mut stack = vec![(x0 as isize, x1 as isize, y0 as isize, y1 as isize)];
        while let Some((mut x0, mut x1, mut y0, mut y1)) = stack.pop() {
            while x0 < x1 && y0 < y1 && self.equal(x0, y0) {
                self.keep(x0, y0);
                x0 += 1;
                y0 += 1;
            }
            while x0 < x1 && y0 < y1 && self.equal(x1 - 1, y1 - 1) {
                x1 -= 1;
                y1 -= 1;
                self.keep(x1, y1);
            }
            if x0 < x1 && y0 < y1 {
                let (x, y) = self.middle(x0, x1, y0, y1);
                stack.push((x, x1, y, y1));
                stack.push((x0, x, y0, y));
            }
        }
    }

    fn keep(&mut self, x: isize, y: isize) {
        self.changed.from[self.a[x as usize].0] = false;
        self.changed.to[self.b[y as usize].0] = false;
    }

    /// A point on an optimal path, where the searches from both corners meet.
    fn middle(&mut self, x0: isize, x1: isize, y0: isize, y1: isize) -> (isize, isize) {
        let at = |diagonal: isize, offset: isize| (diagonal + offset) as usize;
        let offset = self.offset;
        let (lowest, highest) = (x0 - y1, x1 - y0);
        let (start, end) = (x0 - y0, x1 - y1);
        let (mut fmin, mut fmax, mut bmin, mut bmax) = (start, start, end, end);
        let odd = (start - end) % 2 != 0;
        self.forward[at(start, offset)] = x0;
        self.backward[at(end, offset)] = x1;
        let mut cost = 0;
        loop {
            cost += 1;
            if fmin > lowest {
                fmin -= 1;
                self.forward[at(fmin - 1, offset)] = -1;
            } else {
                fmin += 1;
            }
            if fmax < highest {
                fmax += 1;
                self.forward[at(fmax + 1, offset)] = -1;
            } else {
                fmax -= 1;
            }
            let mut d = fmax;
            while d >= fmin {
                let (low, high) = (self.forward[at(d - 1, offset)], self.forward[at(d + 1, offset)]);
                let mut x = if low < high { high } else { low + 1 };
                let mut y = x - d;
                while x < x1 && y < y1 && self.equal(x, y) {
                    x += 1;
                    y += 1;
                }
                self.forward[at(d, offset)] = x;
                if odd && (bmin..=bmax).contains(&d) && self.backward[at(d, offset)] <= x {
                    return (x, y);
                }
                d -= 2;
            }
            if bmin > lowest {
                bmin -= 1;
                self.backward[at(bmin - 1, offset)] = isize::MAX;
            } else {
                bmin += 1;
            }
            if bmax < highest {
                bmax += 1;
                self.backward[at(bmax + 1, offset)] = isize::MAX;
            } else {
                bmax -= 1;
            }
            let mut d = bmax;
            while d >= bmin {
                let (low, high) = (self.backward[at(d - 1, offset)], self.backward[at(d + 1, offset)]);
                let mut x = if low < high { low } else { high - 1 };
                let mut y = x - d;
                while x > x0 && y > y0 && self.equal(x - 1, y - 1) {
                    x -= 1;
                    y -= 1;
                }
                self.backward[at(d, offset)] = x;
                if !odd && (fmin..=fmax).contains(&d) && x <= self.forward[at(d, offset)] {
                    return (x, y);
                }
                d -= 2;
            }
            if cost >= MOST_COST {
                return self.farthest(fmin, fmax, (x0, x1, y0, y1));
            }
        }
    }

    /// The point that the search from the start got farthest to.
    fn farthest(&self, fmin: isize, fmax: isize, (x0, x1, y0, y1): (isize, isize, isize, isize)) -> (isize, isize) {
        let mut best = (x0, y0);
        let mut d = fmax;
        while d >= fmin {
            let x = self.forward[(d + self.offset) as usize].min(x1);
            let (x, y) = if x - d > y1 { (y1 + d, y1) } else { (x, x - d) };
            if x >= x0 && y >= y0 && x + y > best.0 + best.1 {
                best = (x, y);
            }
            d -= 2;
        }
        best
    }
}

/// Moves runs of changes of one side: together where they can meet, down as far as equal lines let them, and back up to
/// where the other side changed too.
fn settle(changed: &mut [bool], other: &[bool], lines: &[u32]) {
    let end = changed.len();
    let other_at = |j: isize| {
        usize::try_from(j)
            .ok()
            .and_then(|j| other.get(j))
            .copied()
            .unwrap_or(false)
    };
    let (mut i, mut j) = (0_usize, 0_isize);
    loop {
        // Lines that stand unchanged on both sides go together.
        while i < end && !changed[i] {
            while other_at(j) {
                j += 1;
            }
            j += 1;
            i += 1;
        }
        if i == end {
            return;
        }
        let mut start = i;
        while i < end && changed[i] {
            i += 1;
        }
        while other_at(j) {
            j += 1;
        }
        let mut opposite;
        loop {
            let length = i - start;
            while start > 0 && lines[start - 1] == lines[i - 1] {
                start -= 1;
                changed[start] = true;
                i -= 1;
                changed[i] = false;
                while start > 0 && changed[start - 1] {
                    start -= 1;
                }
                j -= 1;
                while other_at(j) {
                    j -= 1;
                }
            }
            opposite = if other_at(j - 1) { i } else { end + 1 };
            while i < end && lines[start] == lines[i] {
                changed[start] = false;
                start += 1;
                changed[i] = true;
                i += 1;
                while i < end && changed[i] {
                    i += 1;
                }
                j += 1;
                while other_at(j) {
                    opposite = i;
                    j += 1;
                }
            }
            if i - start == length {
                break;
            }
        }
        while opposite < i {
            start -= 1;
            changed[start] = true;
            i -= 1;
            changed[i] = false;
            j -= 1;
            while other_at(j) {
                j -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: &str, to: &str) -> Vec<(usize, usize, usize, usize)> {
        let numbers = |text: &str| text.chars().map(u32::from).collect::<Vec<_>>();
        let found = changes(&numbers(from), &numbers(to));
        found.iter().map(|c| (c.from, c.deleted, c.to, c.inserted)).collect()
    }

    /// Applying the changes to one side gives the other.
    fn check(from: &str, to: &str) {
        let (a, b): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
        let (mut out, mut at) = (Vec::new(), 0);
        for (start, deleted, there, inserted) in of(from, to) {
            out.extend_from_slice(&a[at..start]);
            out.extend_from_slice(&b[there..there + inserted]);
            at = start + deleted;
        }
        out.extend_from_slice(&a[at..]);
        assert_eq!(out, b, "{from} {to}");
    }

    #[test]
    fn scripts_are_shortest_and_settled() {
        assert_eq!(of("abc", "abc"), []);
        assert_eq!(of("", "ab"), [(0, 0, 0, 2)]);
        assert_eq!(of("abcd", "acd"), [(1, 1, 1, 0)]);
        assert_eq!(of("aab", "aaab"), [(2, 0, 2, 1)]);
        assert_eq!(of("abcabba", "cbabac").iter().map(|c| c.1 + c.3).sum::<usize>(), 5);
    }

    #[test]
    fn any_two_texts_can_be_made_into_each_other() {
        let mut state = 7_u32;
        let mut next = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16 & 0x7fff & (most - 1)
        };
        for _ in 0..500 {
            let mut text = |length: u32| {
                (0..length)
                    .map(|_| char::from(b'a' + next(4) as u8))
                    .collect::<String>()
            };
            let (from, to) = (text(13), text(11));
            check(&from, &to);
        }
    }
}
