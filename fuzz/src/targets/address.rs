//! Request targets, subprotocols and connection parameters of any shape, made of the pieces that matter to them.

use crate::input::Input;
use agentos_wire::{
    Address, Dialect, Hints, ListQuery, Subprotocols, Target, decode_create_request, decode_header_params,
};

const PIECES: &[&str] = &[
    "/gateway/",
    "/",
    "//",
    "?",
    "&",
    "=",
    "@",
    "%2F",
    "%40",
    "%",
    "+",
    ",",
    ";",
    "#",
    "abc",
    "rvt-",
    "rvt-namespace=n",
    "rvt-method=get",
    "rvt-method=getOrCreate",
    "rvt-runner=r",
    "rvt-key=",
    "rvt-token=secret",
    "rvt-input=uQABYXgB",
    "rvt-k%65y",
    "action/x",
    "request",
    "connect",
    "websocket",
    "rivet",
    "rivet_encoding.bare",
    "rivet_conn_params.%7B%7D",
    "rivet_actor.id",
    "rivet_target.actor",
    "é",
    "\u{0}",
];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    if input.flag() {
        let _ = decode_header_params(Some(input.take(usize::MAX)));
        let _ = decode_create_request(bytes, Dialect::Modern, input.flag());
        return;
    }
    let mut raw = String::from(if input.flag() { "/gateway/" } else { "" });
    while !input.is_empty() && raw.len() < 16 << 10 {
        raw.push_str(input.pick(PIECES));
    }
    let offer = Subprotocols::parse([raw.as_str()]);
    let _ = (offer.encoding(), offer.params());
    let _ = ListQuery::parse(&raw);
    for hints in [Hints::default(), offer.hints()] {
        let Some(target) = Target::parse(&raw, &hints).transpose() else {
            continue;
        };
        match target {
            Ok(target) => check(&raw, &target),
            Err(error) => assert!(!error.to_string().contains("secret"), "a token in an error: {error}"),
        }
    }
}

/// What the actor sees is a path, without our parameters, and made of the request's own bytes.
fn check(raw: &str, target: &Target) {
    assert!(target.path.starts_with('/'), "{target:?}");
    let (path, query) = target.path.split_once('?').unwrap_or((&target.path, ""));
    assert!(
        !path.contains("//") && (path == "/" || raw.contains(path)),
        "{raw} led to {target:?}"
    );
    match &target.address {
        Address::Id(id) => assert!(!id.is_empty()),
        Address::Query(actor) => {
            assert!(!actor.name.is_empty());
            assert!(query.split('&').all(|part| !part.starts_with("rvt-")), "{target:?}");
        }
    }
}
