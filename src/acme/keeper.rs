//! The task that sees to it that there is always a good certificate.
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use instant_acme::Account;
use instant_acme::CertificateIdentifier;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::info;
use tracing::warn;
use zeroize::Zeroizing;

use crate::acme::Settings;
use crate::acme::account;
use crate::acme::answers::Answers;
use crate::acme::order;
use crate::acme::order::OrderError;
use crate::acme::schedule;
use crate::acme::schedule::Dice;
use crate::acme::shelf;
use crate::acme::shelf::Shelf;
use crate::acme::shelf::Usable;
use crate::acme::web::Embargo;
use crate::acme::web::Web;
use crate::listener::Certificates;
use crate::trace::Cause;
use crate::trace::Span;

/// For one order with all that belongs to it.
const ORDER_PATIENCE: Duration = Duration::from_secs(600);
/// For asking when to renew.
const ADVICE_PATIENCE: Duration = Duration::from_secs(60);
/// When renewal information is asked for again of an authority that has none just now.
const ADVICE_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// The longest sleep, so that a clock that was set is noticed.
const NAP: Duration = Duration::from_secs(3600);

/// Why nothing can be ordered at all.
#[derive(Debug, thiserror::Error)]
#[error("tls.acme.ca_file: {0}; name a PEM file with the certificate that signs the authority's HTTPS")]
pub struct KeeperError(String);

/// What became of the orders since the start.
#[derive(Debug, Default)]
pub struct Stats {
    issued: AtomicU64,
    failed: AtomicU64,
}

impl Stats {
    /// Certificates that came into force.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Attempts that came to nothing.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// When the certificate in force is to be renewed, as the authority wants it. RFC 9773.
#[derive(Copy, Clone, Debug)]
struct Advice {
    window: (SystemTime, SystemTime),
    /// Thrown once per window.
    renew_at: SystemTime,
    ask_again: SystemTime,
}

/// What to do next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing until then, unless the operator asks.
    At(SystemTime),
    /// Nothing until then, whoever asks.
    NotBefore(SystemTime),
}

/// Orders and renews.
pub struct Keeper {
    settings: Settings,
    shelf: Shelf,
    certificates: Arc<Certificates>,
    answers: Arc<Answers>,
    stats: Arc<Stats>,
    asked: Arc<Notify>,
    embargo: Embargo,
    web: Web,
    account: Option<Account>,
    advice: Option<Advice>,
    /// Decides on renewals without advice; thrown once per certificate.
    dice: Dice,
    failures: u32,
}

impl Keeper {
    /// Will look after `certificates`; whoever notifies `asked` makes it look at once.
    ///
    /// # Errors
    ///
    /// [`KeeperError`]
    pub fn new(
        settings: Settings,
        shelf: Shelf,
        certificates: Arc<Certificates>,
        answers: Arc<Answers>,
        asked: Arc<Notify>,
    ) -> Result<Self, KeeperError> {
        let embargo = Embargo::default();
        let web = Web::new(settings.ca_file.as_deref(), embargo.clone()).map_err(KeeperError)?;
        Ok(Self {
            settings,
            shelf,
            certificates,
            answers,
            stats: Arc::default(),
            asked,
            embargo,
            web,
            account: None,
            advice: None,
            dice: Dice::throw(),
            failures: 0,
        })
    }

    /// What became of the orders.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Works until it is dropped.
    pub async fn run(mut self) {
        loop {
            let next = self.look(SystemTime::now()).await;
            let (Next::At(moment) | Next::NotBefore(moment)) = next;
            self.rest(moment, matches!(next, Next::At(_))).await;
        }
    }

    /// Sleeps until the moment by the wall clock, or until somebody asks who may.
    async fn rest(&mut self, moment: SystemTime, may_be_woken: bool) {
        while let Ok(left) = moment.duration_since(SystemTime::now()) {
            // A little more than is left: the next look must find the moment behind it.
            let nap = tokio::time::sleep(left.min(NAP) + Duration::from_millis(1));
            tokio::select! {
                () = nap => {}
                () = self.asked.notified(), if may_be_woken => {
                    self.advice = None;
                    return;
                }
            }
        }
    }

