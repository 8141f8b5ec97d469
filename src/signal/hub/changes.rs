//! What the operator decides anew while people are here.
use crate::matchmaking::runner::Command;
use crate::signal::hub::BLOCKERS_PER_ADDRESS;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::REPORTERS_PER_ADDRESS;
use crate::signal::hub::Rates;
use crate::signal::limit::Rate;
use crate::signal::settings::Settings;

impl Hub {
    /// Goes by these settings from now on, as far as they can change: what runs keeps the end that it was told, budgets what is
    /// used of them. Names, addresses, secrets of our own and the store stay as they were at the start.
    pub(crate) fn handle_change(&mut self, fresh: Settings) {
        let limits = fresh.limits;
        self.rates = Rates::new(&limits);
        self.pace.change(&limits);
        let of_blockers = limits.blocks_per_minute.saturating_mul(BLOCKERS_PER_ADDRESS);
        let of_reporters = limits.reports_per_minute.saturating_mul(REPORTERS_PER_ADDRESS);
        self.guests.change(Rate::per_minute(limits.guests_per_minute), fresh.exempt.clone());
        self.block_adds.change(Rate::per_minute(limits.blocks_per_minute));
        self.block_adds_by_address.change(Rate::per_minute(of_blockers), fresh.exempt.clone());
        self.report_submits.change(Rate::per_minute(limits.reports_per_minute));
        self.report_submits_by_address.change(Rate::per_minute(of_reporters), fresh.exempt.clone());
        self.tokens.change(&fresh.tokens);
        let capacity = fresh.queue_capacity;
        let recent_partner_pause = fresh.retention.meetings;
        self.effects.push_back(Effect::Matchmaking(Command::Change { capacity, recent_partner_pause }));
        let now = &mut self.settings;
        now.limits = fresh.limits;
        now.exempt = fresh.exempt;
        now.guests = fresh.guests;
        now.guests_by_hello = fresh.guests_by_hello;
        now.guests_work = fresh.guests_work;
        now.session_limit = fresh.session_limit;
        now.resume_window = fresh.resume_window;
        now.ice_policy = fresh.ice_policy;
        now.retention = fresh.retention;
        now.automatic = fresh.automatic;
        if let (Some(now), Some(fresh)) = (&mut now.files, fresh.files) {
            now.link_life = fresh.link_life;
            now.evidence = fresh.evidence;
        }
    }
}
