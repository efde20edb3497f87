//! ACL LOAD and SAVE: the ACL file.

use crate::acl::{end_connections, end_listeners, read_file, write_file};
use crate::command::{CommandError, Context, Outcome};

/// The configured file.
fn path(ctx: &Context<'_>) -> Result<String, CommandError> {
    match ctx.env.settings.text("aclfile") {
        "" => Err(CommandError::other(
            "This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
             command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to \
             store users in the Redis configuration.",
        )),
        path => Ok(path.to_owned()),
    }
}

/// Connections of users that are no more are ended, and those that listen to what their users have lost.
pub(super) fn load(ctx: &mut Context<'_>) -> Outcome {
    let users =
        read_file(&path(ctx)?, ctx.env.settings.acl_all_channels).map_err(CommandError::other)?;
    for account in ctx.env.server.acl.replace_all(users) {
        end_connections(&account, ctx.session, ctx.env);
    }
    end_listeners(|_| true, ctx.session, ctx.env);
    ctx.out.ok();
    Ok(())
}

pub(super) fn save(ctx: &mut Context<'_>) -> Outcome {
    let path = path(ctx)?;
    if let Err(error) = write_file(&path, &ctx.env.server.acl) {
        ctx.env.server.log.warning(&format!("Writing the ACL file '{path}': {error}"));
        return Err(CommandError::other(
            "There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    ctx.out.ok();
    Ok(())
}
