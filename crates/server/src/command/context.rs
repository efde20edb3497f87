//! [`Context`]: all that a handler sees of the world.

use super::error::CommandError;
use super::row::flag;
use super::table::{CommandId, by_id};
use crate::data::Data;
use crate::env::Env;
use crate::event::{Effect, class};
use crate::resp::{Args, Reply};
use crate::session::State;

/// What a handler says: its reply is written, or this error is to be (whatever it wrote before is taken back).
pub(crate) type Outcome = Result<(), CommandError>;

/// One command's run.
pub(crate) struct Context<'c> {
    /// The arguments; argument 0 is the command's name, argument 1 a subcommand's.
    pub(crate) args: Args<'c>,
    /// The connection.
    pub(crate) session: &'c mut State,
    /// Where the reply goes.
    pub(crate) out: &'c mut Reply,
    /// Server, settings, clock of this pass.
    pub(crate) env: &'c mut Env,
    /// Number of the row that runs.
    pub(crate) id: CommandId,
}

impl Context<'_> {
    /// The keys of the selected database.
    pub(crate) fn data(&mut self) -> Data<'_> {
        self.parts().0
    }

    /// The keys of the selected database, and where the reply goes.
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> (Data<'_>, &mut Reply) {
        let (events, patience) = (self.events(), self.patience());
        // TOUCH is what it says, whatever the client wished.
        let untouched = self.session.card.no_touch.get() > 0 && by_id(self.id).name != "touch";
        let State { data, db, .. } = &mut *self.session;
        let Env { server, stats, now_ms, .. } = &*self.env;
        let mut data = Data::new(data, server, *db, *now_ms, stats, events, patience);
        (data.untouched, data.paused) = (untouched, self.env.pause_left_ms().is_some());
        (data, self.out)
    }

    /// Classes of events that this command can cause and that somebody wants to hear of.
    #[inline]
    fn events(&self) -> u32 {
        let tracked = if self.env.server.tracking.count() > 0 { class::TRACKED } else { 0 };
        match self.env.settings.events | tracked {
            0 => 0,
            // Only those who came to read miss a key.
            events if by_id(self.id).has(flag::READONLY) => events,
            events => events & !class::KEY_MISS,
        }
    }

    /// Tells of a keyspace event, once the command or its transaction has taken effect; see [`event`](crate::event).
    ///
    /// # Cost
    /// One load while nobody wants to hear of the class.
    pub(crate) fn notify(&mut self, class: u32, name: &'static str, key: &[u8]) {
        if self.env.settings.events & class != 0 {
            let effect = Effect::Event { db: self.session.db, name, key: key.into() };
            self.session.data.effects.push(effect);
        }
    }

    /// Argument `i` as an integer.
    pub(crate) fn integer(&self, i: usize) -> Result<i64, CommandError> {
        crate::resp::strict_integer(self.args.at(i)).ok_or(CommandError::NotAnInteger)
    }
}

impl Context<'_> {
    /// Brings what others see of this connection up to date, for a command that shows it.
    pub(crate) fn refresh_card(&self) {
        self.session.update_card(self.out, self.env);
    }
}
