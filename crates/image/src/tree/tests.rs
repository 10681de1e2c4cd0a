use super::*;
use crate::bounds::Bounds;
use proptest::prelude::*;

fn file(number: u32) -> Node {
    Node {
        attrs: Attrs {
            mode: 0o644,
            mtime: -5,
            ..Attrs::default()
        },
        body: Body::File {
            size: u64::from(number) << 33,
            content: Content { layer: 0, number },
        },
    }
}

fn put(draft: &mut Draft, path: &str, node: Node) -> Result<Index, String> {
    let parts = parts(path.as_bytes(), &Bounds::default()).unwrap();
    let (name, dirs) = parts.split_last().unwrap();
    let dir = draft.dirs(dirs)?;
    draft.put(dir, name, node)
}

fn hide(draft: &mut Draft, path: &str) {
    let parts = parts(path.as_bytes(), &Bounds::default()).unwrap();
    let (name, dirs) = parts.split_last().unwrap();
    let dir = draft.dirs(dirs).unwrap();
    draft.hide(dir, name).unwrap();
}

fn number(draft: &Draft, path: &str) -> Option<(u32, u32)> {
    let parts = parts(path.as_bytes(), &Bounds::default()).unwrap();
    match draft.node(draft.find(&parts)?)?.body {
        Body::File { content, .. } => Some((content.layer, content.number)),
        _ => None,
    }
}

#[test]
fn layers_hide_and_replace() {
    let (mut below, mut above) = (Draft::default(), Draft::default());
    for (at, path) in ["a/x", "a/y", "b/x", "c", "d/x", "e/x", "f"].into_iter().enumerate() {
        put(&mut below, path, file(at as u32)).unwrap();
    }
    hide(&mut above, "a/x");
    hide(&mut above, "b");
    put(&mut above, "b/new", file(10)).unwrap();
    put(&mut above, "c/x", file(11)).unwrap();
    hide(&mut above, "c");
    put(&mut above, "d", file(12)).unwrap();
    let opaque = above.dirs(&[b"e"]).unwrap();
    above.directory_mut(opaque).unwrap().opaque = true;
    put(&mut above, "e/y", file(13)).unwrap();
    let borrowed = Node {
        attrs: Attrs::default(),
        body: Body::Borrowed(b"a/y"[..].into()),
    };
    put(&mut above, "again", borrowed).unwrap();
    let mut whole = Draft::default();
    whole.apply(&below, 0).unwrap();
    whole.apply(&above, 1).unwrap();
    for (path, expected) in [
        ("a/x", None),
        ("a/y", Some((0, 1))),
        ("b/x", None),
        ("b/new", Some((1, 10))),
        ("c/x", Some((1, 11))),
        ("d", Some((1, 12))),
        ("e/x", None),
        ("e/y", Some((1, 13))),
        ("f", Some((0, 6))),
        ("again", Some((0, 1))),
    ] {
        assert_eq!(number(&whole, path), expected, "{path}");
    }
    let tree = Tree::new(&whole);
    let names: usize = tree
        .inodes
        .iter()
        .filter(|inode| matches!(inode.body, Frozen::File { .. }))
        .count();
    assert_eq!(names, 6);
    assert!(
        tree.inodes
            .iter()
            .any(|inode| inode.links == 2 && matches!(inode.body, Frozen::File { .. }))
    );
    // A link to what is nowhere.
    assert_eq!(Draft::default().apply(&above, 0).unwrap_err(), b"a/y");
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, u32),
    Hide(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = "[abc](/[abc]){0,3}";
    let step = prop_oneof![
        (path, 0..9_u32).prop_map(|(path, number)| Step::Put(path, number)),
        path.prop_map(Step::Hide),
    ];
    prop::collection::vec(step, 0..30)
}

fn draft(steps: &[Step]) -> Draft {
    let mut draft = Draft::default();
    for step in steps {
        match step {
            // What is in the way refuses.
            Step::Put(path, number) => drop(put(&mut draft, path, file(*number))),
            Step::Hide(path) => {
                let parts = parts(path.as_bytes(), &Bounds::default()).unwrap();
                let (name, dirs) = parts.split_last().unwrap();
                if let Ok(dir) = draft.dirs(dirs) {
                    draft.hide(dir, name).unwrap();
                }
            }
        }
    }
    draft
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_index_reads_back(steps in steps()) {
        let draft = draft(&steps);
        prop_assert_eq!(&decode(&encode(&draft)).unwrap(), &draft);
    }

    #[test]
    fn a_damaged_index_is_an_error(steps in steps(), at: prop::sample::Index, bit in 0..8_u32, cut: bool) {
        let mut bytes = encode(&draft(&steps));
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] ^= 1 << bit,
        }
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn what_the_topmost_layer_says_is_so(layers in prop::collection::vec(steps(), 1..4)) {
        let drafts: Vec<Draft> = layers.iter().map(|steps| draft(steps)).collect();
        let mut whole = Draft::default();
        for (at, draft) in drafts.iter().enumerate() {
            whole.apply(draft, at as u32).unwrap();
        }
        let top = drafts.len() - 1;
        for step in &layers[top] {
            let (Step::Put(path, _) | Step::Hide(path)) = step;
            let parts = parts(path.as_bytes(), &Bounds::default()).unwrap();
            let said = drafts[top].find(&parts).and_then(|index| drafts[top].node(index));
            match said.map(|node| &node.body) {
                Some(Body::Whiteout) => prop_assert_eq!(whole.find(&parts), None),
                Some(Body::File { content, .. }) => {
                    prop_assert_eq!(number(&whole, path), Some((top as u32, content.number)));
                }
                _ => {}
            }
        }
        // Freezing keeps every name.
        let tree = Tree::new(&whole);
        for inode in &tree.inodes {
            if let Frozen::Directory(entries) = &inode.body {
                prop_assert!(entries.is_sorted());
                for (_, index) in entries {
                    prop_assert!(tree.get(*index).is_some());
                }
            }
        }
    }
}
