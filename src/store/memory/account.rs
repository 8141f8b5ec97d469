use std::collections::BTreeMap;

use crate::store::Account;
use crate::store::Accounts;
use crate::store::Alteration;
use crate::store::MemoryStore;
use crate::store::StoreError;
use crate::store::UserId;

/// Accounts by user.
pub(super) type AccountBook = BTreeMap<UserId, Account>;

impl Accounts for MemoryStore {
    fn add_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let is_same = |one: &Account| one.id == account.id || one.name == account.name;
        if self.accounts.values().any(is_same) {
            return Err(StoreError::Taken);
        }
        self.accounts.insert(account.id.clone(), account.clone());
        self.rooms.settle(&account.id);
        self.persons.settle(&account.id);
        Ok(())
    }

    fn account(&self, id: &UserId) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts.get(id).cloned())
    }

    fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts.values().find(|account| *account.name == *name).cloned())
    }

    fn alter_account(&mut self, id: &UserId, alteration: &Alteration) -> Result<Account, StoreError> {
        let last = self.accounts.values().map(|account| account.revision).max().unwrap_or(0);
        let last = last.max(self.erasures.greatest_revision);
        let account = self.accounts.get_mut(id).ok_or(StoreError::Unknown)?;
        match alteration {
            Alteration::Password(password) => account.password = password.clone(),
            Alteration::Role(role) => account.role = *role,
            Alteration::Disabled(is_disabled) => account.is_disabled = *is_disabled,
        }
        account.revision = last + 1;
        Ok(account.clone())
    }

    fn accounts(&self, after: &str, limit: usize) -> Result<Vec<Account>, StoreError> {
        let behind = self.accounts.values().filter(|account| *account.name > *after);
        let mut accounts: Vec<Account> = behind.cloned().collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        accounts.truncate(limit);
        Ok(accounts)
    }

    fn accounts_altered(&self, since: u64, limit: usize) -> Result<Vec<Account>, StoreError> {
        let mut accounts: Vec<Account> =
            self.accounts.values().filter(|account| account.revision > since).cloned().collect();
        accounts.sort_by_key(|account| account.revision);
        accounts.truncate(limit);
        Ok(accounts)
    }
}
