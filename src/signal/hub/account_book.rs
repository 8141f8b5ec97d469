//! Accounts as admins see and alter them.
use serde_json::json;

use crate::matchmaking;
use crate::signal::hub::Hub;
use crate::signal::hub::chain::Presence;
use crate::signal::hub::desk::Actor;
use crate::signal::hub::desk::page_size;
use crate::signal::hub::room_book::Found;
use crate::signal::hub::room_book::told;
use crate::signal::moderation_ask::AccountChanges;
use crate::signal::moderation_ask::AccountSearch;
use crate::signal::moderation_ask::ModerationAnswer;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::view::live::AccountView;
use crate::signal::view::live::AccountsView;
use crate::store::Account;
use crate::store::AccountRole;
use crate::store::Alteration;
use crate::store::Event;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::Now;

/// Accounts read at once.
const BATCH: usize = 256;
/// Accounts looked at for one page: whoever looks for few goes on with `next`.
const LOOKED_AT_MAX: usize = 4096;

/// Whom an admin looks for, checked.
struct Filter {
    /// As it was written, for ids, and as names are compared.
    text: Option<(String, String)>,
    role: Option<AccountRole>,
    disabled: Option<bool>,
}

impl Filter {
    fn fits(&self, account: &Account) -> bool {
        let text = self.text.as_ref();
        text.is_none_or(|(id, name)| *account.id.0 == **id || account.name.contains(name.as_str()))
            && self.role.is_none_or(|role| account.role == role)
            && self.disabled.is_none_or(|disabled| account.is_disabled == disabled)
    }
}

/// A page of accounts.
struct Page {
    accounts: Vec<Account>,
    next: Option<String>,
}

impl Hub {
    pub(super) fn list_accounts(
        &mut self,
        search: AccountSearch,
        limit: Option<usize>,
        answer: ModerationAnswer,
        now: Now,
    ) {
        let AccountSearch { after, text, role, disabled } = search;
        let checked = page_size(limit).and_then(|limit| Ok((limit, role.as_deref().map(parse_role).transpose()?)));
        let (limit, role) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return answer(Err(refusal)),
        };
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let text = text.map(|text| (text.clone(), text.to_lowercase()));
        let filter = Filter { text, role, disabled };
        self.read(
            "accounts",
            move |store| page(store, &filter, after.unwrap_or_default(), limit).map(Ok),
            move |hub, outcome, _| {
                answer(told(outcome).map(|Page { accounts, next }| {
                    let users = accounts.iter().map(|account| hub.account_view(account, now)).collect();
                    json!(AccountsView { users, next })
                }));
            },
        );
    }

    pub(super) fn alter_account(
        &mut self,
        actor: Actor,
        user: String,
        changes: AccountChanges,
        answer: ModerationAnswer,
    ) {
        let alterations = match alterations(&changes) {
            Ok(alterations) => alterations,
            Err(refusal) => return answer(Err(refusal)),
        };
        let user = UserId(user.into());
        if user == actor.user {
            // Or the last admin could lock everybody out.
            return answer(Err(Refusal::new(ErrorCode::Conflict, "another admin alters your account")));
        }
        self.write(
            "account",
            move |store| alter(store, &actor, &user, &alterations),
            move |hub, outcome, now| match told(outcome) {
                Ok(account) => {
                    // At once, not when it is found out.
                    hub.handle_altered(&account.id.0, account.revision, now);
                    answer(Ok(json!(hub.account_view(&account, now))));
                }
                Err(refusal) => answer(Err(refusal)),
            },
        );
    }

    fn account_view<'a>(&self, account: &'a Account, now: Now) -> AccountView<'a> {
        let presence = self.user_by_id.get(&matchmaking::UserId(account.id.0.clone())).map(|user| &user.presence);
        let is_online = matches!(presence, Some(Presence::Online(..)));
        let last_seen = if is_online { Some(now.unix) } else { self.tokens.last_issued(&account.id.0) };
        AccountView {
            id: &account.id.0,
            username: &account.display_name,
            role: account.role.as_str(),
            disabled: account.is_disabled,
            created_at: account.created,
            online: is_online,
            last_seen_at: last_seen,
        }
    }
}

/// What is asked for.
///
/// # Errors
///
/// `bad_request`
fn alterations(changes: &AccountChanges) -> Result<Vec<Alteration>, Refusal> {
    let role = changes.role.as_deref().map(parse_role).transpose()?.map(Alteration::Role);
    let alterations: Vec<_> = role.into_iter().chain(changes.disabled.map(Alteration::Disabled)).collect();
    if alterations.is_empty() { Err(Refusal::bad_request("give role or disabled")) } else { Ok(alterations) }
}

fn parse_role(word: &str) -> Result<AccountRole, Refusal> {
    let role = AccountRole::ALL.into_iter().find(|role| role.as_str() == word);
    role.ok_or_else(|| Refusal::bad_request("role is user, moderator or admin"))
}

fn page(store: &dyn Store, filter: &Filter, mut after: String, limit: usize) -> Result<Page, StoreError> {
    let mut accounts = Vec::new();
    let mut looked_at = 0;
    loop {
        let batch = store.accounts(&after, BATCH)?;
        let is_last = batch.len() < BATCH;
        for account in batch {
            if accounts.len() == limit {
                return Ok(Page { accounts, next: Some(after) });
            }
            after = account.name.to_string();
            accounts.extend(Some(account).filter(|account| filter.fits(account)));
        }
        looked_at += BATCH;
        if is_last {
            return Ok(Page { accounts, next: None });
        }
        if looked_at >= LOOKED_AT_MAX {
            return Ok(Page { accounts, next: Some(after) });
        }
    }
}

/// Alters an account, with a deed for each alteration.
fn alter(store: &mut dyn Store, actor: &Actor, user: &UserId, alterations: &[Alteration]) -> Found<Account> {
    let Some(mut account) = store.account(user)? else {
        return Ok(Err(Refusal::new(ErrorCode::NotFound, "there is no such account")));
    };
    for alteration in alterations {
        let (action, details) = match alteration {
            Alteration::Role(role) => ("account.role", json!({"role": role.as_str()})),
            Alteration::Disabled(true) => ("account.disable", json!({})),
            Alteration::Disabled(false) => ("account.enable", json!({})),
            Alteration::Password(_) => ("account.password", json!({})),
        };
        account = store.alter_account(user, alteration)?;
        store.append_event(&Event::altered(&account, alteration, actor.at))?;
        store.append_deed(&actor.deed(action, &user.0, &details))?;
    }
    Ok(Ok(account))
}
