//! What can be typed besides prompts: `/help` and its kin.

use super::open::Chat;
use crate::error::Error;
use serde_json::Value;

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Something for the agent.
    Prompt(String),
    /// Something for us, with what follows the name.
    Command(Command, String),
    /// A command that there is not.
    Unknown(String),
    Empty,
}

/// The commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Mode,
    Model,
    Quit,
}

pub(crate) const COMMANDS: [(&str, Command, &str); 4] = [
    ("/help", Command::Help, "say what can be typed"),
    ("/mode", Command::Mode, "list the agent's modes, or set one: /mode NAME"),
    (
        "/model",
        Command::Model,
        "list the agent's models, or set one: /model NAME",
    ),
    ("/quit", Command::Quit, "leave; the chat can be resumed"),
];

/// Reads a line. What begins with a slash and is none of ours is the agent's if it has announced such a command (`theirs`).
pub(crate) fn read(line: &str, theirs: &[String]) -> Line {
    let line = line.trim();
    if line.is_empty() {
        return Line::Empty;
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let Some(word) = name.strip_prefix('/') else {
        return Line::Prompt(line.to_owned());
    };
    match COMMANDS.iter().find(|(known, ..)| *known == name) {
        Some((_, command, _)) => Line::Command(*command, rest.trim().to_owned()),
        // A path is no command.
        None if word.contains('/') || theirs.iter().any(|known| known == word) => Line::Prompt(line.to_owned()),
        None => Line::Unknown(name.to_owned()),
    }
}

/// What `/help` says.
pub(crate) fn help(theirs: &[String]) -> String {
    let mut text: String = COMMANDS
        .iter()
        .map(|(name, _, what)| format!("{name:8} {what}\n"))
        .collect();
    if !theirs.is_empty() {
        text.push_str("the agent's own: ");
        text.push_str(
            &theirs
                .iter()
                .map(|name| format!("/{name}"))
                .collect::<Vec<_>>()
                .join(" "),
        );
        text.push('\n');
    }
    text.push_str("Ctrl-C cancels a prompt that runs; a second one leaves.");
    text
}

/// Carries out `/mode` or `/model`; what to say of it.
pub(crate) async fn configure(chat: &Chat, command: Command, value: &str) -> Result<String, Error> {
    let category = if command == Command::Mode { "mode" } else { "model" };
    if value.is_empty() {
        let options = chat.sessions.config_options(&chat.id).await?;
        return Ok(options
            .iter()
            .find(|option| option.get("category").is_some_and(|of| of == category))
            .map_or_else(
                || format!("the agent has no {category} to choose"),
                |option| choices(category, option),
            ));
    }
    let answer = match command {
        Command::Mode => chat.sessions.set_mode(&chat.id, value).await?,
        _ => chat.sessions.set_model(&chat.id, value).await?,
    };
    let refused = answer
        .get("error")
        .and_then(|error| error.get("message"))
        .and_then(Value::as_str);
    Ok(refused.map_or_else(
        || format!("{category}: {value}"),
        |reason| format!("the agent refused: {reason}"),
    ))
}

/// Names that an agent gives, and how many are listed.
fn choices(category: &str, option: &Value) -> String {
    let current = option.get("currentValue").and_then(Value::as_str).unwrap_or_default();
    let allowed = option
        .get("allowedValues")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut text = format!("{category}: {current}");
    for value in allowed.iter().take(MOST) {
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let mark = if field("id") == current { '*' } else { ' ' };
        text.push_str(&format!("\n{mark} {}  {}", field("id"), field("label")));
    }
    if allowed.len() > MOST {
        text.push_str(&format!("\n  … {} more", allowed.len() - MOST));
    }
    text
}

const MOST: usize = 50;

/// Names of the commands that an update announces, if it does.
pub(crate) fn announced(update: &Value) -> Option<Vec<String>> {
    if update
        .get("sessionUpdate")
        .is_none_or(|kind| kind != "available_commands_update")
    {
        return None;
    }
    let commands = update.get("availableCommands")?.as_array()?.iter().take(256);
    let names = commands.filter_map(|command| command.get("name")?.as_str());
    Some(names.map(|name| super::show::tool::head(name, 64).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_prompts_or_commands() {
        let theirs = ["compact".to_owned()];
        let read = |line: &str| read(line, &theirs);
        assert_eq!(read("  hello /help "), Line::Prompt("hello /help".to_owned()));
        assert_eq!(read("/mode  plan "), Line::Command(Command::Mode, "plan".to_owned()));
        assert_eq!(read("/quit"), Line::Command(Command::Quit, String::new()));
        assert_eq!(read("/compact now"), Line::Prompt("/compact now".to_owned()));
        assert_eq!(
            read("/etc/passwd is what?"),
            Line::Prompt("/etc/passwd is what?".to_owned())
        );
        assert_eq!(read("/hlep"), Line::Unknown("/hlep".to_owned()));
        assert_eq!(read(" \t"), Line::Empty);
        let update = json!({"sessionUpdate": "available_commands_update", "availableCommands": [{"name": "a"}, {}]});
        assert_eq!(announced(&update), Some(vec!["a".to_owned()]));
        assert!(help(&theirs).contains("/compact"));
    }

    #[test]
    fn choices_mark_the_current_one() {
        let option = json!({"currentValue": "b", "allowedValues": [{"id": "a", "label": "A"}, {"id": "b"}]});
        assert_eq!(choices("mode", &option), "mode: b\n  a  A\n* b  ");
    }
}
