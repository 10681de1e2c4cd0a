//! An actor whose code is in JavaScript, as `actor(config)` gets it: names of actions and hooks, times. The code stays where
//! it is.

use super::InvalidConfig;
use super::sdk::{database, members};
use super::section::{Section, is_function, mismatch};
use super::vm::MAX_MS;
use agentos_actor::{ActorOptions, HookSet};
use serde_json::Value;
use std::time::Duration;

/// What `actor(config)` was given, as far as it is data.
#[derive(Debug)]
#[non_exhaustive]
pub struct SdkActor {
    /// Times.
    pub options: ActorOptions,
    /// Which hooks about connections, actions and events are functions.
    pub hooks: HookSet,
    /// Names of the actions.
    pub actions: Vec<String>,
    /// Whether each actor has a database.
    pub db: bool,
}

impl SdkActor {
    /// Reads the argument of `actor`.
    ///
    /// # Errors
    /// Everything that is wrong, with the path of the key.
    pub fn read(config: Value) -> Result<Self, InvalidConfig> {
        let (mut root, problems) = Section::root(members(config, "actor(config)")?);
        let hooks = HookSet {
            before_connect: root.function("onBeforeConnect"),
            conn_state: root.function("createConnState"),
            connect: root.function("onConnect"),
            disconnect: root.function("onDisconnect"),
            before_action: root.function("onBeforeAction"),
            can_receive: root.function("canReceive"),
        };
        for name in [
            "createState",
            "createVars",
            "onCreate",
            "onWake",
            "onSleep",
            "onDestroy",
        ] {
            root.function(name);
        }
        // Values of the program's own, which JavaScript keeps.
        for name in ["state", "vars", "events"] {
            root.take(name);
        }
        let options = options(&mut root);
        let db = database(&mut root);
        let mut actions = Vec::new();
        if let Some(section) = root.section("actions") {
            let path = section.path().to_owned();
            for (name, action) in section.rest() {
                match is_function(&action) {
                    true => actions.push(name),
                    false => root.problem_at(&format!("{path}.{name}"), mismatch("a function", &action)),
                }
            }
        }
        drop(root);
        problems.finish()?;
        Ok(Self {
            options,
            hooks,
            actions,
            db,
        })
    }
}

fn options(root: &mut Section) -> ActorOptions {
    let mut options = ActorOptions::default();
    if let Some(timeout) = root.integer("actionTimeoutMs", 1..=MAX_MS) {
        options.action_timeout = Duration::from_millis(timeout);
    }
    if let Some(mut sleep) = root.section("sleep") {
        if let Some(idle) = sleep.integer("idleTimeoutMs", 0..=MAX_MS) {
            options.idle_timeout = Duration::from_millis(idle);
        }
        if let Some(budget) = sleep.integer("shutdownBudgetMs", 0..=MAX_MS) {
            options.shutdown_budget = Duration::from_millis(budget);
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actions_and_hooks_are_functions() {
        let function = json!({"$kind": "a function"});
        let read = SdkActor::read(json!({
            "state": {"count": 0}, "onConnect": function, "actions": {"increment": function}, "sleep": {"idleTimeoutMs": 5},
        }));
        let read = read.unwrap();
        assert_eq!(
            (read.actions.as_slice(), read.hooks.connect),
            (&["increment".to_owned()][..], true)
        );
        assert_eq!(read.options.idle_timeout, Duration::from_millis(5));
        for (config, expected) in [
            (
                json!({"actions": {"a": 5}}),
                "actions.a: must be a function, got number 5",
            ),
            (json!({"action": {}}), "action: unknown key (did you mean actions?)"),
            (json!({"onWake": "x"}), "onWake: must be a function, got a string"),
        ] {
            assert_eq!(SdkActor::read(config).unwrap_err().to_string(), expected);
        }
    }
}
