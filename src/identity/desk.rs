//! Registering and logging in.
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use serde_json::json;

use crate::admission::AddressKey;
use crate::admission::lies_in;
use crate::auth::password;
use crate::auth::password::Password;
use crate::auth::token::AppealPass;
use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::auth::username::Username;
use crate::filter::Saying;
use crate::identity::hasher::Busy;
use crate::identity::hasher::Hasher;
use crate::identity::stats::Proof;
use crate::identity::stats::Stats;
use crate::identity::throttle::Throttle;
use crate::signal;
use crate::signal::ErrorCode;
use crate::signal::Refusal;
use crate::store::Account;
use crate::store::AccountRole;
use crate::store::Alteration;
use crate::store::Event;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::runner;
use crate::time::Clock;
use crate::time::Mono;

/// Wrong passwords for one account from one address: so many at once, then one in that time.
const FAILURES_OF_PAIR: (u32, Duration) = (6, Duration::from_secs(30));
/// Wrong passwords for one account from anywhere. Far more than from one address, as whoever uses it up keeps the owner out,
/// and still fewer than 1500 a day.
const FAILURES_OF_ACCOUNT: (u32, Duration) = (60, Duration::from_secs(60));
/// When somebody who finds too many passwords at work may try again.
const BUSY_RETRY: Duration = Duration::from_secs(2);

/// What the operator decides about accounts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether people may register by themselves: `auth.registration`.
    pub registration: bool,
    /// Logins and registrations of one address; IPv6 by /64: `limits.logins_per_minute`.
    pub logins_per_minute: u32,
    /// Addresses without budgets of their own: `limits.exempt`.
    pub exempt: Vec<IpNet>,
}

/// What somebody fills in.
pub struct Form {
    /// The name, in any form.
    pub username: String,
    /// The password.
    pub password: String,
    /// The device, if the client tells (rule 1).
    pub device_id: Option<String>,
}

/// Logins and registrations of one address: so many at once, then one in that time.
fn attempts(settings: &Settings) -> (u32, Duration) {
    let per_minute = settings.logins_per_minute.max(1);
    (per_minute, Duration::from_secs(60) / per_minute)
}

/// Registers people and logs them in. Clones are the same desk.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ArcSwap<Settings>,
    store: runner::Handle,
    hub: signal::Handle,
    hasher: Hasher,
    budgets: Mutex<Budgets>,
    /// Stands in for the password of those who do not exist, so that they take as long.
    decoy: Arc<str>,
    clock: Clock,
    stats: Arc<Stats>,
}

struct Budgets {
    attempts: Throttle,
    failures_of_pair: Throttle,
    failures_of_account: Throttle,
}