    /// Looks what is there, and orders if it is time.
    async fn look(&mut self, now: SystemTime) -> Next {
        let pem = self.shelf.read_certificate();
        let kept = pem.and_then(|pem| shelf::judge(&pem, &self.settings.domains, now).ok());
        let mut replaces = None;
        if let Some(usable) = &kept {
            self.take_advice(usable, now).await;
            let (renew_at, look_at) = match self.advice {
                Some(advice) => (advice.renew_at, advice.renew_at.min(advice.ask_again)),
                None => {
                    let moment = schedule::by_age(usable.validity, self.dice);
                    (moment, moment.min(now + ADVICE_AGAIN))
                }
            };
            if now < renew_at {
                return Next::At(look_at);
            }
            replaces = self.advice.and_then(|_| CertificateIdentifier::try_from(&usable.leaf).ok());
        }
        // Whom nobody answers has ordered nothing.
        if let Err(error) = timeout(ADVICE_PATIENCE, self.account()).await.unwrap_or(Err(OrderError::Late)) {
            return self.fail(&error, SystemTime::now());
        }
        match self.shelf.note_order(now) {
            Ok(Ok(())) => {}
            Ok(Err(wait)) => {
                warn!(
                    hours = wait.as_secs() / 3600,
                    "too many certificates were ordered today; the next one has to wait"
                );
                return Next::NotBefore(now + wait);
            }
            Err(error) => return self.fail(&OrderError::Shelf(error), now),
        }
        let span = Span::of_work("certificate order", &Cause::default());
        span.set("duologue.acme.names", self.settings.domains.len() as i64);
        span.set("duologue.acme.is_renewal", replaces.is_some());
        let ordered = timeout(ORDER_PATIENCE, span.follow(self.order(replaces))).await.unwrap_or(Err(OrderError::Late));
        let put = ordered.and_then(|pem| self.put_into_force(&pem));
        if put.is_err() {
            span.fail("no_certificate");
        }
        drop(span);
        match put {
            Ok(()) => {
                self.stats.issued.fetch_add(1, Ordering::Relaxed);
                self.failures = 0;
                self.advice = None;
                self.dice = Dice::throw();
                Next::At(SystemTime::now())
            }
            Err(error) => self.fail(&error, SystemTime::now()),
        }
    }

    fn fail(&mut self, error: &OrderError, now: SystemTime) -> Next {
        self.stats.failed.fetch_add(1, Ordering::Relaxed);
        self.failures = self.failures.saturating_add(1);
        let asked = self.embargo.take(now);
        let pause = schedule::pause(self.failures, asked, Dice::throw());
        if error.is("accountDoesNotExist") {
            self.account = None;
            if let Err(error) = self.shelf.retire_account() {
                warn!(%error, "an account that the authority does not know stays");
            }
        }
        warn!(%error, failures = self.failures, again_in_s = pause.as_secs(), "no new certificate; the old one stays");
        match asked {
            Some(_) => Next::NotBefore(now + pause),
            None => Next::At(now + pause),
        }
    }

    async fn account(&mut self) -> Result<Account, OrderError> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let account = account::open(&self.settings, &self.shelf, self.web.clone()).await?;
        Ok(self.account.insert(account).clone())
    }

    async fn order(
        &mut self,
        replaces: Option<CertificateIdentifier<'static>>,
    ) -> Result<Zeroizing<String>, OrderError> {
        let account = self.account().await?;
        info!(domains = ?self.settings.domains, renewal = replaces.is_some(), "ordering a certificate");
        let is_renewal = replaces.is_some();
        match order::place(&account, &self.settings, &self.answers, replaces).await {
            // RFC 9773 §5: it was replaced before, so this order is one of its own.
            Err(error) if is_renewal && error.is("alreadyReplaced") => {
                order::place(&account, &self.settings, &self.answers, None).await
            }
            placed => placed,
        }
    }

    /// Only what is good comes onto the disk, and from there into force.
    fn put_into_force(&self, pem: &str) -> Result<(), OrderError> {
        let usable = shelf::judge(pem, &self.settings.domains, SystemTime::now())?;
        self.shelf.write_certificate(pem)?;
        match self.certificates.reload() {
            Ok(_) => {
                let days =
                    usable.validity.not_after.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 86_400;
                info!(days, "a new certificate is in force");
            }
            // It was judged by the same rules a moment ago; the watch of the files tries again.
            Err(error) => warn!(%error, "the new certificate cannot be loaded"),
        }
        Ok(())
    }

    /// Asks the authority when it wants the certificate renewed, if it is time to ask. Without an answer the age decides.
    async fn take_advice(&mut self, usable: &Usable, now: SystemTime) {
        if self.advice.is_some_and(|advice| now < advice.ask_again) {
            return;
        }
        let asked = timeout(ADVICE_PATIENCE, self.ask(usable)).await.unwrap_or(Err(OrderError::Late));
        // What was said before stays good while nobody says something else.
        match asked {
            Ok(((start, end), pause)) => {
                let ask_again = now + schedule::information_pause(pause);
                let renew_at = match self.advice {
                    Some(old) if old.window == (start, end) => old.renew_at,
                    Some(_) | None => schedule::within(start, end, Dice::throw()),
                };
                self.advice = Some(Advice { window: (start, end), renew_at, ask_again });
            }
            Err(error) => {
                tracing::debug!(%error, "no renewal information");
                self.advice = self.advice.map(|advice| Advice { ask_again: now + ADVICE_AGAIN, ..advice });
            }
        }
        // An embargo on information is none on orders.
        self.embargo.take(now);
    }

    async fn ask(&mut self, usable: &Usable) -> Result<((SystemTime, SystemTime), Duration), OrderError> {
        let account = self.account().await?;
        let of = CertificateIdentifier::try_from(&usable.leaf).map_err(OrderError::Account)?;
        let (information, pause) = account.renewal_info(&of).await?;
        let window = information.suggested_window;
        Ok(((window.start.into(), window.end.into()), pause))
    }
}
