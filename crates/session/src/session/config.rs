//! Mode, model and thought level of an agent, and its options.
//!
//! Agents have options with categories; older ones have modes and models beside them. A setting goes to whichever the agent
//! has. What was set is stored, and set again on an agent that takes the place of another.

use super::Session;
use crate::agent::acp;
use crate::agent::live::Live;
use crate::agent::message::{Answer, METHOD_NOT_FOUND, RpcError};
use crate::error::Result;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Mode,
    Model,
    ThoughtLevel,
}

impl Setting {
    const ALL: [Self; 3] = [Self::Mode, Self::Model, Self::ThoughtLevel];

    /// The category of an option of this kind.
    const fn category(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Model => "model",
            Self::ThoughtLevel => "thought_level",
        }
    }
}

impl Session {
    /// The settings of the system prompt.
    pub(crate) fn instruction_settings(&self) -> (bool, Option<String>) {
        let settings = self.settings.lock();
        (settings.skip_os_instructions, settings.additional_instructions.clone())
    }

    /// `{currentModeId, availableModes}`, if the agent has modes.
    pub(crate) fn modes(&self) -> Option<Value> {
        self.state.lock().modes.clone()
    }

    /// The options in the form of api.md section 5.1.
    pub(crate) fn options(&self) -> Vec<Value> {
        let state = self.state.lock();
        let mut options: Vec<Value> = state.options.iter().filter_map(shape).collect();
        let has = |options: &[Value], category: &str| {
            options
                .iter()
                .any(|option| option.get("category").and_then(Value::as_str) == Some(category))
        };
        if let Some(models) = state.models.as_ref().filter(|_| !has(&options, "model")) {
            options.push(choice("model", models, "currentModelId", "availableModels", "modelId"));
        }
        if let Some(modes) = state.modes.as_ref().filter(|_| !has(&options, "mode")) {
            options.push(choice("mode", modes, "currentModeId", "availableModes", "id"));
        }
        options
    }

    /// Sets something on the agent; what it refuses is its answer.
    pub(crate) async fn configure(self: &Arc<Self>, setting: Setting, value: &str) -> Result<Answer> {
        let (live, _) = self.ensure_live(super::Purpose::Use).await?;
        let answer = self.apply(&live, setting, value).await?;
        if answer.is_ok() {
            {
                let mut settings = self.settings.lock();
                let slot = match setting {
                    Setting::Mode => &mut settings.mode,
                    Setting::Model => &mut settings.model,
                    Setting::ThoughtLevel => &mut settings.thought_level,
                };
                *slot = Some(value.to_owned());
            }
            self.store_settings().await?;
        }
        Ok(answer.map(|_| json!({"configOptions": self.options()})))
    }

    /// Sets on a new agent what was set on the one before. An agent that does not take it works with what it has.
    pub(super) async fn reapply(&self, live: &Arc<Live>) {
        let settings = self.settings.lock().clone();
        for setting in Setting::ALL {
            let value = match setting {
                Setting::Mode => &settings.mode,
                Setting::Model => &settings.model,
                Setting::ThoughtLevel => &settings.thought_level,
            };
            let Some(value) = value else { continue };
            match self.apply(live, setting, value).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(session = %self.id, setting = setting.category(), message = %error.message, "a setting was not taken again");
                }
                Err(error) => tracing::warn!(session = %self.id, %error, "a setting was not taken again"),
            }
        }
    }

    async fn apply(&self, live: &Arc<Live>, setting: Setting, value: &str) -> Result<Answer> {
        let agent_session = live.agent_session().unwrap_or_default();
        let time = self.core.limits.request_timeout;
        let (method, params) = match self.way(setting, value) {
            // Version 2 wants to know what kind of value it is.
            Way::Option(id) if live.is_v2() => (
                "session/set_config_option",
                json!({"sessionId": agent_session, "configId": id, "type": "id", "value": value}),
            ),
            Way::Option(id) => (
                "session/set_config_option",
                json!({"sessionId": agent_session, "configId": id, "value": value}),
            ),
            Way::Mode => ("session/set_mode", json!({"sessionId": agent_session, "modeId": value})),
            Way::Model => (
                "session/set_model",
                json!({"sessionId": agent_session, "modelId": value}),
            ),
            Way::None(text) => return Ok(Err(RpcError::new(METHOD_NOT_FOUND, text))),
        };
        let answer = live.ask(method, params, time).await?;
        if let Ok(result) = &answer {
            self.learned(setting, value, result);
        }
        Ok(answer)
    }

    fn learned(&self, setting: Setting, value: &str, result: &Value) {
        let mut state = self.state.lock();
        if let Some(options) = acp::options(result) {
            state.options = options;
        }
        let current = match setting {
            Setting::Mode => state.modes.as_mut().and_then(|modes| modes.get_mut("currentModeId")),
            Setting::Model => state
                .models
                .as_mut()
                .and_then(|models| models.get_mut("currentModelId")),
            Setting::ThoughtLevel => None,
        };
        if let Some(current) = current {
            *current = Value::from(value);
        }
    }

    /// How a setting reaches the agent.
    fn way(&self, setting: Setting, _value: &str) -> Way {
        let state = self.state.lock();
        let of_category = |option: &&Value| option.get("category").and_then(Value::as_str) == Some(setting.category());
        if let Some(option) = state.options.iter().find(of_category) {
            if option.get("readOnly").and_then(Value::as_bool) == Some(true) {
                return Way::None(format!("the agent's option {} is read-only", setting.category()));
            }
            if let Some(id) = option.get("id").and_then(Value::as_str) {
                return Way::Option(id.to_owned());
            }
        }
        match setting {
            Setting::Mode if state.modes.is_some() => Way::Mode,
            Setting::Model if state.models.is_some() => Way::Model,
            _ => Way::None(format!(
                "the agent has no {} to set",
                setting.category().replace('_', " ")
            )),
        }
    }
}

enum Way {
    Option(String),
    Mode,
    Model,
    None(String),
}

/// An option of the protocol in the form of the API.
fn shape(option: &Value) -> Option<Value> {
    let id = option.get("id")?.as_str()?;
    let allowed: Vec<Value> = values(option.get("options"));
    let mut shaped = json!({"id": id});
    let object = shaped.as_object_mut()?;
    for (name, from) in [
        ("category", "category"),
        ("label", "name"),
        ("description", "description"),
        ("currentValue", "currentValue"),
        ("readOnly", "readOnly"),
    ] {
        if let Some(value) = option.get(from).filter(|value| !value.is_null()) {
            object.insert(name.to_owned(), value.clone());
        }
    }
    if !allowed.is_empty() {
        object.insert("allowedValues".to_owned(), Value::Array(allowed));
    }
    Some(shaped)
}

/// Values of a selection, which may stand in groups.
fn values(options: Option<&Value>) -> Vec<Value> {
    let each = |option: &Value| -> Vec<Value> {
        if let Some(group) = option.get("options") {
            return values(Some(group));
        }
        match option.get("value").and_then(Value::as_str) {
            Some(id) => vec![json!({"id": id, "label": option.get("name")})],
            None => Vec::new(),
        }
    };
    options
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(each)
        .collect()
}

/// Modes or models as an option.
fn choice(category: &str, state: &Value, current: &str, available: &str, id: &str) -> Value {
    let each = |item: &Value| Some(json!({"id": item.get(id)?.as_str()?, "label": item.get("name")}));
    let allowed: Vec<Value> = state
        .get(available)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(each)
        .collect();
    json!({"id": category, "category": category, "label": category, "currentValue": state.get(current), "allowedValues": allowed})
}
