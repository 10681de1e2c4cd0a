//! Finding everything that a package needs.
//!
//! Breadth first, in the order of names, so that the same answers of the registry make the same tree. What others ask for is
//! taken where it is there already and will do; else the version that npm would take is placed by [`Tree`]. Peers are
//! installed as npm 7 does: beside whoever asks for them; one that is there and does not fit stays, with a warning. What is
//! optional and not for this machine, or cannot be had, is left out.

use super::super::bounds::Bounds;
use super::super::error::{Error, Result};
use super::super::progress::{Progress, Step};
use super::document::{Document, Platform, Version, Wanted};
use super::documents::Documents;
use super::tree::{Index, Place, ROOT, Tree};
use std::collections::VecDeque;
use std::sync::Arc;

/// How much somebody wants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Needed,
    Optional,
    Peer,
}

struct Resolver<'a, 'b> {
    documents: &'a Documents<'b>,
    platform: Platform,
    bounds: &'a Bounds,
    progress: &'a dyn Progress,
    tree: Tree,
    /// Packages whose wishes are next.
    open: VecDeque<(Index, Arc<Document>, String)>,
    /// Packages of trees that were resolved before.
    before: u64,
}

/// The tree of a package. `before`: packages that are needed besides.
pub(super) fn resolve(
    wanted: &Wanted,
    documents: &Documents<'_>,
    platform: Platform,
    bounds: &Bounds,
    progress: &dyn Progress,
    before: u64,
) -> Result<Tree> {
    let by = "whoever adds it";
    let document = documents.document(&wanted.package).map_err(unshared)?;
    let (number, version) = document.pick(wanted, by)?;
    let number = number.to_owned();
    if !version.fits(platform) {
        return Err(not_for_us(&wanted.package, &number, by));
    }
    let mut root = Place::new(&wanted.package, &wanted.package, &number, false);
    (root.tarball, root.integrity) = (version.dist.tarball.clone(), version.dist.integrity.clone());
    let mut resolver = Resolver {
        documents,
        platform,
        bounds,
        progress,
        tree: Tree::new(root),
        open: VecDeque::new(),
        before,
    };
    resolver.found(ROOT, Arc::clone(&document), number)?;
    while let Some((index, document, number)) = resolver.open.pop_front() {
        if let Some(version) = document.versions.get(&number) {
            resolver.wishes(index, version)?;
        }
    }
    Ok(resolver.tree)
}

/// A package without what it needs.
pub(super) fn alone(wanted: &Wanted, documents: &Documents<'_>, platform: Platform) -> Result<Tree> {
    let by = "whoever adds it";
    let document = documents.document(&wanted.package).map_err(unshared)?;
    let (number, version) = document.pick(wanted, by)?;
    if !version.fits(platform) {
        return Err(not_for_us(&wanted.package, number, by));
    }
    let mut root = Place::new(&wanted.package, &wanted.package, number, false);
    (root.tarball, root.integrity) = (version.dist.tarball.clone(), version.dist.integrity.clone());
    Ok(Tree::new(root))
}

fn not_for_us(package: &str, version: &str, by: &str) -> Error {
    let reason = format!("is not for this machine (os, cpu or libc), and {by} needs it");
    Error::source(format!("{package}@{version}"), reason)
}

/// An error that several may have to be told of.
fn unshared(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| match &*error {
        Error::Registry { url, reason } => Error::Registry {
            url: url.clone(),
            reason: reason.clone(),
        },
        other => Error::source("registry", other.to_string()),
    })
}

impl Resolver<'_, '_> {
    /// Takes note of a package in its place.
    fn found(&mut self, index: Index, document: Arc<Document>, number: String) -> Result<()> {
        let count = self.before + self.tree.len() as u64;
        Bounds::check(
            "packages that are needed",
            count,
            self.bounds.packages,
            "packages",
            "packages",
        )?;
        let depth = self.tree.depth(index);
        Bounds::check("packages in packages", depth, self.bounds.depth, "directories", "depth")?;
        if let Some(version) = document.versions.get(&number) {
            let names = version.dependencies.iter().chain(&version.optional_dependencies);
            let names = names.chain(&version.peer_dependencies);
            for (name, range) in names {
                if let Ok(wanted) = Wanted::parse(name, range)
                    && !version.bundles(name)
                    && !version.is_optional_peer(name)
                {
                    self.documents.expect(&wanted.package);
                }
            }
        }
        if let Some(place) = self.tree.place(index) {
            let (name, version) = (&place.package, &place.version);
            self.progress.report(&Step::Resolved { name, version, count });
        }
        self.open.push_back((index, document, number));
        Ok(())
    }

