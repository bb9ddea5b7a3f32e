//! Where and why, as far as the service reports it: [`Details`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json::{Members, RawJson};

/// The `details` of an error: whatever JSON came, with names for the parts that are documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Details(pub(crate) RawJson);

impl Default for Details {
    fn default() -> Self {
        Self::from(Value::Object(Map::new()))
    }
}

impl Details {
    /// Everything, as it came.
    pub fn to_value(&self) -> Value {
        self.0.read().unwrap_or_default()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self.0.as_str(), "null" | "{}")
    }

    /// The field that the error is about.
    pub fn api_name(&self) -> Option<String> {
        self.0.read::<Members>()?.get("api_name")
    }

    /// The permissions that are missing, as the service names them.
    pub fn permissions(&self) -> Vec<String> {
        let members = self.0.read::<Members>().unwrap_or_default();
        let missing = members.get::<Vec<Value>>("permissions");
        let texts = missing.unwrap_or_default().into_iter();
        texts.filter_map(|missing| missing.as_str().map(ToOwned::to_owned)).collect()
    }
}

impl From<Value> for Details {
    fn from(value: Value) -> Self {
        Self(RawJson::of(&value))
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
