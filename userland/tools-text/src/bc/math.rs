//! The functions of `bc -l`, by series with some digits to spare.

use super::number::Number;

/// Digits computed beyond those asked for.
const SPARE: usize = 12;
/// Largest scale of the functions: series take more than linear time.
const SCALE_LIMIT: usize = 20_000;

type Outcome = Result<Number, String>;

fn checked(scale: usize) -> Result<usize, String> {
    if scale > SCALE_LIMIT {
        Err(format!("scale exceeds the limit of {SCALE_LIMIT} for functions"))
    } else {
        Ok(scale)
    }
}

/// Cuts off behind `scale` digits what is right but for its last few: an error in those must not show as nines.
fn cut(value: &Number, scale: usize) -> Outcome {
    let tiny = Number::one().divide(
        &Number::from(10).power(&Number::from((scale + SPARE / 2) as i64), 0)?,
        scale + SPARE / 2,
    )?;
    Ok(if value.is_negative() {
        value.sub(&tiny)
    } else {
        value.add(&tiny)
    }
    .with_scale(scale))
}

fn small(value: &Number, precision: usize) -> bool {
    value.with_scale(precision).is_zero()
}

/// e to the power of `x`.
pub fn exp(x: &Number, scale: usize) -> Outcome {
    let size = x
        .to_i64()
        .filter(|size| size.abs() < 200_000)
        .ok_or("exponent too large in e")?;
    // Large results need digits before the point too.
    let extra = if size > 0 {
        usize::try_from(size * 44 / 100).unwrap_or(0)
    } else {
        0
    };
    let precision = checked(scale)? + SPARE + extra;
    // Halved until small, then squared back.
    let mut halvings = 0;
    let mut y = x.with_scale(precision + 8);
    let half = Number::from(2);
    while y.with_scale(0).to_i64().is_none_or(|whole| whole != 0)
        || y.with_scale(1).digits().magnitude() > Number::one().digits().magnitude()
    {
        y = y.divide(&half, precision + 8)?;
        halvings += 1;
    }
    let precision = precision + halvings;
    y = y.with_scale(precision);
    let mut sum = Number::one().with_scale(precision);
    let mut term = Number::one().with_scale(precision);
    let mut n = 1;
    loop {
        term = term
            .multiply(&y, precision)
            .with_scale(precision)
            .divide(&Number::from(n), precision)?;
        if small(&term, precision) {
            break;
        }
        sum = sum.add(&term);
        n += 1;
    }
    for _ in 0..halvings {
        sum = sum.multiply(&sum, precision).with_scale(precision);
    }
    cut(&sum, scale)
}

/// Natural logarithm.
pub fn ln(x: &Number, scale: usize) -> Outcome {
    if x.is_zero() || x.is_negative() {
        // What the original gives.
        let huge = Number::from(10).power(&Number::from(scale as i64), 0)?;
        return Number::one().sub(&huge).divide(&Number::one(), scale);
    }
    let precision = checked(scale)? + SPARE;
    // Roots until near 1, doubled back.
    let mut y = x.with_scale(precision.max(x.scale()));
    let mut factor = Number::from(2);
    let (low, high) = (Number::parse("0.9", 10), Number::parse("1.1", 10));
    let mut rounds = 0;
    let inner = precision + 8;
    while y.compare(&low).is_lt() || y.compare(&high).is_gt() {
        y = y.sqrt(inner)?;
        factor = factor.multiply(&Number::from(2), 0);
        rounds += 1;
        if rounds > 4000 {
            return Err("argument out of range in l".to_owned());
        }
    }
    let inner = inner + rounds / 3;
    let z = y.sub(&Number::one()).divide(&y.add(&Number::one()), inner)?;
    let square = z.multiply(&z, inner).with_scale(inner);
    let mut power = z.clone();
    let mut sum = z;
    let mut n = 3;
    loop {
        power = power.multiply(&square, inner).with_scale(inner);
        let term = power.divide(&Number::from(n), inner)?;
        if small(&term, inner) {
            break;
        }
        sum = sum.add(&term);
        n += 2;
    }
    cut(&sum.multiply(&factor, inner), scale)
}