    /// What a package asks for, in the order of names.
    fn wishes(&mut self, index: Index, version: &Version) -> Result<()> {
        let needed = version.dependencies.iter().map(|wish| (wish, Kind::Needed));
        // npm puts what is optional among the dependencies, too.
        let needed = needed.filter(|((name, _), _)| !version.optional_dependencies.contains_key(*name));
        let optional = version.optional_dependencies.iter().map(|wish| (wish, Kind::Optional));
        let mut wishes: Vec<_> = needed.chain(optional).collect();
        wishes.sort_by(|one, other| one.0.cmp(&other.0));
        let peers = version.peer_dependencies.iter().map(|wish| (wish, Kind::Peer));
        wishes.extend(peers.filter(|((name, _), _)| !version.is_optional_peer(name)));
        for ((name, range), kind) in wishes {
            if !version.bundles(name) {
                self.wish(index, name, range, kind)?;
            }
        }
        Ok(())
    }

    fn wish(&mut self, index: Index, name: &str, range: &str, kind: Kind) -> Result<()> {
        let Some(place) = self.tree.place(index) else {
            return Ok(());
        };
        let by = format!("{}@{}", place.package, place.version);
        let lenient = kind == Kind::Optional || place.optional;
        match self.satisfy(index, name, range, kind, &by, lenient) {
            Err(error) if lenient && !matches!(error, Error::Limit { .. }) => {
                let text = format!("left out, as it is optional: {error}");
                self.progress.report(&Step::Warning(&text));
                Ok(())
            }
            done => done,
        }
    }

    fn satisfy(&mut self, index: Index, name: &str, range: &str, kind: Kind, by: &str, optional: bool) -> Result<()> {
        let wanted = Wanted::parse(name, range)
            .map_err(|reason| Error::source(format!("npm:{name}"), format!("{by} asks for it: {reason}")))?;
        let from = if kind == Kind::Peer {
            self.tree.beside(index)
        } else {
            index
        };
        // A peer that the root has itself, or that whoever asks is.
        let mut found = self.tree.find(from, name);
        if found.is_none()
            && self
                .tree
                .place(ROOT)
                .is_some_and(|root| kind == Kind::Peer && root.package == name)
        {
            found = Some(ROOT);
        }
        if let Some(found) = found {
            let place = self.tree.place(found);
            let version = place.map_or("", |place| place.version.as_str());
            let same = place.is_some_and(|place| place.package == wanted.package);
            let document = || self.documents.document(&wanted.package).ok();
            let fits = same && (wanted.accepts(version, None) || wanted.accepts(version, document().as_deref()));
            if fits || kind == Kind::Peer {
                if !fits {
                    let text = format!("{by} asks for the peer {name}@{range}, and finds {version}");
                    self.progress.report(&Step::Warning(&text));
                }
                self.tree.uses(from, name, wanted, found);
                if !optional {
                    self.tree.need(found);
                }
                return Ok(());
            }
        }
        let document = self.documents.document(&wanted.package).map_err(unshared)?;
        let (number, version) = document.pick(&wanted, by)?;
        if !version.fits(self.platform) {
            // Packages for other machines are what most that is optional is: nothing to tell of.
            return if optional {
                Ok(())
            } else {
                Err(not_for_us(name, number, by))
            };
        }
        let mut place = Place::new(name, &wanted.package, number, optional);
        (place.tarball, place.integrity) = (version.dist.tarball.clone(), version.dist.integrity.clone());
        let number = number.to_owned();
        let put = self.tree.put(from, place);
        self.tree.uses(from, name, wanted, put);
        self.found(put, document, number)
    }
}
