//! Directives in Redis's manner.

mod settings;

pub(crate) use settings::Settings;
