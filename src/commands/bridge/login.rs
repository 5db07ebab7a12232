//! The bridge's login on a stack of this machine: as the accounts have it, while it runs.

use std::path::PathBuf;
use std::time::SystemTime;

use super::super::Context;
use crate::about::About;
use crate::bridge::run::happening::Happening;
use crate::event::Event;
use crate::mqtt::access::{Login, tells_of_refused_login};
use crate::reach::Reach;
use crate::secrets::Accounts;
use crate::stack::Stack;

/// Gives the next connection a password that was rotated. Of another cluster nothing is known.
pub(super) struct Kept {
    of_stack: Option<OfStack>,
}

struct OfStack {
    dir: PathBuf,
    about: About,
    login: Login,
    seen: Option<SystemTime>,
}

impl Kept {
    pub(super) fn of(context: &Context, stack: &Stack, reach: &Reach) -> Self {
        let login = reach.mqtt.as_ref().and_then(|access| access.login.clone());
        let of_stack = login.filter(|_| !reach.about.is_elsewhere()).map(|login| {
            // Not seen yet: what changed since the password was read is found by the first look.
            OfStack { dir: context.paths.stack(&stack.name), about: reach.about.clone(), login, seen: None }
        });
        Self { of_stack }
    }

    /// Reads the password again where the accounts have changed, and says so where it is another one.
    pub(super) fn look(&mut self, context: &Context) {
        if let Some(of_stack) = &mut self.of_stack {
            of_stack.look(context);
        }
    }

    /// Looks at once where a connection is lost, so that the next one need not fail: until it is made, Mosquitto before 2.1
    /// keeps nothing for a session whose password was rotated. Says what helps where Mosquitto refuses the login.
    pub(super) fn heed(&mut self, context: &Context, happening: &Happening) {
        let Happening::Disconnected { cause } = happening else { return };
        let Some(of_stack) = &mut self.of_stack else { return };
        let is_renewed = of_stack.look(context);
        if tells_of_refused_login(cause) && !is_renewed {
            let (user, up) = (&of_stack.login.username, of_stack.about.command("up"));
            context.ui.report(Event::Warning(format!(
                "Mosquitto has not loaded the current password of {user}: {up} makes it reload"
            )));
        }
    }
}

impl OfStack {
    /// Whether there is another password.
    fn look(&mut self, context: &Context) -> bool {
        let now = Accounts::changed(&self.dir);
        if now == self.seen {
            return false;
        }
        // It may be gone together with the stack, or be replaced this very moment: then the next look finds it.
        let Ok(Some(Accounts { bridge: Some(account), .. })) = Accounts::read(&self.dir) else { return false };
        self.seen = now;
        let is_news = self.login.renew(account.password);
        if is_news {
            context.ui.say(&format!("{} has a new password: the next connection uses it", self.login.username));
        }
        is_news
    }
}
