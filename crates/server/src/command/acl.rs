//! ACL: users, what they may do, and what they have been denied.

mod account;
mod look;
mod stored;

use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{Context, Outcome};

const OWN: u32 = NOSCRIPT | LOADING | STALE;
const ADMINS: u32 = ADMIN | OWN;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    handler: Handler,
    summary: &'static str,
) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler).doc("6.0.0", summary)
}

pub(crate) static ROWS: &[Command] =
    &[row("acl", -2, 0, container, "A container for Access List Control commands.")
        .with(SUBCOMMANDS)];

static SUBCOMMANDS: &[Command] = &[
    row(
        "acl|cat",
        -2,
        OWN,
        look::cat,
        "Lists the ACL categories, or the commands inside a category.",
    ),
    row(
        "acl|deluser",
        -3,
        ADMINS,
        account::deluser,
        "Deletes ACL users, and terminates their connections.",
    ),
    row(
        "acl|dryrun",
        -4,
        ADMINS,
        look::dryrun,
        "Simulates the execution of a command by a user, without executing the command.",
    )
    .doc("7.0.0", "Simulates the execution of a command by a user, without executing the command."),
    row(
        "acl|genpass",
        -2,
        OWN,
        look::genpass,
        "Generates a pseudorandom, secure password that can be used to identify ACL users.",
    ),
    row("acl|getuser", 3, ADMINS, account::getuser, "Lists the ACL rules of a user."),
    row(
        "acl|help",
        2,
        LOADING | STALE,
        acl_help,
        "Returns helpful text about the different subcommands.",
    ),
    row("acl|list", 2, ADMINS, account::list, "Dumps the effective rules in ACL file format."),
    row("acl|load", 2, ADMINS, stored::load, "Reloads the rules from the configured ACL file."),
    row(
        "acl|log",
        -2,
        ADMINS,
        look::log,
        "Lists recent security events generated due to ACL rules.",
    ),
    row(
        "acl|save",
        2,
        ADMINS,
        stored::save,
        "Saves the effective ACL rules in the configured ACL file.",
    ),
    row(
        "acl|setuser",
        -3,
        ADMINS,
        account::setuser,
        "Creates and modifies an ACL user and its rules.",
    ),
    row("acl|users", 2, ADMINS, account::users, "Lists all ACL users."),
    row(
        "acl|whoami",
        2,
        OWN,
        account::whoami,
        "Returns the authenticated username of the current connection.",
    ),
];

fn acl_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.",
        "DELUSER <username> [<username> ...]",
        "    Delete a list of users.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Returns whether the user can execute the given command without executing the command.",
        "GETUSER <username>",
        "    Get the user's details.",
        "GENPASS [<bits>]",
        "    Generate a secure 256-bit user password. The optional `bits` argument can",
        "    be used to specify a different size.",
        "LIST",
        "    Show users details in config file format.",
        "LOAD",
        "    Reload users from the ACL file.",
        "LOG [<count> | RESET]",
        "    Show the ACL log entries.",
        "SAVE",
        "    Save the current config to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Create or modify a user with the specified attributes.",
        "USERS",
        "    List all the registered usernames.",
        "WHOAMI",
        "    Return the current connection username.",
    ];
    help(ctx, "ACL", &lines)
}
