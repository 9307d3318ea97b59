//! The acknowledgement: before anything else, within Discord's 3 s (DI-11).

use std::time::Instant;

use shared::discord::{Ack, Class, Failure};
use shared::telemetry::{Attribute, instruments};
use tracing::{debug, warn};
use twilight_model::application::interaction::{Interaction, InteractionType};

use super::named::Named;
use crate::Bot;

/// Whether Discord knows that we are at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    Yes,
    /// Its answer was lost. Who pressed may be waiting, so it is done; whether they hear of it the answer will show.
    Perhaps,
    /// Certainly not: nobody waits for us any more, and nothing is done.
    No,
}

impl Acknowledged {
    fn of(acknowledged: &std::result::Result<(), Failure>) -> Self {
        match acknowledged.as_ref().map_err(|failure| failure.class) {
            Ok(()) | Err(Class::Done) => Self::Yes,
            Err(Class::Unknown) => Self::Perhaps,
            Err(
                Class::Wait | Class::Retry | Class::Permanent | Class::WaitLong | Class::Credential | Class::Poison,
            ) => Self::No,
        }
    }
}

/// Tells Discord that we are at it; to who is typing, that there is nothing to suggest.
pub(super) async fn acknowledge(bot: &Bot, interaction: &Interaction, named: Named, received: Instant) -> Acknowledged {
    let ack = match interaction.kind {
        InteractionType::ApplicationCommandAutocomplete => Ack::Autocomplete(Vec::new()),
        _ => Ack::DeferredEphemeral,
    };
    let told = bot.discord.acknowledge(interaction.id, &interaction.token, ack).await;
    let acknowledged = Acknowledged::of(&told);
    let labels = [
        Attribute::new("gamesched.interaction.type", named.kind),
        Attribute::new("gamesched.interaction.name", named.name),
        Attribute::new(
            "gamesched.interaction.outcome",
            if acknowledged == Acknowledged::Yes { "answered" } else { "failed" },
        ),
    ];
    instruments::get().interaction_ack.record(instruments::seconds(received), &labels);
    match (acknowledged, told) {
        (Acknowledged::No, Err(failure)) => {
            warn!("an interaction could not be acknowledged, so nothing is done: {failure}")
        }
        (Acknowledged::Perhaps, Err(failure)) => warn!("an interaction may not be acknowledged: {failure}"),
        (_, Err(failure)) => debug!("an interaction was acknowledged before: {failure}"),
        (_, Ok(())) => {}
    }
    acknowledged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_only_given_up_when_its_acknowledgement_certainly_failed() {
        let failed = |class, status| Err(Failure { class, status, code: None, retry_after: None });
        assert_eq!(Acknowledged::of(&Ok(())), Acknowledged::Yes);
        assert_eq!(Acknowledged::of(&failed(Class::Done, Some(400))), Acknowledged::Yes, "40060: it was before");
        assert_eq!(Acknowledged::of(&failed(Class::Unknown, Some(502))), Acknowledged::Perhaps);
        assert_eq!(Acknowledged::of(&failed(Class::Unknown, None)), Acknowledged::Perhaps, "no answer in time");
        assert_eq!(Acknowledged::of(&failed(Class::Permanent, Some(404))), Acknowledged::No, "10062: it is dead");
        assert_eq!(Acknowledged::of(&failed(Class::Retry, None)), Acknowledged::No, "it did not connect");
    }
}
