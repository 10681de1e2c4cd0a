//! Resources of the embedding program.

use super::content::{Body, Document};
use super::pattern::Pattern;
use super::{Completion, Variables};
use crate::computer::{BoxFuture, Result};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

type Read = dyn Fn(Variables) -> BoxFuture<'static, Result<Body>> + Send + Sync;

/// A resource, or all those that a template stands for.
#[derive(Clone)]
pub struct Resource {
    pub(crate) uri: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) mime: Option<String>,
    pattern: std::result::Result<Pattern, &'static str>,
    completions: BTreeMap<String, Completion>,
    read: Arc<Read>,
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Resource").field(&self.uri).finish()
    }
}

impl Resource {
    /// A resource at an address, for example `notes://today`, or many by a template, for example `notes://{day}/{+path}`.
    /// `read` gives the content; of a template it is told the values of the variables.
    pub fn new<F, R>(uri: impl Into<String>, name: impl Into<String>, read: F) -> Self
    where
        F: Fn(Variables) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Body>> + Send + 'static,
    {
        let uri = uri.into();
        Self {
            pattern: Pattern::parse(&uri),
            uri,
            name: name.into(),
            description: None,
            mime: None,
            completions: BTreeMap::new(),
            read: Arc::new(move |values| Box::pin(read(values))),
        }
    }

    /// Says what it is.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Says what type its content has.
    #[must_use]
    pub fn mime(mut self, mime: impl Into<String>) -> Self {
        self.mime = Some(mime.into());
        self
    }

    /// Completes values of a variable of its template.
    #[must_use]
    pub fn completion<F, R>(mut self, variable: impl Into<String>, function: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Vec<String>> + Send + 'static,
    {
        self.completions.insert(variable.into(), Completion::new(function));
        self
    }

    /// What is wrong with it, if something is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let pattern = match &self.pattern {
            Ok(pattern) => pattern,
            Err(problem) => return Some(problem),
        };
        if self.uri.starts_with("file:") {
            return Some("is a file, and files are the VM's");
        }
        let scheme = self.uri.split_once(':').map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| !scheme.is_empty() && !scheme.contains(['/', '{'])) {
            return Some("has no scheme, such as notes:");
        }
        let unknown = |name: &String| !pattern.variables().any(|known| known == name);
        self.completions
            .keys()
            .any(unknown)
            .then_some("completes a variable that it has not")
    }

    /// Whether it is one resource.
    pub(crate) fn is_one(&self) -> bool {
        self.pattern
            .as_ref()
            .is_ok_and(|pattern| pattern.variables().next().is_none())
    }

    /// The values by which an address is one of its.
    pub(crate) fn values(&self, uri: &str) -> Option<Variables> {
        self.pattern.as_ref().ok()?.read(uri)
    }

    /// Its content at an address.
    pub(crate) async fn content(&self, uri: &str, values: Variables) -> Result<Document> {
        let body = (self.read)(values).await?;
        Ok(Document {
            uri: uri.to_owned(),
            mime: self.mime.clone(),
            body,
        })
    }

    /// Whether it has a variable of this name, and how that is completed, if it is.
    pub(crate) fn completes(&self, variable: &str) -> Option<Option<&Completion>> {
        let pattern = self.pattern.as_ref().ok()?;
        let known = pattern.variables().any(|name| name == variable);
        known.then(|| self.completions.get(variable))
    }
}
