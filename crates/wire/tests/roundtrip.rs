//! Whatever is written can be read again, in every version, encoding and dialect; and no bytes make a reader panic.

#![allow(clippy::unwrap_used, clippy::panic)]

use agentos_value::{ActorError, MAX_SAFE_INTEGER, Value};
use agentos_wire::*;
use bytes::Bytes;
use proptest::prelude::*;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).prop_map(Value::Int),
        any::<i32>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no infinities", |f| f.is_finite())
            .prop_map(Value::number),
        any::<i128>().prop_map(|big| Value::BigInt(big.into())),
        any::<u64>().prop_map(|big| Value::BigInt(big.into())),
        r"(\$)?[a-z\PC]{0,8}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            (r"\$\$?[a-zA-Z]{0,6}", inner.clone()).prop_map(|(tag, value)| Value::Array(vec![Value::Text(tag), value])),
            prop::sample::select(vec!["$BigInt", "$Uint8Array", "$Undefined", "$Set", "$ArrayBuffer"])
                .prop_map(|tag| Value::from(vec![tag, "AAAA"])),
            prop::collection::vec(("[a-z$]{0,5}", inner.clone()), 0..4).prop_map(Value::object),
            prop::collection::vec(inner, 0..4).prop_map(Value::Set),
        ]
    })
}

/// How a server of ours writes for a client that reads as [`decode_to_client`] does.
fn any_server_format() -> impl Strategy<Value = Format> {
    (
        prop::sample::select(Encoding::ALL.to_vec()),
        prop::sample::select(Version::ALL.to_vec()),
    )
        .prop_map(|(encoding, version)| Format::new(encoding, version, Dialect::Modern))
}

/// How clients write: CBOR is native.
fn any_client_format() -> impl Strategy<Value = Format> {
    any_server_format().prop_map(|format| match format.encoding {
        Encoding::Cbor => Format {
            dialect: Dialect::Plain,
            ..format
        },
        _ => format,
    })
}

fn version(format: Format) -> Version {
    if format.encoding == Encoding::Bare {
        format.version
    } else {
        Version::UNREADABLE
    }
}

fn any_error() -> impl Strategy<Value = ErrorBody> {
    let actor = (
        "[a-z0-9]{1,9}",
        0..=MAX_SAFE_INTEGER as u64,
        prop::option::of("[a-z/]{0,9}"),
    )
        .prop_map(|(actor_id, generation, key)| ActorSpecifier {
            actor_id,
            generation,
            key,
        });
    let metadata = any_value().prop_filter("undefined is none", |value| *value != Value::Undefined);
    (
        "[a-z]{1,9}",
        "[a-z_]{1,9}",
        r"\PC{0,9}",
        prop::option::of(metadata),
        prop::option::of(actor),
    )
        .prop_map(|(group, code, message, metadata, actor)| {
            let mut error = ActorError::new(group, code, message);
            error.metadata = metadata;
            ErrorBody { error, actor }
        })
}

