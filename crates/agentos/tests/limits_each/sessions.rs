//! Limits of sessions that count: sessions, agents, prompts, requests, outcomes, grants, history.

use crate::acp::{approving, audited, open, pending, refused, text, vm};
use crate::support::lives;
use crate::tools::{poll_once, used};
use agentos::session::Error;
use agentos::{ApprovalPolicy, EventQuery, Reply, Session, Via};

/// A prompt that is refused.
async fn too_many(session: &Session, name: &str, (observed, capacity): (u64, u64)) {
    let error = session.prompt("go").await.unwrap_err();
    refused(&error, name, "count", (Some(observed), capacity));
}

pub(crate) mod max_sessions_per_vm {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxSessionsPerVm", 2)], "say x").await;
        for _ in 0..5 {
            let session = open(&vm).await;
            assert_eq!(
                (text(&session).await.as_str(), used(&vm, "maxSessionsPerVm").observed),
                ("x", 1)
            );
            session.destroy().await.unwrap();
        }
        assert_eq!(used(&vm, "maxSessionsPerVm").observed, 0);
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxSessionsPerVm", 2)], "say x").await;
        let mut events = vm.events();
        // Closed ones count.
        open(&vm).await.close().await.unwrap();
        let kept = open(&vm).await;
        let error = vm.session("script").create().await.unwrap_err();
        refused(&error, "maxSessionsPerVm", "count", (Some(3), 2));
        audited(&mut events, "maxSessionsPerVm", "count", 2).await;
        assert_eq!(
            (text(&kept).await.as_str(), used(&vm, "maxSessionsPerVm").observed),
            ("x", 2)
        );
        lives(&vm).await;
    }
}

pub(crate) mod max_live_sessions_per_vm {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxLiveSessionsPerVm", 1)], "say x").await;
        for _ in 0..3 {
            let session = open(&vm).await;
            assert_eq!(text(&session).await, "x");
            session.close().await.unwrap();
            assert_eq!(used(&vm, "maxLiveSessionsPerVm").observed, 0);
        }
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxLiveSessionsPerVm", 1)], "say x").await;
        let mut events = vm.events();
        let session = open(&vm).await;
        let error = vm.session("script").create().await.unwrap_err();
        refused(&error, "maxLiveSessionsPerVm", "count", (Some(2), 1));
        audited(&mut events, "maxLiveSessionsPerVm", "count", 1).await;
        // What was refused left no session.
        assert_eq!(used(&vm, "maxSessionsPerVm").observed, 1);
        assert_eq!(text(&session).await, "x");
        lives(&vm).await;
    }
}

pub(crate) mod max_prompts_per_session {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxPromptsPerSession", 2)], "say x").await;
        for _ in 0..2 {
            let session = open(&vm).await;
            assert_eq!(
                (text(&session).await.as_str(), text(&session).await.as_str()),
                ("x", "x")
            );
        }
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxPromptsPerSession", 2)], "say x").await;
        let mut events = vm.events();
        let session = open(&vm).await;
        for _ in 0..2 {
            text(&session).await;
        }
        too_many(&session, "maxPromptsPerSession", (3, 2)).await;
        audited(&mut events, "maxPromptsPerSession", "count", 2).await;
        // Another agent for the same session is no way to more.
        session.close().await.unwrap();
        session.sessions().resume(session.id()).await.unwrap();
        too_many(&session, "maxPromptsPerSession", (3, 2)).await;
    }
}

pub(crate) mod max_prompts_per_vm {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxPromptsPerVm", 2)], "say x").await;
        for _ in 0..2 {
            assert_eq!(text(&open(&vm).await).await, "x");
        }
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxPromptsPerVm", 2)], "say x").await;
        let mut events = vm.events();
        for _ in 0..2 {
            text(&open(&vm).await).await;
        }
        too_many(&open(&vm).await, "maxPromptsPerVm", (3, 2)).await;
        audited(&mut events, "maxPromptsPerVm", "count", 2).await;
    }
}