impl Desk {
    /// Nobody has come yet.
    pub fn new(settings: Settings, store: runner::Handle, hub: signal::Handle, clock: Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let throttle = |(capacity, interval)| Throttle::new(capacity, interval);
        let budgets = Budgets {
            attempts: throttle(attempts(&settings)),
            failures_of_pair: throttle(FAILURES_OF_PAIR),
            failures_of_account: throttle(FAILURES_OF_ACCOUNT),
        };
        let inner = Inner {
            settings: ArcSwap::from_pointee(settings),
            store,
            hub,
            hasher: Hasher::new(cores),
            budgets: Mutex::new(budgets),
            decoy: password::decoy().into(),
            clock,
            stats: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Goes by these settings from now on; what is used of a budget is used.
    pub fn change(&self, settings: Settings) {
        let (capacity, interval) = attempts(&settings);
        self.inner.budgets.lock().unwrap_or_else(PoisonError::into_inner).attempts.change(capacity, interval);
        self.inner.settings.store(Arc::new(settings));
    }

    /// Whether people register by themselves.
    pub fn takes_registrations(&self) -> bool {
        self.inner.settings.load().registration
    }

    /// What becomes of those who show a password.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.inner.stats
    }

    /// Makes an account and logs it in: `POST /v1/auth/register`. A guest stays the user that it is.
    ///
    /// # Errors
    ///
    /// `forbidden` where nobody registers by themselves and for a name against the rules, `bad_request` for what can be no name or password, `conflict` for a name
    /// that is taken and for whoever is registered, `rate_limited`, `unavailable`, `banned`.
    pub async fn register(&self, ip: IpAddr, form: Form, who: Option<Identity>) -> Result<Issued, Refusal> {
        if !self.inner.settings.load().registration {
            return Err(Refusal::new(ErrorCode::Forbidden, "accounts are made by the operator here"));
        }
        let Form { username, password, device_id } = form;
        let device = device_id.map(signal::Handle::check_device).transpose()?;
        let guest = match who {
            Some(Identity { subject, family: Some(family), .. }) if subject.guest => Some((subject, family)),
            Some(_) => return Err(Refusal::new(ErrorCode::Conflict, "log out before you register anew")),
            None => None,
        };
        let username = Username::new(&username).map_err(unfit)?;
        let password = Password::chosen(password, username.folded()).map_err(unfit)?;
        self.take_attempt(ip)?;
        let verdict = self.inner.hub.screen().check(Saying::DisplayName, username.shown());
        if verdict.is_refused() || verdict.masked.is_some() {
            return Err(Refusal::new(
                ErrorCode::Forbidden,
                "the rules of this server do not let anybody be called that",
            ));
        }
        let hash = self.work_out(move || password.hash()).await?.map_err(|_| BUSY)?;
        let account = Account {
            id: UserId(
                guest
                    .as_ref()
                    .map_or_else(|| format!("u_{}", random_text()).into(), |(subject, _)| subject.user.clone()),
            ),
            name: username.folded().clone(),
            display_name: username.shown().clone(),
            password: hash.into(),
            role: AccountRole::User,
            is_disabled: false,
            created: self.inner.clock.now().unix,
            revision: 0,
        };
        let flagged = (!verdict.flagged_by.is_empty()).then(|| {
            let kind = Saying::DisplayName.as_str();
            let data =
                json!({"by": "filter", "kind": kind, "rules": verdict.flagged_by, "user": &*account.id.0, "mid": null});
            Event::flagged(&account.id.0, &data, account.created)
        });
        let added = account.clone();
        let add = move |store: &mut dyn Store| {
            store.add_account(&added)?;
            if let Some(flagged) = &flagged {
                store.append_event(flagged)?;
            }
            store.append_event(&Event::registered(&added))
        };
        let outcome = self.inner.store.write("account", add).await;
        outcome.map_err(|error| match error {
            StoreError::Taken => {
                Refusal::new(ErrorCode::Conflict, "that username is taken, or you are registered already")
            }
            _ => LOST,
        })?;
        tracing::info!(user = %account.id.0, "somebody registered");
        let Some((subject, family)) = guest else { return self.issue(&account, device, ip).await };
        let device = device.or_else(|| subject.device.as_deref().map(str::to_owned));
        let settled = subject_of(&account, device.clone());
        match self.inner.hub.settle_guest(family, settled, account.revision).await {
            Ok(issued) => self.checked(&account, issued).await,
            // The guest logged out meanwhile; the account is there.
            Err(Refusal { code: ErrorCode::Unauthorized, .. }) => self.issue(&account, device, ip).await,
            Err(refusal) => Err(refusal),
        }
    }

    /// Logs in: `POST /v1/auth/login`.
    ///
    /// Whether there is such an account shows neither in the answer nor in the time it takes.
    ///
    /// # Errors
    ///
    /// `unauthorized` for a wrong name or password, `forbidden` to the owner of a disabled account, `rate_limited` after too many
    /// wrong ones, `bad_request` for a device that is none, `unavailable`, `banned`.
    pub async fn log_in(&self, ip: IpAddr, form: Form) -> Result<Issued, Refusal> {
        let device = form.device_id.map(signal::Handle::check_device).transpose()?;
        let username = Username::new(&form.username).ok();
        let account = self.prove(ip, username, form.password).await?;
        self.issue(&account, device, ip).await
    }

    /// A pass to appeal with, for whoever knows the password: `POST /v1/auth/appeal`. Also for those who are banned, whom
    /// [`Desk::log_in`] gives nothing.
    ///
    /// # Errors
    ///
    /// As [`Desk::log_in`], without `banned`.
    pub async fn appeal(&self, ip: IpAddr, form: Form) -> Result<AppealPass, Refusal> {
        let device = form.device_id.map(signal::Handle::check_device).transpose()?;
        let account = self.prove(ip, Username::new(&form.username).ok(), form.password).await?;
        self.inner.hub.appeal_pass(subject_of(&account, device)).await
    }

    /// Changes the password of a user who knows the present one, ends all its logins and begins a new one:
    /// `POST /v1/auth/password`.
    ///
    /// # Errors
    ///
    /// `forbidden` to who has no account, else as [`Desk::log_in`] and [`Desk::register`].
    pub async fn change_password(
        &self,
        ip: IpAddr,
        subject: &Subject,
        present: String,
        next: String,
    ) -> Result<Issued, Refusal> {
        let id = UserId(subject.user.clone());
        let found = self.inner.store.read(move |store| store.account(&id)).await.map_err(|_| LOST)?;
        let account = found.ok_or(Refusal::new(ErrorCode::Forbidden, "only who is registered has a password"))?;
        let next = Password::chosen(next, &account.name).map_err(unfit)?;
        let account = self.prove(ip, Username::new(&account.name).ok(), present).await?;
        let hash = self.work_out(move || next.hash()).await?.map_err(|_| BUSY)?;
        let (id, alteration) = (account.id.clone(), Alteration::Password(hash.into()));
        let at = self.inner.clock.now().unix;
        let alter = move |store: &mut dyn Store| {
            let altered = store.alter_account(&id, &alteration)?;
            store.append_event(&Event::altered(&altered, &alteration, at))?;
            Ok(altered)
        };
        let altered = self.inner.store.write("account", alter).await;
        let altered = altered.map_err(|_| LOST)?;
        // At once, not when it is found out: whoever knew the old password is out before the answer is there.
        let ended = self.inner.hub.end_logins_before(altered.id.0.clone(), altered.revision).await;
        ended.map_err(|_| LOST)?;
        tracing::info!(user = %altered.id.0, "somebody changed the password");
        self.issue(&altered, subject.device.as_deref().map(str::to_owned), ip).await
    }

    /// Checks that a user who has an account knows its password; one who has none has nothing more to show than its token.
    ///
    /// # Errors
    ///
    /// `bad_request` where the password is missing, else as [`Desk::log_in`].
    pub async fn confirm(&self, ip: IpAddr, subject: &Subject, password: Option<String>) -> Result<(), Refusal> {
        let id = UserId(subject.user.clone());
        let found = self.inner.store.read(move |store| store.account(&id)).await.map_err(|_| LOST)?;
        let Some(account) = found else { return Ok(()) };
        let password = password.ok_or(Refusal::bad_request("give the password of the account"))?;
        self.prove(ip, Username::new(&account.name).ok(), password).await.map(drop)
    }

    /// Finds the account that this name and password are of.
    async fn prove(&self, ip: IpAddr, username: Option<Username>, password: String) -> Result<Account, Refusal> {
        const WRONG: Refusal = Refusal::new(ErrorCode::Unauthorized, "the username or password is wrong");
        self.take_attempt(ip)?;
        let name = username.map(|username| username.folded().clone());
        let password = Password::claimed(password).unwrap_or_else(|_| Password::nobodys());
        // Names that nobody can have share a budget.
        let guess = Guess { name: name.clone().unwrap_or_default(), address: self.counted(ip) };
        self.budgets(|budgets, now| budgets.take_failure(&guess, now))
            .map_err(|wait| self.limited("too many wrong passwords", wait))?;
        let checked = self.check(name, password).await;
        if checked.is_err() {
            // Nobody has learned whether it was right.
            self.budgets(|budgets, now| budgets.give_failure_back(&guess, now));
        }
        let (found, is_right) = checked?;
        self.inner.stats.add_one(if is_right && found.is_some() { Proof::Right } else { Proof::Wrong });
        let account = found.filter(|_| is_right).ok_or(WRONG)?;
        self.budgets(|budgets, now| budgets.give_failure_back(&guess, now));
        if account.is_disabled {
            return Err(Refusal::new(ErrorCode::Forbidden, "this account is disabled"));
        }
        Ok(account)
    }

    /// The account of that name, and whether the password is its own; as costly where there is none.
    async fn check(&self, name: Option<Arc<str>>, password: Password) -> Result<(Option<Account>, bool), Refusal> {
        let found = match name {
            Some(name) => self.inner.store.read(move |store| store.account_by_name(&name)).await.map_err(|_| LOST)?,
            None => None,
        };
        let kept = found.as_ref().map_or(&self.inner.decoy, |account| &account.password).clone();
        let is_right = self.work_out(move || password.is(&kept)).await?;
        Ok((found, is_right))
    }

    async fn issue(&self, account: &Account, device: Option<String>, ip: IpAddr) -> Result<Issued, Refusal> {
        let issued = self.inner.hub.log_in(subject_of(account, device), account.revision, ip).await?;
        self.checked(account, issued).await
    }

    /// Tokens of a login that has just begun, unless it has to end at once.
    async fn checked(&self, account: &Account, issued: Issued) -> Result<Issued, Refusal> {
        // If it was altered since it was read, the watch may have ended its logins before there was this one.
        let id = account.id.clone();
        let now = self.inner.store.read(move |store| store.account(&id)).await.map_err(|_| LOST)?;
        match now {
            Some(now) if now.revision == account.revision => Ok(issued),
            altered => {
                let revision = altered.map_or(u64::MAX, |altered| altered.revision);
                let ended = self.inner.hub.end_logins_before(account.id.0.clone(), revision).await;
                ended.map_err(|_| LOST)?;
                Err(Refusal::new(ErrorCode::Unauthorized, "the account has just been altered"))
            }
        }
    }

    async fn work_out<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        self.inner.hasher.run(work).await.map_err(|Busy| {
            self.inner.stats.add_one(Proof::Busy);
            Refusal { retry_after: Some(BUSY_RETRY), ..BUSY }
        })
    }

