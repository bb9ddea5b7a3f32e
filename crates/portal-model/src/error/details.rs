//! Where and why, as far as the service reports it: [`Details`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The `details` of an error: whatever JSON came, with names for the parts that are documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Details(pub(super) Value);

impl Default for Details {
    fn default() -> Self {
        Self(Value::Object(Map::new()))
    }
}

impl Details {
    /// Everything, as it came.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// The field that the error is about.
    pub fn api_name(&self) -> Option<&str> {
        self.0.get("api_name")?.as_str()
    }

    /// The permissions that are missing, as the service names them.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        let missing = self.0.get("permissions").and_then(Value::as_array);
        missing.into_iter().flatten().filter_map(Value::as_str)
    }
}

impl From<Value> for Details {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
