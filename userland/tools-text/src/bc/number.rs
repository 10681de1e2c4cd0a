//! Decimal numbers of any precision: an integer and how many of its digits stand behind the point.

use num_bigint::{BigInt, BigUint, Sign};
use std::cmp::Ordering;

/// Most digits of a number.
pub const DIGIT_LIMIT: usize = 1_000_000;

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    digits: BigInt,
    scale: usize,
}

/// Ten to a power.
fn ten(power: usize) -> BigInt {
    BigInt::from(10).pow(u32::try_from(power.min(DIGIT_LIMIT)).unwrap_or(0))
}

impl Number {
    /// Zero.
    pub fn zero() -> Self {
        Self {
            digits: BigInt::ZERO,
            scale: 0,
        }
    }

    /// One.
    pub fn one() -> Self {
        Self::from(1)
    }

    /// Digits behind the point.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// The number times ten to the power of its scale.
    pub fn digits(&self) -> &BigInt {
        &self.digits
    }

    /// Digits without leading zeros, both sides of the point.
    pub fn length(&self) -> usize {
        if self.is_zero() {
            self.scale.max(1)
        } else {
            self.digits.magnitude().to_string().len().max(self.scale)
        }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.sign() == Sign::NoSign
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.digits.sign() == Sign::Minus
    }

    /// As many digits behind the point as given: more are cut off, missing ones are zeros.
    pub fn with_scale(&self, scale: usize) -> Self {
        let digits = match scale.cmp(&self.scale) {
            Ordering::Equal => self.digits.clone(),
            Ordering::Greater => &self.digits * ten(scale - self.scale),
            Ordering::Less => &self.digits / ten(self.scale - scale),
        };
        Self { digits, scale }
    }