    fn take_attempt(&self, ip: IpAddr) -> Result<(), Refusal> {
        let Some(address) = self.counted(ip) else { return Ok(()) };
        self.budgets(|budgets, now| budgets.attempts.take(&address, now))
            .map_err(|wait| self.limited("too many logins from this address", wait))
    }

    fn limited(&self, why: &'static str, wait: Duration) -> Refusal {
        self.inner.stats.add_one(Proof::Limited);
        self.inner.hub.stats().rate_limit_hits_total.add_one();
        Refusal::rate_limited(why, wait)
    }

    /// Whom an address is counted as; nobody if it is exempt.
    fn counted(&self, ip: IpAddr) -> Option<AddressKey> {
        (!lies_in(ip, &self.inner.settings.load().exempt)).then(|| AddressKey::from(ip))
    }

    fn budgets<T>(&self, act: impl FnOnce(&mut Budgets, Mono) -> T) -> T {
        let mut budgets = self.inner.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut budgets, self.inner.clock.now().mono)
    }
}

/// A password tried for a name.
struct Guess {
    name: Arc<str>,
    address: Option<AddressKey>,
}

impl Budgets {
    /// Takes a failure before it is known to be one: many tried at once are not more than one after the other.
    fn take_failure(&mut self, guess: &Guess, now: Mono) -> Result<(), Duration> {
        let pair = (&guess.name, guess.address);
        if guess.address.is_some() {
            self.failures_of_pair.take(&pair, now)?;
        }
        let taken = self.failures_of_account.take(&guess.name, now);
        if taken.is_err() && guess.address.is_some() {
            self.failures_of_pair.give_back(&pair, now);
        }
        taken
    }

    fn give_failure_back(&mut self, guess: &Guess, now: Mono) {
        if guess.address.is_some() {
            self.failures_of_pair.give_back(&(&guess.name, guess.address), now);
        }
        self.failures_of_account.give_back(&guess.name, now);
    }
}

const BUSY: Refusal = Refusal::new(ErrorCode::Unavailable, "too many passwords are being worked on");
const LOST: Refusal = Refusal::new(ErrorCode::Unavailable, "accounts cannot be read or stored now");

fn unfit(error: impl ToString) -> Refusal {
    Refusal { message: error.to_string().into(), ..Refusal::bad_request("") }
}

fn subject_of(account: &Account, device: Option<String>) -> Subject {
    Subject {
        user: account.id.0.clone(),
        role: role(account.role),
        guest: false,
        device: device.map(Into::into),
        age_band: None,
    }
}

fn role(role: AccountRole) -> Role {
    match role {
        AccountRole::User => Role::User,
        AccountRole::Moderator => Role::Moderator,
        AccountRole::Admin => Role::Admin,
    }
}

/// 128 random bits as base64url, so no colon is in it.
fn random_text() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}
