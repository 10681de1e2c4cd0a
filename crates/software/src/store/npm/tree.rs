//! Where packages of npm lie so that each finds the versions that it asks for.
//!
//! Node looks a package up in `node_modules` of the directory of whoever asks, then of the one above, up to the root. A
//! version is placed as high as it can be: where another version has the name already, or somebody below would from now on
//! find what it did not ask for, it lies deeper.

use super::document::Wanted;
use std::collections::{BTreeMap, HashMap};

/// Number of a place in its tree. The root is 0.
pub(super) type Index = usize;
/// The root: the package that was asked for.
pub(super) const ROOT: Index = 0;

/// A package in its place.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What it is called where it lies.
    pub(super) name: String,
    /// What it is.
    pub(super) package: String,
    pub(super) version: String,
    pub(super) tarball: String,
    pub(super) integrity: Option<String>,
    /// Nobody needs it who is not optional himself.
    pub(super) optional: bool,
    parent: Option<Index>,
    children: BTreeMap<String, Index>,
}

impl Place {
    pub(super) fn new(name: &str, package: &str, version: &str, optional: bool) -> Self {
        Self {
            name: name.to_owned(),
            package: package.to_owned(),
            version: version.to_owned(),
            tarball: String::new(),
            integrity: None,
            optional,
            parent: None,
            children: BTreeMap::new(),
        }
    }
}

/// Something that a package asks for, and where it finds it.
#[derive(Debug)]
struct Edge {
    /// Whose directory is looked into first.
    from: Index,
    wanted: Wanted,
    found: Index,
}

/// A tree of packages.
#[derive(Debug)]
pub(super) struct Tree {
    places: Vec<Place>,
    edges: HashMap<String, Vec<Edge>>,
}

