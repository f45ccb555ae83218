//! `ip` and `cidr`: addresses and networks. (apiserver pkg/cel/library/ip.go and cidr.go, on Go's net/netip)
//!
//! As there, no zones, and no IPv4 addresses dressed as IPv6.

use std::net::{IpAddr, Ipv6Addr};

use cel::common::types::STRING_TYPE;
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env};

use super::slots::{Args, bool_of, failed, int_of, of, own, text, text_of};

mod ip {
    use std::net::IpAddr;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Ip(pub(super) IpAddr);
    super::super::slots::own_type!(Ip, "net.IP");

    pub(super) fn cel() -> cel::common::types::Type {
        super::of(&TYPE)
    }
}

mod cidr {
    use std::net::IpAddr;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Cidr {
        pub(super) address: IpAddr,
        pub(super) bits: u8,
    }
    super::super::slots::own_type!(Cidr, "net.CIDR");

    pub(super) fn cel() -> cel::common::types::Type {
        super::of(&TYPE)
    }
}

use cidr::Cidr;
use ip::Ip;

fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let dressed = matches!(address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some());
    (!dressed).then_some(address)
}

fn network(text: &str) -> Option<Cidr> {
    let (address_text, bits) = text.split_once('/')?;
    let address = address(address_text)?;
    let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    if !digits || (bits.len() > 1 && bits.starts_with('0')) {
        return None;
    }
    let bits: u8 = bits.parse().ok()?;
    (bits <= width(address)).then_some(Cidr { address, bits })
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The bits of an address behind a network's, all zero.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(four) & mask).into())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(six) & mask).into())
        }
    }
}

impl Cidr {
    fn has(self, address: IpAddr) -> bool {
        width(address) == width(self.address) && masked(address, self.bits) == masked(self.address, self.bits)
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(six) => six.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_global(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(four) if four.is_broadcast());
    !broadcast
        && !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !is_link_local(address)
}

/// As Go prints it: the longest run of zeros is left out, IPv4 within IPv6 is not written with dots.
fn printed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) if six.to_ipv4().is_some() => plain(six),
        IpAddr::V6(six) => six.to_string(),
    }
}

/// Rust prints `::1.2.3.4` where Go prints `::102:304`.
fn plain(six: Ipv6Addr) -> String {
    let [.., high, low] = six.segments();
    match (high, low) {
        (0, 0) => "::".to_owned(),
        (0, low) => format!("::{low:x}"),
        (high, low) => format!("::{high:x}:{low:x}"),
    }
}

fn ip_of(args: &Args<'_, '_>, at: usize) -> Result<IpAddr, cel::ExecutionError> {
    match own::<Ip>(args, at) {
        Ok(ip) => Ok(ip.0),
        Err(_) => address(text(args, at)?).ok_or_else(|| failed("ip", "no IP address")),
    }
}

fn cidr_of(args: &Args<'_, '_>, at: usize) -> Result<Cidr, cel::ExecutionError> {
    match own::<Cidr>(args, at) {
        Ok(cidr) => Ok(*cidr),
        Err(_) => network(text(args, at)?).ok_or_else(|| failed("cidr", "no network")),
    }
}

/// A copy of a value of these types.
pub(super) fn kept(value: &dyn Val) -> Option<Box<dyn Val>> {
    let ip = value.downcast_ref::<Ip>().map(|value| Box::new(*value) as Box<dyn Val>);
    ip.or_else(|| value.downcast_ref::<Cidr>().map(|value| Box::new(*value) as Box<dyn Val>))
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("ip", "string_to_ip", vec![STRING_TYPE], |args| Ok(CowVal::owned(Ip(ip_of(&args, 0)?))))?;
    env.add_overload("isIP", "is_ip", vec![STRING_TYPE], |args| Ok(bool_of(address(text(&args, 0)?).is_some())))?;
    env.add_overload("ip.isCanonical", "ip_is_canonical", vec![STRING_TYPE], |args| {
        let text = text(&args, 0)?;
        let address = address(text).ok_or_else(|| failed("ip.isCanonical", "no IP address"))?;
        Ok(bool_of(printed(address) == text))
    })?;
    env.add_overload("string", "ip_to_string", vec![ip::cel()], |args| Ok(text_of(printed(ip_of(&args, 0)?))))?;
    env.add_member_overload("family", "ip_family", ip::cel(), vec![], |args| {
        Ok(int_of(if ip_of(&args, 0)?.is_ipv4() { 4 } else { 6 }))
    })?;
    env.add_member_overload("isUnspecified", "ip_is_unspecified", ip::cel(), vec![], |args| {
        Ok(bool_of(ip_of(&args, 0)?.is_unspecified()))
    })?;
    env.add_member_overload("isLoopback", "ip_is_loopback", ip::cel(), vec![], |args| {
        Ok(bool_of(ip_of(&args, 0)?.is_loopback()))
    })?;
    env.add_member_overload("isLinkLocalMulticast", "ip_is_link_local_multicast", ip::cel(), vec![], |args| {
        Ok(bool_of(is_link_local_multicast(ip_of(&args, 0)?)))
    })?;
    env.add_member_overload("isLinkLocalUnicast", "ip_is_link_local_unicast", ip::cel(), vec![], |args| {
        Ok(bool_of(is_link_local(ip_of(&args, 0)?)))
    })?;
    env.add_member_overload("isGlobalUnicast", "ip_is_global_unicast", ip::cel(), vec![], |args| {
        Ok(bool_of(is_global(ip_of(&args, 0)?)))
    })?;

    env.add_overload("cidr", "string_to_cidr", vec![STRING_TYPE], |args| Ok(CowVal::owned(cidr_of(&args, 0)?)))?;
    env.add_overload("isCIDR", "is_cidr", vec![STRING_TYPE], |args| Ok(bool_of(network(text(&args, 0)?).is_some())))?;
    env.add_overload("string", "cidr_to_string", vec![cidr::cel()], |args| {
        let Cidr { address, bits } = cidr_of(&args, 0)?;
        Ok(text_of(format!("{}/{bits}", printed(address))))
    })?;
    for (name, other) in [("ip", ip::cel()), ("string", STRING_TYPE)] {
        env.add_member_overload("containsIP", &format!("cidr_contains_ip_{name}"), cidr::cel(), vec![other], |args| {
            Ok(bool_of(cidr_of(&args, 0)?.has(ip_of(&args, 1)?)))
        })?;
    }
    for (name, other) in [("cidr", cidr::cel()), ("string", STRING_TYPE)] {
        env.add_member_overload(
            "containsCIDR",
            &format!("cidr_contains_cidr_{name}"),
            cidr::cel(),
            vec![other],
            |args| {
                let (outer, inner) = (cidr_of(&args, 0)?, cidr_of(&args, 1)?);
                Ok(bool_of(outer.bits <= inner.bits && outer.has(inner.address)))
            },
        )?;
    }
    env.add_member_overload("ip", "cidr_ip", cidr::cel(), vec![], |args| {
        Ok(CowVal::owned(Ip(cidr_of(&args, 0)?.address)))
    })?;
    env.add_member_overload("prefixLength", "cidr_prefix_length", cidr::cel(), vec![], |args| {
        Ok(int_of(i64::from(cidr_of(&args, 0)?.bits)))
    })?;
    env.add_member_overload("masked", "cidr_masked", cidr::cel(), vec![], |args| {
        let Cidr { address, bits } = cidr_of(&args, 0)?;
        Ok(CowVal::owned(Cidr { address: masked(address, bits), bits }))
    })
}
