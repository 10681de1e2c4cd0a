//! What somebody may have meant who wrote a name that does not exist.

use super::table::{Field, Limits, RENAMED};

/// A known name for the unknown one at `path`, whose last part is `name`: the present name of an older one, the same field in
/// its group, or one that is spelled nearly the same. A field of the same group is given by its name, others by their path.
pub(super) fn nearest(path: &str, name: &str) -> Option<String> {
    let group = path
        .strip_prefix("limits.")
        .and_then(|rest| rest.split_once('.'))
        .map(|(group, _)| group);
    let written = |field: &'static Field| match group {
        Some(group) if group != field.group() => field.path.to_owned(),
        _ => field.name().to_owned(),
    };
    let renamed = RENAMED.iter().find(|(old, _)| old.eq_ignore_ascii_case(name));
    if let Some(field) = renamed.and_then(|(_, path)| Limits::FIELDS.iter().find(|field| field.path == *path)) {
        return Some(written(field));
    }
    let is_group = path.strip_prefix("limits.").is_some_and(|rest| !rest.contains('.'));
    if is_group {
        let groups = Limits::FIELDS.iter().map(Field::group);
        if let Some(group) = groups
            .filter(|group| close(group, name))
            .min_by_key(|group| distance(group, name))
        {
            return Some(group.to_owned());
        }
    }
    let fields = Limits::FIELDS.iter().filter(|field| close(field.name(), name));
    let best = fields.min_by_key(|field| (distance(field.name(), name), group != Some(field.group())));
    best.map(|field| {
        if is_group {
            field.path.to_owned()
        } else {
            written(field)
        }
    })
}

/// Whether two names differ by so little that one may be meant for the other.
fn close(known: &str, name: &str) -> bool {
    distance(known, name) <= (known.len() / 3).max(2)
}

/// Edit distance, not counting case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
