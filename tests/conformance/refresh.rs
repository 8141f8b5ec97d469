//! Requests that need an allocation, and Refresh. RFC 8656 §5, §8.
use crate::packet::*;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::not_offered;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen(
        "70",
        "8656 §5",
        "Refresh, CreatePermission, ChannelBind without allocation: 437, signed",
        Over::All,
        no_allocation,
    ),
    Statement::seen("71", "8656 §5", "the same by another valid user: 441", Over::All, other_user),
    Statement::seen(
        "72",
        "8656 §11.2",
        "Send and ChannelData without allocation: dropped",
        Over::All,
        data_without_allocation,
    ),
    Statement::seen("73", "8656 §8.2", "LIFETIME 0 deletes and says 0; a repeat is 437", Over::All, delete),
    Statement::seen(
        "74",
        "8656 §8.2",
        "other lifetimes are kept between 600 s and the maximum, and told",
        Over::All,
        lifetimes,
    ),
    Statement::seen(
        "75",
        "8656 §8.2",
        "another family: 443; one of two with LIFETIME 0: that one only",
        Over::All,
        family,
    ),
    Statement::seen("76", "8656 §8.2", "with the allocation go permissions, channels and socket", Over::All, gone)
        .also(&[
            "src/relay/tests/data.rs::an_expired_allocation_carries_nothing_although_nobody_has_freed_it",
            "src/relay/tests/deadlines.rs::a_deadline_frees_what_expired_and_leaves_the_rest",
        ]),
];

fn no_allocation(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let key = client.key();
    let peer = scene.somebody();
    let requests = [
        Packet::new(REFRESH),
        Packet::new(CREATE_PERMISSION).peer(peer),
        Packet::new(CHANNEL_BIND).channel(0x4000).peer(peer),
    ];
    for request in requests {
        let what = format!("{:#06x}", request.ty());
        let answer = client.expect(437, &what, request)?;
        ensure(answer.is_signed(&key), format!("the 437 to {what} is not signed"))?;
    }
    Ok(())
}

fn other_user(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    let peer = scene.somebody();
    let other = scene.target.user();
    ensure(other.name != client.user.name, "there is one user only").map_err(|_| not_offered("a second user"))?;
    let mine = std::mem::replace(&mut client.user, other);
    client.refresh(441, "Refresh", 0)?;
    client.permit(441, "CreatePermission", &[peer])?;
    client.bind(441, "ChannelBind", 0x4000, peer)?;
    client.user = mine;
    client.refresh(0, "it is still the first one's", 600)?;
    Ok(())
}

fn data_without_allocation(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let peer = scene.peer()?;
    let send = Packet::new(SEND).peer(peer.addr).attr(DATA, b"stray");
    client.ignored("Send", &send.0)?;
    let channel = client.channel_frame(0x4000, b"stray");
    client.ignored("ChannelData", &channel)
}

fn delete(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    let answer = client.refresh(0, "Refresh", 0)?;
    same("LIFETIME", answer.u32(LIFETIME), Some(0))?;
    client.refresh(437, "a second one", 0)?;
    client.allocate(Packet::allocate())?;
    Ok(())
}

fn lifetimes(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    for (asked, granted) in [(1, 600), (600, 600), (1800, 1800), (u32::MAX, 3600)] {
        let what = format!("LIFETIME {asked}");
        let answer = client.refresh(0, &what, asked)?;
        same(&what, answer.u32(LIFETIME), Some(granted))?;
    }
    let answer = client.expect(0, "no LIFETIME", Packet::new(REFRESH))?;
    same("no LIFETIME", answer.u32(LIFETIME), Some(600))
}

fn family(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = scene.allocated()?;
    client.expect(443, "Refresh of IPv6", Packet::new(REFRESH).byte(FAMILY, 2).u32(LIFETIME, 0))?;
    client.expect(0, "Refresh of IPv4", Packet::new(REFRESH).byte(FAMILY, 1))?;

    let mut client = scene.client()?;
    let (answer, _) = client.allocate(Packet::allocate().byte(SECOND_FAMILY, 2))?;
    let [four, six] = answer.addresses(RELAYED)[..] else { return Err(not_offered("no second family")) };
    let (near, far) = (scene.peer()?, scene.peer_v6()?);
    client.permit(0, "a peer of each family", &[near.addr, far.addr])?;
    client.expect(0, "the end of IPv4", Packet::new(REFRESH).byte(FAMILY, 1).u32(LIFETIME, 0))?;
    client.indicate(near.addr, b"late")?;
    client.indicate(far.addr, b"six")?;
    far.hears(six, b"six")?;
    client.permit(443, "a permission for IPv4", &[near.addr])?;
    client.expect(443, "the end of IPv4 again", Packet::new(REFRESH).byte(FAMILY, 1).u32(LIFETIME, 0))?;
    client.refresh(0, "IPv6 lives", 600)?;
    near.say(four, b"late")?;
    far.say(six, b"back")?;
    same("what comes", client.data()?, crate::client::Data::Indication(far.addr, b"back".to_vec()))?;
    client.expect(0, "the end of IPv6", Packet::new(REFRESH).byte(FAMILY, 2).u32(LIFETIME, 0))?;
    client.refresh(437, "nothing is left", 600)?;
    Ok(())
}

fn gone(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, old) = scene.allocated()?;
    let peer = scene.peer()?;
    client.bind(0, "ChannelBind", 0x4000, peer.addr)?;
    client.refresh(0, "Refresh", 0)?;
    peer.say(old, b"late")?;
    ensure(client.frame(crate::client::SILENCE)?.is_none(), "a peer is still heard")?;
    let late = client.channel_frame(0x4000, b"late");
    client.ignored("ChannelData", &late)?;
    client.ignored("Send", &Packet::new(SEND).peer(peer.addr).attr(DATA, b"late").0)?;
    // A new allocation of the same client has nothing of the old one.
    let (_, relayed) = client.allocate(Packet::allocate())?;
    client.ignored("ChannelData on a new allocation", &late)?;
    client.ignored("Send on a new allocation", &Packet::new(SEND).peer(peer.addr).attr(DATA, b"late").0)?;
    client.permit(0, "a permission", &[peer.addr])?;
    client.indicate(peer.addr, b"new")?;
    peer.hears(relayed, b"new")
}