/// The actor of an error, which only version 4 of BARE and the trees carry.
fn carried(body: ErrorBody, format: Format) -> ErrorBody {
    let carries = format.encoding != Encoding::Bare || format.version == Version::NEWEST;
    ErrorBody {
        actor: body.actor.filter(|_| carries),
        ..body
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn actions(format in any_client_format(), args in prop::collection::vec(any_value(), 0..4)) {
        let bytes = format.action_request(&args).unwrap();
        let read = decode_action_request(&bytes, format.encoding, &Limits::default()).unwrap();
        prop_assert_eq!(peek_version(&bytes, format.encoding), version(format));
        prop_assert_eq!(read, (version(format), ActionRequest { args }));
    }

    #[test]
    fn frames_to_the_server(
        format in any_client_format(), id: u64, name in r"\PC{0,9}", subscribe: bool,
        args in prop::collection::vec(any_value(), 0..4),
    ) {
        for message in [ToServer::Action { id, name: name.clone(), args }, ToServer::Subscription { event: name, subscribe }] {
            let bytes = format.to_server(&message).unwrap();
            let expected = matches!(message, ToServer::Action { .. }).then_some(id);
            if expected.is_some() {
                prop_assert_eq!(peek_action_id(&bytes, format.encoding), expected);
            }
            let read = decode_to_server(&bytes, format.encoding, &Limits::default()).unwrap();
            prop_assert_eq!(read, (version(format), message));
        }
    }

    #[test]
    fn queue_sends(
        format in any_client_format(), body in any_value(), name in prop::option::of("[a-z]{0,5}"), wait: bool,
        timeout_ms in prop::option::of(0..=MAX_SAFE_INTEGER as u64), timed_out: bool,
    ) {
        let request = QueueSendRequest { body: body.clone(), name, wait, timeout_ms };
        let bytes = format.queue_request(&request).unwrap();
        let read = decode_queue_request(&bytes, format.encoding, &Limits::default()).unwrap();
        prop_assert_eq!(read, (version(format), request));

        let format = Format { dialect: Dialect::Modern, ..format };
        let status = if timed_out { QueueStatus::TimedOut } else { QueueStatus::Completed };
        let response = Some(body).filter(|body| *body != Value::Undefined);
        let bytes = format.queue_response(status, response.as_ref()).unwrap();
        let read = decode_queue_response(&bytes, format.encoding, &Limits::default()).unwrap();
        prop_assert_eq!(read, (version(format), QueueSendResponse { status, response }));
    }

    #[test]
    fn results(format in any_server_format(), output in any_value()) {
        let bytes = format.action_response(&output).unwrap();
        let read = decode_action_response(&bytes, format.encoding, &Limits::default()).unwrap();
        let output = if format.encoding == Encoding::Json && output == Value::Undefined { Value::Null } else { output };
        prop_assert_eq!(read, (version(format), output));
    }

    #[test]
    fn errors(format in any_server_format(), body in any_error(), action_id: Option<u64>) {
        let bytes = format.http_error(&body.error, body.actor.as_ref());
        let read = decode_http_error(&bytes, format.encoding, &Limits::default()).unwrap();
        prop_assert_eq!(read, (version(format), carried(body.clone(), format)));
        let bytes = format.to_client(&ToClient::Error { body: body.clone(), action_id }).unwrap();
        let read = decode_to_client(&bytes, format.encoding, &Limits::default()).unwrap();
        prop_assert_eq!(read, (version(format), ToClient::Error { body: carried(body, format), action_id }));
    }

    #[test]
    fn frames_to_the_client(
        format in any_server_format(), id: u64, name in r"\PC{0,9}", args in prop::collection::vec(any_value(), 0..4),
    ) {
        let messages = [
            ToClient::Init { actor_id: name.clone(), connection_id: "c".into() },
            ToClient::Response { id, output: Value::Array(args.clone()) },
            ToClient::Event { name, args },
        ];
        for message in messages {
            let bytes = format.to_client(&message).unwrap();
            let read = decode_to_client(&bytes, format.encoding, &Limits::default()).unwrap();
            prop_assert_eq!(read, (version(format), message));
        }
    }

    #[test]
    fn every_dialect_can_be_written(format in any_server_format(), output in any_value(), error in any_error()) {
        for dialect in [Dialect::Plain, Dialect::Modern, Dialect::Rust] {
            let format = Format { dialect, ..format };
            let bytes = format.action_response(&output).unwrap();
            decode_action_response(&bytes, format.encoding, &Limits::default()).unwrap();
            let bytes = format.http_error(&error.error, error.actor.as_ref());
            decode_http_error(&bytes, format.encoding, &Limits::default()).unwrap();
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(
        encoding in prop::sample::select(Encoding::ALL.to_vec()), version in 0..6_u8,
        tail in prop::collection::vec(prop_oneof![any::<u8>(), 0..4_u8, Just(0x81)], 0..80),
    ) {
        let limits = Limits::default();
        for bytes in [Bytes::from(tail.clone()), Bytes::from([&[version, 0][..], &tail].concat())] {
            let _ = decode_action_request(&bytes, encoding, &limits);
            let _ = decode_queue_request(&bytes, encoding, &limits);
            let _ = decode_to_server(&bytes, encoding, &limits);
            let _ = decode_to_client(&bytes, encoding, &limits);
            let _ = decode_http_error(&bytes, encoding, &limits);
            let _ = peek_action_id(&bytes, encoding);
        }
    }

    #[test]
    fn a_message_with_a_byte_more_or_less_is_refused(
        version in prop::sample::select(Version::ALL.to_vec()), id: u64, args in prop::collection::vec(any_value(), 0..3),
    ) {
        let format = Format::new(Encoding::Bare, version, Dialect::Plain);
        let bytes = format.to_server(&ToServer::Action { id, name: "x".into(), args }).unwrap();
        let longer = Bytes::from([&bytes[..], &[0]].concat());
        let shorter = bytes.slice(..bytes.len() - 1);
        prop_assert!(decode_to_server(&longer, Encoding::Bare, &Limits::default()).is_err());
        prop_assert!(decode_to_server(&shorter, Encoding::Bare, &Limits::default()).is_err());
    }
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    for (bytes, error) in [
        (&[0, 0, 1, 0x80][..], WireError::Version(0)),
        (&[5, 0, 1, 0x80], WireError::Version(5)),
        (&[4, 1, 1, 0x80], WireError::Version(260)),
        (&[4], WireError::Truncated),
        (&[4, 0], WireError::Truncated),
    ] {
        let read = decode_action_request(&Bytes::copy_from_slice(bytes), Encoding::Bare, &Limits::default());
        assert_eq!(read, Err(error));
        assert_eq!(peek_version(&bytes[..1], Encoding::Bare), Version::UNREADABLE);
    }
    assert_eq!(Version::UNREADABLE.number(), 2);
}

#[test]
fn the_examples_of_the_specification() {
    let format = |version| Format::new(Encoding::Bare, Version::new(version).unwrap(), Dialect::Plain);
    assert_eq!(format(3).action_request(&[5.into()]).unwrap(), &[3, 0, 2, 0x81, 5][..]);
    assert_eq!(format(3).action_response(&18.into()).unwrap(), &[3, 0, 1, 0x12][..]);
    assert_eq!(format(4).action_request(&[5.into()]).unwrap(), &[4, 0, 2, 0x81, 5][..]);
    let error = ActorError::user("nope_code", "Nope").with_metadata(Value::object([("a", 1)]));
    let expected = [
        &[3, 0, 4][..],
        b"user",
        &[9],
        b"nope_code",
        &[4],
        b"Nope",
        &[1, 4, 0xa1, 0x61, b'a', 1],
    ]
    .concat();
    assert_eq!(format(3).http_error(&error, None), expected);
    let actor = ActorSpecifier {
        actor_id: "id".into(),
        generation: 1,
        key: Some(r"a/b\/c".into()),
    };
    let tail = [&[1, 2][..], b"id", &[1, 1, 6], br"a/b\/c"].concat();
    assert_eq!(
        format(4).http_error(&error, Some(&actor)),
        [&[4, 0][..], &expected[2..], &tail].concat()
    );
    let frame = format(4)
        .to_server(&ToServer::Action {
            id: 128,
            name: "x".into(),
            args: vec![],
        })
        .unwrap();
    assert_eq!(frame[3..5], [0x80, 1]);
}

#[test]
fn what_each_client_needs_in_an_error_without_an_action() {
    let error = ActorError::user("forbidden", "Forbidden");
    let text = Format::new(Encoding::Json, Version::NEWEST, Dialect::Plain).error(&error, None, None);
    let expected =
        r#"{"body":{"tag":"Error","val":{"group":"user","code":"forbidden","message":"Forbidden","actionId":null}}}"#;
    assert_eq!(text, expected);
    let cbor = Format::new(Encoding::Cbor, Version::NEWEST, Dialect::Plain).error(&error, None, None);
    assert!(cbor.ends_with(b"actionId\xf6"));
}

#[test]
fn ids_take_eight_bytes_in_cbor() {
    let format = Format::new(Encoding::Cbor, Version::NEWEST, Dialect::Plain);
    let frame = format.response(0, &Value::Null).unwrap();
    let id = b"\x62id\x1b\0\0\0\0\0\0\0\0";
    assert!(frame.windows(id.len()).any(|window| window == id));
}

#[test]
fn bytes_become_compat_for_the_rust_client() {
    let output = Value::Bytes(vec![9, 8].into());
    let encoded = |encoding, version, dialect| {
        Format::new(encoding, version, dialect)
            .action_response(&output)
            .unwrap()
    };
    let compat = b"$Uint8Array";
    let holds = |bytes: Bytes| bytes.windows(compat.len()).any(|window| window == compat);
    assert!(holds(encoded(Encoding::Cbor, Version::NEWEST, Dialect::Rust)));
    assert!(holds(encoded(Encoding::Bare, Version::NEWEST, Dialect::Rust)));
    assert!(!holds(encoded(Encoding::Cbor, Version::NEWEST, Dialect::Modern)));
    assert!(!holds(encoded(Encoding::Bare, Version::UNREADABLE, Dialect::Modern)));
}

#[test]
fn metadata_that_cannot_be_written_is_left_out() {
    let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let error = ActorError::user("x", "y").with_metadata(deep.clone());
    for encoding in Encoding::ALL {
        let format = Format::new(encoding, Version::NEWEST, Dialect::Plain);
        let body = format.http_error(&error, None);
        let (_, read) = decode_http_error(&body, encoding, &Limits::default()).unwrap();
        assert_eq!(read.error, ActorError::user("x", "y"));
        assert!(format.action_response(&deep).is_err());
    }
}
