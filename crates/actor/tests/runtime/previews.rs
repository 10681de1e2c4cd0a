//! Preview tokens: valid, expired, revoked; and what uses them ends with them.

use std::time::Duration;

use agentos_actor::{HookSet, PreviewGrant};
use agentos_value::{ActorError, ActorId, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Probe, World, until};

struct Previews {
    world: World,
    actor: agentos_actor::ActorInfo,
}

impl Previews {
    async fn new() -> Self {
        let world = World::on_disk(Probe::new(HookSet::default(), |options| options.preview_max_active = 3));
        let actor = world.actor("a").await;
        Self { world, actor }
    }

    async fn create(&self, seconds: Option<i64>) -> Result<String, ActorError> {
        let args = seconds.map(Value::from).into_iter().collect();
        let token = self.world.call(&self.actor, "preview", args).await?;
        Ok(token.as_str().unwrap().to_owned())
    }

    async fn check(&self, token: &str) -> Result<PreviewGrant, ActorError> {
        self.world.registry.preview_authorize(Some(&self.actor.id), token).await
    }

    async fn is_denied(&self, token: &str) {
        let error = self.check(token).await.unwrap_err();
        assert_eq!(error, ActorError::auth("forbidden", "The preview token is not valid."));
    }
}

#[tokio::test]
async fn a_token_leads_to_its_port_and_wakes_only_when_used() {
    let previews = Previews::new().await;
    let token = previews.create(None).await.unwrap();
    assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    let grant = previews.check(&token).await.unwrap();
    assert_eq!((grant.port(), grant.actor_id()), (80, &previews.actor.id));
    assert_eq!(grant.expires_at_ms(), 1_700_000_000_000 + 3_600_000);
    assert!(!format!("{grant:?}").contains(&token));
    previews.world.registry.preview_authorize(None, &token).await.unwrap();
    assert_eq!(previews.world.phase(&previews.actor), "asleep");
    let mut stream = previews.world.registry.open_port(&grant).await.unwrap();
    assert_eq!(
        previews
            .world
            .registry
            .status(&previews.actor.id)
            .unwrap()
            .awake_because,
        ["request"]
    );
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    drop(stream);
    assert!(
        previews
            .world
            .registry
            .status(&previews.actor.id)
            .unwrap()
            .awake_because
            .is_empty()
    );
}

#[tokio::test]
async fn unknown_expired_and_revoked_tokens_are_denied_alike() {
    let previews = Previews::new().await;
    for unknown in ["", "a", &"a".repeat(32), &"a".repeat(1000), "ÄÄ"] {
        previews.is_denied(unknown).await;
    }
    let short = previews.create(Some(1)).await.unwrap();
    let revoked = previews.create(None).await.unwrap();
    let other = ActorId::new("other").unwrap();
    let error = previews
        .world
        .registry
        .preview_authorize(Some(&other), &revoked)
        .await
        .unwrap_err();
    assert!(error.is("auth", "forbidden"));
    previews
        .world
        .call(&previews.actor, "revoke", vec![Value::from(&*revoked)])
        .await
        .unwrap();
    previews
        .world
        .call(&previews.actor, "revoke", vec![Value::from(&*revoked)])
        .await
        .unwrap();
    previews.is_denied(&revoked).await;
    previews.check(&short).await.unwrap();
    previews.world.clock.advance(Duration::from_secs(1));
    previews.is_denied(&short).await;
    assert_eq!(previews.world.probe.logged("boot"), 0);
}

#[tokio::test]
async fn life_and_number_are_bounded() {
    let previews = Previews::new().await;
    for seconds in [0, -1, 86_401, 1 << 50] {
        let error = previews.create(Some(seconds)).await.unwrap_err();
        assert!(error.is("agentos", "invalid_expiry"), "{error:?}");
        assert_eq!(error.message, "expiresInSeconds must be between 1 and 86400");
    }
    previews.create(Some(1)).await.unwrap();
    previews.create(Some(86_400)).await.unwrap();
    previews.create(None).await.unwrap();
    let error = previews.create(None).await.unwrap_err();
    assert!(
        error.is("agentos", "limit_exceeded") && error.message.contains("maxActive"),
        "{error:?}"
    );
    previews.world.clock.advance(Duration::from_secs(2));
    previews.create(None).await.unwrap();
    assert_eq!(
        previews.world.call(&previews.actor, "previews", vec![]).await,
        Ok(Value::from(3))
    );
}

#[tokio::test]
async fn revocation_expiry_sleep_and_destroy_cut_streams() {
    for end in ["revoke", "expire", "sleep", "destroy"] {
        let previews = Previews::new().await;
        let token = previews.create(Some(60)).await.unwrap();
        let grant = previews.check(&token).await.unwrap();
        let mut stream = previews.world.registry.open_port(&grant).await.unwrap();
        let ended = tokio::spawn(async move { stream.read(&mut [0; 1]).await });
        let ends = tokio::spawn(grant.ended());
        tokio::task::yield_now().await;
        let registry = &previews.world.registry;
        match end {
            "revoke" => {
                let args = vec![Value::from(&*token)];
                previews.world.call(&previews.actor, "revoke", args).await.unwrap();
            }
            "expire" => previews.world.clock.advance(Duration::from_secs(60)),
            "sleep" => registry.sleep(&previews.actor.id).await.unwrap(),
            _ => registry.destroy(&previews.actor.id).await.unwrap(),
        }
        assert_eq!(
            ended.await.unwrap().unwrap_err().kind(),
            std::io::ErrorKind::ConnectionAborted,
            "{end}"
        );
        if end == "sleep" {
            assert!(!grant.is_revoked());
            previews.check(&token).await.unwrap();
        } else {
            ends.await.unwrap();
            previews.check(&token).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn tokens_survive_a_restart_and_expired_ones_are_swept() {
    let previews = Previews::new().await;
    let kept = previews.create(Some(86_400)).await.unwrap();
    previews.create(Some(30)).await.unwrap();
    previews.world.registry.drain().await;
    let directory = previews.world.directory.as_ref().unwrap().path();
    let build = |builder: agentos_actor::RegistryBuilder| builder.data_dir(directory);
    let world = World::with(previews.world.probe.clone(), build);
    world.registry.preview_authorize(None, &kept).await.unwrap();
    let actor = world.actor("a").await;
    assert_eq!(world.call(&actor, "previews", vec![]).await, Ok(Value::from(2)));
    let rows = || {
        let database = directory.join("vms").join(actor.id.as_str()).join("vm.sqlite");
        let copy = tempfile::tempdir().unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let name = format!("vm.sqlite{suffix}");
            let _ = std::fs::copy(database.with_file_name(&name), copy.path().join(&name));
        }
        let database = agentos_store::Database::open(
            &copy.path().join("vm.sqlite"),
            &agentos_store::tables::VM_SCHEMA,
            Default::default(),
        )
        .unwrap();
        agentos_store::tables::PreviewTable::new(&database)
            .list(0)
            .unwrap()
            .len()
    };
    assert_eq!(rows(), 2);
    // Once an hour, sleeping actors are swept as well.
    for _ in 0..65 {
        until(|| world.clock.sleepers() >= 1).await;
        world.clock.advance(Duration::from_secs(60));
    }
    until(|| rows() == 1).await;
    until(|| world.registry.status(&actor.id).unwrap().phase.as_str() == "asleep").await;
    world.registry.drain().await;
}