/// Arc tangent.
pub fn atan(x: &Number, scale: usize) -> Outcome {
    let precision = checked(scale)? + SPARE;
    let mut y = x.with_scale(precision.max(x.scale()));
    let mut doublings = 0;
    let limit = Number::parse("0.2", 10);
    while magnitude(&y).compare(&limit).is_gt() {
        // atan x = 2 atan (x / (1 + sqrt (1 + x^2)))
        let root = y.multiply(&y, precision + 4).add(&Number::one()).sqrt(precision + 4)?;
        y = y.divide(&root.add(&Number::one()), precision + 4)?;
        doublings += 1;
    }
    let square = y.multiply(&y, precision + 4).with_scale(precision + 4);
    let mut power = y.clone();
    let mut sum = y;
    let mut n = 3;
    let mut minus = true;
    loop {
        power = power.multiply(&square, precision + 4).with_scale(precision + 4);
        let term = power.divide(&Number::from(n), precision + 4)?;
        if small(&term, precision + 4) {
            break;
        }
        sum = if minus { sum.sub(&term) } else { sum.add(&term) };
        minus = !minus;
        n += 2;
    }
    let factor = Number::from(2).power(&Number::from(doublings), 0)?;
    cut(&sum.multiply(&factor, precision), scale)
}

fn magnitude(x: &Number) -> Number {
    if x.is_negative() { x.negate() } else { x.clone() }
}

/// Sine.
pub fn sin(x: &Number, scale: usize) -> Outcome {
    let precision = checked(scale)? + SPARE + x.length();
    let pi = atan(&Number::one(), precision)?.multiply(&Number::from(4), precision);
    let turn = pi.multiply(&Number::from(2), precision);
    let turns = x.divide(&turn, 0)?;
    let mut y = x
        .with_scale(precision)
        .sub(&turn.multiply(&turns, precision))
        .with_scale(precision);
    // Into half a turn around zero.
    if y.compare(&pi).is_gt() {
        y = y.sub(&turn);
    } else if y.compare(&pi.negate()).is_lt() {
        y = y.add(&turn);
    }
    let square = y.multiply(&y, precision).with_scale(precision);
    let mut term = y.clone();
    let mut sum = y;
    let mut n = 2;
    loop {
        term = term
            .multiply(&square, precision)
            .with_scale(precision)
            .divide(&Number::from(n * (n + 1)), precision)?
            .negate();
        if small(&term, precision) {
            break;
        }
        sum = sum.add(&term);
        n += 2;
    }
    cut(&sum, scale)
}

/// Cosine.
pub fn cos(x: &Number, scale: usize) -> Outcome {
    let precision = checked(scale)? + SPARE + x.length();
    let quarter = atan(&Number::one(), precision)?.multiply(&Number::from(2), precision);
    sin(&x.with_scale(precision.max(x.scale())).add(&quarter), scale)
}

/// Bessel function of whole order.
pub fn bessel(order: &Number, x: &Number, scale: usize) -> Outcome {
    let order = order
        .to_i64()
        .filter(|order| order.abs() < 1000)
        .ok_or("order out of range in j")?;
    let precision = checked(scale)? + SPARE + x.length() * 2 + 10;
    let negative = order < 0 && order % 2 != 0;
    let n = order.abs();
    let half = x
        .with_scale(precision.max(x.scale()))
        .divide(&Number::from(2), precision)?;
    let square = half.multiply(&half, precision).with_scale(precision);
    let mut term = Number::one().with_scale(precision);
    for k in 1..=n {
        term = term
            .multiply(&half, precision)
            .with_scale(precision)
            .divide(&Number::from(k), precision)?;
    }
    let mut sum = term.clone();
    let mut k = 1;
    loop {
        term = term
            .multiply(&square, precision)
            .with_scale(precision)
            .divide(&Number::from(k * (k + n)), precision)?
            .negate();
        if small(&term, precision) {
            break;
        }
        sum = sum.add(&term);
        k += 1;
    }
    let sum = if negative { sum.negate() } else { sum };
    cut(&sum, scale)
}
