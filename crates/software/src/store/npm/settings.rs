//! Which registry, and with which credentials: `npm_config_registry`, the user's `.npmrc`, else the public one.

use std::path::PathBuf;

/// The public registry of npm.
const PUBLIC: &str = "https://registry.npmjs.org/";
/// Largest `.npmrc` that is read.
const FILE_MOST: u64 = 1 << 20;

/// What is known of registries. Its `Debug` shows no credential.
#[derive(Clone, Default)]
pub(in super::super) struct Settings {
    /// Where packages come from, with a slash at its end.
    registry: Option<String>,
    /// Other registries for scopes.
    scopes: Vec<(String, String)>,
    /// Credentials by the beginning of a URL without its scheme.
    tokens: Vec<(String, String)>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// Those of this user and this process.
    pub(in super::super) fn user() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = variable("npm_config_userconfig").map(PathBuf::from);
        let file = file.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".npmrc")));
        let small = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|metadata| metadata.len() <= FILE_MOST);
        let text = file.filter(small).and_then(|file| std::fs::read_to_string(file).ok());
        let mut settings = Self::parse(&text.unwrap_or_default(), &|name| std::env::var(name).ok());
        if let Some(registry) = variable("npm_config_registry").or_else(|| variable("NPM_CONFIG_REGISTRY")) {
            settings.registry = Some(directory(&registry));
        }
        settings
    }

    /// Nothing but this registry.
    #[cfg(test)]
    pub(in super::super) fn of(registry: &str) -> Self {
        Self {
            registry: Some(directory(registry)),
            ..Self::default()
        }
    }

    /// Those of the text of an `.npmrc`.
    pub(in super::super) fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let line = line.trim();
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) else {
                continue;
            };
            let value = expand(value.trim().trim_matches('"'), variable);
            match key.trim() {
                "registry" => settings.registry = Some(directory(&value)),
                key => {
                    if let Some(scope) = key.strip_suffix(":registry").filter(|scope| scope.starts_with('@')) {
                        settings.scopes.push((scope.to_owned(), directory(&value)));
                    } else if let Some(place) = key.strip_suffix(":_authToken").and_then(|key| key.strip_prefix("//")) {
                        settings.tokens.push((directory(place), format!("Bearer {value}")));
                    } else if let Some(place) = key.strip_suffix(":_auth").and_then(|key| key.strip_prefix("//")) {
                        settings.tokens.push((directory(place), format!("Basic {value}")));
                    }
                }
            }
        }
        settings
    }

    /// The registry for a package.
    pub(super) fn registry(&self, package: &str) -> &str {
        let scope = package.split_once('/').map_or("", |(scope, _)| scope);
        let scoped = self.scopes.iter().find(|(known, _)| known == scope);
        let registry = scoped.map(|(_, registry)| registry).or(self.registry.as_ref());
        registry.map_or(PUBLIC, String::as_str)
    }

    /// Whether something may be asked for at this URL: over TLS, or in the clear where somebody has said so.
    pub(super) fn accepts(&self, url: &str) -> bool {
        let clear = |registry: &String| registry.starts_with("http://") && origin(registry) == origin(url);
        let mut registries = self.scopes.iter().map(|(_, registry)| registry).chain(&self.registry);
        url.starts_with("https://") || registries.any(clear)
    }

    /// The credential for a URL.
    pub(super) fn credential(&self, url: &str) -> Option<&str> {
        let place = url.split_once("://").map_or("", |(_, place)| place);
        let fits = self
            .tokens
            .iter()
            .filter(|(known, _)| place.starts_with(known.as_str()));
        let longest = fits.max_by_key(|(known, _)| known.len());
        longest.map(|(_, credential)| credential.as_str())
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after..).and_then(|rest| rest.find('/'));
    end.and_then(|end| url.get(..after + end)).unwrap_or(url)
}

fn directory(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

/// Puts variables of the environment into their places, as npm does.
fn expand(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            return text + "${" + after;
        };
        match variable(name) {
            Some(value) => text.push_str(&value),
            None => text.push_str(&format!("${{{name}}}")),
        }
        rest = behind;
    }
    text + rest
}

/// A URL for people: without what stands before the host and after the path.
pub(super) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or_default();
    let text = format!("{scheme}://{host}/{path}");
    text.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_npmrc_is_read() {
        let text = "; a comment\nregistry = https://a.example/npm\n@s:registry=http://127.0.0.1:1/\n\
            //a.example/npm/:_authToken=${TOKEN}\n//b.example/:_auth=\"eDp5\"\nfund=false\n";
        let settings = Settings::parse(text, &|name| (name == "TOKEN").then(|| "secret".to_owned()));
        assert_eq!(settings.registry("x"), "https://a.example/npm/");
        assert_eq!(settings.registry("@s/x"), "http://127.0.0.1:1/");
        assert_eq!(settings.credential("https://a.example/npm/x"), Some("Bearer secret"));
        assert_eq!(settings.credential("https://a.example/other"), None);
        assert_eq!(settings.credential("https://a.example.evil/npm/x"), None);
        assert_eq!(settings.credential("https://b.example/x"), Some("Basic eDp5"));
        assert!(settings.accepts("http://127.0.0.1:1/x") && settings.accepts("https://c.example/x"));
        assert!(!settings.accepts("http://127.0.0.1:2/x") && !settings.accepts("http://a.example/npm/x"));
        assert!(!settings.accepts("ftp://a.example/") && !settings.accepts("http://127.0.0.1:1@evil/"));
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn credentials_in_urls_are_not_shown() {
        assert_eq!(shown("https://u:p@a.example/x?token=1"), "https://a.example/x");
    }
}
