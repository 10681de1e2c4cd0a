//! Too many requests at once, too many wrong tokens.

use crate::support::{OK, TOKEN, WRONG, house, house_with, request, status, values};
use agentos_gateway::preview::Form;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_back() {
    let house = house_with(|options| options.max_concurrent_requests = 2);
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut guest = house.guest();
        let mut client = house.client();
        client
            .write_all(request(Form::Path, TOKEN, "GET", "/", "").as_bytes())
            .await
            .unwrap();
        guest.head().await;
        open.push((client, guest));
    }
    let answer = house.get("").await;
    assert_eq!((status(&answer), values(&answer, "retry-after")), (503, vec!["1"]));
    let (client, guest) = open.pop().unwrap();
    drop(client);
    guest.gone().await;
    house.canned(OK);
    assert_eq!(status(&house.get("").await), 200);
}

#[tokio::test]
async fn an_address_that_guesses_is_not_listened_to_for_a_minute() {
    let house = house();
    for _ in 0..20 {
        assert_eq!(
            status(&house.raw(request(Form::Path, WRONG, "GET", "/", "")).await),
            403
        );
    }
    let asked = *house.actor.asked.lock();
    for token in [WRONG, TOKEN] {
        let answer = house.raw(request(Form::Path, token, "GET", "/", "")).await;
        assert_eq!((status(&answer), values(&answer, "retry-after")), (429, vec!["60"]));
        assert_eq!(values(&answer, "access-control-allow-origin"), ["*"]);
    }
    assert_eq!(*house.actor.asked.lock(), asked, "a blocked address costs no look-up");
    house.clock.advance(Duration::from_secs(60));
    house.canned(OK);
    assert_eq!(status(&house.get("").await), 200);
    assert_eq!(house.proxy.stats().failures(), 20);
}
