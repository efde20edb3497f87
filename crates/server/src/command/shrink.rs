//! HDEL, SREM, ZREM: parts of a collection taken out, and the key with the last of them.

use super::{CommandError, Context, Outcome};
use crate::data::Item;
use crate::value::Object;
use stillpoint_store::Draft;

/// Runs `f` on the collection at argument 1, if there is one. `f` takes out what it is told to, and tells how much that was, and whether nothing is
/// left. The answer is how much it was; the event is of this class and name.
pub(crate) fn shrink(
    ctx: &mut Context<'_>,
    (class, name): (u32, &'static str),
    mut f: impl FnMut(Item<'_>, &mut Draft<'_, Object>) -> Result<(i64, bool), CommandError>,
) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let (removed, is_gone) =
        data.update(key, |entry, draft| entry.map_or(Ok((0, false)), |entry| f(entry, draft)))??;
    if removed > 0 {
        data.notify_shrunk(class, name, key, is_gone);
    }
    out.integer(removed);
    Ok(())
}
