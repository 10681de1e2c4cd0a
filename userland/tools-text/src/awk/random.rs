//! `rand`: a small generator, the same sequence for the same seed.

/// A generator of the xorshift family.
pub struct Random {
    state: u64,
    /// The seed, as `srand` reports it.
    pub seed: f64,
}

impl Random {
    /// A generator started with `seed`.
    pub fn new(seed: i64) -> Self {
        // A step of splitmix spreads neighbouring seeds and never yields zero for long.
        let mut mixed = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self {
            state: (mixed ^ (mixed >> 31)) | 1,
            seed: seed as f64,
        }
    }

    /// The next number from 0 up to but not including 1.
    pub fn next(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}