pub(crate) mod max_queued_prompts_per_session {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxQueuedPromptsPerSession", 1)], "say x").await;
        let session = open(&vm).await;
        let (one, other) = tokio::join!(text(&session), text(&session));
        assert_eq!((one.as_str(), other.as_str()), ("x", "x"));
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxQueuedPromptsPerSession", 1)], "until_cancelled").await;
        let mut events = vm.events();
        let session = open(&vm).await;
        let prompt = || Box::pin(session.prompt("go").into_future());
        let (mut running, mut waiting) = (prompt(), prompt());
        assert!(poll_once(running.as_mut()).is_pending() && poll_once(waiting.as_mut()).is_pending());
        too_many(&session, "maxQueuedPromptsPerSession", (2, 1)).await;
        audited(&mut events, "maxQueuedPromptsPerSession", "count", 1).await;
        session.destroy().await.unwrap();
        assert!(running.await.is_err() && waiting.await.is_err());
        lives(&vm).await;
    }
}

/// Asks twice without waiting for an answer, and says what the first answer is: of either, both are served at once.
const TWO: &str = "request p1 one; request p2 two; IFS= read -r answer; decided";
/// Asks and says what was decided.
const ONE: &str = "n=$((n+1)); request p$n one; wait_for p$n; decided";

pub(crate) mod max_pending_permissions_per_session {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxPendingPermissionsPerSession", 1)], ONE).await;
        let session = open(&vm).await;
        assert_eq!(approving(&session, &[Reply::Once]).await, "allowed ");
        assert_eq!(used(&vm, "maxPendingPermissionsPerSession").observed, 0);
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxPendingPermissionsPerSession", 1)], TWO).await;
        let mut events = vm.events();
        let session = open(&vm).await;
        assert_eq!(text(&session).await, "cancelled ");
        audited(&mut events, "maxPendingPermissionsPerSession", "count", 1).await;
        // The end of the prompt ended the other as well.
        assert!(session.pending().is_empty());
        lives(&vm).await;
    }
}

pub(crate) mod max_pending_permissions_per_vm {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxPendingPermissionsPerVm", 1)], ONE).await;
        for session in [open(&vm).await, open(&vm).await] {
            assert_eq!(approving(&session, &[Reply::Reject]).await, "rejected ");
        }
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxPendingPermissionsPerVm", 1)], ONE).await;
        let mut events = vm.events();
        let (first, second) = (open(&vm).await, open(&vm).await);
        let running = tokio::spawn(first.prompt("go").into_future());
        let request = pending(&first).await;
        assert_eq!(text(&second).await, "cancelled ");
        audited(&mut events, "maxPendingPermissionsPerVm", "count", 1).await;
        // What waited before waits on.
        first.respond(&request.permission_id, Reply::Once, None).await.unwrap();
        assert_eq!(running.await.unwrap().unwrap().text, "allowed ");
    }
}

/// The permission ids of `count` requests, each answered by a client.
async fn resolved(sessions: &[&Session], count: usize) -> Vec<(String, String)> {
    let mut ids = Vec::new();
    for session in sessions.iter().cycle().take(count) {
        let running = tokio::spawn(session.prompt("go").into_future());
        let request = pending(session).await;
        session
            .respond(&request.permission_id, Reply::Reject, None)
            .await
            .unwrap();
        assert_eq!(running.await.unwrap().unwrap().text, "rejected ");
        ids.push((session.id().to_owned(), request.permission_id));
    }
    ids
}

/// What each of them is answered with now.
async fn known(session: &Session, ids: &[(String, String)]) -> Vec<bool> {
    let mut known = Vec::new();
    for (id, permission) in ids {
        let answer = session
            .sessions()
            .respond(id, permission, Reply::Once, None, Via::Client)
            .await;
        known.push(match answer.unwrap_err() {
            Error::PermissionResolved { .. } => true,
            Error::PermissionNotFound(_) => false,
            other => panic!("{other}"),
        });
    }
    known
}

