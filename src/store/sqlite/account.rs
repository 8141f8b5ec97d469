use rusqlite::OptionalExtension;
use rusqlite::Params;
use rusqlite::Row;
use rusqlite::params;

use crate::store::Account;
use crate::store::AccountRole;
use crate::store::Accounts;
use crate::store::Alteration;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::sqlite::failure::taken;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::one_of;
use crate::store::sqlite::value::time_at;

const ADD: &str = "INSERT INTO account (id, name, display_name, password, role, is_disabled, created, revision)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const BY_ID: &str = "SELECT id, name, display_name, password, role, is_disabled, created, revision FROM account
    WHERE id = ?1";

const BY_NAME: &str = "SELECT id, name, display_name, password, role, is_disabled, created, revision FROM account
    WHERE name = ?1";

pub(super) const ALTER: &str = "UPDATE account SET password = coalesce(?2, password), role = coalesce(?3, role),
    is_disabled = coalesce(?4, is_disabled), revision = 1 + max((SELECT max(revision) FROM account),
    (SELECT number FROM erased_revision WHERE id = 0)) WHERE id = ?1";

pub(super) const SETTLE_MEMBER: &str = "UPDATE member SET device = NULL WHERE user = ?1";

pub(super) const SETTLE_BLOCKS: &str = "UPDATE block SET owner_device = NULL WHERE owner_user = ?1";

pub(super) const BEHIND: &str = "SELECT id, name, display_name, password, role, is_disabled, created, revision
    FROM account WHERE name > ?1 ORDER BY name LIMIT ?2";

pub(super) const ALTERED: &str = "SELECT id, name, display_name, password, role, is_disabled, created, revision
    FROM account WHERE revision > ?1 ORDER BY revision LIMIT ?2";

impl Accounts for SqliteStore {
    fn add_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let Account { id, name, display_name, password, role, is_disabled, created, revision } = account;
        self.whole(|store| {
            let mut insert = store.connection.prepare_cached(ADD)?;
            let role = *role as i64;
            let params = params![id.0, name, display_name, password, role, is_disabled, millis(*created), revision];
            insert.execute(params).map_err(taken)?;
            store.execute(SETTLE_MEMBER, params![id.0])?;
            store.execute(SETTLE_BLOCKS, params![id.0]).map(drop)
        })
    }

    fn account(&self, id: &UserId) -> Result<Option<Account>, StoreError> {
        self.one_account(BY_ID, params![id.0])
    }

    fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.one_account(BY_NAME, params![name])
    }

    fn alter_account(&mut self, id: &UserId, alteration: &Alteration) -> Result<Account, StoreError> {
        let (password, role, is_disabled) = match alteration {
            Alteration::Password(password) => (Some(password), None, None),
            Alteration::Role(role) => (None, Some(*role as i64), None),
            Alteration::Disabled(is_disabled) => (None, None, Some(*is_disabled)),
        };
        self.whole(|store| {
            store.execute(ALTER, params![id.0, password, role, is_disabled])?;
            store.one_account(BY_ID, params![id.0])?.ok_or(StoreError::Unknown)
        })
    }

    fn accounts(&self, after: &str, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.several_accounts(BEHIND, params![after, count(limit)])
    }

    fn accounts_altered(&self, since: u64, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.several_accounts(ALTERED, params![since, count(limit)])
    }
}

impl SqliteStore {
    fn one_account(&self, sql: &'static str, params: impl Params) -> Result<Option<Account>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(params, account_at).optional()?)
    }

    fn several_accounts(&self, sql: &'static str, params: impl Params) -> Result<Vec<Account>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let accounts = statement.query_map(params, account_at)?;
        Ok(accounts.collect::<rusqlite::Result<_>>()?)
    }
}

fn account_at(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: UserId(row.get(0)?),
        name: row.get(1)?,
        display_name: row.get(2)?,
        password: row.get(3)?,
        role: one_of(&AccountRole::ALL, row.get(4)?)?,
        is_disabled: row.get(5)?,
        created: time_at(row, 6)?,
        revision: row.get(7)?,
    })
}
