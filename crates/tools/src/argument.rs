//! Parameters of functions as members of a tool's input, for `#[tool]`.

use crate::error::ToolError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// A type that a parameter of a `#[tool]` function may have.
///
/// ```
/// use agentos_tools::ToolArgument;
/// use serde_json::{Value, json};
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "lowercase")]
/// enum Unit { Celsius, Fahrenheit }
///
/// impl ToolArgument for Unit {
///     fn schema() -> Value {
///         json!({ "enum": ["celsius", "fahrenheit"] })
///     }
/// }
/// assert!(Unit::REQUIRED);
/// ```
pub trait ToolArgument: DeserializeOwned {
    /// Whether the input must have it. What is left out is read from null.
    const REQUIRED: bool = true;

    /// The JSON Schema of its values.
    fn schema() -> Value;
}

macro_rules! arguments {
    ($($type:ty => $schema:expr;)*) => {
        $(impl ToolArgument for $type {
            fn schema() -> Value {
                $schema
            }
        })*
    };
}

/// The schema of whole numbers between two bounds.
fn between(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

arguments! {
    String => json!({ "type": "string" });
    char => json!({ "type": "string", "minLength": 1, "maxLength": 1 });
    bool => json!({ "type": "boolean" });
    f32 => json!({ "type": "number" });
    f64 => json!({ "type": "number" });
    i8 => between(i8::MIN.into(), i8::MAX.into());
    i16 => between(i16::MIN.into(), i16::MAX.into());
    i32 => between(i32::MIN.into(), i32::MAX.into());
    i64 => json!({ "type": "integer" });
    u8 => between(0, u8::MAX.into());
    u16 => between(0, u16::MAX.into());
    u32 => between(0, u32::MAX.into());
    u64 => json!({ "type": "integer", "minimum": 0 });
    usize => json!({ "type": "integer", "minimum": 0 });
    Value => json!({});
}

impl<T: ToolArgument> ToolArgument for Option<T> {
    const REQUIRED: bool = false;

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: ToolArgument> ToolArgument for Vec<T> {
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: ToolArgument> ToolArgument for HashMap<String, T> {
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

impl<T: ToolArgument> ToolArgument for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

/// What the code that `#[tool]` writes calls.
#[doc(hidden)]
pub mod macro_support {
    use super::{Map, ToolArgument, ToolError, Value, json};
    use serde::Serialize;

    /// A member of the input: its name, its schema, whether it must be there.
    #[derive(Debug)]
    pub struct Member {
        name: &'static str,
        schema: Value,
        required: bool,
    }

    /// A member for a parameter.
    #[must_use]
    pub fn member<T: ToolArgument>(name: &'static str, description: &'static str) -> Member {
        let mut schema = T::schema();
        if let (Value::Object(members), false) = (&mut schema, description.is_empty()) {
            members.insert("description".to_owned(), description.into());
        }
        Member {
            name,
            schema,
            required: T::REQUIRED,
        }
    }

    /// The schema of an input with these members and no others.
    #[must_use]
    pub fn schema<const N: usize>(members: [Member; N]) -> Value {
        let required: Vec<&str> = members.iter().filter(|one| one.required).map(|one| one.name).collect();
        let required = json!(required);
        let properties: Map<String, Value> = members
            .into_iter()
            .map(|one| (one.name.to_owned(), one.schema))
            .collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    /// Takes a member out of the input.
    ///
    /// # Errors
    /// A value that the schema admits and the type does not.
    pub fn take<T: ToolArgument>(input: &mut Value, name: &str) -> Result<T, ToolError> {
        let given = input.get_mut(name).map_or(Value::Null, Value::take);
        serde_json::from_value(given)
            .map_err(|error| ToolError::input(format!("$.{name}"), format!("input that the tool can read: {error}")))
    }

    /// What a function gave, as JSON.
    ///
    /// # Errors
    /// What cannot be written as JSON.
    pub fn result(value: impl Serialize) -> Result<Value, ToolError> {
        Ok(serde_json::to_value(value)?)
    }
}