impl Tree {
    pub(super) fn new(root: Place) -> Self {
        Self {
            places: vec![root],
            edges: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn place(&self, index: Index) -> Option<&Place> {
        self.places.get(index)
    }

    /// A directory and those above it.
    fn up(&self, from: Index) -> impl Iterator<Item = Index> + '_ {
        std::iter::successors(Some(from), |at| self.places.get(*at)?.parent)
    }

    /// Where peers of a package are looked for: beside it, or in the root where nothing is beside it.
    pub(super) fn beside(&self, index: Index) -> Index {
        self.place(index).and_then(|place| place.parent).unwrap_or(ROOT)
    }

    /// Directories above a package.
    pub(super) fn depth(&self, index: Index) -> u64 {
        self.up(index).skip(1).count() as u64
    }

    /// What somebody finds under a name.
    pub(super) fn find(&self, from: Index, name: &str) -> Option<Index> {
        self.up(from)
            .find_map(|at| self.places.get(at)?.children.get(name).copied())
    }

    /// Remembers that somebody has found what he asks for, so that nothing else comes between. Whoever is needed is optional no
    /// more; returns those of whom that is news.
    pub(super) fn uses(&mut self, from: Index, name: &str, wanted: Wanted, found: Index) {
        let edge = Edge { from, wanted, found };
        self.edges.entry(name.to_owned()).or_default().push(edge);
    }

    /// Somebody needs a package who is not optional. Whether that is news.
    pub(super) fn need(&mut self, index: Index) -> bool {
        self.places
            .get_mut(index)
            .is_some_and(|place| std::mem::replace(&mut place.optional, false))
    }

    /// Puts a package where `from` finds it, as high as it can be.
    pub(super) fn put(&mut self, from: Index, mut place: Place) -> Index {
        let mut highest = from;
        for at in self.up(from) {
            let taken = self
                .places
                .get(at)
                .is_some_and(|other| other.children.contains_key(&place.name));
            if taken {
                break;
            }
            if !self.hides(at, &place) {
                highest = at;
            }
        }
        let index = self.places.len();
        place.parent = Some(highest);
        let name = place.name.clone();
        let version = place.version.clone();
        self.places.push(place);
        if let Some(parent) = self.places.get_mut(highest) {
            parent.children.insert(name.clone(), index);
        }
        self.redirect(highest, &name, &version, index);
        index
    }

    /// Whether somebody who is content now would find this in place of what he asks for.
    fn hides(&self, at: Index, place: &Place) -> bool {
        let edges = self.edges.get(&place.name).into_iter().flatten();
        edges
            .filter(|edge| self.passes(edge, at))
            .any(|edge| edge.wanted.package != place.package || !edge.wanted.accepts(&place.version, None))
    }

    /// Whether a look-up goes through a directory before it finds something.
    fn passes(&self, edge: &Edge, at: Index) -> bool {
        let holder = self.place(edge.found).and_then(|place| place.parent);
        self.up(edge.from)
            .take_while(|step| Some(*step) != holder)
            .any(|step| step == at)
    }

    /// Those who find a new package from now on.
    fn redirect(&mut self, at: Index, name: &str, version: &str, index: Index) {
        let edges = self.edges.get(name).map_or(&[][..], Vec::as_slice);
        let passing = edges.iter().enumerate().filter(|(_, edge)| self.passes(edge, at));
        let passing: Vec<usize> = passing
            .filter(|(_, edge)| edge.wanted.accepts(version, None))
            .map(|(number, _)| number)
            .collect();
        for edge in self.edges.get_mut(name).into_iter().flatten().enumerate() {
            if passing.contains(&edge.0) {
                edge.1.found = index;
            }
        }
    }

    /// All packages but the root with their paths below it, sorted.
    pub(super) fn paths(&self) -> Vec<(String, &Place)> {
        let path = |index: Index| {
            let mut names: Vec<&str> = self.up(index).filter_map(|at| self.named(at)).collect();
            names.reverse();
            names
                .iter()
                .map(|name| format!("node_modules/{name}"))
                .collect::<Vec<_>>()
                .join("/")
        };
        let places = self.places.iter().enumerate().skip(1);
        let mut paths: Vec<(String, &Place)> = places.map(|(index, place)| (path(index), place)).collect();
        paths.sort_by(|one, other| one.0.cmp(&other.0));
        paths
    }

    fn named(&self, index: Index) -> Option<&str> {
        self.place(index)
            .filter(|place| place.parent.is_some())
            .map(|place| place.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, range: &str) -> Wanted {
        Wanted::parse(name, range).unwrap()
    }

    fn put(tree: &mut Tree, from: Index, name: &str, version: &str) -> Index {
        let index = tree.put(from, Place::new(name, name, version, false));
        tree.uses(from, name, wanted(name, version), index);
        index
    }

    fn paths(tree: &Tree) -> Vec<String> {
        let paths = tree.paths().into_iter();
        paths.map(|(path, place)| format!("{path} {}", place.version)).collect()
    }

    #[test]
    fn versions_lie_as_high_as_they_can() {
        let mut tree = Tree::new(Place::new("root", "root", "1.0.0", false));
        let a = put(&mut tree, ROOT, "a", "1.0.0");
        put(&mut tree, ROOT, "x", "1.0.0");
        put(&mut tree, a, "x", "2.0.0");
        put(&mut tree, a, "y", "1.0.0");
        assert_eq!(
            paths(&tree),
            [
                "node_modules/a 1.0.0",
                "node_modules/a/node_modules/x 2.0.0",
                "node_modules/x 1.0.0",
                "node_modules/y 1.0.0"
            ]
        );
    }

    #[test]
    fn nobody_is_given_what_he_did_not_ask_for() {
        let mut tree = Tree::new(Place::new("root", "root", "1.0.0", false));
        let x = put(&mut tree, ROOT, "x", "1.0.0");
        let a = put(&mut tree, ROOT, "a", "1.0.0");
        put(&mut tree, ROOT, "b", "1.0.0");
        let b = put(&mut tree, a, "b", "2.0.0");
        // Below a, b finds the x of the root.
        tree.uses(b, "x", wanted("x", "1"), x);
        let c = tree.put(b, Place::new("c", "c", "1.0.0", false));
        // c wants another x: not in the root, where there is one.
        let other = put(&mut tree, c, "x", "3.0.0");
        assert_eq!(tree.find(b, "x"), Some(x));
        assert_eq!(tree.find(c, "x"), Some(other));
        // a wants one, too: in its own directory b would find it.
        let third = put(&mut tree, a, "x", "2.0.0");
        assert_eq!(tree.find(a, "x"), Some(third));
        assert_eq!(tree.depth(other), 2);
    }
}