pub(crate) mod max_permission_outcomes_per_session {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxPermissionOutcomesPerSession", 2)], ONE).await;
        let session = open(&vm).await;
        let ids = resolved(&[&session], 2).await;
        assert_eq!(known(&session, &ids).await, [true, true]);
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxPermissionOutcomesPerSession", 2)], ONE).await;
        let (session, other) = (open(&vm).await, open(&vm).await);
        let before = resolved(&[&other], 1).await;
        let ids = resolved(&[&session], 5).await;
        assert_eq!(known(&session, &ids).await, [false, false, false, true, true]);
        assert_eq!(known(&session, &before).await, [true]);
    }
}

pub(crate) mod max_permission_outcomes_per_vm {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxPermissionOutcomesPerVm", 2)], ONE).await;
        let (one, other) = (open(&vm).await, open(&vm).await);
        let ids = resolved(&[&one, &other], 2).await;
        assert_eq!(known(&one, &ids).await, [true, true]);
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxPermissionOutcomesPerVm", 2)], ONE).await;
        let (one, other) = (open(&vm).await, open(&vm).await);
        let ids = resolved(&[&one, &other], 4).await;
        assert_eq!(known(&one, &ids).await, [false, false, true, true]);
    }
}

pub(crate) mod max_grants_per_session {
    use super::*;
    use agentos::GrantScope;

    /// Grants of different kinds of tools.
    fn scope(kind: &str) -> Option<GrantScope> {
        serde_json::from_value(serde_json::json!({ "toolKind": kind })).ok()
    }

    pub(crate) async fn program() {
        let vm = vm(&[("maxGrantsPerSession", 1)], ONE).await;
        let session = open(&vm).await;
        assert_eq!(approving(&session, &[Reply::Always]).await, "allowed ");
        // The grant decides from here on.
        assert_eq!(text(&session).await, "allowed ");
        assert_eq!(used(&vm, "maxGrantsPerSession").observed, 1);
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxGrantsPerSession", 1)], ONE).await;
        let mut events = vm.events();
        let session = open(&vm).await;
        let running = tokio::spawn(session.prompt("go").into_future());
        let request = pending(&session).await.permission_id;
        session.respond(&request, Reply::Always, scope("read")).await.unwrap();
        assert_eq!(running.await.unwrap().unwrap().text, "allowed ");
        let running = tokio::spawn(session.prompt("go").into_future());
        let request = pending(&session).await.permission_id;
        let error = session
            .respond(&request, Reply::Always, scope("edit"))
            .await
            .unwrap_err();
        refused(&error, "maxGrantsPerSession", "count", (Some(2), 1));
        audited(&mut events, "maxGrantsPerSession", "count", 1).await;
        // The request waits on for an answer that fits.
        session.respond(&request, Reply::Once, None).await.unwrap();
        assert_eq!(running.await.unwrap().unwrap().text, "allowed ");
    }
}

pub(crate) mod max_history_bytes_per_vm {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("maxHistoryBytesPerVm", 20_000)], "say x").await;
        let session = open(&vm).await;
        assert_eq!(text(&session).await, "x");
        let history = session.history(&EventQuery::default()).unwrap();
        let bytes: u64 = history.iter().map(|event| event.event.to_string().len() as u64).sum();
        assert_eq!(used(&vm, "maxHistoryBytesPerVm").observed, bytes);
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("maxHistoryBytesPerVm", 20_000)], "while :; do say flood; done").await;
        let mut events = vm.events();
        let session = vm
            .session("script")
            .policy(ApprovalPolicy::AllowAll)
            .create()
            .await
            .unwrap();
        let error = session.prompt("go").await.unwrap_err();
        refused(&error, "maxHistoryBytesPerVm", "bytes", (None, 20_000));
        audited(&mut events, "maxHistoryBytesPerVm", "bytes", 20_000).await;
        // Nothing was thrown away, and nothing more is begun.
        assert_eq!(session.history(&EventQuery::default()).unwrap()[0].seq, 0);
        let error = session.prompt("go").await.unwrap_err();
        refused(&error, "maxHistoryBytesPerVm", "bytes", (None, 20_000));
        session.destroy().await.unwrap();
        assert_eq!(used(&vm, "maxHistoryBytesPerVm").observed, 0);
        lives(&vm).await;
    }
}
