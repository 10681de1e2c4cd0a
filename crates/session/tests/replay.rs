//! Properties of events: numbers without gaps, and whoever follows from any place, from whenever on, however slowly, sees what
//! everybody sees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use agentos_session::{EventQuery, SessionEvent};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use support::{Setup, World, chunk, polite};

/// A conversation: how many updates each prompt has, of how many bytes.
#[derive(Debug, Clone)]
struct Talk {
    prompts: Vec<(usize, usize)>,
    /// Followers: after which prompt each begins, from which number, and how often it pauses.
    followers: Vec<(usize, u64, usize)>,
}

fn talk() -> impl Strategy<Value = Talk> {
    let prompts = proptest::collection::vec((0_usize..12, 0_usize..300), 1..6);
    let followers = proptest::collection::vec((0_usize..6, 0_u64..40, 1_usize..5), 1..5);
    (prompts, followers).prop_map(|(prompts, followers)| Talk { prompts, followers })
}

/// An agent that says as much as it is told.
async fn world() -> Arc<World> {
    let setup = Setup::default().agent("test-agent", |io| {
        polite(io, |io, message| async move {
            let text = message["params"]["prompt"][0]["text"].as_str().unwrap().to_owned();
            let (count, size) = text.split_once(' ').unwrap();
            let said = "x".repeat(size.parse().unwrap());
            for _ in 0..count.parse::<usize>().unwrap() {
                io.update(chunk(&said)).await;
            }
            json!({"stopReason": "end_turn"})
        })
    });
    Arc::new(setup.build().await)
}

/// Follows until `count` events were seen, with pauses.
async fn follow(world: Arc<World>, id: String, from: u64, count: u64, pause: usize) -> Vec<SessionEvent> {
    let mut events = world.sessions.follow(&id, from).unwrap();
    let mut seen = Vec::new();
    while (seen.len() as u64) < count {
        seen.push(events.next().await.unwrap().expect("the session lives"));
        for _ in 0..pause {
            tokio::task::yield_now().await;
        }
    }
    seen
}

async fn play(talk: Talk) {
    let world = world().await;
    let id = world.create().await;
    // The prompt itself, its updates, its end.
    let all: u64 = talk.prompts.iter().map(|(count, _)| *count as u64 + 2).sum();
    let mut following = Vec::new();
    let start = |at: usize| {
        let begun = talk.followers.iter().filter(move |(after, ..)| *after == at);
        begun.map(|(_, from, pause)| {
            let left = all.saturating_sub(*from);
            let follower = follow(Arc::clone(&world), id.clone(), *from, left, *pause);
            (*from, tokio::spawn(follower))
        })
    };
    for (at, (count, size)) in talk.prompts.iter().enumerate() {
        following.extend(start(at));
        let outcome = world.prompt(&id, &format!("{count} {size}")).await.unwrap();
        assert_eq!(outcome.text.len(), count * size);
    }
    // Some come when all is over.
    (talk.prompts.len()..=6).for_each(|at| following.extend(start(at)));
    // Numbers without gaps; told as stored.
    let events = world.check_events(&id);
    assert_eq!(events.len() as u64, all);
    let stored = world.sessions.events(&id, &EventQuery::default()).unwrap();
    for (from, seen) in following {
        let from = usize::try_from(from).unwrap().min(stored.len());
        assert_eq!(seen.await.unwrap(), stored[from..], "from {from}");
    }
    // Pages of every size are the whole.
    for limit in 1..=7 {
        let mut pages = Vec::new();
        loop {
            let query = EventQuery::from_json(json!({"since": pages.len(), "limit": limit})).unwrap();
            let page = world.sessions.events(&id, &query).unwrap();
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, stored, "pages of {limit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_follower_sees_what_is_stored(talk in talk()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(talk));
    }
}
