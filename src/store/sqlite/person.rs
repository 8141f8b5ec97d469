use rusqlite::Row;
use rusqlite::params;

use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Block;
use crate::store::BlockId;
use crate::store::BuriedFamily;
use crate::store::DeviceId;
use crate::store::Family;
use crate::store::People;
use crate::store::ReportId;
use crate::store::Sanction;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::sqlite::failure::taken;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::one_of;
use crate::store::sqlite::value::optional_millis;
use crate::store::sqlite::value::optional_time_at;
use crate::store::sqlite::value::party_at;
use crate::store::sqlite::value::time_at;

/// A number of `ban.kind`.
const USER: i64 = 0;
/// A number of `ban.kind`.
const DEVICE: i64 = 1;
/// A number of `ban.kind`.
const NETWORK: i64 = 2;

const ADD_BLOCK: &str = "INSERT INTO block (id, owner_user, owner_device, user, device, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (owner_user, user) DO NOTHING";

const PUT_BAN: &str = "INSERT INTO ban (id, kind, banned, reason, moderator, at, until, sanction, report)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET kind = excluded.kind,
    banned = excluded.banned, reason = excluded.reason, moderator = excluded.moderator, at = excluded.at,
    until = excluded.until, sanction = excluded.sanction, report = excluded.report";

const PUT_FAMILY: &str = "INSERT INTO family (lookup, id, subject, secret_hash, expires, account)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET id = excluded.id, subject = excluded.subject,
    secret_hash = excluded.secret_hash, expires = excluded.expires, account = excluded.account";

const BURY: &str = "INSERT INTO buried_family (id, until) VALUES (?1, ?2)
    ON CONFLICT DO UPDATE SET until = excluded.until";

impl People for SqliteStore {
    fn add_block(&mut self, block: &Block) -> Result<bool, StoreError> {
        let Block { id, owner, whom, at } = block;
        let mut insert = self.connection.prepare_cached(ADD_BLOCK)?;
        let devices = [owner, whom].map(|party| party.device.as_ref().map(|device| &device.0));
        let added = insert
            .execute(params![id.0, owner.user.0, devices[0], whom.user.0, devices[1], millis(*at)])
            .map_err(taken)?;
        Ok(added > 0)
    }

    fn remove_block(&mut self, owner: &UserId, id: &BlockId) -> Result<Option<Block>, StoreError> {
        let sql = "DELETE FROM block WHERE id = ?1 AND owner_user = ?2
            RETURNING id, owner_user, owner_device, user, device, at";
        let mut statement = self.connection.prepare_cached(sql)?;
        // All of the rows: a statement that is not run to its end may not have done its work.
        let removed = statement.query_map(params![id.0, owner.0], block_at)?;
        Ok(removed.collect::<rusqlite::Result<Vec<_>>>()?.pop())
    }

    fn blocks(&self, owner: &UserId, limit: usize) -> Result<Vec<Block>, StoreError> {
        let sql = "SELECT id, owner_user, owner_device, user, device, at FROM block WHERE owner_user = ?1
            ORDER BY at DESC, id DESC LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let blocks = statement.query_map(params![owner.0, count(limit)], block_at)?;
        Ok(blocks.collect::<rusqlite::Result<_>>()?)
    }

    fn each_block(&self, visit: &mut dyn FnMut(Block)) -> Result<(), StoreError> {
        let sql = "SELECT id, owner_user, owner_device, user, device, at FROM block";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(block_at(row)?);
        }
        Ok(())
    }

    fn put_ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        let Ban { id, banned, sanction, reason, by, report, at, until } = ban;
        let (kind, banned) = match banned {
            Banned::User(user) => (USER, &user.0),
            Banned::Device(device) => (DEVICE, &device.0),
            Banned::Network(network) => (NETWORK, network),
        };
        let (sanction, report) = (*sanction as i64, report.as_ref().map(|report| &report.0));
        let (at, until) = (millis(*at), optional_millis(*until));
        let params = params![id.0, kind, banned, reason, by.0, at, until, sanction, report];
        self.execute(PUT_BAN, params).map(drop)
    }

    fn remove_ban(&mut self, id: &BanId) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM ban WHERE id = ?1", params![id.0])? > 0)
    }

    fn each_ban(&self, visit: &mut dyn FnMut(Ban)) -> Result<(), StoreError> {
        let sql = "SELECT id, kind, banned, reason, moderator, at, until, sanction, report FROM ban";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let banned = match row.get(1)? {
                USER => Banned::User(UserId(row.get(2)?)),
                DEVICE => Banned::Device(DeviceId(row.get(2)?)),
                _ => Banned::Network(row.get(2)?),
            };
            visit(Ban {
                id: BanId(row.get(0)?),
                banned,
                reason: row.get(3)?,
                by: UserId(row.get(4)?),
                at: time_at(row, 5)?,
                until: optional_time_at(row, 6)?,
                sanction: one_of(&Sanction::ALL, row.get(7)?)?,
                report: row.get::<_, Option<_>>(8)?.map(ReportId),
            });
        }
        Ok(())
    }

    fn put_family(&mut self, family: &Family) -> Result<(), StoreError> {
        let Family { lookup, id, subject, secret_hash, expires, account } = family;
        self.execute(PUT_FAMILY, params![lookup, id, subject, secret_hash, millis(*expires), account]).map(drop)
    }

    fn remove_family(&mut self, lookup: &[u8; 16]) -> Result<(), StoreError> {
        self.execute("DELETE FROM family WHERE lookup = ?1", params![lookup]).map(drop)
    }

    fn each_family(&self, visit: &mut dyn FnMut(Family)) -> Result<(), StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT lookup, id, subject, secret_hash, expires, account FROM family")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(Family {
                lookup: row.get(0)?,
                id: row.get(1)?,
                subject: row.get(2)?,
                secret_hash: row.get(3)?,
                expires: time_at(row, 4)?,
                account: row.get(5)?,
            });
        }
        Ok(())
    }

    fn bury_family(&mut self, family: &BuriedFamily) -> Result<(), StoreError> {
        self.execute(BURY, params![family.id, millis(family.until)]).map(drop)
    }

    fn each_buried_family(&self, visit: &mut dyn FnMut(BuriedFamily)) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT id, until FROM buried_family")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(BuriedFamily { id: row.get(0)?, until: time_at(row, 1)? });
        }
        Ok(())
    }
}

pub(super) fn block_at(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block { id: BlockId(row.get(0)?), owner: party_at(row, 1)?, whom: party_at(row, 3)?, at: time_at(row, 5)? })
}
