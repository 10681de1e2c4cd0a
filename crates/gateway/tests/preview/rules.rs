//! One test for each row of security.md section 3.2, over the wire.

use crate::support::{OK, TOKEN, WRONG, body, house, house_with, request, status, values};
use agentos_gateway::preview::{Form, Outcome, Refusal, Visitor};
use http::Request;
use http_body_util::Empty;

const PREFLIGHT: &str = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\n";

#[tokio::test]
async fn every_method_reaches_the_guest() {
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "X-OWN",
    ] {
        let house = house();
        let guest = house.canned(OK);
        let answer = house.ask(Form::Path, method, "/p/a%2Fth?q=%20", "").await;
        assert_eq!((status(&answer), body(&answer)), (200, "ok"), "{method}");
        assert!(
            guest
                .await
                .unwrap()
                .starts_with(&format!("{method} /p/a%2Fth?q=%20 HTTP/1.1\r\n"))
        );
    }
}

#[tokio::test]
async fn a_preflight_is_answered_the_same_for_every_token_and_asks_about_none() {
    for form in [Form::Path, Form::Origin] {
        let house = house();
        let mut answers = Vec::new();
        for token in [TOKEN, WRONG] {
            let answer = house.raw(request(form, token, "OPTIONS", "/x", PREFLIGHT)).await;
            assert_eq!(status(&answer), 204);
            assert_eq!(values(&answer, "access-control-allow-headers"), ["*, authorization"]);
            assert_eq!(values(&answer, "access-control-allow-origin"), ["*"]);
            answers.push(
                answer
                    .lines()
                    .filter(|line| !line.starts_with("date"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(*house.actor.asked.lock(), 0);
    }
}

#[tokio::test]
async fn the_guest_learns_where_it_is_and_nothing_secret() {
    for form in [Form::Path, Form::Origin] {
        let house = house();
        let guest = house.canned(OK);
        let lines = "Authorization: Bearer gatesecret\r\nx-rivet-token: gatesecret\r\nX-Forwarded-For: 1.2.3.4\r\n\
                     Cookie: own=1; gate=gatesecret\r\nProxy-Connection: x\r\nx-rivet-conn-params: {}\r\nAccept: text/html\r\n";
        let answer = house.ask(form, "GET", "/x?rvt-token=gatesecret&a=1", lines).await;
        assert_eq!(status(&answer), 200);
        let head = guest.await.unwrap();
        assert!(head.starts_with("GET /x?a=1 HTTP/1.1\r\n"), "{head}");
        assert!(
            !head.contains("gatesecret") && !head.contains("rivet") && !head.contains("1.2.3.4"),
            "{head}"
        );
        assert_eq!(values(&head, "host"), ["localhost:8080"]);
        assert_eq!(values(&head, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&head, "x-forwarded-proto"), ["http"]);
        assert_eq!(values(&head, "accept"), ["text/html"]);
        let (host, prefix, cookies) = match form {
            Form::Path => (
                "gate.test".to_owned(),
                vec![format!("/gateway/a1/request/fetch/{TOKEN}")],
                vec![],
            ),
            Form::Origin => (format!("{TOKEN}.preview.test"), vec![], vec!["own=1"]),
        };
        assert_eq!(values(&head, "x-forwarded-host"), [host.as_str()]);
        assert_eq!(values(&head, "x-forwarded-prefix"), prefix);
        assert_eq!(values(&head, "cookie"), cookies);
    }
}

#[tokio::test]
async fn the_prefix_begins_with_the_base_path_of_the_gateway() {
    let house = house();
    let guest = house.canned(OK);
    let target = format!("/gateway/a1/request/fetch/{TOKEN}/x?y");
    let request = Request::get(format!("/base{target}"))
        .header("host", "gate.test")
        .body(Empty::new());
    let visitor = Visitor {
        address: "192.0.2.7".parse().unwrap(),
        secure: true,
    };
    let reply = house.proxy.answer(request.unwrap(), &target, visitor).await;
    assert_eq!(reply.response.status(), 200);
    let head = guest.await.unwrap();
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    let prefix = format!("/base/gateway/a1/request/fetch/{TOKEN}");
    assert_eq!(values(&head, "x-forwarded-prefix"), [prefix.as_str()]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["https"]);
}

const ANSWER: &str = "HTTP/1.1 203 Mine\r\nContent-Length: 2\r\nSet-Cookie: a=1; Domain=gate.test; Secure\r\n\
    Service-Worker-Allowed: /\r\nClear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=9\r\n\
    Access-Control-Allow-Origin: https://one.test\r\nAccess-Control-Allow-Credentials: true\r\n\
    Connection: x-hop\r\nX-Hop: 1\r\nReferrer-Policy: unsafe-url\r\nX-Own: kept\r\n\r\nok";

#[tokio::test]
async fn a_page_in_the_path_form_is_in_a_sandbox_and_cannot_speak_for_the_gateway() {
    let house = house();
    house.canned(ANSWER);
    let answer = house.get("").await;
    assert_eq!((status(&answer), body(&answer)), (203, "ok"));
    for gone in [
        "set-cookie",
        "service-worker-allowed",
        "clear-site-data",
        "strict-transport-security",
        "x-hop",
    ] {
        assert_eq!(values(&answer, gone), [""; 0], "{gone}");
    }
    assert_eq!(values(&answer, "access-control-allow-origin"), ["*"]);
    assert_eq!(values(&answer, "access-control-allow-credentials"), [""; 0]);
    assert_eq!(values(&answer, "referrer-policy"), ["no-referrer"]);
    assert_eq!(values(&answer, "x-robots-tag"), ["noindex"]);
    assert_eq!(values(&answer, "x-own"), ["kept"]);
    let policy = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
    assert_eq!(values(&answer, "content-security-policy"), [policy]);
    assert_eq!(values(&answer, "content-length"), ["2"]);
}

#[tokio::test]
async fn the_sandbox_can_be_turned_off_and_an_own_origin_has_none() {
    let open = house_with(|options| options.path_sandbox = false);
    open.canned(ANSWER);
    assert_eq!(values(&open.get("").await, "content-security-policy"), [""; 0]);
    let house = house();
    house.canned(ANSWER);
    let answer = house.ask(Form::Origin, "GET", "/", "").await;
    assert_eq!(values(&answer, "content-security-policy"), [""; 0]);
    assert_eq!(values(&answer, "set-cookie"), ["a=1; Secure"]);
    assert_eq!(values(&answer, "service-worker-allowed"), ["/"]);
    assert_eq!(values(&answer, "access-control-allow-origin"), ["https://one.test"]);
    assert_eq!(values(&answer, "referrer-policy"), ["no-referrer"]);
}

#[tokio::test]
async fn errors_have_fixed_texts_and_cross_origin_headers() {
    let house = house();
    let wrong = |form| request(form, WRONG, "GET", "/", "");
    let denied = house.raw(wrong(Form::Path)).await;
    let elsewhere = house.raw(wrong(Form::Path).replace("/a1/", "/unknown/")).await;
    let origin = house.raw(wrong(Form::Origin)).await;
    let missing = house.raw(wrong(Form::Path).replace(WRONG, &WRONG[1..])).await;
    let nothing = house.raw(request(Form::Path, TOKEN, "GET", "/", "")).await;
    house.refuse(Refusal::Unavailable);
    let busy = house.raw(request(Form::Path, TOKEN, "GET", "/", "")).await;
    let expected = [
        (&denied, 403),
        (&elsewhere, 403),
        (&origin, 403),
        (&missing, 404),
        (&nothing, 502),
        (&busy, 503),
    ];
    for (answer, code) in expected {
        assert_eq!(status(answer), code, "{answer}");
        assert_eq!(values(answer, "access-control-allow-origin"), ["*"]);
        assert_eq!(values(answer, "referrer-policy"), ["no-referrer"]);
        assert_eq!(values(answer, "content-type"), ["text/plain; charset=utf-8"]);
        assert!(
            !answer.contains("8080") && !answer.contains("a1") && !answer.contains('{'),
            "{answer}"
        );
    }
    assert_eq!(body(&denied), body(&elsewhere));
    assert_eq!(body(&denied), body(&origin));
    assert_eq!(values(&busy, "retry-after"), ["1"]);
    let stats = house.proxy.stats();
    let counted = Outcome::ALL.map(|outcome| stats.answers(outcome));
    assert_eq!(counted, [0, 0, 3, 1, 1, 1]);
}

#[tokio::test]
async fn head_ranges_and_conditions_pass() {
    let house = house();
    house.canned("HTTP/1.1 200 OK\r\nContent-Length: 4242\r\nAccept-Ranges: bytes\r\n\r\n");
    let answer = house.ask(Form::Path, "HEAD", "/file", "").await;
    assert_eq!((status(&answer), body(&answer)), (200, ""));
    assert_eq!(values(&answer, "content-length"), ["4242"]);
    let guest = house.canned("HTTP/1.1 206 Part\r\nContent-Range: bytes 1-2/9\r\nContent-Length: 2\r\n\r\nbc");
    let answer = house.get("Range: bytes=1-2\r\nIf-Range: \"x\"\r\n").await;
    assert_eq!((status(&answer), body(&answer)), (206, "bc"));
    assert_eq!(values(&answer, "content-range"), ["bytes 1-2/9"]);
    let head = guest.await.unwrap();
    assert_eq!(
        (values(&head, "range"), values(&head, "if-range")),
        (vec!["bytes=1-2"], vec!["\"x\""])
    );
    house.canned("HTTP/1.1 304 Same\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n");
    let answer = house.get("If-None-Match: \"x\"\r\n").await;
    assert_eq!(
        (status(&answer), body(&answer), values(&answer, "etag")),
        (304, "", vec!["\"x\""])
    );
}

#[tokio::test]
async fn a_redirect_of_the_guest_stays_in_the_preview() {
    let house = house();
    let prefix = format!("/gateway/a1/request/fetch/{TOKEN}");
    for (rest, answer, expected) in [
        ("/", "Location: /login?next=%2F", format!("{prefix}/login?next=%2F")),
        ("", "Location: login", format!("{prefix}/login")),
        ("/a/b", "Location: http://localhost:8080/x", format!("{prefix}/x")),
        ("/", "Location: https://other.test/x", "https://other.test/x".to_owned()),
    ] {
        let mut guest = house.guest();
        let serving = async {
            guest.head().await;
            guest
                .write(&format!("HTTP/1.1 302 Found\r\n{answer}\r\nContent-Length: 0\r\n\r\n"))
                .await;
        };
        let (answered, ()) = tokio::join!(house.ask(Form::Path, "GET", rest, ""), serving);
        assert_eq!(
            (status(&answered), values(&answered, "location")),
            (302, vec![expected.as_str()])
        );
    }
    house.canned("HTTP/1.1 302 Found\r\nLocation: http://localhost:8080/x\r\nContent-Length: 0\r\n\r\n");
    let answered = house.ask(Form::Origin, "GET", "/a", "").await;
    assert_eq!(values(&answered, "location"), ["/x"]);
}

#[tokio::test]
async fn informational_answers_are_for_the_proxy() {
    let house = house();
    house.canned("HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let answer = house.get("").await;
    assert_eq!((status(&answer), body(&answer)), (200, "ok"));
}
