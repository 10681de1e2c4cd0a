//! Where the agent's model is: at a provider whose key stays on the host, or in this process.

use crate::error::Error;
use agentos::{Builder, Secret};
use agentos_model::{ModelServer, Script};
use serde_json::json;
use std::path::Path;

/// A provider that is known by the variable of its key.
struct Provider {
    variable: &'static str,
    host: &'static str,
}

const PROVIDERS: [Provider; 5] = [
    Provider {
        variable: "ANTHROPIC_API_KEY",
        host: "api.anthropic.com",
    },
    Provider {
        variable: "OPENAI_API_KEY",
        host: "api.openai.com",
    },
    Provider {
        variable: "OPENROUTER_API_KEY",
        host: "openrouter.ai",
    },
    Provider {
        variable: "GROQ_API_KEY",
        host: "api.groq.com",
    },
    Provider {
        variable: "XAI_API_KEY",
        host: "api.x.ai",
    },
];

/// The variables that are looked for.
pub(crate) fn variables() -> String {
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.variable).collect();
    names.join(", ")
}

/// What the agent talks to.
#[derive(Debug)]
pub(crate) enum Model {
    /// Providers, by the variables that their keys were found in.
    Keys(Vec<&'static str>),
    /// The scripted model server of this process, which lives as long as this.
    Scripted(ModelServer),
}

impl Model {
    /// The providers whose keys the environment has, without those that `taken` says are given as secrets already.
    pub(crate) fn keys(taken: impl Fn(&str) -> bool) -> Self {
        let set = |provider: &&Provider| std::env::var_os(provider.variable).is_some_and(|value| !value.is_empty());
        let names = PROVIDERS.iter().filter(set).map(|provider| provider.variable);
        Self::Keys(names.filter(|name| !taken(name)).collect())
    }

    /// The scripted model, whose programs are written into `folder` of the VM.
    pub(crate) async fn scripted(folder: &str) -> Result<Self, Error> {
        let script = Script::write_and_run().var("folder", folder)?;
        Ok(Self::Scripted(ModelServer::builder(script).start().await?))
    }

    /// The model of a script of the user's.
    pub(crate) async fn of_file(script: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(script)
            .map_err(|error| Error::Usage(format!("--script {}: {error}", script.display())))?;
        let script = Script::from_json(&text)?;
        Ok(Self::Scripted(ModelServer::builder(script).start().await?))
    }

    /// Gives the VM the way to it, besides the `ports` that it may reach. Of a key the VM gets a placeholder.
    pub(crate) fn prepare(&self, mut builder: Builder, ports: &[i64]) -> Result<Builder, Error> {
        // Node.js brings roots of its own and ignores the system's, to which that of the VM's secrets belongs.
        builder = builder.env("NODE_EXTRA_CA_CERTS", "/etc/ssl/certs/ca-certificates.crt");
        match self {
            Self::Keys(names) => {
                for provider in PROVIDERS.iter().filter(|provider| names.contains(&provider.variable)) {
                    let value = std::env::var(provider.variable)
                        .map_err(|_| Error::Usage(format!("{}: the value is no text", provider.variable)))?;
                    // Over TLS only.
                    let host = format!("{}:443", provider.host);
                    builder = builder.secret(Secret::new(provider.variable, value).hosts([host]));
                }
                Ok(builder)
            }
            Self::Scripted(server) => Ok(builder
                .loopback_exempt_ports(ports.iter().copied().chain([server.port().into()]))
                .env("ANTHROPIC_BASE_URL", server.base_url())
                .env("ANTHROPIC_API_KEY", "scripted")),
        }
    }

    /// What an agent has to read of it, as files of its user's home: agents that take no address from their environment.
    pub(crate) fn files(&self, agent: &str) -> Vec<(&'static str, String)> {
        let Self::Scripted(server) = self else {
            return Vec::new();
        };
        match agent {
            "pi" => Self::pi_files(server),
            "codex" => {
                let provider = format!(
                    "name = \"scripted\"\nbase_url = \"{}/v1\"\nwire_api = \"responses\"\n",
                    server.base_url()
                );
                let chosen = "model = \"scripted\"\nmodel_provider = \"scripted\"\n";
                let config = format!("{chosen}\n[model_providers.scripted]\n{provider}");
                vec![(".codex/config.toml", config)]
            }
            "opencode" => {
                let provider = json!({
                    "npm": "@ai-sdk/anthropic", "name": "scripted", "models": {"scripted": {"name": "scripted"}},
                    "options": {"baseURL": format!("{}/v1", server.base_url()), "apiKey": "scripted"},
                });
                let model = "scripted/scripted";
                let config = json!({"model": model, "small_model": model, "provider": {"scripted": provider}});
                vec![(".config/opencode/opencode.json", config.to_string())]
            }
            // Claude Code has its address in its environment; others are their owners'.
            _ => Vec::new(),
        }
    }

    fn pi_files(server: &ModelServer) -> Vec<(&'static str, String)> {
        let models = json!({"providers": {"scripted": {
            "baseUrl": server.base_url(), "api": "anthropic-messages", "apiKey": "scripted", "models": [{"id": "scripted"}],
        }}});
        let settings = json!({"defaultProvider": "scripted", "defaultModel": "scripted", "quietStartup": true});
        vec![
            (".pi/agent/models.json", models.to_string()),
            (".pi/agent/settings.json", settings.to_string()),
        ]
    }

    /// What a person is told of it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Keys(names) if names.is_empty() => {
                format!(
                    "the model is what the agent is set up for, as there is none of {}",
                    variables()
                )
            }
            Self::Keys(names) => format!(
                "{}: the key stays on the host, the VM holds a placeholder",
                names.join(", ")
            ),
            Self::Scripted(_) => {
                "the model is the scripted one of this program: it follows a script, whatever you say".to_owned()
            }
        }
    }
}