    /// The whole part as a machine number, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(&self.digits / ten(self.scale)).ok()
    }

    fn aligned(&self, other: &Self) -> (BigInt, BigInt, usize) {
        let scale = self.scale.max(other.scale);
        (self.with_scale(scale).digits, other.with_scale(scale).digits, scale)
    }

    /// Sum.
    pub fn add(&self, other: &Self) -> Self {
        let (a, b, scale) = self.aligned(other);
        Self { digits: a + b, scale }
    }

    /// Difference.
    pub fn sub(&self, other: &Self) -> Self {
        let (a, b, scale) = self.aligned(other);
        Self { digits: a - b, scale }
    }

    /// The number with the other sign.
    pub fn negate(&self) -> Self {
        Self {
            digits: -&self.digits,
            scale: self.scale,
        }
    }

    /// Product, with the scale that the language asks for.
    pub fn multiply(&self, other: &Self, scale: usize) -> Self {
        let full = self.scale + other.scale;
        let wanted = full.min(scale.max(self.scale).max(other.scale));
        Self {
            digits: &self.digits * &other.digits,
            scale: full,
        }
        .with_scale(wanted)
    }

    /// Quotient, cut off behind `scale` digits.
    ///
    /// # Errors
    ///
    /// For a divisor of zero.
    pub fn divide(&self, other: &Self, scale: usize) -> Result<Self, String> {
        if other.is_zero() {
            return Err("Divide by zero".to_owned());
        }
        let up = scale + other.scale;
        let digits = if up >= self.scale {
            &self.digits * ten(up - self.scale) / &other.digits
        } else {
            &self.digits / ten(self.scale - up) / &other.digits
        };
        Ok(Self { digits, scale })
    }

    /// Remainder of the division with `scale` digits.
    ///
    /// # Errors
    ///
    /// For a divisor of zero.
    pub fn modulo(&self, other: &Self, scale: usize) -> Result<Self, String> {
        let quotient = self.divide(other, scale)?;
        let wanted = self.scale.max(scale + other.scale);
        let product = Self {
            digits: &quotient.digits * &other.digits,
            scale: quotient.scale + other.scale,
        };
        Ok(self.sub(&product).with_scale(wanted))
    }

    /// A whole power.
    ///
    /// # Errors
    ///
    /// For a result that is too large, and for zero to a negative power.
    pub fn power(&self, exponent: &Self, scale: usize) -> Result<Self, String> {
        let power = exponent.to_i64().ok_or("exponent too large in raise")?;
        let count = usize::try_from(power.unsigned_abs()).map_err(|_| "exponent too large in raise")?;
        if self.length().saturating_mul(count) > DIGIT_LIMIT
            && !self.is_zero()
            && self.digits.magnitude() != &BigUint::from(1u8)
        {
            return Err(format!("result exceeds the limit of {DIGIT_LIMIT} digits"));
        }
        let exact = Self {
            digits: self
                .digits
                .pow(u32::try_from(count).map_err(|_| "exponent too large in raise")?),
            scale: self.scale * count,
        };
        if power < 0 {
            return Self::one().divide(&exact, scale);
        }
        let wanted = exact.scale.min(scale.max(self.scale));
        Ok(exact.with_scale(wanted))
    }

    /// Square root, cut off behind `scale` digits, or as many as the number has.
    ///
    /// # Errors
    ///
    /// For a number below zero.
    pub fn sqrt(&self, scale: usize) -> Result<Self, String> {
        if self.is_negative() {
            return Err("Square root of a negative number".to_owned());
        }
        let scale = scale.max(self.scale);
        let digits = self.with_scale(2 * scale).digits;
        Ok(Self {
            digits: digits.sqrt(),
            scale,
        })
    }

    /// Order by value.
    pub fn compare(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }

    /// Reads digits in a base from 2 to 16; a single digit may be larger than the base.
    pub fn parse(text: &str, base: u32) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let single = whole.len() + fraction.len() == 1;
        let digit = |c: char| {
            let value = c.to_digit(36).unwrap_or(0);
            if single { value } else { value.min(base - 1) }
        };
        if base == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            let all: String = [whole, fraction].concat();
            let digits = BigInt::parse_bytes(all.as_bytes(), 10).unwrap_or_default();
            return Self {
                digits,
                scale: fraction.len(),
            };
        }
        let mut digits = BigInt::ZERO;
        for c in whole.chars().chain(fraction.chars()) {
            digits = digits * base + digit(c);
        }
        let divisor = BigInt::from(base).pow(u32::try_from(fraction.len()).unwrap_or(0));
        Self {
            digits: digits * ten(fraction.len()) / divisor,
            scale: fraction.len(),
        }
    }

    /// The number in a base of 2 or more.
    pub fn format(&self, base: u64) -> String {
        let sign = if self.is_negative() { "-" } else { "" };
        if base == 10 {
            let text = self.digits.magnitude().to_string();
            if self.scale == 0 {
                return format!("{sign}{text}");
            }
            let text = format!("{text:0>width$}", width = self.scale);
            let (whole, fraction) = text.split_at(text.len() - self.scale);
            let zero = self.is_zero();
            return if zero {
                "0".to_owned()
            } else {
                format!("{sign}{whole}.{fraction}")
            };
        }
        let unit = ten(self.scale).magnitude().clone();
        let whole = self.digits.magnitude() / &unit;
        let mut fraction = self.digits.magnitude() % &unit;
        let mut places: Vec<u64> = Vec::new();
        let mut rest = whole;
        while rest != BigUint::ZERO {
            places.push(u64::try_from(&rest % base).unwrap_or(0));
            rest /= base;
        }
        let width = if base > 16 { (base - 1).to_string().len() } else { 0 };
        let show = |place: u64| match width {
            0 => char::from_digit(place as u32, 16)
                .unwrap_or('?')
                .to_ascii_uppercase()
                .to_string(),
            _ => format!(" {place:0width$}"),
        };
        let mut out = sign.to_owned();
        if places.is_empty() && (self.scale == 0 || width > 0) {
            out.push_str(&show(0));
        }
        places.iter().rev().for_each(|&place| out.push_str(&show(place)));
        if self.scale > 0 {
            out.push('.');
            // As many places as the fraction has digits' worth of precision.
            let mut worth = BigUint::from(1u8);
            while worth < unit {
                fraction *= base;
                let place = u64::try_from(&fraction / &unit).unwrap_or(0);
                out.push_str(&show(place));
                fraction %= &unit;
                worth *= base;
            }
        }
        out
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self {
            digits: BigInt::from(value),
            scale: 0,
        }
    }
}
