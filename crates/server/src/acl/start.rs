//! Users as the server starts with them: those of the configuration, or those of the ACL file.

use super::definition::Definition;
use super::file;
use super::registry::Acl;
use super::rule::RuleError;
use super::user::User;
use crate::config::Settings;

const BOTH: &str =
    "users are defined in the configuration and in an ACL file: define them in one place only";

/// Makes the users.
///
/// # Errors
/// The file cannot be used, or users are defined in both places.
pub(crate) fn load_at_start(acl: &Acl, settings: &Settings) -> Result<(), String> {
    let path = settings.text("aclfile");
    if !path.is_empty() && !settings.users.is_empty() {
        return Err(BOTH.to_owned());
    }
    for words in &settings.users {
        let Some((name, rules)) = words.split_first() else { continue };
        // The default user is there already.
        let rules = std::iter::once("reset").chain(rules.iter().map(String::as_str));
        let refused = |rule: &[u8], why: RuleError| {
            let rule = String::from_utf8_lossy(rule);
            format!("error loading ACL rule '{rule}' for the user named '{name}': {why}")
        };
        let definition = Definition::of(rules.map(str::as_bytes))
            .map_err(|word| refused(&word, RuleError::Syntax))?;
        acl.change(name.as_bytes(), &definition, settings.acl_all_channels)
            .map_err(|(rule, why)| refused(&rule, why))?;
    }
    if !path.is_empty() {
        acl.replace_all(file::read(path, settings.acl_all_channels)?);
    }
    Ok(())
}

/// Whether the words of a `user` line make a user.
///
/// # Errors
/// Why not.
pub(crate) fn check_line(words: &[String]) -> Result<(), String> {
    let Some((name, rules)) = words.split_first() else {
        return Err("wrong number of arguments".to_owned());
    };
    let refused = |what: &[u8], why: &str| {
        format!("Error in user declaration '{}': {why}", String::from_utf8_lossy(what))
    };
    if !super::is_name(name.as_bytes()) {
        return Err(refused(name.as_bytes(), "Spaces not allowed in ACL usernames"));
    }
    Definition::of(rules.iter().map(String::as_bytes))
        .map_err(|word| refused(&word, &RuleError::Syntax.to_string()))?
        .applied_to(&User::new(false), false)
        .map_err(|(rule, why)| refused(&rule, &why.to_string()))?;
    Ok(())
}
